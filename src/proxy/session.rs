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
use super::port::Port;
use super::recorder::Recorder;
use super::refuse::{Refusal, authentication_failed};
use super::registry::{CancelGuard, CancelTarget, Places};
use super::relay::Relay;
use super::worker::{Entered, Loaded, Worker};
use super::{split, starting};
use crate::audit::{Event, EventKind, Place, Who};
use crate::config::{ClientAuth, Entry};
use crate::net::{Peer, Stream, random_bytes};
use crate::observe::SessionGuard;
use crate::policy::{Denial, Rule};
use crate::upstream::{Connection, Login};

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
    match begun {
        Started::One(begun) => newcomer.relay(*begun, open).await,
        Started::Split(begun) => begun.serve(newcomer, open).await,
    }
}

/// Passes a cancel request on to the connection that runs the session's statements.
async fn cancel(worker: &Worker, process_id: i32, key: &Bytes) {
    let Some(target) = worker.shared.cancel_keys.find(process_id, key) else {
        return tracing::info!(process_id, "cancel request for no session of this proxy");
    };
    if let Err(error) = target.cancel().await {
        tracing::warn!(process_id, %error, "cancel request could not be passed on");
    }
}

/// A session that can be served.
enum Started {
    /// On one upstream.
    One(Box<Begun>),
    /// That reads on one and writes on another.
    Split(Box<split::Begun>),
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
    pub(super) loaded: Arc<Loaded>,
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

    async fn begin(&mut self, mut places: Places) -> Result<Started, Refusal> {
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
        let mut declared = declare(&loaded.config, &entry, &startup, self.worker.now())?;
        self.placed(&declared);
        if let Some(write) = declared.write.take() {
            let begun = split::begin(self, declared, write, proven, places).await?;
            return Ok(Started::Split(Box::new(begun)));
        }
        let connection = self.connect(&entry, &declared, proven.as_ref()).await?;
        let target = CancelTarget::One(connection.cancel_token());
        let (guard, cancel_key) = self.cancel_key(connection.process_id, &target)?;
        let guards = Guards { _cancel: guard, _places: places };
        Ok(Started::One(Box::new(Begun { declared, connection, guards, cancel_key })))
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
        let upstream = &declared.upstream;
        let database = if entry.wildcard { &startup.database } else { &upstream.endpoint.dbname };
        let user = startup.user.as_bytes();
        let login = match proven {
            None => Login::Relay { user, client: &mut *self.client },
            Some(Authenticated { keys: Some(keys), .. }) => Login::Keys { user, keys },
            Some(_) => Login::Own,
        };
        let guarded = declared.policy.guarded;
        starting::dial(&self.worker, &startup, upstream, database, guarded, login).await
    }

    /// The key that cancels this session: the server's process id, so that NOTIFY still tells a
    /// client its own notifications, with random bytes of our own.
    pub(super) fn cancel_key(
        &self,
        process_id: i32,
        target: &CancelTarget,
    ) -> Result<(Option<CancelGuard>, Bytes), Refusal> {
        let long = self.client.startup.protocol_in_use().1 >= 2;
        for _ in 0..8 {
            let key = if long {
                Bytes::copy_from_slice(&random_bytes::<32>()?)
            } else {
                Bytes::copy_from_slice(&random_bytes::<4>()?)
            };
            let registered =
                self.worker.shared.cancel_keys.register(process_id, &key, target.clone());
            if let Some(guard) = registered {
                return Ok((Some(guard), key));
            }
        }
        Err(Refusal::Gone(io::Error::other("no cancel key could be found")))
    }

    // -- the session --------------------------------------------------------------------------

    async fn relay(mut self, begun: Begun, open: SessionGuard) {
        let greeting = starting::greeting(&begun.connection, &begun.cancel_key);
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
        let law = starting::Law {
            policy: begun.declared.policy,
            parameters: begun.declared.parameters,
            search_path_doubtful: begun.declared.search_path_doubtful,
        };
        let Begun { connection, guards, .. } = begun;
        let startup = &self.client.startup;
        let leg = starting::leg(&self.worker, &self.loaded.config, startup, connection, law);
        let Ok(leg) = leg else { return };
        let policy = leg.gate.policy();
        let entered = self.worker.enter(&startup.database, &startup.user, policy);
        let recorder =
            Recorder::new(self.worker.shared.audit.clone(), self.place.clone(), self.who());
        let (worker, peer) = (self.worker, self.client.peer);
        let client = Port::new(self.client.stream, BytesMut::new());
        drop(self.loaded);
        let handle = entered.handle.clone();
        let relay = Relay::new(client, leg, worker, handle, recorder);
        // a task of its own: the login's state, ten times as large, is given back
        tokio::task::spawn_local(Running { relay, peer, _kept: (entered, guards, open) });
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
