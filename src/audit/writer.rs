//! The thread that writes the audit log: takes what is queued, writes it at once, answers.
//!
//! Group commit: events that queue up during a write share the next one. Every event is whole in
//! one write call unless the system takes less than it was given.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::event::{Event, Rendering};
use super::log::{Answer, AuditError, State};
use super::sink::{AppendError, Sink};

/// How often an idle writer looks whether the log could be written.
const LOOK: Duration = Duration::from_secs(5);
/// How often a writer whose log is broken tries to mend it.
const MEND: Duration = Duration::from_secs(1);
/// How often a lasting failure is traced.
const TRACE: Duration = Duration::from_secs(60);
/// One write holds about this much at most.
const BATCH_BYTES: usize = 1024 * 1024;
/// Facts kept for later while the log cannot be written.
const BACKLOG_BYTES: usize = 4 * 1024 * 1024;

/// What a handle asks of the writer.
#[derive(Debug)]
pub(super) enum Command {
    /// Write these events.
    Write { ts: Timestamp, events: Vec<Event>, receipt: oneshot::Sender<Answer> },
    /// Open the target again.
    Reopen { receipt: oneshot::Sender<Answer> },
}

/// The writer's own state.
pub(super) struct Writer {
    sink: Sink,
    rendering: Rendering,
    state: Arc<State>,
    /// Facts that could not be written, oldest first, each a whole line.
    backlog: VecDeque<Vec<u8>>,
    backlog_bytes: usize,
    broken: bool,
    traced: Option<Instant>,
    /// Facts that did not fit into the backlog.
    dropped: u64,
}

/// One event in the batch's buffer.
struct Line {
    end: usize,
    /// Index of the write command that it belongs to; `None` for the backlog.
    command: Option<usize>,
    is_fact: bool,
}

/// What one write call holds.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    /// Each with the number of its events.
    receipts: Vec<(usize, oneshot::Sender<Answer>)>,
}

impl Writer {
    /// A writer for an open sink.
    pub(super) fn new(sink: Sink, rendering: Rendering, state: Arc<State>) -> Writer {
        Writer {
            sink,
            rendering,
            state,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            broken: false,
            traced: None,
            dropped: 0,
        }
    }

    /// Serves commands until every handle is gone and the queue is empty.
    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        loop {
            match queue.recv_timeout(if self.broken { MEND } else { LOOK }) {
                Ok(first) => self.serve(first, queue),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if self.broken {
            self.look();
        }
    }

    /// Serves one command, and with a write every write that is queued right behind it.
    fn serve(&mut self, first: Command, queue: &Receiver<Command>) {
        let mut next = Some(first);
        let mut batch = Batch::default();
        while let Some(command) = next.take() {
            self.state.queued.fetch_sub(1, Ordering::Relaxed);
            match command {
                Command::Write { ts, events, receipt } => {
                    self.encode(ts, &events, receipt, &mut batch);
                    if batch.bytes.len() < BATCH_BYTES {
                        next = queue.try_recv().ok();
                    }
                }
                Command::Reopen { receipt } => {
                    self.commit(std::mem::take(&mut batch));
                    let reopened = self.on_disk(Sink::reopen);
                    answer(receipt, reopened);
                }
            }
        }
        self.commit(batch);
    }

    /// Appends the events' lines to the batch.
    ///
    /// A fault in reading a hostile text must not end the audit log: such an event is written
    /// without its text.
    fn encode(
        &self,
        ts: Timestamp,
        events: &[Event],
        receipt: oneshot::Sender<Answer>,
        batch: &mut Batch,
    ) {
        let command = batch.receipts.len();
        for event in events {
            let start = batch.bytes.len();
            let written = catch_unwind(AssertUnwindSafe(|| {
                event.write_json(ts, &self.rendering, &mut batch.bytes);
            }));
            if written.is_err() {
                batch.bytes.truncate(start);
                let bare = Event { statement: None, ..event.clone() };
                bare.write_json(ts, &self.rendering, &mut batch.bytes);
            }
            let (end, is_fact) = (batch.bytes.len(), event.kind.is_fact());
            batch.lines.push(Line { end, command: Some(command), is_fact });
        }
        batch.receipts.push((events.len(), receipt));
    }

    /// Writes the batch, what is left from earlier first, and answers its receipts.
    fn commit(&mut self, batch: Batch) {
        if batch.receipts.is_empty() {
            return;
        }
        let batch = self.with_backlog(batch);
        let result = self.append(&batch.bytes);
        // A flush has no events of its own: it fails with the write as a whole.
        let unwritten = |(events, _): &(usize, _)| *events == 0 && result.is_err();
        let mut failed: Vec<bool> = batch.receipts.iter().map(unwritten).collect();
        let mut start = 0;
        for line in &batch.lines {
            let (in_file, safe) = match &result {
                Ok(()) => (true, true),
                // Bytes that were taken are in the file, but with fsync that is not enough.
                Err((written, _, fsync)) => (line.end <= *written, line.end <= *written && !fsync),
            };
            let counter = if safe { &self.state.events } else { &self.state.errors };
            if line.command.is_some() || safe {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(failed) = line.command.and_then(|command| failed.get_mut(command)) {
                *failed |= !safe;
            }
            if !in_file && line.is_fact {
                self.keep(batch.bytes.get(start..line.end).unwrap_or_default());
            }
            start = line.end;
        }
        let error = result.err().map(|(_, error, _)| error);
        for ((_, receipt), failed) in batch.receipts.into_iter().zip(failed) {
            answer(receipt, if failed { error.clone().map_or(Ok(()), Err) } else { Ok(()) });
        }
    }

    /// The backlog's lines, then the batch's.
    fn with_backlog(&mut self, batch: Batch) -> Batch {
        if self.backlog.is_empty() {
            return batch;
        }
        let mut whole = Batch { receipts: batch.receipts, ..Batch::default() };
        for line in self.backlog.drain(..) {
            whole.bytes.extend_from_slice(&line);
            whole.lines.push(Line { end: whole.bytes.len(), command: None, is_fact: true });
        }
        self.backlog_bytes = 0;
        let before = whole.bytes.len();
        whole.bytes.extend_from_slice(&batch.bytes);
        let moved = batch.lines.into_iter().map(|line| Line { end: line.end + before, ..line });
        whole.lines.extend(moved);
        whole
    }

    /// Keeps a fact for later. When there is no more room, the beginning of the trouble is what
    /// is kept.
    fn keep(&mut self, line: &[u8]) {
        if self.backlog_bytes + line.len() <= BACKLOG_BYTES {
            self.backlog_bytes += line.len();
            self.backlog.push_back(line.to_vec());
        } else {
            self.dropped += 1;
        }
    }

    /// Appends to the sink; on failure says how many bytes are in the file and whether the disk
    /// was to have them.
    fn append(&mut self, bytes: &[u8]) -> Result<(), (usize, AuditError, bool)> {
        let mut written = 0;
        let result = self.on_disk(|sink| {
            if bytes.is_empty() {
                // A flush of nothing still says whether the log can be written.
                return sink.verify();
            }
            sink.append(bytes).map_err(|AppendError { written: taken, cause }| {
                written = taken;
                cause
            })
        });
        result.map_err(|error| (written, error, self.sink.fsync()))
    }

    /// Nothing was asked for: look whether the log could be written, and mend it.
    fn look(&mut self) {
        if self.broken && !self.backlog.is_empty() {
            // Without receipts `commit` would have nobody to answer; with one it takes the
            // backlog along.
            let (receipt, _) = oneshot::channel();
            self.commit(Batch { receipts: vec![(0, receipt)], ..Batch::default() });
        } else {
            // The outcome is kept and traced by `on_disk`.
            let _ = self.on_disk(Sink::probe);
        }
    }

    /// Runs one operation on the sink, and keeps account of how the log fares.
    fn on_disk(&mut self, operation: impl FnOnce(&mut Sink) -> io::Result<()>) -> Answer {
        self.state.busy();
        let result = operation(&mut self.sink);
        self.state.idle();
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.broken) {
                    self.state.set_problem(None);
                    self.traced = None;
                    let dropped = std::mem::take(&mut self.dropped);
                    tracing::warn!(
                        log = self.sink.name(),
                        dropped,
                        "audit log can be written again"
                    );
                }
                Ok(())
            }
            Err(cause) => {
                let error = AuditError { target: self.sink.name(), cause: cause.to_string() };
                self.broken = true;
                self.state.set_problem(Some(error.clone()));
                if self.traced.is_none_or(|at| at.elapsed() >= TRACE) {
                    self.traced = Some(Instant::now());
                    tracing::error!(%error, "statements that need an audit event are refused");
                }
                Err(error)
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
    }
}

/// A receipt that nobody holds any more needs no answer.
fn answer(receipt: oneshot::Sender<Answer>, answer: Answer) {
    let _ = receipt.send(answer);
}
