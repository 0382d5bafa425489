//! Workers under way: what `serve` and an embedded proxy have in common.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::authenticate::Secrets;
use super::catalogs::Catalogs;
use super::judges::Judges;
use super::registry::{CancelKeys, Counts};
use super::worker::{self, Command, Loaded, Shared};
use crate::audit::AuditLog;
use crate::config::Config;
use crate::net::Bound;
use crate::observe::Metrics;

/// Binds every address of a configuration.
///
/// # Errors
/// The first that cannot be bound.
pub(super) fn bind(config: &Config) -> io::Result<Arc<[Bound]>> {
    let addresses = config.server.listen.iter();
    let bound = addresses.map(|address| {
        Bound::bind(address).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })
    });
    bound.collect()
}

/// The threads of a proxy, and how they are told what to do.
pub(super) struct Running {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: watch::Sender<Command>,
    workers: Vec<JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Starts the workers of a configuration on addresses that are bound already.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        config: Config,
        bounds: &Arc<[Bound]>,
        audit: AuditLog,
        metrics: &Metrics,
    ) -> io::Result<Running> {
        let settings = config.server.clone();
        let secrets = Secrets::new(&config)?;
        let shared = Arc::new(Shared {
            loaded: RwLock::new(Arc::new(Loaded { config, secrets, generation: 1 })),
            generation: AtomicU64::new(1),
            audit,
            cancel_keys: Arc::new(CancelKeys::default()),
            counts: Arc::new(Counts::default()),
            judges: Judges::start(settings.worker_threads.clamp(1, 8))?,
            catalogs: Catalogs::default(),
            started: coarsetime::Instant::now(),
        });
        let (commands, _) = watch::channel(Command::Run);
        let mut workers = Vec::new();
        for index in 0..settings.worker_threads.max(1) {
            let (shared, bounds) = (shared.clone(), bounds.clone());
            let (counters, commands) = (metrics.worker(), commands.subscribe());
            let keepalive = settings.tcp_keepalive;
            let run = move || worker::run(shared, counters, &bounds, keepalive, commands);
            workers.push(thread::Builder::new().name(format!("worker-{index}")).spawn(run)?);
        }
        Ok(Running { shared, commands, workers })
    }

    /// Waits until every worker has ended, as it does once told to and without sessions.
    ///
    /// # Errors
    /// Why one ended otherwise.
    pub(super) fn join(self) -> io::Result<()> {
        for worker in self.workers {
            match worker.join() {
                Ok(ended) => ended?,
                Err(_) => return Err(io::Error::other("a worker thread panicked")),
            }
        }
        Ok(())
    }
}
