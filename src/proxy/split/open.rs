//! The start of a split session, and of each of its legs.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::leg::{Leg, Server};
use super::run::unsupported;
use super::{Block, End, Protocol, Split};
use crate::audit::{Place, Who};
use crate::config::Upstream;
use crate::net::Stream;
use crate::policy::{Denial, Rule};
use crate::protocol::Startup;
use crate::proxy::alike;
use crate::proxy::declare::{Declared, Lasting};
use crate::proxy::port::Port;
use crate::proxy::recorder::Recorder;
use crate::proxy::refuse::Refusal;
use crate::proxy::registry::{CancelTarget, SplitCancel};
use crate::proxy::relay::Relay;
use crate::proxy::session::{Kept, Origin};
use crate::proxy::starting::{self, Law};
use crate::proxy::tidings::Tidings;
use crate::proxy::worker::{Entered, Loaded, Worker};
use crate::session::Parameters;
use crate::split::{Journal, Names, Side, Temporary};
use crate::upstream::Connection;

/// What the legs of a session are opened with.
pub(in crate::proxy) struct Ground {
    pub(super) worker: Rc<Worker>,
    loaded: Arc<Loaded>,
    pub(super) origin: Rc<Origin>,
    pub(super) place: Place,
    pub(super) who: Who,
    upstreams: [Arc<Upstream>; 2],
    policies: [crate::policy::Policy; 2],
    /// The configuration that the law was made from.
    followed: u64,
    pub(super) parameters: Parameters,
    search_path_doubtful: bool,
    pub(super) cancel: Arc<SplitCancel>,
    /// Under which the splitter is woken for a drain.
    pub(super) entered: Option<Entered>,
    /// The process id that the client knows; 0: that of the first leg.
    process_id: i32,
    drain_told: Cell<(bool, bool)>,
    pub(super) kept: Option<Kept>,
}

impl Ground {
    /// The upstream's name.
    pub(super) fn name(&self, side: Side) -> &str {
        &self.upstreams[side as usize].name
    }

    /// `max_statement_bytes`, of a message.
    pub(super) fn limit(&self) -> usize {
        self.loaded.config.server.limits.max_statement_bytes
    }

    pub(super) fn runs_on(&self, side: Side) {
        self.cancel.runs_on(side);
    }

    pub(super) fn drains(&self) -> bool {
        self.worker.drains()
    }

    pub(super) fn drain_is_over(&self) -> bool {
        self.worker.drain_is_over()
    }

    /// Ready when a drain begins, and when its time is up.
    pub(super) async fn woken(&self) {
        poll_fn(|cx| {
            if let Some(entered) = &self.entered {
                entered.handle.register(cx.waker());
            }
            let state = (self.drains(), self.drain_is_over());
            if self.drain_told.replace(state) == state { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// The law of each leg by now, under this task: a reload may have changed it. Where the entry is
    /// gone it stays as it was.
    pub(super) fn law(&mut self, task: Option<&str>) -> &[crate::policy::Policy; 2] {
        let generation = self.worker.shared.generation.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.followed, generation) != generation {
            let loaded = self.worker.shared.loaded();
            let Startup { database, user, .. } = &self.origin.startup;
            for policy in &mut self.policies {
                let renewed = Lasting::of(policy).under(&loaded.config, database, user);
                *policy = renewed.unwrap_or_else(|| policy.clone());
            }
        }
        self.policies.iter_mut().for_each(|policy| policy.follow_task(task));
        &self.policies
    }

    fn way(&self, side: Side) -> Way {
        Way {
            worker: self.worker.clone(),
            origin: self.origin.clone(),
            upstream: self.upstreams[side as usize].clone(),
            task: self.parameters.task.get().clone(),
            guarded: side == Side::Read,
        }
    }

    /// The same at a login, which has its own limit of time.
    async fn connect_within(&self, side: Side, limit: Duration) -> Result<Connection, Refusal> {
        timeout(limit, self.way(side).connect()).await.unwrap_or_else(|_| {
            let name = self.name(side);
            Err(Refusal::Denied(Box::new(Denial::new(
                Rule::UpstreamUnreachable,
                format!("upstream \"{name}\" could not be reached within {limit:?} of the login"),
                "is the server reachable from here? login_timeout says how long a login may take",
            ))))
        })
    }

    /// Puts a relay with a gate of its own on a connection; the splitter is its client.
    fn start(&self, side: Side, connection: Connection, server: Server) -> io::Result<Leg> {
        let law = Law {
            policy: self.policies[side as usize].clone(),
            parameters: self.parameters.clone(),
            search_path_doubtful: self.search_path_doubtful,
        };
        let startup = &self.origin.startup;
        self.cancel.opened(side, connection.cancel_token());
        let declaration = connection.upstream.declaration;
        let place = Place {
            upstream: Some(connection.upstream.name.clone()),
            authority: Some(declaration.authority.as_str()),
            role: Some(declaration.role.as_str()),
            env: Some(declaration.environment.as_str()),
            ..self.place.clone()
        };
        let own = connection.process_id;
        let mut leg = starting::leg(&self.worker, &self.loaded.config, startup, connection, law)?;
        leg.gate.know_as(own, self.process_id);
        let Startup { database, user, .. } = startup;
        let entered =
            self.worker.enter((database, user), leg.gate.policy(), self.loaded.generation);
        let recorder = Recorder::new(self.worker.shared.audit.clone(), place, self.who.clone());
        let (ours, theirs) = Stream::pipe();
        let client = Port::new(theirs, BytesMut::new());
        let handle = entered.handle.clone();
        let mut relay = Relay::new(client, leg, self.worker.clone(), handle, recorder);
        let tidings = Rc::new(Tidings::new(self.parameters.task.get().clone()));
        relay.inner = Some(tidings.clone());
        let peer = self.origin.peer;
        tokio::task::spawn_local(async move {
            let _entered = entered;
            if let Err(error) = relay.await {
                tracing::debug!(client = %peer, %error, "leg of a split session broke");
            }
        });
        Ok(Leg::new(ours, tidings, server))
    }
}

/// What a leg is connected with, so that the session need not be held meanwhile.
struct Way {
    worker: Rc<Worker>,
    origin: Rc<Origin>,
    upstream: Arc<Upstream>,
    task: Option<Arc<str>>,
    guarded: bool,
}

impl Way {
    async fn connect(&self) -> Result<Connection, Refusal> {
        let Way { worker, origin, upstream, .. } = self;
        origin.readmit(&worker.shared.loaded())?;
        let asked = (&origin.startup, self.task.as_deref(), &origin.told[..]);
        let (database, login) = (&upstream.endpoint.dbname, origin.login());
        let connection =
            starting::dial(worker, asked, upstream, database, self.guarded, login).await?;
        if self.guarded && connection.pooler {
            return Err(Refusal::Denied(Box::new(Denial::new(
                Rule::ProdPooler,
                format!(
                    "upstream \"{}\" is a transaction-pooled host, which keeps no read-only \
                     default for a session",
                    upstream.name
                ),
                "declare an upstream with the direct host name (without \"-pooler\")",
            ))));
        }
        if let Some((told, here)) = alike::differing(&origin.told, &connection).next() {
            return Err(Refusal::Denied(alike::refused_for(told, here, &connection)));
        }
        Ok(connection)
    }
}

/// A session whose first leg is open.
pub(in crate::proxy) struct Begun {
    ground: Ground,
    side: Side,
    connection: Connection,
    server: Server,
}

/// Opens a split session's first leg: where it reads, or where it writes if that cannot be
/// reached, so that a session which needs only the other goes on.
pub(in crate::proxy) async fn begin(
    worker: &Rc<Worker>,
    loaded: &Arc<Loaded>,
    origin: &Rc<Origin>,
    place: Place,
    declared: Declared,
    write: (Arc<Upstream>, crate::policy::Policy),
) -> Result<Begun, Refusal> {
    if origin.startup.replication.is_some() {
        return Err(Refusal::Denied(Box::new(unsupported(
            "replication is not possible",
            "use an entry that reads and writes in one place",
        ))));
    }
    let mut ground = Ground {
        worker: worker.clone(),
        loaded: loaded.clone(),
        origin: origin.clone(),
        place: Place { upstream: None, authority: None, role: None, env: None, ..place },
        who: origin.who(),
        upstreams: [declared.upstream, write.0],
        policies: [declared.policy, write.1],
        followed: loaded.generation,
        parameters: declared.parameters,
        search_path_doubtful: declared.search_path_doubtful,
        cancel: Arc::default(),
        entered: None,
        process_id: 0,
        drain_told: Cell::default(),
        kept: None,
    };
    // so that the client hears something before its own time is up
    let each = loaded.config.server.login_timeout / 3;
    let (side, mut connection) = match ground.connect_within(Side::Read, each).await {
        Ok(connection) => (Side::Read, connection),
        Err(refusal) => match ground.connect_within(Side::Write, each).await {
            Ok(connection) => (Side::Write, connection),
            // the first failure is the one to tell: it is where the session begins
            Err(_) => return Err(refusal),
        },
    };
    // the other leg is to read and write as this one does
    ground.origin = ground.origin.greeted(&connection.parameters);
    let server = Server::of(&connection);
    if side == Side::Read {
        // the write leg tells these, and corrects them once it is open
        for (name, value) in &mut connection.parameters {
            if [&b"default_transaction_read_only"[..], b"in_hot_standby"].contains(&&name[..]) {
                *value = Bytes::from_static(b"off");
            }
        }
    }
    Ok(Begun { ground, side, connection, server })
}

impl Begun {
    /// The server's process id of the first leg.
    pub(in crate::proxy) fn process_id(&self) -> i32 {
        self.connection.process_id
    }

    /// The client knows the session by this process id.
    pub(in crate::proxy) fn known_as(&mut self, process_id: i32) {
        self.ground.process_id = process_id;
    }

    /// What cancels the session's statements.
    pub(in crate::proxy) fn target(&self) -> CancelTarget {
        CancelTarget::Split(self.ground.cancel.clone())
    }

    /// What the client is told at the session's start.
    pub(in crate::proxy) fn greeting(&self, cancel_key: &Bytes) -> BytesMut {
        starting::greeting(&self.connection, cancel_key)
    }

    /// The reports of it alone.
    pub(in crate::proxy) fn reports(&self) -> BytesMut {
        let mut out = BytesMut::new();
        starting::reports(&mut out, &self.connection);
        out
    }

    /// The session, with its client.
    ///
    /// # Errors
    /// No random bytes could be had.
    pub(in crate::proxy) fn session(self, client: Stream) -> io::Result<Split> {
        let Begun { mut ground, side, connection, server } = self;
        if ground.process_id == 0 {
            ground.process_id = connection.process_id;
        }
        let told = connection.parameters.iter();
        let told = told.map(|(name, value)| (Box::from(&name[..]), Box::from(&value[..])));
        let told = told.collect();
        let Startup { database, user, .. } = &ground.origin.startup;
        ground.entered = Some(ground.worker.enter(
            (database, user),
            &ground.policies[0],
            ground.loaded.generation,
        ));
        let mut temporary = Temporary::default();
        temporary.opened(side);
        let task = ground.parameters.task.get().clone();
        let mut journal = Journal::default();
        if let Some(first) = server.first() {
            journal.opened(side, first);
        }
        let mut legs = [None, None];
        legs[side as usize] = Some(ground.start(side, connection, server)?);
        Ok(Split {
            client,
            input: BytesMut::new(),
            out: BytesMut::new(),
            aside: BytesMut::new(),
            legs,
            ground,
            block: Block::None,
            journal,
            statements: Names::default(),
            portals: Names::default(),
            temporary,
            pipeline_failed: false,
            bound: false,
            protocol: Protocol::Simple,
            told,
            written: HashSet::new(),
            warned_read: false,
            warned_write: false,
            holding: false,
            held: BytesMut::new(),
            late: None,
            notified: BytesMut::new(),
            apart: None,
            committing: false,
            behind_commit: false,
            committed: false,
            last: side,
            task,
            stirred: false,
            moving: false,
            reported: false,
            fallen: false,
            marks: 0,
            marked: false,
        })
    }
}

/// Why a leg is not open.
pub(super) enum Shut {
    /// It cannot be connected.
    Denied(Box<Denial>),
    /// The client has sent a cancel request meanwhile.
    Cancelled,
}

impl Split {
    /// Opens a leg, while the session goes on, once the other one has answered. The client can leave
    /// meanwhile, and cancel.
    pub(super) async fn open(&mut self, side: Side) -> Result<Result<(), Shut>, End> {
        self.settle().await?;
        let way = self.ground.way(side);
        let cancel = self.ground.cancel.clone();
        cancel.opens();
        let connected = self.meanwhile(side, pin!(way.connect())).await;
        cancel.has_opened();
        Ok(match connected? {
            None => Err(Shut::Cancelled),
            Some(connected) => connected
                .map_err(|refusal| refusal.into_denial("statements for the other leg still run"))
                .and_then(|connection| self.opened(side, connection))
                .map_err(Shut::Denied),
        })
    }

    /// A leg is connected; its reports replace what the other one told.
    fn opened(&mut self, side: Side, connection: Connection) -> Result<(), Box<Denial>> {
        let reports = connection.parameters.clone();
        let server = Server::of(&connection);
        let leg = self.ground.start(side, connection, server).map_err(|error| {
            Box::new(Denial::new(Rule::UpstreamUnreachable, error.to_string(), "try again"))
        })?;
        self.legs[side as usize] = Some(leg);
        self.temporary.opened(side);
        if let Some(first) = server.first() {
            self.journal.opened(side, first);
        }
        for (name, value) in &reports {
            let own = name.to_ascii_lowercase().starts_with(b"authority.");
            if !own && self.teller(name) == side {
                self.tell(name, value);
            }
        }
        Ok(())
    }
}
