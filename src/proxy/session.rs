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

use super::alike::Told;
use super::authenticate::{Authenticated, authenticate};
use super::client::{Client, hang_up};
use super::declare::{Declared, declare};
use super::ending::Finish;
use super::handshake::{Handshake, handshake};
use super::leg::Leg;
use super::moving::{self, Session};
use super::port::Port;
use super::recorder::Recorder;
use super::refuse::{Refusal, authentication_failed};
use super::registry::{CancelGuard, CancelTarget, Places};
use super::relay::Relay;
use super::worker::{Entered, Loaded, Worker};
use super::{split, starting};
use crate::audit::{Event, EventKind, Place, Who};
use crate::config::{ClientAuth, Entry};
use crate::contract::parameter;
use crate::net::{Peer, Stream, random_bytes};
use crate::observe::SessionGuard;
use crate::policy::{Denial, Rule};
use crate::protocol::Startup;
use crate::upstream::{Connection, Login, NoClient};

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
        Ok(Ok(Handshake::Cancel { process_id, key, mut stream })) => {
            cancel(&worker, process_id, &key).await;
            return hang_up(&mut stream).await;
        }
        Ok(Ok(Handshake::Closed)) => return,
        Ok(Err(error)) => return tracing::info!(client = %peer, %error, "handshake failed"),
        Err(_) => return tracing::info!(client = %peer, "handshake took too long"),
    };
    let mut newcomer = Newcomer::new(worker, loaded, client);
    let mut places = match place {
        Ok(places) => places,
        Err(denial) => return newcomer.refuse(*denial).await,
    };
    let begun = timeout(login_timeout, newcomer.begin(&mut places)).await;
    let keyed = begun.map(|begun| begun.and_then(|begun| Ok((newcomer.key(&begun.0)?, begun))));
    let ((cancel, key), (started, origin)) = match keyed {
        Ok(Ok(begun)) => begun,
        Ok(Err(refusal)) => return newcomer.answer(refusal).await,
        Err(_) => {
            tracing::info!(client = %peer, "login took too long");
            return hang_up(&mut newcomer.client.stream).await;
        }
    };
    newcomer.worker.metrics.login(began.elapsed());
    let kept = Kept { cancel, _places: places, _open: open };
    match started {
        Started::One(begun) => newcomer.relay(*begun, origin, key, kept).await,
        Started::Split(begun) => newcomer.relay_split(*begun, key, kept).await,
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
}

/// What is given back when the session ends, wherever it has moved to.
pub(super) struct Kept {
    pub(super) cancel: CancelGuard,
    _places: Places,
    _open: SessionGuard,
}

/// Whose session it is, and what it asked for.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) startup: Startup,
    pub(super) peer: Peer,
    session: Uuid,
    /// `None`: the upstream itself has authenticated the client.
    pub(super) proven: Option<Rc<Authenticated>>,
    /// What its client was told first of the parameters that it reads and writes values by: so it is
    /// wherever the session goes.
    pub(super) told: Rc<[Told]>,
}

impl Origin {
    pub(super) fn who(&self) -> Who {
        who(&self.startup, self.peer, self.session)
    }

    /// How the proxy itself logs in for the client.
    pub(super) fn login(&self) -> Login<'_, NoClient> {
        match self.proven.as_deref() {
            Some(Authenticated { keys: Some(keys), .. }) => {
                Login::Keys { user: self.startup.user.as_bytes(), keys }
            }
            _ => Login::Own,
        }
    }

    /// The entry as it is declared now, if it would still let the session in: a login that the proxy
    /// makes for a session under way is a new one.
    pub(super) fn readmit(&self, loaded: &Loaded) -> Result<Arc<Entry>, Box<Denial>> {
        let name = &self.startup.database;
        let refuse = |message: String, hint: &str| {
            Err(Box::new(Denial::new(Rule::TaskChange, message, hint.to_owned())))
        };
        let Some(entry) = loaded.config.entry(name) else {
            let message = format!("entry \"{name}\" is not declared any more");
            return refuse(message, "connect again, to another entry");
        };
        let proven = self.proven.as_deref();
        match proven.is_some_and(|one| one.still_opens(entry, &loaded.config, &loaded.secrets)) {
            true => Ok(entry.clone()),
            false => refuse(
                format!(
                    "entry \"{name}\" does not let user \"{}\" in as it did when the session began",
                    self.startup.user
                ),
                "connect again: what the configuration says of the user or the entry has changed",
            ),
        }
    }

    /// A confirmation is for the place where the session began.
    pub(super) fn without_confirmation(&self) -> Rc<Origin> {
        let mut origin = self.clone();
        let confirms = |name: &[u8]| name.eq_ignore_ascii_case(parameter::CONFIRM.as_bytes());
        origin.startup.settings.retain(|setting| !setting.is(parameter::CONFIRM));
        origin.startup.parameters.retain(|(name, _)| !confirms(name));
        Rc::new(origin)
    }
}

fn who(startup: &Startup, peer: Peer, session: Uuid) -> Who {
    let name = startup.setting("application_name");
    Who {
        user: Some(startup.user.clone()),
        application_name: name.map(|name| name.text().into_owned()),
        client: Some(peer.to_string()),
        session: Some(session.to_string()),
    }
}

/// Where a session is, as its startup packet and its declarations say.
pub(super) fn placed(startup: &Startup, declared: &Declared) -> Place {
    let upstream = &declared.upstream;
    Place {
        database: Some(startup.database.clone()),
        upstream: Some(upstream.name.clone()),
        authority: Some(upstream.declaration.authority.as_str()),
        role: Some(upstream.declaration.role.as_str()),
        env: Some(upstream.declaration.environment.as_str()),
        task: declared.parameters.task.get().as_deref().map(str::to_owned),
    }
}

/// A session on one upstream.
pub(super) struct One {
    pub(super) relay: Relay,
    peer: Peer,
    /// `None`: it cannot move.
    pub(super) origin: Option<Rc<Origin>>,
    pub(super) kept: Option<Kept>,
    _entered: Entered,
}

impl One {
    /// `generation`: of the configuration that the leg's law was made from.
    pub(super) fn new(
        worker: &Rc<Worker>,
        (leg, generation): (Leg, u64),
        client: Port,
        place: Place,
        origin: Rc<Origin>,
    ) -> One {
        let Startup { database, user, .. } = &origin.startup;
        let policy = leg.gate.policy();
        let may_move = policy.routed && policy.movable;
        let entered = worker.enter((database, user), policy, generation);
        let recorder = Recorder::new(worker.shared.audit.clone(), place, origin.who());
        let handle = entered.handle.clone();
        let relay = Relay::new(client, leg, worker.clone(), handle, recorder);
        let peer = origin.peer;
        let origin = may_move.then_some(origin);
        One { relay, peer, origin, kept: None, _entered: entered }
    }

    /// Serves the client, as a task of its own: the login's state, ten times as large, is given
    /// back.
    pub(super) fn spawn(self) {
        tokio::task::spawn_local(Running(Some(self)));
    }
}

/// A session's task. Written by hand: an async block would keep room for the relay twice, once as
/// what it captured and once as what it awaits.
struct Running(Option<One>);

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(one) = &mut self.0 else { return Poll::Ready(()) };
        match ready!(Pin::new(&mut one.relay).poll(cx)) {
            Ok(Finish::Over) => {}
            Ok(Finish::Moves) => {
                if let Some(one) = self.0.take() {
                    tokio::task::spawn_local(moving::go(Session::One(Box::new(one))));
                }
            }
            Err(error) => tracing::debug!(client = %one.peer, %error, "session broke"),
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
        who(&self.client.startup, self.client.peer, self.session)
    }

    async fn begin(&mut self, places: &mut Places) -> Result<(Started, Rc<Origin>), Refusal> {
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
        let mut declared = declare(&loaded.config, &entry, &startup, self.worker.now(), None)?;
        self.place = placed(&startup, &declared);
        let peer = self.client.peer;
        let proven = proven.map(Rc::new);
        let origin =
            Rc::new(Origin { startup, peer, session: self.session, proven, told: Rc::default() });
        let place = self.place.clone();
        if let Some(write) = declared.write.take() {
            let begun = split::begin(&self.worker, &loaded, &origin, place, declared, write);
            return Ok((Started::Split(Box::new(begun.await?)), origin));
        }
        let user = origin.startup.user.as_bytes();
        let login = match origin.proven.as_deref() {
            None => Login::Relay { user, client: &mut *self.client },
            Some(Authenticated { keys: Some(keys), .. }) => Login::Keys { user, keys },
            Some(_) => Login::Own,
        };
        let connection = starting::connect(&self.worker, &origin, &entry, &declared, login).await?;
        let origin = origin.greeted(&connection.parameters);
        Ok((Started::One(Box::new(Begun { declared, connection })), origin))
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

    fn key(&self, started: &Started) -> Result<(CancelGuard, Bytes), Refusal> {
        match started {
            Started::One(begun) => {
                let target = CancelTarget::One(begun.connection.cancel_token());
                self.cancel_key(begun.connection.process_id, &target)
            }
            Started::Split(begun) => self.cancel_key(begun.process_id(), &begun.target()),
        }
    }

    /// The key that cancels this session: the server's process id, so that NOTIFY still tells a
    /// client its own notifications, with random bytes of our own.
    fn cancel_key(
        &self,
        process_id: i32,
        target: &CancelTarget,
    ) -> Result<(CancelGuard, Bytes), Refusal> {
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
                return Ok((guard, key));
            }
        }
        Err(Refusal::Gone(io::Error::other("no cancel key could be found")))
    }

    // -- the session --------------------------------------------------------------------------

    async fn relay(mut self, begun: Begun, origin: Rc<Origin>, cancel_key: Bytes, kept: Kept) {
        let greeting = starting::greeting(&begun.connection, &cancel_key);
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
        let law = begun.declared.into();
        let (config, startup) = (&self.loaded.config, &origin.startup);
        let leg = starting::leg(&self.worker, config, startup, begun.connection, law);
        let Ok(leg) = leg else { return };
        let client = Port::new(self.client.stream, BytesMut::new());
        let mut one =
            One::new(&self.worker, (leg, self.loaded.generation), client, self.place, origin);
        one.kept = Some(kept);
        one.spawn();
    }

    async fn relay_split(mut self, begun: split::Begun, cancel_key: Bytes, kept: Kept) {
        let greeting = begun.greeting(&cancel_key);
        if let Err(error) = self.client.send(&greeting).await {
            return tracing::info!(client = %self.client.peer, %error, "client left");
        }
        match begun.session(self.client.stream) {
            Ok(mut split) => {
                *split.kept() = Some(kept);
                tokio::task::spawn_local(split.run());
            }
            Err(error) => tracing::error!(%error, "no leg could be started"),
        }
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
