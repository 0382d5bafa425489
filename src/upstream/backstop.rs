//! What a connection needs to sign for the backstop in its database: the backend as the server
//! knows it, and the server's clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::contract::backstop::{Backend, Key, Signer};

/// The columns behind those that are read in any case. No operator and no function without its
/// schema: no `search_path` can put another in its place.
pub(super) const COLUMNS: &str = ", pg_catalog.pg_backend_pid(), \
    (SELECT EXTRACT(epoch FROM backend_start) \
        FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())), \
    EXTRACT(epoch FROM pg_catalog.clock_timestamp())";

/// A backend that tokens can be made for.
#[derive(Clone, Debug)]
pub struct Signable {
    key: Arc<Key>,
    backend: Backend,
    /// What the server's clock said, in microseconds since 1970 …
    server_micros: i64,
    /// … when this machine's was at this.
    at: Instant,
}

impl Signable {
    /// From the values of [`COLUMNS`], asked for at `at`; `None` where the server did not tell.
    pub(super) fn read(key: &Arc<Key>, columns: &[String], at: Instant) -> Option<Signable> {
        let [process_id, started, clock] = columns else { return None };
        let backend = Backend { process_id: process_id.parse().ok()?, started: micros(started)? };
        Some(Signable { key: Arc::clone(key), backend, server_micros: micros(clock)?, at })
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What signs for this backend, by a monotonic clock that says `now` at this moment.
    pub fn signer(&self, now: Duration) -> Signer {
        let passed = i64::try_from(self.at.elapsed().as_micros()).unwrap_or(i64::MAX);
        let server = self.server_micros.saturating_add(passed);
        Signer::new(Arc::clone(&self.key), self.backend, server, now)
    }
}

/// Microseconds of a number of seconds as PostgreSQL writes it: `1700000000.123456`.
fn micros(seconds: &str) -> Option<i64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_to_the_microsecond() {
        assert_eq!(micros("1700000000.123456"), Some(1_700_000_000_123_456));
        assert_eq!(micros("1700000000.1"), Some(1_700_000_000_100_000));
        assert_eq!(micros("12"), Some(12_000_000));
        for malformed in ["", ".5", "-1", "1e9", "1.1234567", "1.x", "99999999999999999999"] {
            assert_eq!(micros(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn what_the_server_withholds_is_not_made_up() {
        let key = Arc::new(Key::new([1; 32]));
        let columns =
            |pid: &str, started: &str| [pid.to_owned(), started.to_owned(), "100.5".to_owned()];
        let now = Instant::now();
        assert!(Signable::read(&key, &columns("7", "9.000001"), now).is_some());
        assert!(Signable::read(&key, &columns("7", ""), now).is_none());
        assert!(Signable::read(&key, &columns("", "9"), now).is_none());
        assert!(Signable::read(&key, &[], now).is_none());
    }
}
