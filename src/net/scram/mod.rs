//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), both halves, as pure functions of
//! messages: no sockets, clock or randomness.
//!
//! Own code, where libraries exist, because the proxy needs what they keep to themselves: the
//! client's key recovered from its proof, logging in upstream with that key in place of a
//! password, and an exchange with an unknown user that looks and lasts like any other.

mod client;
mod error;
mod keys;
mod server;

pub use client::{ChannelBinding, ClientFinal, ClientFirst, Credential};
pub use error::ScramError;
pub use keys::{DEFAULT_ITERATIONS, Keys, MAX_ITERATIONS, MockSecret, Verifier};
pub use server::{Mechanism, WaitingForClientFinal, respond_to_client_first};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// `name=value` at the head of `rest`, up to the next comma; steps over it.
fn attribute<'a>(rest: &mut &'a str, name: char) -> Option<&'a str> {
    let after = rest.strip_prefix(name)?.strip_prefix('=')?;
    let end = after.find(',').unwrap_or(after.len());
    *rest = after.get(end + 1..).unwrap_or("");
    after.get(..end)
}

/// RFC 5802's `printable`: ASCII without controls, space and comma.
fn printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x21..=0x2b | 0x2d..=0x7e))
}

#[cfg(test)]
mod tests;
