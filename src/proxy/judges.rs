//! Threads that judge what takes long: a worker's other sessions go on meanwhile.
//!
//! A fixed set: each thread that parses costs the process something for good
//! ([`pgauthority_grammar`]).

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use bytes::BytesMut;
use tokio::sync::oneshot;

use super::catalogs::next_number;
use crate::gate::{Snapshot, Unread};
use crate::observe::WorkerMetrics;
use crate::sql::catalog::{Catalog, Options, Row, Unreadable};
use crate::sql::{self, Judgement};

/// Texts longer than this are judged here: it takes some hundred microseconds. No shorter than a
/// worker's scratch buffer, so that such a text is held by its session in any case.
pub(super) const LONG_TEXT: usize = 32 * 1024;

/// PostgreSQL's parser recurses; a worker has as much.
const STACK: usize = 8 * 1024 * 1024;

/// Judges texts on threads of its own; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Judges {
    jobs: mpsc::Sender<Job>,
}

/// A text, in the buffer that its session gave away for the time being.
#[derive(Debug)]
struct Text {
    buffer: BytesMut,
    place: Range<usize>,
    migration_tables: Arc<BTreeSet<String>>,
    metrics: WorkerMetrics,
    answer: oneshot::Sender<Judged>,
}

#[derive(Debug)]
enum Job {
    Judge(Text),
    /// The rows of a look at a catalog become a snapshot.
    Build {
        rows: Vec<Row>,
        version: Box<[u8]>,
        options: Options,
        /// What was known before: what it has read need not be read again.
        before: Option<Arc<Snapshot>>,
        answer: oneshot::Sender<Option<Arc<Snapshot>>>,
    },
    /// What statements run is read for the first time.
    Read(Box<Unread>, oneshot::Sender<()>),
}

/// The buffer again, and the judgement of the text in it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) buffer: BytesMut,
    pub(super) judgement: Judgement,
}

impl Judges {
    /// Starts `threads` threads; they end when the last clone is dropped.
    ///
    /// # Errors
    /// No thread could be started.
    pub(super) fn start(threads: usize) -> io::Result<Judges> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for index in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("judge-{index}")).stack_size(STACK).spawn(
                move || {
                    loop {
                        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(job) = job else { return };
                        job.run();
                    }
                },
            )?;
        }
        Ok(Judges { jobs })
    }

    /// Has a snapshot made of the rows of a look; the answer is `None` where they are unreadable.
    pub(super) fn build(
        &self,
        rows: Vec<Row>,
        version: Box<[u8]>,
        options: Options,
        before: Option<Arc<Snapshot>>,
    ) -> oneshot::Receiver<Option<Arc<Snapshot>>> {
        let (answer, receiver) = oneshot::channel();
        let _ = self.jobs.send(Job::Build { rows, version, options, before, answer });
        receiver
    }

    /// Has bodies read. The answer does not tell how far that came.
    pub(super) fn read(&self, unread: Box<Unread>) -> oneshot::Receiver<()> {
        let (answer, receiver) = oneshot::channel();
        let _ = self.jobs.send(Job::Read(unread, answer));
        receiver
    }

    /// Has the text at `place` of `buffer` judged. The answer never comes where judging failed:
    /// then nothing is known, and the session cannot go on.
    pub(super) fn judge(
        &self,
        buffer: BytesMut,
        place: Range<usize>,
        migration_tables: Arc<BTreeSet<String>>,
        metrics: WorkerMetrics,
    ) -> oneshot::Receiver<Judged> {
        let (answer, receiver) = oneshot::channel();
        // without threads the job is dropped, and its sender with it
        let text = Text { buffer, place, migration_tables, metrics, answer };
        let _ = self.jobs.send(Job::Judge(text));
        receiver
    }
}

impl Job {
    fn run(self) {
        match self {
            Job::Judge(text) => text.judge(),
            Job::Read(unread, answer) => {
                let _ = catch_unwind(AssertUnwindSafe(|| unread.read()));
                let _ = answer.send(());
            }
            Job::Build { rows, version, options, before, answer } => {
                let built = catch_unwind(AssertUnwindSafe(|| {
                    let catalog = Catalog::build(rows, &options)?;
                    if let Some(before) = before {
                        catalog.take_over(&before.catalog);
                    }
                    Ok::<_, Unreadable>(catalog)
                }));
                let catalog = match built {
                    Ok(Ok(catalog)) => Some(catalog),
                    Ok(Err(error)) => {
                        tracing::warn!("{error}");
                        None
                    }
                    Err(_) => None,
                };
                let number = next_number();
                let snapshot =
                    catalog.map(|catalog| Arc::new(Snapshot { catalog, version, number }));
                let _ = answer.send(snapshot);
            }
        }
    }
}

impl Text {
    fn judge(self) {
        let Text { buffer, place, migration_tables, metrics, answer } = self;
        if answer.is_closed() {
            return; // the client has left
        }
        let began = Instant::now();
        let text = buffer.get(place).unwrap_or_default();
        let judged = catch_unwind(AssertUnwindSafe(|| sql::judge(text, &migration_tables)));
        metrics.judged(began.elapsed());
        match judged {
            Ok(judgement) => drop(answer.send(Judged { buffer, judgement })),
            Err(_) => tracing::error!("judging a text of {} bytes failed", buffer.len()),
        }
    }
}
