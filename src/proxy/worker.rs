//! One worker thread: its runtime, its listeners, its sessions, its caches. Nothing on the
//! forwarding path is shared with another thread.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Waker;
use std::time::{Duration, Instant as StdInstant};

use bytes::BytesMut;
use tokio::runtime::LocalOptions;
use tokio::sync::{oneshot, watch};

use super::authenticate::Secrets;
use super::catalogs::{Catalogs, Common};
use super::declare::Lasting;
use super::judges::{Judged, Judges, LONG_TEXT};
use super::registry::{CancelKeys, Counts};
use super::session::serve_client;
use crate::audit::AuditLog;
use crate::config::Config;
use crate::net::{Bound, Listener, Outbox};
use crate::observe::{CacheResult, WorkerMetrics};
use crate::policy::Policy;
use crate::session::Instant;
use crate::sql::{self, Found, Judge};

/// One read's worth, on each direction of every session of the worker.
const SCRATCH: usize = 32 * 1024;
/// What a worker's judgements may take.
const CACHE_BYTES: usize = 32 * 1024 * 1024;
/// How long clients may take to read the last that is for them, once all sessions are to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long sessions then have to close their books; what is still there is dropped.
const CLOSING: Duration = Duration::from_millis(500);
/// How long a connection that waits on a listener may take to be seen.
const WAITING: Duration = Duration::from_millis(1);

/// A configuration in force, with what was made from it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) secrets: Secrets,
    /// Its number: see [`Shared::generation`].
    pub(super) generation: u64,
}

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) loaded: RwLock<Arc<Loaded>>,
    /// Counts configurations: sessions notice a reload by it.
    pub(super) generation: AtomicU64,
    pub(super) audit: AuditLog,
    pub(super) cancel_keys: Arc<CancelKeys>,
    pub(super) counts: Arc<Counts>,
    pub(super) judges: Judges,
    pub(super) catalogs: Catalogs,
    /// Where every worker's clock begins.
    pub(super) started: coarsetime::Instant,
}

impl Shared {
    /// The configuration in force.
    pub(super) fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the main thread asks of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run,
    /// End idle sessions, let running transactions finish.
    Drain,
    /// End every session.
    Stop,
    /// End every session, whether its client has taken what is for it or not.
    Leave,
}

/// A worker's own state.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) judge: RefCell<Judging>,
    pub(super) scratch: RefCell<Box<[u8]>>,
    pub(super) metrics: WorkerMetrics,
    /// Where relays leave what they have to send; `None`: they send it themselves.
    pub(super) outbox: Option<Rc<Outbox>>,
    command: Cell<Command>,
    /// By the address of the slot, which is there as long as the worker is.
    commons: RefCell<HashMap<usize, Rc<Common>>>,
    sessions: RefCell<HashMap<u64, Rc<SessionHandle>>>,
    next_session: Cell<u64>,
}

/// A judge that tells how long the grammar takes.
fn new_judge(config: &Config, metrics: &WorkerMetrics) -> Judge {
    let metrics = metrics.clone();
    let grammar = move |text: &[u8], tables: &BTreeSet<String>| {
        let began = StdInstant::now();
        let judgement = sql::judge(text, tables);
        metrics.judged(began.elapsed());
        judgement
    };
    Judge::with_grammar(config.contract.migration_tables.clone(), CACHE_BYTES, Box::new(grammar))
}

/// The worker's judge, renewed when a reload changes what it judges by.
pub(super) struct Judging {
    judge: Judge,
    generation: u64,
    metrics: WorkerMetrics,
}

impl crate::gate::Judging for Judging {
    fn judge(&mut self, text: &[u8]) -> Option<Rc<sql::Judgement>> {
        if text.len() > LONG_TEXT {
            self.metrics.cache(CacheResult::Miss);
            return None;
        }
        let judgement = self.judge.judge(text);
        self.metrics.cache(match self.judge.found() {
            Found::Exact => CacheResult::Hit,
            Found::Shape => CacheResult::ShapeHit,
            Found::Parsed => CacheResult::Miss,
        });
        Some(judgement)
    }
}

impl Worker {
    fn new(shared: Arc<Shared>, metrics: WorkerMetrics) -> Self {
        let loaded = shared.loaded();
        let outbox = loaded.config.server.io_uring.then(outbox).flatten();
        Worker {
            outbox,
            judge: RefCell::new(Judging {
                judge: new_judge(&loaded.config, &metrics),
                generation: shared.generation.load(Ordering::Acquire),
                metrics: metrics.clone(),
            }),
            shared,
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            metrics,
            command: Cell::new(Command::Run),
            commons: RefCell::default(),
            sessions: RefCell::default(),
            next_session: Cell::new(0),
        }
    }

    /// Time on the process's monotonic clock, to a few milliseconds: ages of confirmations are
    /// minutes, and the kernel's coarse clock costs next to nothing.
    #[inline]
    pub(super) fn now(&self) -> Instant {
        self.shared.started.elapsed().into()
    }

    /// Has a long text judged elsewhere.
    pub(super) fn judge_long(
        &self,
        buffer: BytesMut,
        place: Range<usize>,
    ) -> oneshot::Receiver<Judged> {
        let tables = self.shared.loaded().config.contract.migration_tables.clone();
        self.shared.judges.judge(buffer, place, tables, self.metrics.clone())
    }

    /// What this worker's sessions know of a database.
    pub(super) fn common(&self, upstream: &str, database: &[u8]) -> Rc<Common> {
        let slot = self.shared.catalogs.slot(upstream, database);
        let mut commons = self.commons.borrow_mut();
        let address = Arc::as_ptr(&slot).addr();
        Rc::clone(commons.entry(address).or_insert_with(|| Rc::new(Common::new(slot))))
    }

    /// Sessions are to end when they are idle.
    pub(super) fn drains(&self) -> bool {
        self.command.get() != Command::Run
    }

    /// Sessions are to end at once.
    pub(super) fn drain_is_over(&self) -> bool {
        matches!(self.command.get(), Command::Stop | Command::Leave)
    }

    /// Sessions are to end whatever their clients have not read.
    pub(super) fn leaves(&self) -> bool {
        self.command.get() == Command::Leave
    }

    /// Registers a session for wake-ups until the guard is dropped. `generation`: of the
    /// configuration that its law was made from, which may be another by now.
    pub(super) fn enter(
        self: &Rc<Self>,
        (entry, user): (&str, &str),
        policy: &Policy,
        generation: u64,
    ) -> Entered {
        let id = self.next_session.get();
        self.next_session.set(id + 1);
        let handle = Rc::new(SessionHandle {
            waker: RefCell::new(None),
            generation: Cell::new(generation),
            entry: entry.into(),
            user: user.into(),
            lasting: Lasting::of(policy),
        });
        self.sessions.borrow_mut().insert(id, handle.clone());
        Entered { worker: self.clone(), id, handle }
    }

    /// Wakes every session: there is a command or a configuration to follow.
    fn wake_all(&self) {
        for handle in self.sessions.borrow().values() {
            if let Some(waker) = handle.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    fn follow_reload(&self) {
        let generation = self.shared.generation.load(Ordering::Acquire);
        let mut judging = self.judge.borrow_mut();
        if judging.generation != generation {
            let loaded = self.shared.loaded();
            let metrics = self.metrics.clone();
            *judging = Judging { judge: new_judge(&loaded.config, &metrics), generation, metrics };
            drop(judging);
            self.wake_all();
        }
    }
}

/// The thread's outbox, where the kernel lets it have one.
fn outbox() -> Option<Rc<Outbox>> {
    Outbox::new()
        .inspect_err(|error| {
            tracing::info!(%error, "no io_uring here: each message is sent by a call of its own");
        })
        .ok()
}

/// How a session is reached from outside its sockets.
pub(super) struct SessionHandle {
    waker: RefCell<Option<Waker>>,
    generation: Cell<u64>,
    entry: Box<str>,
    user: Box<str>,
    lasting: Lasting,
}

impl SessionHandle {
    /// Keeps the waker of the session's future.
    #[inline]
    pub(super) fn register(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        match &*kept {
            Some(known) if known.will_wake(waker) => {}
            _ => *kept = Some(waker.clone()),
        }
    }

    /// The law after a reload, once a reload. Where the entry is gone or leads elsewhere now, the
    /// session keeps the law it started under: it also keeps its upstream.
    #[inline]
    pub(super) fn take_policy(&self, worker: &Worker) -> Option<Policy> {
        let generation = worker.shared.generation.load(Ordering::Relaxed);
        if self.generation.get() == generation {
            return None;
        }
        self.generation.set(generation);
        let loaded = worker.shared.loaded();
        self.lasting.under(&loaded.config, &self.entry, &self.user)
    }
}

/// A registered session.
pub(super) struct Entered {
    worker: Rc<Worker>,
    id: u64,
    pub(super) handle: Rc<SessionHandle>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.worker.sessions.borrow_mut().remove(&self.id);
    }
}

/// Runs a worker until it is told to stop and its sessions have ended.
pub(super) fn run(
    shared: Arc<Shared>,
    metrics: WorkerMetrics,
    bounds: &[Bound],
    keepalive: Duration,
    mut commands: watch::Receiver<Command>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let worker = Rc::new(Worker::new(shared, metrics));
    runtime.block_on(async {
        let listeners = bounds
            .iter()
            .map(|bound| bound.listener(keepalive).map(Rc::new))
            .collect::<io::Result<Vec<_>>>()?;
        let accepting: Vec<_> = listeners
            .iter()
            .map(|listener| tokio::task::spawn_local(accept(worker.clone(), listener.clone())))
            .collect();
        if let Some(outbox) = &worker.outbox {
            tokio::task::spawn_local(outbox.pump());
        }
        follow(&worker, &mut commands).await;
        for task in accepting {
            task.abort();
            let _ = task.await;
        }
        for listener in listeners {
            accept_waiting(&worker, &listener).await;
        }
        drain(&worker, &mut commands).await;
        Ok(())
    })
}

/// Follows reloads until there is another command.
async fn follow(worker: &Rc<Worker>, commands: &mut watch::Receiver<Command>) {
    loop {
        let command = *commands.borrow_and_update();
        worker.follow_reload();
        if command != Command::Run {
            worker.command.set(command);
            return worker.wake_all();
        }
        if commands.changed().await.is_err() {
            return;
        }
    }
}

/// Ends sessions, until there is none or time is up: a client that reads no more, and one that is
/// half-way through a login, must not keep the process.
async fn drain(worker: &Rc<Worker>, commands: &mut watch::Receiver<Command>) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut stopped = None;
    while worker.shared.counts.all() > 0 {
        tokio::select! {
            changed = commands.changed() => {
                worker.command.set(*commands.borrow_and_update());
                if changed.is_err() {
                    return;
                }
            }
            _ = tick.tick() => {}
        }
        if worker.drain_is_over() {
            let waited = stopped.get_or_insert_with(StdInstant::now).elapsed();
            if waited > FAREWELL + CLOSING {
                return;
            }
            if waited > FAREWELL {
                worker.command.set(Command::Leave);
            }
        }
        worker.wake_all();
    }
}

/// Takes the connections that wait on a listener which is about to be dropped, and would be reset.
async fn accept_waiting(worker: &Rc<Worker>, listener: &Listener) {
    while let Ok(Ok((stream, peer))) = tokio::time::timeout(WAITING, listener.accept()).await {
        tokio::task::spawn_local(serve_client(worker.clone(), stream, peer));
    }
}

async fn accept(worker: Rc<Worker>, listener: Rc<Listener>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::task::spawn_local(serve_client(worker.clone(), stream, peer));
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
