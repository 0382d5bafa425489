//! The start of a split session, and of each of its legs.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use tokio::io::duplex;

use super::leg::{Leg, PIPE};
use super::run::unsupported;
use super::{Block, Protocol, Split};
use crate::audit::{Place, Who};
use crate::config::Upstream;
use crate::net::{Peer, Stream};
use crate::observe::SessionGuard;
use crate::policy::{Denial, Rule};
use crate::protocol::Startup;
use crate::proxy::authenticate::Authenticated;
use crate::proxy::port::Port;
use crate::proxy::recorder::Recorder;
use crate::proxy::refuse::Refusal;
use crate::proxy::registry::{CancelGuard, CancelTarget, Places, SplitCancel};
use crate::proxy::relay::Relay;
use crate::proxy::session::Newcomer;
use crate::proxy::starting::{self, Law};
use crate::proxy::worker::{Entered, Loaded, Worker};
use crate::session::Parameters;
use crate::split::{Journal, Names, Side, Temporary};
use crate::upstream::{Connection, Login, NoClient};

/// What the legs of a session are opened with.
pub(in crate::proxy) struct Ground {
    pub(super) worker: Rc<Worker>,
    loaded: Arc<Loaded>,
    startup: Startup,
    pub(super) peer: Peer,
    pub(super) place: Place,
    pub(super) who: Who,
    proven: Authenticated,
    upstreams: [Arc<Upstream>; 2],
    policies: [crate::policy::Policy; 2],
    pub(super) parameters: Parameters,
    search_path_doubtful: bool,
    cancel: Arc<SplitCancel>,
    /// Under which the splitter is woken for a drain.
    entered: Option<Entered>,
    drain_told: Cell<(bool, bool)>,
    /// Given back when the session ends.
    _kept: (Places, Option<CancelGuard>, Option<SessionGuard>),
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

    async fn connect(&self, side: Side) -> Result<Connection, Refusal> {
        let upstream = &self.upstreams[side as usize];
        let user = self.startup.user.as_bytes();
        let login: Login<'_, NoClient> = match &self.proven.keys {
            Some(keys) => Login::Keys { user, keys },
            None => Login::Own,
        };
        let (database, guarded) = (&upstream.endpoint.dbname, side == Side::Read);
        let connection =
            starting::dial(&self.worker, &self.startup, upstream, database, guarded, login).await?;
        if side == Side::Read && connection.pooler {
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
        Ok(connection)
    }

    /// Puts a relay with a gate of its own on a connection; the splitter is its client.
    fn start(&self, side: Side, connection: Connection, recovering: bool) -> std::io::Result<Leg> {
        let law = Law {
            policy: self.policies[side as usize].clone(),
            parameters: self.parameters.clone(),
            search_path_doubtful: self.search_path_doubtful,
        };
        self.cancel.opened(side, connection.cancel_token());
        let declaration = connection.upstream.declaration;
        let place = Place {
            upstream: Some(connection.upstream.name.clone()),
            authority: Some(declaration.authority.as_str()),
            role: Some(declaration.role.as_str()),
            env: Some(declaration.environment.as_str()),
            ..self.place.clone()
        };
        let leg = starting::leg(&self.worker, &self.loaded.config, &self.startup, connection, law)?;
        let Startup { database, user, .. } = &self.startup;
        let entered = self.worker.enter(database, user, leg.gate.policy());
        let recorder = Recorder::new(self.worker.shared.audit.clone(), place, self.who.clone());
        let (ours, theirs) = duplex(PIPE);
        let client = Port::new(Stream::Pipe(Box::new(theirs)), BytesMut::new());
        let handle = entered.handle.clone();
        let mut relay = Relay::new(client, leg, self.worker.clone(), handle, recorder);
        relay.inner = true;
        let peer = self.peer;
        tokio::task::spawn_local(async move {
            let _entered = entered;
            if let Err(error) = relay.await {
                tracing::debug!(client = %peer, %error, "leg of a split session broke");
            }
        });
        Ok(Leg::new(ours, recovering))
    }
}

/// A session whose first leg is open.
pub(in crate::proxy) struct Begun {
    ground: Ground,
    side: Side,
    connection: Connection,
    cancel_key: Bytes,
}

/// Opens a split session's first leg: where it reads, or where it writes if that cannot be
/// reached, so that a session which needs only the other goes on.
pub(in crate::proxy) async fn begin(
    newcomer: &Newcomer,
    declared: super::super::declare::Declared,
    write: (Arc<Upstream>, crate::policy::Policy),
    proven: Option<Authenticated>,
    places: Places,
) -> Result<Begun, Refusal> {
    let startup = newcomer.client.startup.clone();
    let Some(proven) = proven else {
        return Err(Refusal::Denied(Box::new(Denial::new(
            Rule::TaskSplit,
            "authentication cannot be relayed to both legs of a session that reads from neon and \
             writes to local",
            "let the entry say auth = \"scram-sha-256\", so that the proxy logs in to each",
        ))));
    };
    if startup.replication.is_some() {
        return Err(Refusal::Denied(Box::new(unsupported(
            "replication is not possible",
            "use an entry that reads and writes in one place",
        ))));
    }
    let mut ground = Ground {
        worker: newcomer.worker.clone(),
        loaded: newcomer.loaded.clone(),
        startup,
        peer: newcomer.client.peer,
        place: Place {
            upstream: None,
            authority: None,
            role: None,
            env: None,
            ..newcomer.place.clone()
        },
        who: newcomer.who(),
        proven,
        upstreams: [declared.upstream, write.0],
        policies: [declared.policy, write.1],
        parameters: declared.parameters,
        search_path_doubtful: declared.search_path_doubtful,
        cancel: Arc::default(),
        entered: None,
        drain_told: Cell::default(),
        _kept: (places, None, None),
    };
    let (side, connection) = match ground.connect(Side::Read).await {
        Ok(connection) => (Side::Read, connection),
        Err(refusal) => match ground.connect(Side::Write).await {
            Ok(connection) => (Side::Write, connection),
            // the first failure is the one to tell: it is where the session begins
            Err(_) => return Err(refusal),
        },
    };
    let target = CancelTarget::Split(ground.cancel.clone());
    let (guard, cancel_key) = newcomer.cancel_key(connection.process_id, &target)?;
    ground._kept.1 = guard;
    Ok(Begun { ground, side, connection, cancel_key })
}

impl Begun {
    /// Greets the client and serves it to the session's end.
    pub(in crate::proxy) async fn serve(self, newcomer: Newcomer, open: SessionGuard) {
        let Begun { mut ground, side, mut connection, cancel_key } = self;
        let recovering = is_recovering(&connection);
        if side == Side::Read {
            // the write leg tells these, and corrects them once it is open
            for (name, value) in &mut connection.parameters {
                if [&b"default_transaction_read_only"[..], b"in_hot_standby"].contains(&&name[..]) {
                    *value = Bytes::from_static(b"off");
                }
            }
        }
        let mut client = newcomer.client;
        let out = starting::greeting(&connection, &cancel_key);
        let told: super::Reports = connection
            .parameters
            .iter()
            .map(|(name, value)| (Box::from(&name[..]), Box::from(&value[..])))
            .collect();
        if let Err(error) = client.send(&out).await {
            return tracing::info!(client = %client.peer, %error, "client left");
        }
        let Startup { database, user, .. } = &ground.startup;
        ground.entered = Some(ground.worker.enter(database, user, &ground.policies[0]));
        ground._kept.2 = Some(open);
        let mut legs = [None, None];
        match ground.start(side, connection, recovering) {
            Ok(leg) => legs[side as usize] = Some(leg),
            Err(error) => return tracing::error!(%error, "no leg could be started"),
        }
        let split = Split {
            client: client.stream,
            input: BytesMut::new(),
            out: BytesMut::new(),
            legs,
            ground,
            block: Block::None,
            journal: Journal::default(),
            statements: Names::default(),
            portals: Names::default(),
            temporary: Temporary::default(),
            pipeline_failed: false,
            protocol: Protocol::Simple,
            told,
            written: HashSet::new(),
            warned_read: false,
            warned_write: false,
            holding: false,
            held: BytesMut::new(),
            late: None,
            last: side,
        };
        tokio::task::spawn_local(split.run());
    }
}

impl Split {
    /// Opens a leg, while the session goes on; its reports replace what the other one told.
    pub(super) async fn open(&mut self, side: Side) -> Result<(), Box<Denial>> {
        let connection = self.ground.connect(side).await.map_err(|refusal| match refusal {
            Refusal::Denied(denial) => denial,
            Refusal::Upstream(error) => Box::new(Denial {
                reason: error.detail().unwrap_or_default().to_owned(),
                ..Denial::new(
                    Rule::UpstreamUnreachable,
                    error.message().to_owned(),
                    error.hint().unwrap_or("statements for the other leg still run").to_owned(),
                )
            }),
            Refusal::Unproven(_) | Refusal::Gone(_) => Box::new(Denial::new(
                Rule::UpstreamUnreachable,
                format!("upstream \"{}\" cannot be reached", self.ground.name(side)),
                "statements for the other leg still run",
            )),
        })?;
        let reports = connection.parameters.clone();
        let recovering = is_recovering(&connection);
        let leg = self.ground.start(side, connection, recovering).map_err(|error| {
            Box::new(Denial::new(Rule::UpstreamUnreachable, error.to_string(), "try again"))
        })?;
        self.legs[side as usize] = Some(leg);
        for (name, value) in &reports {
            let own = name.to_ascii_lowercase().starts_with(b"authority.");
            if !own && self.teller(name) == side {
                self.tell(name, value);
            }
        }
        Ok(())
    }
}

/// The server says that it is a standby.
fn is_recovering(connection: &Connection) -> bool {
    let mut reports = connection.parameters.iter();
    reports.any(|(name, value)| &name[..] == b"in_hot_standby" && &value[..] == b"on")
}
