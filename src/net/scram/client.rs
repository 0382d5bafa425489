//! The client's half, with a password or with keys recovered from somebody's proof.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::ScramError;
use super::keys::{Key, Keys, MAX_ITERATIONS, equal, hmac_sha256};
use super::{SCRAM_SHA_256, SCRAM_SHA_256_PLUS, attribute, printable};

/// What the client says about channel binding (RFC 5802 section 7, gs2-cbind-flag).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    /// `n`: it cannot (no TLS) or does not want to.
    Unsupported,
    /// `y`: it could, and the server did not offer -PLUS.
    NotOffered,
    /// `p`: bound to the server's certificate, by its `tls-server-end-point` data.
    EndPoint(Vec<u8>),
}

impl ChannelBinding {
    /// The mechanism that goes with it.
    pub fn mechanism(&self) -> &'static str {
        match self {
            ChannelBinding::EndPoint(_) => SCRAM_SHA_256_PLUS,
            ChannelBinding::Unsupported | ChannelBinding::NotOffered => SCRAM_SHA_256,
        }
    }

    fn header(&self) -> &'static str {
        match self {
            ChannelBinding::Unsupported => "n,,",
            ChannelBinding::NotOffered => "y,,",
            ChannelBinding::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    /// The value of `c=`.
    fn encoded(&self) -> String {
        let mut input = self.header().as_bytes().to_vec();
        if let ChannelBinding::EndPoint(data) = self {
            input.extend_from_slice(data);
        }
        STANDARD.encode(input)
    }
}

/// What to log in with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A password.
    Password(&'a [u8]),
    /// Keys of the very verifier that the server holds.
    Keys(&'a Keys),
}

/// An exchange that begins.
#[derive(Clone, Debug)]
pub struct ClientFirst {
    binding: ChannelBinding,
    /// The client's part of the nonce.
    nonce: String,
    /// client-first-message-bare.
    bare: String,
}

impl ClientFirst {
    /// With a nonce that is printable and random. The user name is left empty: PostgreSQL takes
    /// the one of the startup packet.
    pub fn new(binding: ChannelBinding, nonce: String) -> ClientFirst {
        let bare = format!("n=,r={nonce}");
        ClientFirst { binding, nonce, bare }
    }

    /// The mechanism to choose.
    pub fn mechanism(&self) -> &'static str {
        self.binding.mechanism()
    }

    /// client-first-message.
    pub fn message(&self) -> String {
        format!("{}{}", self.binding.header(), self.bare)
    }

    /// Reads server-first-message and makes client-final-message.
    ///
    /// With a password it takes time in proportion to the server's iterations, of which at most
    /// [`MAX_ITERATIONS`] are granted.
    pub fn respond(
        self,
        server_first: &[u8],
        credential: Credential<'_>,
    ) -> Result<ClientFinal, ScramError> {
        let server_first = text(server_first)?;
        let (nonce, salt, iterations) = parse_server_first(server_first)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) || !printable(nonce) {
            return Err(ScramError::NonceMismatch);
        }
        let derived;
        let keys = match credential {
            Credential::Keys(keys) if keys.salt == salt && keys.iterations == iterations => keys,
            Credential::Keys(_) => return Err(ScramError::OtherVerifier),
            Credential::Password(_) if iterations > MAX_ITERATIONS => {
                return Err(ScramError::TooManyIterations(iterations));
            }
            Credential::Password(password) => {
                derived = Keys::from_password(password, &salt, iterations);
                &derived
            }
        };
        let without_proof = format!("c={},r={nonce}", self.binding.encoded());
        let auth_message = format!("{},{server_first},{without_proof}", self.bare);
        let mut proof = hmac_sha256(&keys.stored_key, &[auth_message.as_bytes()]);
        for (byte, mask) in proof.iter_mut().zip(keys.client_key) {
            *byte ^= mask;
        }
        Ok(ClientFinal {
            message: format!("{without_proof},p={}", STANDARD.encode(proof)),
            server_signature: hmac_sha256(&keys.server_key, &[auth_message.as_bytes()]),
        })
    }
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    std::str::from_utf8(message)
        .map_err(|_| ScramError::Malformed("the server's message is not valid UTF-8".to_owned()))
}

fn parse_server_first(message: &str) -> Result<(&str, Vec<u8>, u32), ScramError> {
    let malformed = || ScramError::Malformed("server-first-message".to_owned());
    let mut rest = message;
    if rest.starts_with('m') {
        return Err(ScramError::Extension);
    }
    let nonce = attribute(&mut rest, 'r').ok_or_else(malformed)?;
    let salt = attribute(&mut rest, 's').ok_or_else(malformed)?;
    let iterations = attribute(&mut rest, 'i').ok_or_else(malformed)?;
    let salt = STANDARD.decode(salt).map_err(|_| malformed())?;
    let iterations: u32 = iterations.parse().map_err(|_| malformed())?;
    match iterations {
        0 => Err(malformed()),
        _ => Ok((nonce, salt, iterations)),
    }
}

/// An exchange in which client-final-message is made.
pub struct ClientFinal {
    message: String,
    server_signature: Key,
}

impl ClientFinal {
    /// client-final-message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Reads server-final-message. Only after `Ok` has the server shown that it knows the
    /// verifier.
    pub fn verify(self, server_final: &[u8]) -> Result<(), ScramError> {
        let mut rest = text(server_final)?;
        if let Some(error) = attribute(&mut rest, 'e') {
            return Err(ScramError::Refused(error.chars().take(60).collect()));
        }
        let signature = attribute(&mut rest, 'v')
            .and_then(|signature| STANDARD.decode(signature).ok())
            .ok_or_else(|| ScramError::Malformed("server-final-message".to_owned()))?;
        match equal(&signature, &self.server_signature) {
            true => Ok(()),
            false => Err(ScramError::ServerSignature),
        }
    }
}
