//! The handle of the durable audit log: what every thread records through.
//!
//! A thread of its own (`writer`) does the writing, so that a slow disk holds up only the sessions
//! that wait for their own event. Guarantees: a receipt resolves `Ok` only after the event's whole
//! line is in the file that the path names (and on the disk, with `fsync`), so that killing the
//! process right after loses nothing; otherwise it resolves `Err`, and its holder fails closed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::event::{Event, Rendering};
use super::sink::Sink;
use super::writer::{Command, Writer};
use crate::config::{AuditSettings, StatementText};

/// More commands than this waiting for the disk: further events fail at once. A session waits for
/// its own event, so only a stalled disk under thousands of sessions gets here.
const QUEUE_LIMIT: usize = 16 * 1024;

/// A write that takes longer than this makes the log unhealthy.
const STALLED: Duration = Duration::from_secs(10);

/// Why an event is not in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log \"{target}\" cannot be written: {cause}")]
pub struct AuditError {
    /// The log's path, or `stdout`.
    pub target: String,
    /// What the system said.
    pub cause: String,
}

/// The audit log. Clones share one writer; when the last is dropped, the writer ends after
/// everything recorded so far has been written.
#[derive(Clone, Debug)]
pub struct AuditLog {
    commands: Sender<Command>,
    state: Arc<State>,
}

/// What the writer and its handles share.
#[derive(Debug)]
pub(super) struct State {
    started: Instant,
    stalled_after: Duration,
    /// Milliseconds since `started` at which the write under way began, plus one; 0: none is.
    busy_since: AtomicU64,
    /// Commands that the writer has not taken yet.
    pub(super) queued: AtomicUsize,
    /// The writer's thread has ended.
    pub(super) ended: AtomicBool,
    /// Events whose line is in the log.
    pub(super) events: AtomicU64,
    /// Events whose receipt was an error.
    pub(super) errors: AtomicU64,
    /// Why the log cannot be written now.
    problem: Mutex<Option<AuditError>>,
}

impl AuditLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// The target cannot be opened for appending: the process should not start.
    pub fn open(settings: &AuditSettings) -> io::Result<AuditLog> {
        let rendering = match settings.statement {
            StatementText::Normalized => Rendering::NORMALIZED,
            StatementText::Full => Rendering::FULL,
            StatementText::None => Rendering::NONE,
        };
        Self::open_with(settings, rendering, STALLED)
    }

    fn open_with(
        settings: &AuditSettings,
        rendering: Rendering,
        stalled_after: Duration,
    ) -> io::Result<AuditLog> {
        let sink = Sink::open(settings.target.clone(), settings.fsync)?;
        let state = Arc::new(State::new(stalled_after));
        let (commands, queue) = mpsc::channel();
        let writer = Writer::new(sink, rendering, Arc::clone(&state));
        thread::Builder::new().name("audit".into()).spawn(move || writer.run(&queue))?;
        Ok(AuditLog { commands, state })
    }

    /// Records one event, stamped now.
    ///
    /// Never blocks. Dropping the receipt does not take the event back.
    pub fn record(&self, event: Event) -> Receipt {
        self.record_all(vec![event])
    }

    /// Records several events; the receipt is `Ok` when all of them are in the log.
    pub fn record_all(&self, events: Vec<Event>) -> Receipt {
        let ts = Timestamp::now();
        if self.state.queued.load(Ordering::Relaxed) >= QUEUE_LIMIT {
            self.state.errors.fetch_add(events.len() as u64, Ordering::Relaxed);
            return Receipt::failed("more events are waiting for the disk than may wait");
        }
        self.send(|receipt| Command::Write { ts, events, receipt })
    }

    /// Opens the target again (SIGHUP, after a rotation); resolves when it is open.
    ///
    /// Everything recorded before goes to the old file, everything after to the new one.
    pub fn reopen(&self) -> Receipt {
        self.send(|receipt| Command::Reopen { receipt })
    }

    /// Resolves `Ok` when everything recorded before is in the log: for the end of a drain.
    pub fn flush(&self) -> Receipt {
        self.record_all(Vec::new())
    }

    /// Whether the log can be written, as far as is known.
    pub fn healthy(&self) -> bool {
        self.watch().healthy()
    }

    /// A view for `/readyz` and `/metrics`, which does not keep the writer alive.
    pub fn watch(&self) -> AuditWatch {
        AuditWatch(Arc::clone(&self.state))
    }

    fn send(&self, command: impl FnOnce(oneshot::Sender<Answer>) -> Command) -> Receipt {
        let (sender, receiver) = oneshot::channel();
        self.state.queued.fetch_add(1, Ordering::Relaxed);
        // A refused command drops its sender, which the receipt reports as the writer's end.
        if self.commands.send(command(sender)).is_err() {
            self.state.queued.fetch_sub(1, Ordering::Relaxed);
        }
        Receipt(receiver)
    }
}

/// How the log fares.
#[derive(Clone, Debug)]
pub struct AuditWatch(Arc<State>);

impl AuditWatch {
    /// Whether the log can be written, as far as is known.
    pub fn healthy(&self) -> bool {
        self.problem().is_none()
    }

    /// Why the log cannot be written now. Known within five seconds without any event.
    pub fn problem(&self) -> Option<AuditError> {
        self.0.problem()
    }

    /// Events written, and events that could not be when they were due, since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.events.load(Ordering::Relaxed), self.0.errors.load(Ordering::Relaxed))
    }
}

impl State {
    fn new(stalled_after: Duration) -> State {
        State {
            started: Instant::now(),
            stalled_after,
            busy_since: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            events: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            problem: Mutex::new(None),
        }
    }

    /// The writer is about to touch the disk.
    pub(super) fn busy(&self) {
        self.busy_since.store(self.now() + 1, Ordering::Relaxed);
    }

    /// The writer is done with the disk.
    pub(super) fn idle(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    /// Sets or clears the reason why the log cannot be written.
    pub(super) fn set_problem(&self, problem: Option<AuditError>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn problem(&self) -> Option<AuditError> {
        let other = |cause: &str| Some(AuditError { target: "-".into(), cause: cause.into() });
        if self.ended.load(Ordering::Relaxed) {
            return other("its writer has ended");
        }
        let since = self.busy_since.load(Ordering::Relaxed);
        let waited = Duration::from_millis(self.now().saturating_sub(since));
        if since > 0 && waited > self.stalled_after {
            return other("a write has not come back from the disk");
        }
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a receipt resolves to.
pub type Answer = Result<(), AuditError>;

/// The promise that an event is in the log.
///
/// Cancel safety: dropping it changes nothing; the event is written all the same.
#[derive(Debug)]
#[must_use = "an event is in the log only once its receipt says so"]
pub struct Receipt(oneshot::Receiver<Answer>);

impl Receipt {
    /// Waits on this thread.
    ///
    /// # Panics
    /// Within an asynchronous context: await it there.
    pub fn wait(self) -> Answer {
        self.0.blocking_recv().unwrap_or_else(|_| Err(ended()))
    }

    fn failed(cause: &str) -> Receipt {
        let (sender, receiver) = oneshot::channel();
        let error = AuditError { target: "-".into(), cause: cause.into() };
        // Cannot fail: the receiver is alive.
        let _ = sender.send(Err(error));
        Receipt(receiver)
    }
}

impl Future for Receipt {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        Pin::new(&mut self.0).poll(cx).map(|got| got.unwrap_or_else(|_| Err(ended())))
    }
}

fn ended() -> AuditError {
    AuditError { target: "-".into(), cause: "its writer has ended".into() }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::{EventKind, Place, Who};
    use super::*;
    use crate::config::AuditTarget;

    fn settings(path: &std::path::Path) -> AuditSettings {
        AuditSettings {
            target: AuditTarget::File(path.to_owned()),
            statement: StatementText::Normalized,
            fsync: false,
        }
    }

    fn event(statement: Vec<u8>) -> Event {
        let mut event = Event::new(
            uuid::Uuid::now_v7(),
            EventKind::StatementBlocked,
            Arc::new(Place::default()),
            Arc::new(Who::default()),
        );
        event.statement = Some(statement.into());
        event
    }

    /// A pipe that nobody empties plays the disk that does not answer.
    #[test]
    fn a_stalled_write_holds_up_no_recorder_and_shows_as_unhealthy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let no_reader = AuditLog::open(&settings(&path));
        assert!(no_reader.is_err(), "a pipe without a reader must not be waited for");

        let mut reader = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let stalled_after = Duration::from_millis(100);
        let log = AuditLog::open_with(&settings(&path), Rendering::FULL, stalled_after).unwrap();
        let receipts: Vec<_> = (0..40).map(|_| log.record(event(vec![b'x'; 8 * 1024]))).collect();
        let started = Instant::now();
        while log.healthy() {
            assert!(started.elapsed() < Duration::from_secs(5), "never unhealthy");
            thread::sleep(Duration::from_millis(10));
        }
        let problem = log.watch().problem().unwrap().to_string();
        assert!(problem.contains("has not come back"), "{problem}");

        let drain = thread::spawn(move || {
            let mut scratch = [0; 4096];
            let mut lines = 0;
            while lines < 40 {
                let count = reader.read(&mut scratch).unwrap();
                lines += scratch[..count].iter().filter(|byte| **byte == b'\n').count();
            }
        });
        for receipt in receipts {
            receipt.wait().unwrap();
        }
        drain.join().unwrap();
        assert!(log.healthy());
        assert_eq!(log.watch().counts(), (40, 0));
    }

    #[test]
    fn a_fault_in_the_normaliser_costs_the_text_not_the_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let rendering = Rendering { text: Some(|_| panic!("as a bug would")), ..Rendering::FULL };
        let log = AuditLog::open_with(&settings(&path), rendering, STALLED).unwrap();
        let event = event(b"SELECT 1".to_vec());
        let id = event.id.to_string();
        log.record(event).wait().unwrap();
        let line = std::fs::read_to_string(&path).unwrap();
        assert!(line.contains(&id) && !line.contains("statement\":\"S"), "{line}");
        log.flush().wait().unwrap();
    }
}
