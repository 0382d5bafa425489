//! The server's half: two client messages in, two answers out, the client's keys at the end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

use super::error::ScramError;
use super::keys::{KEY_LENGTH, Key, Keys, Verifier, equal, hmac_sha256, sha256};
use super::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, attribute, printable};

/// The mechanism a client chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// SCRAM-SHA-256.
    Plain,
    /// SCRAM-SHA-256-PLUS.
    Plus,
}

impl Mechanism {
    /// By its name on the wire.
    pub fn from_name(name: &[u8]) -> Option<Mechanism> {
        if name == SCRAM_SHA_256.as_bytes() {
            Some(Mechanism::Plain)
        } else if name == SCRAM_SHA_256_PLUS.as_bytes() {
            Some(Mechanism::Plus)
        } else {
            None
        }
    }
}

/// Reads client-first-message and gives server-first-message.
///
/// `end_point`: the `tls-server-end-point` data of this connection where -PLUS was offered,
/// `None` where it was not. `nonce`: the server's part, printable and random.
pub fn respond_to_client_first(
    mechanism: Mechanism,
    end_point: Option<&[u8]>,
    verifier: Verifier,
    client_first: &[u8],
    nonce: &str,
) -> Result<(String, WaitingForClientFinal), ScramError> {
    let message = text(client_first)?;
    let (header, mut bare) = gs2_header(mechanism, end_point.is_some(), message)?;
    let client_first_bare = bare.to_owned();
    if bare.starts_with('m') {
        return Err(ScramError::Extension);
    }
    // the user was named in the startup packet; as PostgreSQL, this one is not looked at
    attribute(&mut bare, 'n').ok_or_else(|| malformed("expected attribute \"n\""))?;
    let client_nonce =
        attribute(&mut bare, 'r').ok_or_else(|| malformed("expected attribute \"r\""))?;
    if !printable(client_nonce) {
        return Err(ScramError::Nonce);
    }
    let nonce = format!("{client_nonce}{nonce}");
    let server_first =
        format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);

    let mut binding = header.as_bytes().to_vec();
    if mechanism == Mechanism::Plus {
        binding.extend_from_slice(end_point.unwrap_or_default());
    }
    let waiting = WaitingForClientFinal {
        verifier,
        binding: STANDARD.encode(binding),
        mechanism,
        nonce,
        first_messages: format!("{client_first_bare},{server_first}"),
    };
    Ok((server_first, waiting))
}

fn malformed(detail: impl Into<String>) -> ScramError {
    ScramError::Malformed(detail.into())
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    match std::str::from_utf8(message) {
        Ok("") => Err(malformed("The message is empty.")),
        Ok(text) if text.contains('\0') => {
            Err(malformed("Message length does not match input length."))
        }
        Ok(text) => Ok(text),
        Err(_) => Err(malformed("The message is not valid UTF-8.")),
    }
}

/// Splits client-first-message into its gs2 header and the rest, the flag being one that fits
/// the mechanism and what was offered.
fn gs2_header(
    mechanism: Mechanism,
    plus_offered: bool,
    message: &str,
) -> Result<(&str, &str), ScramError> {
    let mut rest = message;
    match (message.as_bytes().first(), mechanism) {
        (Some(b'n' | b'y'), Mechanism::Plus) => {
            return Err(malformed(
                "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include \
                 channel binding data.",
            ));
        }
        (Some(b'y'), Mechanism::Plain) if plus_offered => {
            return Err(ScramError::BindingNegotiation);
        }
        (Some(b'n' | b'y'), Mechanism::Plain) => {
            rest = message[1..].strip_prefix(',').ok_or_else(|| malformed("Comma expected."))?;
        }
        (Some(b'p'), Mechanism::Plain) => {
            return Err(malformed(
                "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message \
                 includes channel binding data.",
            ));
        }
        (Some(b'p'), Mechanism::Plus) => {
            let kind =
                attribute(&mut rest, 'p').ok_or_else(|| malformed("expected attribute \"p\""))?;
            if kind != "tls-server-end-point" {
                return Err(ScramError::BindingType(kind.chars().take(30).collect()));
            }
        }
        _ => return Err(malformed("Unexpected channel-binding flag.")),
    }
    if rest.starts_with('a') {
        return Err(ScramError::AuthorizationIdentity);
    }
    let bare = rest.strip_prefix(',').ok_or_else(|| malformed("Comma expected."))?;
    let header = &message[..message.len() - bare.len()];
    Ok((header, bare))
}

/// An exchange in which server-first-message is out.
#[derive(Debug)]
pub struct WaitingForClientFinal {
    verifier: Verifier,
    /// The only `c=` that fits, in base64.
    binding: String,
    mechanism: Mechanism,
    nonce: String,
    /// `client-first-message-bare "," server-first-message`.
    first_messages: String,
}

impl WaitingForClientFinal {
    /// Reads client-final-message; gives server-final-message and the client's keys.
    pub fn finish(self, client_final: &[u8]) -> Result<(String, Keys), ScramError> {
        let message = text(client_final)?;
        let (without_proof, proof) = self.client_final(message)?;
        let auth_message = [self.first_messages.as_bytes(), b",", without_proof.as_bytes()];

        let signature = hmac_sha256(&self.verifier.stored_key, &auth_message);
        let mut client_key: Key = proof;
        for (byte, mask) in client_key.iter_mut().zip(signature) {
            *byte ^= mask;
        }
        let right = equal(&sha256(&client_key), &self.verifier.stored_key);
        if !right || self.verifier.doomed {
            client_key.zeroize();
            return Err(ScramError::WrongProof);
        }
        let server_signature = hmac_sha256(&self.verifier.server_key, &auth_message);
        let keys = Keys {
            client_key,
            stored_key: self.verifier.stored_key,
            server_key: self.verifier.server_key,
            salt: self.verifier.salt.clone(),
            iterations: self.verifier.iterations,
        };
        client_key.zeroize();
        Ok((format!("v={}", STANDARD.encode(server_signature)), keys))
    }

    /// Checks binding and nonce; gives client-final-message-without-proof and the proof.
    fn client_final<'a>(&self, message: &'a str) -> Result<(&'a str, Key), ScramError> {
        let mut rest = message;
        let binding =
            attribute(&mut rest, 'c').ok_or_else(|| malformed("expected attribute \"c\""))?;
        if !equal(binding.as_bytes(), self.binding.as_bytes()) {
            return Err(match self.mechanism {
                Mechanism::Plus => ScramError::BindingCheck,
                Mechanism::Plain => ScramError::BindingAttribute,
            });
        }
        let nonce =
            attribute(&mut rest, 'r').ok_or_else(|| malformed("expected attribute \"r\""))?;
        if nonce != self.nonce {
            return Err(ScramError::NonceMismatch);
        }
        // extensions may stand between the nonce and the proof, which is last
        let (without_proof, proof) =
            message.rsplit_once(",p=").ok_or_else(|| malformed("expected attribute \"p\""))?;
        let proof: [u8; KEY_LENGTH] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("Malformed proof in client-final-message."))?;
        Ok((without_proof, proof))
    }
}
