//! Passing cancel requests on, with bounds: each takes a connection of its own to the server.
//!
//! For one session one is under way at a time. Those that come meanwhile are one: it starts when the
//! first is done, so none of them is taken for a cancellation that came before its statement began.
//! For one upstream a few are under way at a time.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::registry::CancelTarget;

/// Cancel requests under way to one upstream.
const AT_ONCE: usize = 16;

/// Requests that wait for one session's: one more adds nothing to them, and is closed at once.
const WAITING: usize = 16;

/// How long a request may wait for its turn. It is of no use later.
const PATIENCE: Duration = Duration::from_secs(10);

/// The turns of every upstream, by name.
#[derive(Debug, Default)]
pub(super) struct Upstreams(DashMap<String, Arc<Semaphore>>);

impl Upstreams {
    pub(super) fn of(&self, upstream: &str) -> Arc<Semaphore> {
        if let Some(known) = self.0.get(upstream) {
            return Arc::clone(&known);
        }
        let turns = self.0.entry(upstream.to_owned());
        Arc::clone(&turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}

/// What cancels one session's statements.
pub(super) struct Cancelling {
    target: CancelTarget,
    upstreams: Arc<Upstreams>,
    turns: Turns,
}

impl Cancelling {
    pub(super) fn new(target: CancelTarget, upstreams: Arc<Upstreams>) -> Self {
        Cancelling { target, upstreams, turns: Turns::default() }
    }

    /// What it cancels.
    pub(super) fn target(&self) -> &CancelTarget {
        &self.target
    }

    /// Has the server cancel what the session runs; returns when that has been passed on, by this
    /// request or by one that began after it came.
    ///
    /// # Errors
    /// As [`CancelToken::cancel`](crate::upstream::CancelToken::cancel), or none had its turn in
    /// time.
    pub(super) async fn cancel(&self) -> io::Result<()> {
        match &self.target {
            CancelTarget::Moving(moving) => moving.cancelled.ask(),
            CancelTarget::Split(split) if split.ends_opening() => return Ok(()),
            _ => {}
        }
        let pass = async || {
            let Some(token) = self.target.clone().token() else { return Ok(()) };
            let upstream = self.upstreams.of(token.upstream());
            let turn = timeout(PATIENCE, upstream.acquire()).await;
            let _turn = turn.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            token.cancel().await
        };
        self.turns.take(pass).await
    }
}

impl fmt::Debug for Cancelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelling").field(&self.target).finish()
    }
}

/// Who came when, and up to whom it is done.
#[derive(Debug, Default)]
struct Turns {
    came: AtomicU64,
    waiting: AtomicUsize,
    done: Mutex<u64>,
}

impl Turns {
    async fn take(&self, pass: impl AsyncFnOnce() -> io::Result<()>) -> io::Result<()> {
        let own = self.came.fetch_add(1, Ordering::SeqCst) + 1;
        let waiting = Waiting::new(&self.waiting);
        if waiting.before > WAITING {
            return Ok(());
        }
        let mut done = self.done.lock().await;
        if *done >= own {
            return Ok(());
        }
        *done = self.came.load(Ordering::SeqCst);
        pass().await
    }
}

/// Counts one that waits.
struct Waiting<'w> {
    count: &'w AtomicUsize,
    before: usize,
}

impl<'w> Waiting<'w> {
    fn new(count: &'w AtomicUsize) -> Self {
        let before = count.fetch_add(1, Ordering::SeqCst);
        Waiting { count, before }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets everything run as far as it gets.
    async fn settle() {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_that_come_meanwhile_are_one() {
        let (turns, passed) = (Turns::default(), AtomicUsize::new(0));
        let gate = Semaphore::new(0);
        let one = || {
            turns.take(async || {
                passed.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                Ok(())
            })
        };
        let mut first = std::pin::pin!(one());
        tokio::select! { biased; _ = &mut first => panic!("not yet"), () = settle() => {} }
        let mut rest = std::pin::pin!(async { tokio::join!(one(), one(), one(), one()) });
        tokio::select! { biased; _ = &mut rest => panic!("not yet"), () = settle() => {} }
        assert_eq!(passed.load(Ordering::SeqCst), 1, "one at a time");
        gate.add_permits(1);
        first.await.unwrap();
        gate.add_permits(1);
        let (a, b, c, d) = rest.await;
        assert!([a, b, c, d].iter().all(Result::is_ok));
        assert_eq!(passed.load(Ordering::SeqCst), 2);
        gate.add_permits(1);
        one().await.unwrap();
        assert_eq!(passed.load(Ordering::SeqCst), 3, "a later one is one of its own");
    }

    #[tokio::test]
    async fn a_flood_does_not_wait() {
        let turns = Turns::default();
        let never = || turns.take(async || std::future::pending().await);
        let mut waiting: Vec<_> = (0..=WAITING).map(|_| Box::pin(never())).collect();
        for one in &mut waiting {
            tokio::select! { biased; _ = one => panic!("not yet"), () = settle() => {} }
        }
        never().await.unwrap();
        assert_eq!(turns.waiting.load(Ordering::SeqCst), WAITING + 1);
        drop(waiting);
        assert_eq!(turns.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_upstream_has_its_own_turns() {
        let upstreams = Upstreams::default();
        assert!(Arc::ptr_eq(&upstreams.of("a"), &upstreams.of("a")));
        assert!(!Arc::ptr_eq(&upstreams.of("a"), &upstreams.of("b")));
    }
}
