//! When to try again: exponential, with jitter, until the deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::ConnectError;

/// The first pause. A local server that restarts is back within a few of them.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause: a suspended compute that wakes is noticed within it.
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses between the attempts of one [`open`](super::open).
#[derive(Debug)]
pub(super) struct Backoff {
    started: Instant,
    deadline: Instant,
    pause: Duration,
    attempts: u32,
}

impl Backoff {
    pub(super) fn until(deadline: Instant) -> Backoff {
        Backoff { started: Instant::now(), deadline, pause: FIRST, attempts: 0 }
    }

    /// Counts an attempt that failed, and waits until the next one is due. Gives the error back,
    /// saying how long it was tried, where there is no time left for another.
    pub(super) async fn wait(&mut self, error: ConnectError) -> Result<(), ConnectError> {
        let now = Instant::now();
        let Some(pause) = self.next(now, random()) else {
            let tried = now.duration_since(self.started).as_secs_f64();
            return Err(error.gave_up(self.attempts, tried));
        };
        tracing::debug!(attempt = self.attempts, ?pause, %error, "connecting failed, trying again");
        sleep(pause).await;
        Ok(())
    }

    /// The pause before the next attempt; `None` where it would end behind the deadline.
    fn next(&mut self, now: Instant, random: u8) -> Option<Duration> {
        self.attempts += 1;
        let pause = jittered(self.pause, random);
        self.pause = (self.pause * 2).min(LONGEST);
        (now + pause < self.deadline).then_some(pause)
    }
}

/// Between half of the pause and all of it, so that many sessions that lost the same server do
/// not come back in step.
fn jittered(pause: Duration, random: u8) -> Duration {
    let half = pause / 2;
    half + half.mul_f64(f64::from(random) / 255.0)
}

fn random() -> u8 {
    let mut byte = [0_u8];
    // without randomness the pauses are merely in step
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::ConnectErrorKind;

    #[test]
    fn jitter_stays_between_half_and_all() {
        let pause = Duration::from_millis(100);
        assert_eq!(jittered(pause, 0), Duration::from_millis(50));
        assert_eq!(jittered(pause, 255), pause);
    }

    #[tokio::test]
    async fn gives_up_at_the_deadline_and_says_so() {
        let mut backoff = Backoff::until(Instant::now());
        let error = ConnectError::new(ConnectErrorKind::Unreachable, "08001", "nobody there");
        let given_up = backoff.wait(error).await.unwrap_err();
        let detail = given_up.detail().unwrap_or_default().to_owned();
        assert!(detail.starts_with("gave up after 1 attempt in "), "{detail}");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let now = Instant::now();
        let mut backoff = Backoff::until(now + Duration::from_secs(60));
        let pauses: Vec<u64> =
            (0..8).filter_map(|_| backoff.next(now, 255)).map(|p| p.as_millis() as u64).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.next(now + Duration::from_secs(59), 255), None);
    }
}
