//! The process: configuration, listeners, workers, signals, and an orderly end.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use super::running::{self, Running};
use super::worker::{Command, Loaded, Shared};
use crate::audit::{AuditLog, Event, EventKind, Place, Who};
use crate::config::{self, Config};
use crate::net::Bound;
use crate::observe::{HealthServer, Metrics, Notifier, Readiness};
use crate::policy::Rule;

/// Where the configuration comes from, for reloads.
#[derive(Clone, Debug)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// The environment, which does not change.
    Environment,
}

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// What kept it from starting: an address that cannot be bound, an audit log that cannot be opened.
pub fn serve(config: Config, source: Source) -> io::Result<()> {
    raise_descriptor_limit();
    let notifier = Notifier::from_environment();
    let audit = AuditLog::open(&config.audit)?;
    let readiness = Readiness::new();
    readiness.watch_audit(audit.watch());
    let metrics = Metrics::new();
    metrics.watch_audit(audit.watch());
    metrics.declare_rules(Rule::IDS);
    metrics.config_loaded(config.upstreams.keys().map(String::as_str));
    for warning in config.warnings.iter().chain(&config.without_effect()) {
        tracing::warn!("{warning}");
    }
    let bounds = running::bind(&config)?;
    let health = config
        .server
        .admin_listen
        .map(|listen| HealthServer::start(listen, metrics.clone(), readiness.clone()))
        .transpose()?;
    let drain_timeout = config.server.drain_timeout;
    let running = Running::start(config, &bounds, audit, &metrics)?;
    let (shared, commands) = (running.shared.clone(), running.commands.clone());
    let main = Main { shared, metrics, readiness, notifier, commands, source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(main.run(&bounds, drain_timeout))?;
    running.join()?;
    runtime.block_on(async {
        let _ = timeout(Duration::from_secs(10), main.shared.audit.flush()).await;
    });
    drop(health);
    tracing::info!("stopped");
    Ok(())
}

/// The main thread.
struct Main {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    notifier: Notifier,
    commands: watch::Sender<Command>,
    source: Source,
}

impl Main {
    async fn run(&self, bounds: &[Bound], drain_timeout: Duration) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // a log at the limit of a file's size (ulimit -f) is a log that cannot be written, not the end
        let _too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        let loaded = size(&self.shared.loaded().config);
        let _ = self.record(EventKind::ConfigLoaded, loaded, None).await;
        self.readiness.set_listening();
        let addresses: Vec<String> =
            bounds.iter().map(|bound| bound.address().to_string()).collect();
        let status = format!("listening on {}", addresses.join(", "));
        tracing::info!("{status}");
        self.notifier.ready(&status);
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload(&status).await,
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        self.readiness.set_draining();
        let open = self.shared.counts.all();
        let status = format!("draining {open} sessions, at most {}s", drain_timeout.as_secs());
        tracing::info!("{status}");
        self.notifier.stopping(&status);
        let _ = self.commands.send(Command::Drain);
        let drained = async {
            while self.shared.counts.all() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = drained => {}
            _ = tokio::time::sleep(drain_timeout) => tracing::warn!("drain_timeout is over"),
            _ = terminate.recv() => tracing::warn!("told to stop at once"),
            _ = interrupt.recv() => tracing::warn!("told to stop at once"),
        }
        let _ = self.commands.send(Command::Stop);
        Ok(())
    }

    /// SIGHUP: the audit log is opened again, the configuration read again: taken whole or
    /// refused whole.
    async fn reload(&self, status: &str) {
        self.notifier.reloading();
        if let Err(error) = self.shared.audit.reopen().await {
            tracing::error!(%error, "the audit log could not be opened again");
        }
        if let Source::File(path) = &self.source {
            let old = self.shared.loaded();
            match config::reload(&old.config, path) {
                Ok((config, notes)) => self.take(config, &notes).await,
                Err(faults) => {
                    tracing::error!("configuration refused, the old one stays:\n{faults}");
                    self.metrics.config_refused();
                    self.readiness.set_reload(Some(first_line(&faults.to_string())));
                    let reason = faults.in_one_line();
                    let hint = format!("pgauthority check --config {}", path.display());
                    let _ = self.record(EventKind::ConfigRefused, reason, Some(hint)).await;
                }
            }
        } else {
            tracing::info!(
                "the configuration comes from the environment and stays; a restart reads it again"
            );
        }
        self.notifier.ready(status);
    }

    async fn take(&self, config: Config, notes: &[String]) {
        for warning in config.warnings.iter().chain(&config.without_effect()) {
            tracing::warn!("{warning}");
        }
        for note in notes {
            tracing::info!("{note}");
        }
        self.metrics.config_loaded(config.upstreams.keys().map(String::as_str));
        self.readiness.set_reload(None);
        let secrets = self.shared.loaded().secrets.reloaded(&config);
        let generation = self.shared.loaded().generation + 1;
        let loaded = Arc::new(Loaded { config, secrets, generation });
        *self.shared.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        self.shared.catalogs.clear();
        self.shared.generation.store(generation, Ordering::Release);
        self.commands.send_modify(|_| {});
        let mut reason = size(&self.shared.loaded().config);
        for note in notes {
            reason += &format!("; {note}");
        }
        let _ = self.record(EventKind::ConfigLoaded, reason, None).await;
        tracing::info!("configuration reloaded");
    }

    async fn record(
        &self,
        kind: EventKind,
        reason: String,
        hint: Option<String>,
    ) -> Result<(), crate::audit::AuditError> {
        let source = self.shared.loaded().config.source.clone();
        let event = Event {
            reason: Some(format!("{source}: {reason}")),
            hint,
            ..Event::new(Uuid::now_v7(), kind, Arc::new(Place::default()), Arc::new(Who::default()))
        };
        self.shared.audit.record(event).await
    }
}

/// How much a configuration holds.
fn size(config: &Config) -> String {
    let counted = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let upstreams = counted(config.upstreams.len(), "upstream", "upstreams");
    format!("{upstreams}, {}", counted(config.databases.len(), "entry", "entries"))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Each session takes two descriptors; the soft limit is often 1024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit on open files could not be raised");
        }
    }
}
