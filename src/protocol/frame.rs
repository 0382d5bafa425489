//! Frame headers: a type byte and a length, checked against PostgreSQL's limits.
//!
//! Manual, chapter "Frontend/Backend Protocol", section "Message Formats": after startup every
//! message is a type byte, then a signed 32-bit length that counts itself but not the type byte.

use thiserror::Error;

/// Bytes in a header: the type byte and the length word.
pub const HEADER_LENGTH: usize = 5;

/// PostgreSQL's `PQ_SMALL_MESSAGE_LIMIT`: the longest length word of frontend messages that
/// carry no data.
pub const SMALL_MESSAGE_LIMIT: u32 = 10_000;

/// PostgreSQL's `PQ_LARGE_MESSAGE_LIMIT`: `MaxAllocSize - 1`, the longest length word of frontend
/// messages that carry statements or data.
pub const LARGE_MESSAGE_LIMIT: u32 = 0x3fff_ffff - 1;

/// The longest length word that libpq accepts of a backend message whose type carries no data
/// (`VALID_LONG_MESSAGE_TYPE` in its source); past it libpq reports a lost synchronisation.
pub const SHORT_BACKEND_LIMIT: u32 = 30_000;

/// The longest length word of a backend message that may carry data.
pub const LONG_BACKEND_LIMIT: u32 = i32::MAX as u32;

/// Types of messages from frontends, by PostgreSQL's names (`PqMsg_*`).
pub mod frontend {
    /// Bind.
    pub const BIND: u8 = b'B';
    /// Close.
    pub const CLOSE: u8 = b'C';
    /// CopyData (both directions).
    pub const COPY_DATA: u8 = b'd';
    /// CopyDone (both directions).
    pub const COPY_DONE: u8 = b'c';
    /// CopyFail.
    pub const COPY_FAIL: u8 = b'f';
    /// Describe.
    pub const DESCRIBE: u8 = b'D';
    /// Execute.
    pub const EXECUTE: u8 = b'E';
    /// Flush.
    pub const FLUSH: u8 = b'H';
    /// FunctionCall.
    pub const FUNCTION_CALL: u8 = b'F';
    /// Parse.
    pub const PARSE: u8 = b'P';
    /// PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse share this type.
    pub const PASSWORD_MESSAGE: u8 = b'p';
    /// Query.
    pub const QUERY: u8 = b'Q';
    /// Sync.
    pub const SYNC: u8 = b'S';
    /// Terminate.
    pub const TERMINATE: u8 = b'X';
    /// No message of the protocol: what a splitter asks the gate of its read leg, with a text as
    /// Query has it. From a client it is an invalid message like any other.
    pub const QUESTION: u8 = b'?';
    /// No message of the protocol either: a splitter has something to ask of a leg's server. What, it
    /// does not say here.
    pub const ASK: u8 = b'!';
}

/// Types of messages from backends, by PostgreSQL's names (`PqMsg_*`).
pub mod backend {
    /// Every authentication request (PostgreSQL's `PqMsg_AuthenticationRequest`).
    pub const AUTHENTICATION_REQUEST: u8 = b'R';
    /// BackendKeyData.
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// BindComplete.
    pub const BIND_COMPLETE: u8 = b'2';
    /// CloseComplete.
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// CommandComplete.
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// CopyBothResponse.
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    /// CopyData (both directions).
    pub const COPY_DATA: u8 = b'd';
    /// CopyDone (both directions).
    pub const COPY_DONE: u8 = b'c';
    /// CopyInResponse.
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// CopyOutResponse.
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// DataRow.
    pub const DATA_ROW: u8 = b'D';
    /// EmptyQueryResponse.
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// ErrorResponse.
    pub const ERROR_RESPONSE: u8 = b'E';
    /// FunctionCallResponse.
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
    /// NegotiateProtocolVersion.
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// NoData.
    pub const NO_DATA: u8 = b'n';
    /// NoticeResponse.
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// NotificationResponse.
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// ParameterDescription.
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// ParameterStatus.
    pub const PARAMETER_STATUS: u8 = b'S';
    /// ParseComplete.
    pub const PARSE_COMPLETE: u8 = b'1';
    /// PortalSuspended.
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// ReadyForQuery.
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// RowDescription.
    pub const ROW_DESCRIPTION: u8 = b'T';
}

/// Why a header is no header. After one the stream has lost its synchronisation and is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A type that frontends do not send after startup.
    #[error("invalid frontend message type {0}")]
    FrontendType(u8),
    /// A type that backends do not send after startup.
    #[error("invalid backend message type {0}")]
    BackendType(u8),
    /// A length word under 4, negative, or past the type's limit.
    #[error("invalid message length: type {kind}, length {length}, limit {limit}")]
    Length {
        /// The message's type.
        kind: u8,
        /// The length word, as signed as the protocol has it.
        length: i32,
        /// The greatest length allowed.
        limit: u32,
    },
}

/// A header whose length is at least 4 and at most its type's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The message's type.
    pub kind: u8,
    /// The length word: counts itself and the body, not the type byte.
    pub length: u32,
}

impl Header {
    /// Reads the header that `bytes` begin with, of a message from a frontend after startup.
    /// `None`: fewer than [`HEADER_LENGTH`] bytes so far.
    #[inline]
    pub fn from_frontend(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
        let Some((kind, length)) = raw(bytes) else { return Ok(None) };
        let limit = frontend_limit(kind).ok_or(FrameError::FrontendType(kind))?;
        checked(kind, length, limit).map(Some)
    }

    /// Reads the header that `bytes` begin with, of a message from a backend. `None`: fewer than
    /// [`HEADER_LENGTH`] bytes so far.
    #[inline]
    pub fn from_backend(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
        let Some((kind, length)) = raw(bytes) else { return Ok(None) };
        let limit = backend_limit(kind).ok_or(FrameError::BackendType(kind))?;
        checked(kind, length, limit).map(Some)
    }

    /// Bytes of the body.
    #[inline]
    pub const fn body_length(self) -> usize {
        self.length as usize - 4
    }

    /// Bytes of the whole message, header included.
    #[inline]
    pub const fn message_length(self) -> usize {
        self.length as usize + 1
    }
}

#[inline]
fn raw(bytes: &[u8]) -> Option<(u8, i32)> {
    match *bytes {
        [kind, a, b, c, d, ..] => Some((kind, i32::from_be_bytes([a, b, c, d]))),
        _ => None,
    }
}

#[inline]
fn checked(kind: u8, length: i32, limit: u32) -> Result<Header, FrameError> {
    match u32::try_from(length) {
        Ok(unsigned) if unsigned >= 4 && unsigned <= limit => Ok(Header { kind, length: unsigned }),
        _ => Err(FrameError::Length { kind, length, limit }),
    }
}

/// The greatest length word PostgreSQL accepts of a frontend message of this type after startup
/// (`SocketBackend` in `postgres.c`); `None` for a type it refuses. The password messages of
/// authentication are not among them: their reader has a limit of its own.
#[inline]
pub const fn frontend_limit(kind: u8) -> Option<u32> {
    use frontend::*;
    match kind {
        QUERY | PARSE | BIND | FUNCTION_CALL | COPY_DATA | QUESTION => Some(LARGE_MESSAGE_LIMIT),
        CLOSE | DESCRIBE | EXECUTE | FLUSH | SYNC | TERMINATE | COPY_DONE | COPY_FAIL | ASK => {
            Some(SMALL_MESSAGE_LIMIT)
        }
        _ => None,
    }
}

/// The greatest length word accepted of a backend message of this type; `None` for a type that
/// backends do not send. As libpq's, but for ParameterDescription: 65,535 parameters are legal,
/// need more than libpq's 30,000 bytes, and other drivers do read them.
#[inline]
pub const fn backend_limit(kind: u8) -> Option<u32> {
    use backend::*;
    match kind {
        DATA_ROW
        | COPY_DATA
        | ROW_DESCRIPTION
        | ERROR_RESPONSE
        | NOTICE_RESPONSE
        | NOTIFICATION_RESPONSE
        | FUNCTION_CALL_RESPONSE
        | PARAMETER_DESCRIPTION => Some(LONG_BACKEND_LIMIT),
        AUTHENTICATION_REQUEST
        | BACKEND_KEY_DATA
        | BIND_COMPLETE
        | CLOSE_COMPLETE
        | COMMAND_COMPLETE
        | COPY_BOTH_RESPONSE
        | COPY_DONE
        | COPY_IN_RESPONSE
        | COPY_OUT_RESPONSE
        | EMPTY_QUERY_RESPONSE
        | NEGOTIATE_PROTOCOL_VERSION
        | NO_DATA
        | PARAMETER_STATUS
        | PARSE_COMPLETE
        | PORTAL_SUSPENDED
        | READY_FOR_QUERY => Some(SHORT_BACKEND_LIMIT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(kind: u8, length: i32) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(length.to_be_bytes());
        bytes
    }

    #[test]
    fn a_header_waits_for_five_bytes() {
        for length in 0..HEADER_LENGTH {
            assert_eq!(Header::from_frontend(&bytes(b'Q', 9)[..length]), Ok(None));
            assert_eq!(Header::from_backend(&bytes(b'Z', 5)[..length]), Ok(None));
        }
        let header = Header::from_frontend(&bytes(b'Q', 9)).unwrap().unwrap();
        assert_eq!((header.body_length(), header.message_length()), (5, 10));
    }

    #[test]
    fn lengths_outside_their_types_limits_are_refused() {
        for (kind, limit) in [(b'Q', LARGE_MESSAGE_LIMIT), (b'S', SMALL_MESSAGE_LIMIT)] {
            for length in [i32::MIN, -1, 0, 3, limit as i32 + 1, i32::MAX] {
                assert_eq!(
                    Header::from_frontend(&bytes(kind, length)),
                    Err(FrameError::Length { kind, length, limit })
                );
            }
            for length in [4, limit as i32] {
                let header = Header::from_frontend(&bytes(kind, length)).unwrap().unwrap();
                assert_eq!(header.length, length as u32);
            }
        }
        assert!(Header::from_backend(&bytes(b'D', i32::MAX)).is_ok());
        assert!(Header::from_backend(&bytes(b'Z', 30_001)).is_err());
    }

    #[test]
    fn types_of_the_other_direction_are_refused() {
        assert_eq!(Header::from_frontend(&bytes(b'p', 8)), Err(FrameError::FrontendType(b'p')));
        assert_eq!(Header::from_frontend(&bytes(b'T', 8)), Err(FrameError::FrontendType(b'T')));
        assert_eq!(Header::from_backend(&bytes(b'Q', 8)), Err(FrameError::BackendType(b'Q')));
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            for answer in [Header::from_frontend(&bytes), Header::from_backend(&bytes)] {
                if let Ok(Some(header)) = answer {
                    prop_assert_eq!(header.message_length(), header.body_length() + HEADER_LENGTH);
                }
            }
        }
    }
}
