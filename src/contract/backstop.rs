//! The tokens that the backstop in a database accepts: made here, verified there by
//! `governance/backstop/install.sql`.
//!
//! A token is HMAC-SHA-256 over the backend, an expiry and the text of one message. It authorises
//! that text on that backend for some seconds and nothing else, so that a client which reads its own
//! token gains what it had confirmed already.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};

/// The parameter that carries a token. Clients cannot set it through the proxy.
pub const PARAMETER: &str = "pgauthority.token";

/// How long a token lasts, by the server's clock: from being made until its statement arrives at
/// the server, behind whatever was sent before. How long the statement then takes does not matter.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// What is signed begins so: no other use of the key can be taken for this one.
const PURPOSE: &[u8] = b"pgauthority backstop token 1";

/// The key that a proxy shares with the backstop of one database: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key from its bytes.
    pub fn new(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// Reads [`Key::to_text`]; `None` for anything but 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Key> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * bytes.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Key(bytes))
    }

    /// As it stands in a key file: 64 hexadecimal digits. Secret.
    pub fn to_text(&self) -> String {
        hex(&self.0)
    }

    /// Tells keys apart without telling the key; shown in the database to everybody.
    pub fn fingerprint(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"pgauthority backstop key 1");
        context.update(&self.0);
        hex(context.finish().as_ref().get(..8).unwrap_or_default())
    }
}

/// Shows the fingerprint.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}…)", self.fingerprint())
    }
}

/// One server process, for as long as it lives: ids come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// `pg_backend_pid()`, which is not what BackendKeyData says where something stands between.
    pub process_id: i32,
    /// `backend_start`, in microseconds since 1970.
    pub started: i64,
}

/// The value of [`PARAMETER`] for one text.
///
/// `expiry` is in seconds since 1970 by the server's clock, and is held against the moment at which
/// the statement arrives there. `text` is the whole message as the client sent it, in the client's
/// encoding: a Query's string, or the Parse's of what is executed.
pub fn token(key: &Key, backend: Backend, expiry: i64, text: &[u8]) -> String {
    let text = digest::digest(&digest::SHA256, text);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.0));
    context.update(PURPOSE);
    context.update(&backend.process_id.to_be_bytes());
    context.update(&backend.started.to_be_bytes());
    context.update(&expiry.to_be_bytes());
    context.update(text.as_ref());
    format!("1.{expiry}.{}", hex(context.sign().as_ref()))
}

/// Makes the tokens of one session.
#[derive(Clone, Debug)]
pub struct Signer {
    key: Arc<Key>,
    backend: Backend,
    /// What the server's clock said at zero of the caller's, in microseconds since 1970.
    server_at_zero: i64,
}

impl Signer {
    /// For a backend whose server's clock said `server_micros` (since 1970) at `now` on the clock
    /// that [`Signer::token`] is given the time of.
    pub fn new(key: Arc<Key>, backend: Backend, server_micros: i64, now: Duration) -> Signer {
        Signer { key, backend, server_at_zero: server_micros.saturating_sub(micros(now)) }
    }

    /// The token for a text that is about to be sent. It lasts [`TOKEN_LIFETIME`].
    pub fn token(&self, text: &[u8], now: Duration) -> String {
        let server = self.server_at_zero.saturating_add(micros(now));
        let expiry = server.saturating_add(micros(TOKEN_LIFETIME)) / 1_000_000;
        token(&self.key, self.backend, expiry, text)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        let mut bytes = [0; 32];
        for (index, byte) in (0..).zip(&mut bytes) {
            *byte = index;
        }
        Key::new(bytes)
    }

    const BACKEND: Backend = Backend { process_id: 4711, started: 1_700_000_000_123_456 };

    /// Computed with Python's `hmac` over the same layout.
    #[test]
    fn a_token_is_what_it_is_defined_to_be() {
        assert_eq!(
            token(&key(), BACKEND, 1_700_000_060, b"CREATE TABLE t ()"),
            "1.1700000060.3418e47a2c0b4e32780f80544dc4d94a3ca902428e797845ee06abe027da48a5"
        );
    }

    #[test]
    fn everything_that_a_token_is_for_changes_it() {
        let good = token(&key(), BACKEND, 60, b"DROP TABLE a");
        let mac = |token: &str| token.rsplit('.').next().unwrap_or_default().to_owned();
        for other in [
            token(&Key::new([7; 32]), BACKEND, 60, b"DROP TABLE a"),
            token(&key(), Backend { process_id: 1, ..BACKEND }, 60, b"DROP TABLE a"),
            token(&key(), Backend { started: 1, ..BACKEND }, 60, b"DROP TABLE a"),
            token(&key(), BACKEND, 61, b"DROP TABLE a"),
            token(&key(), BACKEND, 60, b"DROP TABLE b"),
        ] {
            assert_ne!(mac(&other), mac(&good));
        }
    }

    #[test]
    fn a_signer_goes_by_the_servers_clock() {
        let at = Duration::from_secs(100);
        let signer = Signer::new(Arc::new(key()), BACKEND, 5_000_000_000, at);
        let later = at + Duration::from_millis(2_500);
        let expiry = 5_000 + 2 + TOKEN_LIFETIME.as_secs().cast_signed();
        assert_eq!(signer.token(b"x", later), token(&key(), BACKEND, expiry, b"x"));
    }

    #[test]
    fn keys_read_back_and_do_not_show() {
        let text = key().to_text();
        assert_eq!(Key::parse(&text), Some(key()));
        assert_eq!(Key::parse(&text.to_uppercase()), Some(key()));
        for malformed in
            ["", &text[1..], &format!("{text}0"), &text.replace('0', "g"), &"é".repeat(32)]
        {
            assert_eq!(Key::parse(malformed), None);
        }
        let shown = format!("{:?}", key());
        assert!(!shown.contains(&text[..16]), "{shown}");
    }
}
