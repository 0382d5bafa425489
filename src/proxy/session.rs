//! A session from accept to relay: handshake, declaration, authentication, upstream, greeting.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant as StdInstant;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use uuid::Uuid;

use super::authenticate::{Authenticated, authenticate};
use super::client::Client;
use super::declare::{Declared, declare};
use super::handshake::{Handshake, handshake};
use super::leg::Leg;
use super::looking::Looking;
use super::port::Port;
use super::recorder::Recorder;
use super::refuse::{Refusal, authentication_failed};
use super::registry::{CancelGuard, CancelTarget, Places};
use super::relay::Relay;
use super::worker::{Entered, Loaded, Worker};
use crate::audit::{Event, EventKind, Place, Who};
use crate::config::{ClientAuth, Entry};
use crate::gate::{Asked, Beginning, Gate};
use crate::net::{Peer, Stream, random_bytes};
use crate::observe::SessionGuard;
use crate::policy::{Denial, Rule};
use crate::protocol::message;
use crate::sql::catalog::{Options, Path};
use crate::upstream::{self, Connection, GuardBy, Login, Request, TagsBy};

/// Serves one accepted connection to its end.
pub(super) async fn serve_client(worker: Rc<Worker>, stream: Stream, peer: Peer) {
    let open = worker.metrics.session();
    let loaded = worker.shared.loaded();
    let began = StdInstant::now();
    let login_timeout = loaded.config.server.login_timeout;
    let limits = loaded.config.server.limits;
    let place = worker.shared.counts.connection(&limits, peer.address.map(|at| at.ip()));
    let shaken = timeout(login_timeout, handshake(stream, peer, &loaded.config.server)).await;
    let client = match shaken {
        Ok(Ok(Handshake::Startup(client))) => client,
        Ok(Ok(Handshake::Cancel { process_id, key, stream })) => {
            cancel(&worker, process_id, &key).await;
            drop(stream);
            return;
        }
        Ok(Ok(Handshake::Closed)) => return,
        Ok(Err(error)) => return tracing::info!(client = %peer, %error, "handshake failed"),
        Err(_) => return tracing::info!(client = %peer, "handshake took too long"),
    };
    let mut newcomer = Newcomer::new(worker, loaded, client);
    let places = match place {
        Ok(places) => places,
        Err(denial) => return newcomer.refuse(*denial).await,
    };
    let begun = match timeout(login_timeout, newcomer.begin(places)).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(refusal)) => return newcomer.answer(refusal).await,
        Err(_) => return tracing::info!(client = %peer, "login took too long"),
    };
    newcomer.worker.metrics.login(began.elapsed());
    newcomer.relay(begun, open).await;
}

/// Passes a cancel request on to the connection that runs the session's statements.
async fn cancel(worker: &Worker, process_id: i32, key: &Bytes) {
    let Some(CancelTarget(token)) = worker.shared.cancel_keys.find(process_id, key) else {
        return tracing::info!(process_id, "cancel request for no session of this proxy");
    };
    if let Err(error) = token.cancel().await {
        tracing::warn!(process_id, %error, "cancel request could not be passed on");
    }
}

/// A session that can be relayed.
struct Begun {
    declared: Declared,
    connection: Connection,
    guards: Guards,
    cancel_key: Bytes,
}

/// What is given back when the session ends.
struct Guards {
    _cancel: Option<CancelGuard>,
    _places: Places,
}

/// A session's task. Written by hand: an async block would keep room for the relay twice, once as
/// what it captured and once as what it awaits.
struct Running {
    relay: Relay,
    peer: Peer,
    /// Given back when the session ends.
    _kept: (Entered, Guards, SessionGuard),
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let running = &mut *self;
        let ended = ready!(Pin::new(&mut running.relay).poll(cx));
        if let Err(error) = ended {
            tracing::debug!(client = %running.peer, %error, "session broke");
        }
        Poll::Ready(())
    }
}

/// A client on its way to a session.
pub(super) struct Newcomer {
    pub(super) worker: Rc<Worker>,
    loaded: Arc<Loaded>,
    pub(super) client: Box<Client>,
    session: Uuid,
    pub(super) place: Place,
}

impl Newcomer {
    fn new(worker: Rc<Worker>, loaded: Arc<Loaded>, client: Box<Client>) -> Self {
        let place = Place { database: Some(client.startup.database.clone()), ..Place::default() };
        Newcomer { worker, loaded, client, session: Uuid::now_v7(), place }
    }

    pub(super) fn who(&self) -> Who {
        let name = self.client.startup.setting("application_name");
        Who {
            user: Some(self.client.startup.user.clone()),
            application_name: name.map(|name| name.text().into_owned()),
            client: Some(self.client.peer.to_string()),
            session: Some(self.session.to_string()),
        }
    }

    async fn begin(&mut self, mut places: Places) -> Result<Begun, Refusal> {
        let loaded = self.loaded.clone();
        let startup = self.client.startup.clone();
        let entry = loaded.config.entry(&startup.database).cloned();
        let relayed = entry.as_ref().is_some_and(|entry| entry.auth == ClientAuth::Relay);
        let mut proven = None;
        if !relayed {
            let found =
                authenticate(&mut self.client, entry.as_deref(), &loaded.config, &loaded.secrets);
            proven = Some(found.await.map_err(Refusal::Unproven)?);
        }
        let Some(entry) = entry else { return Err(authentication_failed(&startup.user).into()) };
        places.session(&loaded.config.server.limits, &startup.user, &entry.name)?;
        self.may_open(&entry, relayed)?;
        let declared = declare(&loaded.config, &entry, &startup, self.worker.now())?;
        self.placed(&declared);
        let connection = self.connect(&entry, &declared, proven.as_ref()).await?;
        let (guard, cancel_key) = self.cancel_key(&connection)?;
        Ok(Begun {
            declared,
            connection,
            guards: Guards { _cancel: guard, _places: places },
            cancel_key,
        })
    }

    /// What an entry says about users and kinds of connection.
    fn may_open(&self, entry: &Entry, relayed: bool) -> Result<(), Box<Denial>> {
        let startup = &self.client.startup;
        let listed = entry.users.as_ref().is_none_or(|users| users.contains(&startup.user));
        if relayed && !listed {
            return Err(authentication_failed(&startup.user));
        }
        if startup.replication.is_some() && !entry.replication {
            return Err(Box::new(Denial::new(
                Rule::ReplicationRefused,
                format!("replication connections are not allowed on entry \"{}\"", entry.name),
                "a staging or replica entry may say replication = true",
            )));
        }
        Ok(())
    }

    fn placed(&mut self, declared: &Declared) {
        let upstream = &declared.upstream;
        self.place.upstream = Some(upstream.name.clone());
        self.place.authority = Some(upstream.declaration.authority.as_str());
        self.place.role = Some(upstream.declaration.role.as_str());
        self.place.env = Some(upstream.declaration.environment.as_str());
        self.place.task = declared.parameters.task.get().as_deref().map(str::to_owned);
    }

    async fn connect(
        &mut self,
        entry: &Entry,
        declared: &Declared,
        proven: Option<&Authenticated>,
    ) -> Result<Connection, Refusal> {
        let startup = self.client.startup.clone();
        let endpoint = &declared.upstream.endpoint;
        let database = if entry.wildcard { &startup.database } else { &endpoint.dbname };
        let options = startup.options(|_| true).map_err(|error| {
            Box::new(Denial::new(
                Rule::ParameterInvalid,
                format!("invalid command-line argument for server process: {error}"),
                "write options as -c name=value",
            ))
        })?;
        let mut request = Request::from_startup(&startup, database.as_bytes());
        request.guarded = declared.policy.guarded;
        request.options = Some(&options[..]).filter(|options| !options.is_empty());
        let began = StdInstant::now();
        let user = startup.user.as_bytes();
        let login = match proven {
            None => Login::Relay { user, client: &mut *self.client },
            Some(Authenticated { keys: Some(keys), .. }) => Login::Keys { user, keys },
            Some(_) => Login::Own,
        };
        let opened = upstream::open(&declared.upstream, &request, login).await;
        let metrics = self.worker.metrics.upstream(&declared.upstream.name);
        match &opened {
            Ok(_) => metrics.connected(began.elapsed()),
            Err(_) => metrics.connect_failed(),
        }
        opened.map_err(Refusal::Upstream)
    }

    /// The key that cancels this session: the server's process id, so that NOTIFY still tells a
    /// client its own notifications, with random bytes of our own.
    fn cancel_key(&self, connection: &Connection) -> Result<(Option<CancelGuard>, Bytes), Refusal> {
        let long = self.client.startup.protocol_in_use().1 >= 2;
        for _ in 0..8 {
            let key = if long {
                Bytes::copy_from_slice(&random_bytes::<32>()?)
            } else {
                Bytes::copy_from_slice(&random_bytes::<4>()?)
            };
            let target = CancelTarget(connection.cancel_token());
            let registered =
                self.worker.shared.cancel_keys.register(connection.process_id, &key, target);
            if let Some(guard) = registered {
                return Ok((Some(guard), key));
            }
        }
        Err(Refusal::Gone(io::Error::other("no cancel key could be found")))
    }

    // -- the session --------------------------------------------------------------------------

    /// What the server would say at the start of a session, with the proxy's own key and tags.
    fn greeting(&self, begun: &Begun) -> BytesMut {
        let mut out = BytesMut::with_capacity(1024);
        let connection = &begun.connection;
        message::authentication_ok(&mut out);
        for notice in &connection.notices {
            out.extend_from_slice(notice);
        }
        let own_tags = connection.announced.is_none();
        for (name, value) in &connection.parameters {
            if !(own_tags && name.to_ascii_lowercase().starts_with(b"authority.")) {
                message::parameter_status(&mut out, &String::from_utf8_lossy(name), value);
            }
        }
        let declaration = connection.upstream.declaration;
        let values = [
            connection.upstream.name.as_str(),
            declaration.authority.as_str(),
            declaration.role.as_str(),
            declaration.environment.as_str(),
        ];
        for (tag, value) in crate::contract::parameter::TAGS.iter().zip(values) {
            message::parameter_status(&mut out, tag, value.as_bytes());
        }
        message::backend_key_data(&mut out, connection.process_id, &begun.cancel_key);
        message::ready_for_query(&mut out, b'I');
        out
    }

    async fn relay(mut self, mut begun: Begun, open: SessionGuard) {
        let greeting = self.greeting(&begun);
        if begun.declared.confirmed && self.record_confirmation(&begun).await.is_err() {
            let denial = Denial::new(
                Rule::AuditUnavailable,
                "session refused: it confirms, and the audit log cannot be written",
                "connect without a confirmation, or see to the audit log",
            );
            return self.refuse(denial).await;
        }
        if let Err(error) = self.client.send(&greeting).await {
            return tracing::info!(client = %self.client.peer, %error, "client left");
        }
        let Ok(nonce) = random_bytes::<12>() else { return };
        let connection = &begun.connection;
        begun.declared.policy.pooler = connection.pooler;
        begun.declared.policy.set_by_statement =
            connection.tags == TagsBy::Set || connection.guard == GuardBy::Set;
        let entered = self.worker.enter(
            &self.client.startup.database,
            &self.client.startup.user,
            &begun.declared.policy,
        );
        let reports = connection.parameters.iter().map(|(name, value)| {
            (
                String::from_utf8_lossy(name).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            )
        });
        let (lookups, looking) = self.lookups(connection).unzip();
        let gate = Gate::new(Beginning {
            policy: begun.declared.policy,
            parameters: begun.declared.parameters,
            reports: reports.collect(),
            search_path_doubtful: begun.declared.search_path_doubtful
                || connection.search_path.to_ascii_lowercase().contains("pg_temp"),
            signer: connection.signable.as_ref().map(|one| one.signer(self.worker.now())),
            lookups,
            replication: self.client.startup.replication.is_some(),
            nonce: nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
            max_statement_bytes: self.loaded.config.server.limits.max_statement_bytes,
        });
        let recorder =
            Recorder::new(self.worker.shared.audit.clone(), self.place.clone(), self.who());
        let metrics = self.worker.metrics.upstream(&connection.upstream.name);
        let Begun { connection, guards, .. } = begun;
        let (worker, peer) = (self.worker, self.client.peer);
        let client = Port::new(self.client.stream, BytesMut::new());
        let port = Port::new(connection.stream, connection.buffered);
        let leg = Leg { port, gate, metrics, looking };
        drop(self.loaded);
        let handle = entered.handle.clone();
        let relay = Relay::new(client, leg, worker, handle, recorder);
        // a task of its own: the login's state, ten times as large, is given back
        tokio::task::spawn_local(Running { relay, peer, _kept: (entered, guards, open) });
    }

    /// How routines are looked up: not on replication connections, which run no SQL, or little.
    fn lookups(&self, connection: &Connection) -> Option<(Asked, Box<Looking>)> {
        if self.client.startup.replication.is_some() {
            return None;
        }
        let upstream = &connection.upstream;
        let database = match self.loaded.config.entry(&self.client.startup.database) {
            Some(entry) if entry.wildcard => self.client.startup.database.as_bytes(),
            _ => upstream.endpoint.dbname.as_bytes(),
        };
        let user = std::str::from_utf8(&connection.user).ok();
        let asked = Asked {
            path: Path::of_setting(&connection.search_path, user),
            backstop: upstream.backstop.is_some(),
        };
        let options = Options {
            migration_tables: self.loaded.config.contract.migration_tables.clone(),
            trusted: upstream.trusted_routines.iter().map(|one| one.routine.clone()).collect(),
        };
        let slot = self.worker.shared.catalogs.slot(&upstream.name, database);
        Some((asked, Box::new(Looking::new(slot, options))))
    }

    /// `confirmation_set` for a confirmation in the startup packet.
    async fn record_confirmation(&self, begun: &Begun) -> Result<(), crate::audit::AuditError> {
        let parameters = &begun.declared.parameters;
        let event = Event {
            confirmed: Some(true),
            ticket: parameters.ticket.get().clone(),
            reason: Some("by the startup packet".to_owned()),
            ..Event::new(
                Uuid::now_v7(),
                EventKind::ConfirmationSet,
                Arc::new(self.place.clone()),
                Arc::new(self.who()),
            )
        };
        self.worker.shared.audit.record(event).await
    }
}
