//! ErrorResponse and NoticeResponse: the one the proxy writes, and the fields of one received.
//!
//! Manual, section "Error and Notice Message Fields".

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

use super::frame::backend;
use super::message::{frame, put_cstring};

/// The severity of an error or notice. PostgreSQL localizes the `S` field and never the `V`
/// field; the proxy sends English in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// A notice.
    Warning,
    /// A notice.
    Notice,
    /// A notice.
    Info,
    /// A notice.
    Log,
    /// A notice.
    Debug,
}

impl Severity {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Warning => "WARNING",
            Severity::Notice => "NOTICE",
            Severity::Info => "INFO",
            Severity::Log => "LOG",
            Severity::Debug => "DEBUG",
        }
    }

    /// Whether it travels as an ErrorResponse; as a NoticeResponse otherwise.
    pub const fn is_error(self) -> bool {
        matches!(self, Severity::Error | Severity::Fatal)
    }
}

/// Letters of the fields, by the names of the manual.
pub mod field {
    /// Severity, possibly localized.
    pub const SEVERITY: u8 = b'S';
    /// Severity, never localized.
    pub const SEVERITY_NONLOCALIZED: u8 = b'V';
    /// SQLSTATE.
    pub const CODE: u8 = b'C';
    /// The primary message.
    pub const MESSAGE: u8 = b'M';
    /// Detail.
    pub const DETAIL: u8 = b'D';
    /// Hint.
    pub const HINT: u8 = b'H';
    /// Position in the client's text, in characters from 1.
    pub const POSITION: u8 = b'P';
    /// Position in an internally generated command.
    pub const INTERNAL_POSITION: u8 = b'p';
    /// The internally generated command.
    pub const INTERNAL_QUERY: u8 = b'q';
    /// Context.
    pub const WHERE: u8 = b'W';
    /// Schema name.
    pub const SCHEMA: u8 = b's';
    /// Table name.
    pub const TABLE: u8 = b't';
    /// Column name.
    pub const COLUMN: u8 = b'c';
    /// Data type name.
    pub const DATA_TYPE: u8 = b'd';
    /// Constraint name.
    pub const CONSTRAINT: u8 = b'n';
    /// Source file.
    pub const FILE: u8 = b'F';
    /// Source line.
    pub const LINE: u8 = b'L';
    /// Source routine.
    pub const ROUTINE: u8 = b'R';
}

/// An error or notice to be written. Everything in it is meant for the client's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// Severity; decides between ErrorResponse and NoticeResponse.
    pub severity: Severity,
    /// SQLSTATE.
    pub code: Cow<'static, str>,
    /// The primary message.
    pub message: String,
    /// Detail.
    pub detail: Option<String>,
    /// Hint.
    pub hint: Option<String>,
    /// Position in the statement's text, in characters from 1.
    pub position: Option<u32>,
    /// Position in [`internal_query`](Self::internal_query).
    pub internal_position: Option<u32>,
    /// An internally generated command.
    pub internal_query: Option<String>,
    /// Context; the manual's "where".
    pub context: Option<String>,
    /// Schema name.
    pub schema: Option<String>,
    /// Table name.
    pub table: Option<String>,
    /// Column name.
    pub column: Option<String>,
    /// Data type name.
    pub data_type: Option<String>,
    /// Constraint name.
    pub constraint: Option<String>,
    /// Source file.
    pub file: Option<String>,
    /// Source line.
    pub line: Option<u32>,
    /// Source routine.
    pub routine: Option<String>,
}

impl ErrorResponse {
    /// One with severity, SQLSTATE and message; the rest absent.
    pub fn new(
        severity: Severity,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        ErrorResponse {
            severity,
            code: code.into(),
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            internal_position: None,
            internal_query: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            file: None,
            line: None,
            routine: None,
        }
    }

    /// An ERROR.
    pub fn error(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A FATAL: the connection ends behind it.
    pub fn fatal(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, code, message)
    }

    /// A WARNING, with SQLSTATE 01000.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, "01000", message)
    }

    /// With this detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With this hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With this position, in characters from 1.
    #[must_use]
    pub fn with_position(mut self, position: u32) -> Self {
        self.position = Some(position);
        self
    }

    /// Appends the whole message. NUL bytes, which no field can hold, are left out of texts.
    pub fn encode(&self, out: &mut BytesMut) {
        let kind = match self.severity.is_error() {
            true => backend::ERROR_RESPONSE,
            false => backend::NOTICE_RESPONSE,
        };
        frame(out, kind, |out| {
            let mut put = |letter: u8, text: &str| {
                out.put_u8(letter);
                put_cstring(out, text.as_bytes());
            };
            put(field::SEVERITY, self.severity.as_str());
            put(field::SEVERITY_NONLOCALIZED, self.severity.as_str());
            put(field::CODE, &self.code);
            put(field::MESSAGE, &self.message);
            let numbers = |number: Option<u32>| number.map(|number| number.to_string());
            let (position, internal) = (numbers(self.position), numbers(self.internal_position));
            let line = numbers(self.line);
            for (letter, text) in [
                (field::DETAIL, &self.detail),
                (field::HINT, &self.hint),
                (field::POSITION, &position),
                (field::INTERNAL_POSITION, &internal),
                (field::INTERNAL_QUERY, &self.internal_query),
                (field::WHERE, &self.context),
                (field::SCHEMA, &self.schema),
                (field::TABLE, &self.table),
                (field::COLUMN, &self.column),
                (field::DATA_TYPE, &self.data_type),
                (field::CONSTRAINT, &self.constraint),
                (field::FILE, &self.file),
                (field::LINE, &line),
                (field::ROUTINE, &self.routine),
            ] {
                if let Some(text) = text {
                    put(letter, text);
                }
            }
            out.put_u8(0);
        });
    }

    /// Appends the error in the form of protocol 2, for clients that asked for a protocol before
    /// 3: the letter `E` and one NUL-terminated line, no length.
    pub fn encode_protocol_2(&self, out: &mut BytesMut) {
        out.put_u8(backend::ERROR_RESPONSE);
        let line = format!("{}:  {}\n", self.severity.as_str(), self.message);
        put_cstring(out, line.as_bytes());
    }

    /// The whole message as bytes.
    pub fn to_bytes(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(256);
        self.encode(&mut out);
        out
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.severity.as_str(), self.message, self.code)
    }
}

/// The fields of a received ErrorResponse or NoticeResponse, borrowed from its body.
///
/// Iterates `(letter, text)` in the order sent, up to the terminator; what follows a missing
/// terminator or an unterminated text is not made up.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Of a message's body (behind the header).
    pub const fn new(body: &'a [u8]) -> Self {
        Fields { rest: body }
    }

    /// The first field with this letter (see [`field`]).
    pub fn get(mut self, letter: u8) -> Option<&'a [u8]> {
        self.find(|&(kind, _)| kind == letter).map(|(_, text)| text)
    }

    /// The first field with this letter as text, for people: bytes that are not UTF-8 replaced.
    pub fn text(self, letter: u8) -> Option<Cow<'a, str>> {
        self.get(letter).map(String::from_utf8_lossy)
    }

    /// Whether it ends the session (FATAL, PANIC).
    pub fn is_last(self) -> bool {
        let severity = self.get(b'V').or(self.get(b'S')).unwrap_or_default();
        severity == b"FATAL" || severity == b"PANIC"
    }

    /// The SQLSTATE.
    pub fn code(self) -> Option<&'a [u8]> {
        self.get(field::CODE)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&letter, rest) = self.rest.split_first()?;
        let end = memchr::memchr(0, rest);
        match (letter, end) {
            (0, _) | (_, None) => {
                self.rest = &[];
                None
            }
            (letter, Some(end)) => {
                self.rest = &rest[end + 1..];
                Some((letter, &rest[..end]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{HEADER_LENGTH, Header};

    #[test]
    fn an_error_reads_back_field_by_field() {
        let error = ErrorResponse {
            line: Some(7),
            table: Some("t".into()),
            ..ErrorResponse::error("25006", "no\0 way")
                .with_detail("d")
                .with_hint("h")
                .with_position(12)
        };
        let bytes = error.to_bytes();
        let header = Header::from_backend(&bytes).unwrap().unwrap();
        assert_eq!(header.message_length(), bytes.len());
        assert_eq!(header.kind, backend::ERROR_RESPONSE);
        let fields = Fields::new(&bytes[HEADER_LENGTH..]);
        let letters: Vec<u8> = fields.map(|(letter, _)| letter).collect();
        assert_eq!(letters, b"SVCMDHPtL");
        assert_eq!(fields.code(), Some(&b"25006"[..]));
        assert_eq!(fields.get(field::MESSAGE), Some(&b"no way"[..]));
        assert_eq!(fields.text(field::POSITION).unwrap(), "12");
        assert_eq!(fields.get(field::COLUMN), None);
    }

    #[test]
    fn warnings_travel_as_notices() {
        assert_eq!(ErrorResponse::warning("w").to_bytes()[0], backend::NOTICE_RESPONSE);
    }

    #[test]
    fn protocol_2_gets_one_line() {
        let mut out = BytesMut::new();
        ErrorResponse::fatal("0A000", "too old").encode_protocol_2(&mut out);
        assert_eq!(&out[..], b"EFATAL:  too old\n\0");
    }

    #[test]
    fn truncated_bodies_end_the_iteration() {
        assert_eq!(Fields::new(b"Mabc").count(), 0);
        assert_eq!(Fields::new(b"Mabc\0").count(), 1);
        assert_eq!(Fields::new(b"Mabc\0\0Hxyz\0").count(), 1);
    }

    proptest! {
        #[test]
        fn any_body_is_iterated(body in proptest::collection::vec(0u8..4, 0..64)) {
            prop_assert!(Fields::new(&body).count() <= body.len());
        }
    }
}
