//! The secrets of SCRAM: verifiers as in `pg_authid`, keys, and stand-ins for unknown users.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key: one SHA-256.
pub(super) const KEY_LENGTH: usize = 32;
/// PostgreSQL's `SCRAM_SHA_256_DEFAULT_ITERATIONS`.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// More iterations than this are refused where a server asks for them: they are computed on a
/// thread that serves others.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// PostgreSQL's `SCRAM_DEFAULT_SALT_LEN`.
const SALT_LENGTH: usize = 16;

pub(super) type Key = [u8; KEY_LENGTH];

pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_key(context.sign().as_ref())
}

pub(super) fn sha256(data: &[u8]) -> Key {
    to_key(digest::digest(&digest::SHA256, data).as_ref())
}

fn to_key(bytes: &[u8]) -> Key {
    let mut key = [0; KEY_LENGTH];
    // both callers hand over exactly one SHA-256
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    key
}

/// Compares without telling by its duration where the difference is.
pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// What logs in as a user without the password, for one verifier. Wiped when dropped.
#[derive(Clone)]
pub struct Keys {
    pub(super) client_key: Key,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
    /// Of the verifier that they belong to: with another salt they are worthless.
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
}

impl Keys {
    /// The keys of a password under a salt (RFC 5802 section 3). The password goes through
    /// SASLprep where it can; as in PostgreSQL, one that cannot is used as it is.
    ///
    /// Takes time in proportion to `iterations`; 0 counts as 1.
    pub fn from_password(password: &[u8], salt: &[u8], iterations: u32) -> Keys {
        let normalized = Zeroizing::new(normalize(password));
        let mut salted = Zeroizing::new([0; KEY_LENGTH]);
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, &normalized, &mut salted[..]);
        let client_key = hmac_sha256(&salted[..], &[b"Client Key"]);
        Keys {
            client_key,
            stored_key: sha256(&client_key),
            server_key: hmac_sha256(&salted[..], &[b"Server Key"]),
            salt: salt.to_vec(),
            iterations: rounds.get(),
        }
    }

    /// ClientKey: whoever has it can log in as the user.
    pub fn client_key(&self) -> &[u8; KEY_LENGTH] {
        &self.client_key
    }

    /// ServerKey: whoever has it can pass for the server.
    pub fn server_key(&self) -> &[u8; KEY_LENGTH] {
        &self.server_key
    }

    /// The salt of the verifier that these keys belong to.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iterations of the verifier that these keys belong to.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.client_key.zeroize();
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

fn normalize(password: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(password).map(stringprep::saslprep) {
        Ok(Ok(Cow::Owned(prepared))) => prepared.into_bytes(),
        _ => password.to_vec(),
    }
}

/// What verifies a user: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
#[derive(Clone)]
pub struct Verifier {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
    /// It stands for nobody: no proof is right.
    pub(super) doomed: bool,
}

impl Verifier {
    /// Keys that a proof against a verifier gave are those of this one: the password is the same.
    pub fn fits(&self, keys: &Keys) -> bool {
        !self.doomed && self.salt == keys.salt && self.stored_key == keys.stored_key
    }

    /// Reads a verifier as it stands in `pg_authid`; `None`: it is none (as PostgreSQL, which
    /// then takes the text for a plain password).
    pub fn parse(text: &str) -> Option<Verifier> {
        let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations: i32 = iterations.parse().ok()?;
        Some(Verifier {
            iterations: u32::try_from(iterations).ok().filter(|&count| count > 0)?,
            salt: STANDARD.decode(salt).ok()?,
            stored_key: STANDARD.decode(stored_key).ok()?.try_into().ok()?,
            server_key: STANDARD.decode(server_key).ok()?.try_into().ok()?,
            doomed: false,
        })
    }

    /// The verifier of a plain password. `salt` ought to be 16 random bytes.
    pub fn from_password(password: &[u8], salt: &[u8], iterations: u32) -> Verifier {
        Keys::from_password(password, salt, iterations).verifier()
    }

    /// The verifier of a configured secret: one already, or a plain password.
    pub fn from_secret(secret: &str, salt: &[u8]) -> Verifier {
        Verifier::parse(secret)
            .unwrap_or_else(|| Verifier::from_password(secret.as_bytes(), salt, DEFAULT_ITERATIONS))
    }

    /// The same towards the client, but no proof is right: for a user who exists and may not
    /// enter here.
    #[must_use]
    pub fn doomed(mut self) -> Verifier {
        self.doomed = true;
        self
    }

    /// Iterations and bytes of salt: what a client sees of it before it proves anything.
    pub fn shape(&self) -> (u32, usize) {
        (self.iterations, self.salt.len())
    }

    /// The text that stands in `pg_authid`. A secret: it lets its reader play the server, and
    /// guess passwords at leisure.
    pub fn to_secret_text(&self) -> String {
        format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl Keys {
    /// The verifier that these keys satisfy.
    pub fn verifier(&self) -> Verifier {
        Verifier {
            iterations: self.iterations,
            salt: self.salt.clone(),
            stored_key: self.stored_key,
            server_key: self.server_key,
            doomed: false,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// Makes verifiers for users who do not exist: the same one for the same name as long as the
/// process lives, shaped like the real ones, and satisfied by nothing.
pub struct MockSecret {
    key: Zeroizing<[u8; KEY_LENGTH]>,
    iterations: u32,
    salt_length: usize,
}

impl MockSecret {
    /// With 32 random bytes, and PostgreSQL's default shape.
    pub fn new(key: [u8; KEY_LENGTH]) -> MockSecret {
        let key = Zeroizing::new(key);
        MockSecret { key, iterations: DEFAULT_ITERATIONS, salt_length: SALT_LENGTH }
    }

    /// With the same random bytes, and the shape that most of these verifiers have.
    pub fn shaped_like<'a>(&self, real: impl Iterator<Item = &'a Verifier>) -> MockSecret {
        let mut counts = BTreeMap::new();
        for verifier in real {
            *counts.entry(verifier.shape()).or_insert(0usize) += 1;
        }
        let (iterations, salt_length) = counts
            .into_iter()
            .max_by_key(|&(_, count)| count)
            .map_or((DEFAULT_ITERATIONS, SALT_LENGTH), |(shape, _)| shape);
        MockSecret { key: self.key.clone(), iterations, salt_length }
    }

    /// A verifier for a configured secret: as it is, or made from a plain password with a salt
    /// as an unknown user of that name would have.
    pub fn real(&self, user: &str, secret: &str) -> Verifier {
        Verifier::from_secret(secret, &self.salt(user, SALT_LENGTH))
    }

    /// The stand-in for a name. Takes the same time for every name of a length.
    pub fn verifier(&self, user: &str) -> Verifier {
        Verifier {
            iterations: self.iterations,
            salt: self.salt(user, self.salt_length),
            stored_key: self.derive(b"stored key\0", user),
            server_key: self.derive(b"server key\0", user),
            doomed: true,
        }
    }

    fn salt(&self, user: &str, length: usize) -> Vec<u8> {
        self.derive(b"salt\0", user).iter().copied().cycle().take(length).collect()
    }

    fn derive(&self, purpose: &[u8], user: &str) -> Key {
        hmac_sha256(&self.key[..], &[purpose, user.as_bytes()])
    }
}

impl fmt::Debug for MockSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MockSecret(…)")
    }
}
