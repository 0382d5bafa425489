//! The counters that one worker thread owns.
//!
//! Every worker has its own copy of every counter on cache lines of their own, so that counting on
//! the forwarding path shares nothing with other threads; `/metrics` adds the copies up. A counter
//! may be bumped from any thread, but none but its worker does it often.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::sql::Class;

/// A count that only grows, or a gauge's share in one thread (which may wrap; sums do not).
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bucket bounds in nanoseconds.
pub(super) type Bounds = &'static [u64];

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// From a hit in memory to a text of many megabytes.
pub(super) const JUDGE_BOUNDS: Bounds = &[
    MICROSECOND,
    5 * MICROSECOND / 2,
    5 * MICROSECOND,
    10 * MICROSECOND,
    25 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    MILLISECOND,
    10 * MILLISECOND,
    100 * MILLISECOND,
    SECOND,
];

/// From a socket on the same machine to a suspended server's waking up.
pub(super) const CONNECT_BOUNDS: Bounds = &[
    MILLISECOND,
    5 * MILLISECOND / 2,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    5 * SECOND / 2,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
];

/// How long something took.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Bounds,
    /// One a bound, and one for what is above the last; not cumulative.
    buckets: Box<[Counter]>,
    nanoseconds: Counter,
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Histogram { bounds, buckets, nanoseconds: Counter::default() }
    }

    pub(super) fn observe(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanoseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.add(1);
        }
        self.nanoseconds.add(nanoseconds);
    }

    /// Adds this copy to a sum.
    pub(super) fn add_to(&self, sum: &mut HistogramSum) {
        sum.bounds = self.bounds;
        sum.buckets.resize(self.buckets.len(), 0);
        for (total, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.get();
        }
        sum.nanoseconds = sum.nanoseconds.wrapping_add(self.nanoseconds.get());
    }
}

/// Copies of a histogram, added up.
#[derive(Debug, Default)]
pub(super) struct HistogramSum {
    pub(super) bounds: Bounds,
    pub(super) buckets: Vec<u64>,
    pub(super) nanoseconds: u64,
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forwarded.
    Allowed,
    /// Forwarded because the session had confirmed.
    Confirmed,
    /// Blocked.
    Blocked,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: &'static [Verdict] = &[Verdict::Allowed, Verdict::Confirmed, Verdict::Blocked];

    /// The `decision` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::Confirmed => "confirmed",
            Verdict::Blocked => "blocked",
        }
    }
}

/// How a text's judgement was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// The same text was known.
    Hit,
    /// The same text with other literals was known.
    ShapeHit,
    /// It had to be parsed.
    Miss,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From clients to upstreams.
    ToUpstream,
    /// From upstreams to clients.
    ToClient,
}

/// One worker's counters that belong to no upstream. Aligned to two cache lines, which processors
/// fetch as a pair.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) bytes_to_upstream: Counter,
    pub(super) bytes_to_client: Counter,
    pub(super) cache_hits: Counter,
    pub(super) cache_shape_hits: Counter,
    pub(super) cache_misses: Counter,
    pub(super) sessions: Counter,
    pub(super) sessions_total: Counter,
    pub(super) login: Histogram,
    pub(super) judge: Histogram,
    /// By rule. Locked once a refused session.
    pub(super) refused: Mutex<BTreeMap<&'static str, u64>>,
    /// By upstream. Locked once a session.
    pub(super) upstreams: Mutex<BTreeMap<String, Arc<UpstreamShard>>>,
}

impl Shard {
    pub(super) fn new() -> Shard {
        Shard {
            bytes_to_upstream: Counter::default(),
            bytes_to_client: Counter::default(),
            cache_hits: Counter::default(),
            cache_shape_hits: Counter::default(),
            cache_misses: Counter::default(),
            sessions: Counter::default(),
            sessions_total: Counter::default(),
            login: Histogram::new(CONNECT_BOUNDS),
            judge: Histogram::new(JUDGE_BOUNDS),
            refused: Mutex::default(),
            upstreams: Mutex::default(),
        }
    }
}

/// One worker's counters of one upstream.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct UpstreamShard {
    /// By class, then verdict.
    pub(super) statements: [[Counter; Verdict::ALL.len()]; Class::ALL.len()],
    pub(super) connect: Histogram,
    pub(super) connect_failures: Counter,
    /// By rule. Locked once a block.
    pub(super) blocks: Mutex<BTreeMap<&'static str, u64>>,
}

impl UpstreamShard {
    pub(super) fn new() -> UpstreamShard {
        UpstreamShard {
            statements: Default::default(),
            connect: Histogram::new(CONNECT_BOUNDS),
            connect_failures: Counter::default(),
            blocks: Mutex::default(),
        }
    }
}

/// One worker's handle: cheap to clone, cheap to count with.
#[derive(Clone, Debug)]
pub struct WorkerMetrics(pub(super) Arc<Shard>);

impl WorkerMetrics {
    /// A session has been accepted; it counts as open until the guard is dropped.
    #[must_use = "dropping the guard ends the session"]
    pub fn session(&self) -> SessionGuard {
        self.0.sessions.add(1);
        self.0.sessions_total.add(1);
        SessionGuard(Arc::clone(&self.0))
    }

    /// A session was refused by this rule.
    pub fn session_refused(&self, rule: &'static str) {
        *lock(&self.0.refused).entry(rule).or_default() += 1;
    }

    /// This many bytes were forwarded.
    #[inline]
    pub fn bytes(&self, direction: Direction, count: usize) {
        let counter = match direction {
            Direction::ToUpstream => &self.0.bytes_to_upstream,
            Direction::ToClient => &self.0.bytes_to_client,
        };
        counter.add(count as u64);
    }

    /// A judgement was looked up.
    #[inline]
    pub fn cache(&self, result: CacheResult) {
        let counter = match result {
            CacheResult::Hit => &self.0.cache_hits,
            CacheResult::ShapeHit => &self.0.cache_shape_hits,
            CacheResult::Miss => &self.0.cache_misses,
        };
        counter.add(1);
    }

    /// A login took this long, from accept to the session's first ReadyForQuery.
    pub fn login(&self, took: Duration) {
        self.0.login.observe(took);
    }

    /// A text was parsed and judged in this time.
    pub fn judged(&self, took: Duration) {
        self.0.judge.observe(took);
    }

    /// This worker's counters of an upstream, by its name in the configuration. Takes a lock that
    /// no other worker does: get it once a session, not once a statement.
    pub fn upstream(&self, name: &str) -> UpstreamMetrics {
        let mut upstreams = lock(&self.0.upstreams);
        if let Some(known) = upstreams.get(name) {
            return UpstreamMetrics(Arc::clone(known));
        }
        let new = Arc::new(UpstreamShard::new());
        upstreams.insert(name.to_owned(), Arc::clone(&new));
        UpstreamMetrics(new)
    }
}

/// One worker's counters of one upstream.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics(Arc<UpstreamShard>);

impl UpstreamMetrics {
    /// This many statements were judged.
    #[inline]
    pub fn statements(&self, class: Class, verdict: Verdict, count: u64) {
        let counter =
            self.0.statements.get(class as usize).and_then(|row| row.get(verdict as usize));
        if let Some(counter) = counter {
            counter.add(count);
        }
    }

    /// A statement was blocked by this rule (besides [`UpstreamMetrics::statements`]).
    pub fn blocked(&self, rule: &'static str) {
        *lock(&self.0.blocks).entry(rule).or_default() += 1;
    }

    /// Connecting and logging in took this long, retries included.
    pub fn connected(&self, took: Duration) {
        self.0.connect.observe(took);
    }

    /// Connecting was given up.
    pub fn connect_failed(&self) {
        self.0.connect_failures.add(1);
    }
}

/// An open session.
#[derive(Debug)]
pub struct SessionGuard(Arc<Shard>);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.0.sessions.subtract(1);
    }
}

/// A lock whose holder panicked still guards plain numbers.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
