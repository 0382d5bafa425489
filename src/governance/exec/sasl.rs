//! The server's side of authentication on its way to a client without TLS: passed on message by
//! message, without the mechanisms that need a TLS of the client's own. Pure.

use bytes::{Buf, Bytes, BytesMut};

use crate::protocol::message::{auth, authentication_sasl};
use crate::protocol::{FrameError, HEADER_LENGTH, Header, backend};

/// SCRAM with channel binding to a TLS connection that the client does not have.
const NEEDS_TLS: &[u8] = b"-PLUS";

/// What is to be done with what the server sent so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More bytes are needed.
    More,
    /// Pass this on; authentication goes on.
    Pass(Bytes),
    /// Pass this on; authentication is over, and what follows needs no looking into.
    Done(Bytes),
    /// The server offers nothing that a client without TLS can do.
    NoMechanism,
}

/// Takes the next message off `buffer`, edited where it lists SASL mechanisms.
///
/// # Errors
/// Bytes that are no message of a server.
pub(super) fn step(buffer: &mut BytesMut) -> Result<Step, FrameError> {
    let Some(header) = Header::from_backend(buffer)? else { return Ok(Step::More) };
    if header.kind != backend::AUTHENTICATION_REQUEST {
        // an ErrorResponse ends the connection; NegotiateProtocolVersion and notices do not
        if header.kind == backend::ERROR_RESPONSE {
            return Ok(Step::Done(buffer.split().freeze()));
        }
        return Ok(whole(buffer, header).map_or(Step::More, Step::Pass));
    }
    let Some(message) = whole(buffer, header) else { return Ok(Step::More) };
    let mut body = &message[HEADER_LENGTH..];
    Ok(match body.try_get_u32() {
        Ok(auth::OK) => Step::Done(message),
        Ok(auth::SASL) => without_channel_binding(body),
        _ => Step::Pass(message),
    })
}

fn whole(buffer: &mut BytesMut, header: Header) -> Option<Bytes> {
    let length = header.message_length();
    (buffer.len() >= length).then(|| buffer.split_to(length).freeze())
}

fn without_channel_binding(list: &[u8]) -> Step {
    let names = list.split(|&byte| byte == 0).take_while(|name| !name.is_empty());
    let kept: Vec<&str> = names
        .filter(|name| !name.ends_with(NEEDS_TLS))
        .filter_map(|name| std::str::from_utf8(name).ok())
        .collect();
    if kept.is_empty() {
        return Step::NoMechanism;
    }
    let mut message = BytesMut::new();
    authentication_sasl(&mut message, &kept);
    Step::Pass(message.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ErrorResponse, message};

    fn buffer(write: impl FnOnce(&mut BytesMut)) -> BytesMut {
        let mut buffer = BytesMut::new();
        write(&mut buffer);
        buffer
    }

    #[test]
    fn channel_binding_is_not_offered() {
        let mut offered = buffer(|out| {
            authentication_sasl(out, &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
            message::ready_for_query(out, b'I');
        });
        let wanted = buffer(|out| authentication_sasl(out, &["SCRAM-SHA-256"])).freeze();
        assert_eq!(step(&mut offered), Ok(Step::Pass(wanted)));
        assert_eq!(offered, buffer(|out| message::ready_for_query(out, b'I')));
        let mut nothing_else = buffer(|out| authentication_sasl(out, &["SCRAM-SHA-256-PLUS"]));
        assert_eq!(step(&mut nothing_else), Ok(Step::NoMechanism));
    }

    #[test]
    fn messages_wait_until_they_are_whole() {
        let whole = buffer(|out| message::authentication_md5_password(out, *b"salt"));
        let mut arrived = BytesMut::new();
        for byte in &whole[..whole.len() - 1] {
            arrived.extend_from_slice(&[*byte]);
            assert_eq!(step(&mut arrived), Ok(Step::More));
        }
        arrived.extend_from_slice(&whole[whole.len() - 1..]);
        assert_eq!(step(&mut arrived), Ok(Step::Pass(whole.freeze())));
    }

    #[test]
    fn authentication_ends_with_ok_or_an_error() {
        let ok = buffer(message::authentication_ok);
        let mut arrived = ok.clone();
        message::ready_for_query(&mut arrived, b'I');
        assert_eq!(step(&mut arrived), Ok(Step::Done(ok.freeze())));
        assert!(!arrived.is_empty());
        let error = buffer(|out| ErrorResponse::fatal("28P01", "no").encode(out));
        assert_eq!(step(&mut error.clone()), Ok(Step::Done(error.freeze())));
    }

    #[test]
    fn what_is_no_server_is_told_apart() {
        assert!(step(&mut BytesMut::from(&b"HTTP/1.1 400"[..])).is_err());
    }
}
