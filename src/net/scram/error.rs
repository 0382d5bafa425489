//! Why a SCRAM exchange failed.

use thiserror::Error;

use crate::protocol::ErrorResponse;

/// Why a SCRAM exchange failed; worded as PostgreSQL words it. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScramError {
    /// The proof is wrong, or the exchange was with nobody.
    #[error("wrong proof")]
    WrongProof,
    /// A message that does not follow the grammar.
    #[error("malformed SCRAM message: {0}")]
    Malformed(String),
    /// The client believes that no channel binding is offered although it is: the offer has been
    /// tampered with, or passed on by somebody in the middle (RFC 5802 section 6).
    #[error("SCRAM channel binding negotiation error")]
    BindingNegotiation,
    /// A channel binding other than `tls-server-end-point`.
    #[error("unsupported SCRAM channel-binding type \"{0}\"")]
    BindingType(String),
    /// The binding data is that of another certificate: somebody is in the middle.
    #[error("SCRAM channel binding check failed")]
    BindingCheck,
    /// Binding data that does not repeat the client's first message.
    #[error("unexpected SCRAM channel-binding attribute in client-final-message")]
    BindingAttribute,
    /// An authorization identity.
    #[error("client uses authorization identity, but it is not supported")]
    AuthorizationIdentity,
    /// A mandatory extension.
    #[error("client requires an unsupported SCRAM extension")]
    Extension,
    /// A nonce outside printable ASCII.
    #[error("non-printable characters in SCRAM nonce")]
    Nonce,
    /// A nonce that does not continue the exchange.
    #[error("invalid SCRAM response: nonce does not match")]
    NonceMismatch,
    /// The server asks for more iterations than a login may cost.
    #[error("the server asks for {0} SCRAM iterations, more than the {max} allowed", max = super::MAX_ITERATIONS)]
    TooManyIterations(u32),
    /// The keys at hand belong to another verifier than the server's.
    #[error("the server's SCRAM verifier is another one than the proxy's for this user")]
    OtherVerifier,
    /// The server refused (`e=`).
    #[error("the server refused the SCRAM exchange: {0}")]
    Refused(String),
    /// The server does not know the verifier it ought to: it is not who it should be.
    #[error("incorrect server signature")]
    ServerSignature,
}

impl ScramError {
    /// What a client of a server-side exchange is told. `None` for a wrong proof: its wording
    /// names the user, and is the caller's.
    pub fn response(&self) -> Option<ErrorResponse> {
        let (code, message, detail) = match self {
            ScramError::WrongProof => return None,
            ScramError::Malformed(detail) => {
                ("08P01", "malformed SCRAM message".to_owned(), Some(detail.clone()))
            }
            ScramError::NonceMismatch => (
                "08P01",
                "invalid SCRAM response".to_owned(),
                Some("Nonce does not match.".to_owned()),
            ),
            ScramError::BindingNegotiation => (
                "28000",
                self.to_string(),
                Some(
                    "The client supports SCRAM channel binding but thinks the server does not.  \
                     However, this server does support channel binding."
                        .to_owned(),
                ),
            ),
            ScramError::BindingCheck => ("28000", self.to_string(), None),
            ScramError::AuthorizationIdentity | ScramError::Extension => {
                ("0A000", self.to_string(), None)
            }
            _ => ("08P01", self.to_string(), None),
        };
        let response = ErrorResponse::fatal(code, message);
        Some(match detail {
            Some(detail) => response.with_detail(detail),
            None => response,
        })
    }
}
