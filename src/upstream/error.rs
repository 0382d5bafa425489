//! Why there is no connection, in a form that may be shown to a client.

use std::fmt;

use bytes::Bytes;

use crate::protocol::error_response::field;
use crate::protocol::{ErrorResponse, Fields, HEADER_LENGTH};

/// What kind of failure a [`ConnectError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectErrorKind {
    /// No server could be reached: name resolution, sockets, resets.
    Unreachable,
    /// The server did not answer within `connect_timeout`.
    TimedOut,
    /// The server is there and says that it is starting, stopping or recovering (57P03).
    NotReady,
    /// TLS was required and could not be had, or could not be trusted.
    Tls,
    /// The login was refused, or asks for what is not configured or not supported.
    Authentication,
    /// The server refused the session for another reason; its own words are passed on.
    Refused,
    /// What answered does not speak the protocol.
    Protocol,
    /// The contract forbids this upstream: a contradiction, a loop, tags or a guard that do not
    /// hold (audit event `upstream_refused`).
    Contract,
    /// The database is sealed otherwise than the upstream is declared.
    SealMismatch,
    /// The upstream requires a seal, and none can be read.
    SealMissing,
    /// The client whose authentication is relayed went away, or cannot be relayed.
    Client,
}

/// Why there is no connection. Everything in it may be shown to a client: no secret is ever put
/// into one.
#[derive(Clone)]
pub struct ConnectError(Box<Fault>);

#[derive(Clone, Debug)]
struct Fault {
    kind: ConnectErrorKind,
    sqlstate: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    frame: Option<Bytes>,
}

impl ConnectError {
    pub(super) fn new(
        kind: ConnectErrorKind,
        sqlstate: &str,
        message: impl Into<String>,
    ) -> ConnectError {
        ConnectError(Box::new(Fault {
            kind,
            sqlstate: sqlstate.to_owned(),
            message: message.into(),
            detail: None,
            hint: None,
            frame: None,
        }))
    }

    /// The upstream's own ErrorResponse, to be passed on as it is.
    pub(super) fn verbatim(kind: ConnectErrorKind, frame: Bytes) -> ConnectError {
        let fields = ErrorFields::read(&frame);
        ConnectError(Box::new(Fault {
            kind,
            sqlstate: fields.sqlstate,
            message: fields.message,
            detail: fields.detail,
            hint: fields.hint,
            frame: Some(frame),
        }))
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> ConnectError {
        self.0.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> ConnectError {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds to the detail how long it was tried.
    pub(super) fn gave_up(mut self, attempts: u32, seconds: f64) -> ConnectError {
        let plural = if attempts == 1 { "" } else { "s" };
        let tried = format!("gave up after {attempts} attempt{plural} in {seconds:.1} s");
        self.0.detail = Some(match self.0.detail.take() {
            Some(detail) => format!("{detail}; {tried}"),
            None => tried,
        });
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ConnectErrorKind {
        self.0.kind
    }

    /// The SQLSTATE that a client gets.
    pub fn sqlstate(&self) -> &str {
        &self.0.sqlstate
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail, where there is one.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the words are the upstream's own.
    pub fn is_verbatim(&self) -> bool {
        self.0.frame.is_some()
    }

    /// What is said, as a value: severity FATAL. The upstream's own words lose here what
    /// [`frame`](Self::frame) keeps.
    pub fn response(&self) -> ErrorResponse {
        let mut response = ErrorResponse::fatal(self.0.sqlstate.clone(), &self.0.message);
        response.detail.clone_from(&self.0.detail);
        response.hint.clone_from(&self.0.hint);
        response
    }

    /// The ErrorResponse to send to a client whose session it ends: the upstream's own frame,
    /// or one built from the fields above with severity FATAL.
    pub fn frame(&self) -> Bytes {
        match &self.0.frame {
            Some(frame) => frame.clone(),
            None => self.response().to_bytes().freeze(),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(detail) = &self.0.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectError")
            .field("kind", &self.0.kind)
            .field("sqlstate", &self.0.sqlstate)
            .field("message", &self.0.message)
            .field("detail", &self.0.detail)
            .field("hint", &self.0.hint)
            .finish()
    }
}

impl std::error::Error for ConnectError {}

/// What one attempt to connect came to, when not to a connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may pass: try again later.
    Transient(ConnectError),
    /// The server is there and wants to be asked differently: once more, at once.
    Adapt(Adaptation, ConnectError),
    /// No use in trying again.
    Final(ConnectError),
}

/// A different way to ask. Each is taken at most once a connection, so that asking ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adaptation {
    /// `sslmode=allow`: the plain connection was refused.
    Encrypt,
    /// `sslmode=prefer`: TLS failed, or the server refuses it for this session.
    Unencrypted,
    /// The server does not know protocol 3.2.
    OlderProtocol,
    /// A pooler refuses our startup options: they are set after connecting.
    WithoutOptions,
    /// The upstream's verifier is another than ours: the URL's own credentials.
    OwnCredentials,
}

/// The fields of an ErrorResponse that matter here; text decoded for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorFields {
    pub(super) sqlstate: String,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
}

impl ErrorFields {
    /// Reads a whole ErrorResponse frame; fields that are missing stay empty.
    pub(super) fn read(frame: &[u8]) -> ErrorFields {
        let fields = Fields::new(frame.get(HEADER_LENGTH..).unwrap_or_default());
        let text = |letter| fields.text(letter).map(|text| text.into_owned());
        ErrorFields {
            sqlstate: text(field::CODE).unwrap_or_default(),
            message: text(field::MESSAGE).unwrap_or_default(),
            detail: text(field::DETAIL),
            hint: text(field::HINT),
        }
    }
}

/// An operating system's or TLS's error in the words of our messages: lower case, no number.
pub fn in_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error") {
        Some(end) => &text[..end],
        None => &text,
    };
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // an acronym keeps its capitals
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_frame_reads_back() {
        let error = ConnectError::new(ConnectErrorKind::Tls, "08001", "no\0pe")
            .with_detail("why")
            .with_hint("do this");
        let fields = ErrorFields::read(&error.frame());
        assert_eq!(fields.sqlstate, "08001");
        assert_eq!(fields.message, "nope");
        assert_eq!(fields.detail.as_deref(), Some("why"));
        assert_eq!(fields.hint.as_deref(), Some("do this"));
        assert_eq!(&error.frame()[5..13], b"SFATAL\0V");
    }

    #[test]
    fn a_verbatim_frame_is_passed_on_unchanged() {
        let frame = Bytes::from_static(b"E\0\0\0\x1aSFATAL\0C28P01\0Mno \xe9\0\0");
        let error = ConnectError::verbatim(ConnectErrorKind::Authentication, frame.clone());
        assert_eq!(error.frame(), frame);
        assert_eq!(error.sqlstate(), "28P01");
    }

    #[test]
    fn system_errors_lose_their_capital_and_number() {
        let refused = std::io::Error::from_raw_os_error(111);
        assert_eq!(in_words(&refused), "connection refused");
        assert_eq!(in_words(&std::io::Error::other("TLS is down")), "TLS is down");
    }
}
