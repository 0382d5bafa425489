//! Backend messages, one at a time, while a connection is being made.
//!
//! Only the login and the proxy's own short queries come through here; what is relayed never
//! does. Every read is bounded in time and every message in size.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::net::Stream;

/// The longest message taken before the session is ready. Errors and notices are the longest;
/// libpq takes 30,000 bytes.
const MAX_MESSAGE: usize = 256 * 1024;

/// One backend message: the whole frame, header included.
#[derive(Clone, Debug)]
pub(super) struct Message {
    frame: Bytes,
}

impl Message {
    /// The type byte.
    pub(super) fn kind(&self) -> u8 {
        self.frame.first().copied().unwrap_or_default()
    }

    /// What follows the length.
    pub(super) fn body(&self) -> &[u8] {
        self.frame.get(5..).unwrap_or_default()
    }

    /// The frame as it came.
    pub(super) fn frame(&self) -> &Bytes {
        &self.frame
    }
}

/// How long the server may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Everything until then.
    Until(Instant),
    /// Each answer within this time: a person may be typing a password in between.
    Each(Duration),
}

impl Patience {
    fn deadline(self) -> Instant {
        match self {
            Patience::Until(instant) => instant,
            Patience::Each(duration) => after(duration),
        }
    }
}

/// Now plus a duration, however long the duration.
pub(super) fn after(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or_else(|| now + Duration::from_secs(60 * 60 * 24 * 365))
}

/// A stream with the messages that are being read from it.
pub(super) struct Wire {
    stream: Stream,
    buffer: BytesMut,
    patience: Patience,
}

impl Wire {
    pub(super) fn new(stream: Stream, patience: Patience) -> Wire {
        Wire { stream, buffer: BytesMut::with_capacity(4096), patience }
    }

    pub(super) fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// The next message. `TimedOut` when patience ends, `UnexpectedEof` when the server leaves,
    /// `InvalidData` when it does not speak the protocol.
    ///
    /// Cancel safety: what was read stays in the buffer.
    pub(super) async fn read(&mut self) -> io::Result<Message> {
        let deadline = self.patience.deadline();
        loop {
            if let Some(message) = split(&mut self.buffer)? {
                return Ok(message);
            }
            let read = timeout_at(deadline, self.stream.read_buf(&mut self.buffer));
            let count = read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes and flushes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = &mut self.stream;
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        timeout_at(self.patience.deadline(), write)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// The stream, and what came behind the last message: in a buffer of its own, since the one
    /// that the login was read into is kept whole as long as any part of it.
    pub(super) fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, BytesMut::from(&self.buffer[..]))
    }
}

fn split(buffer: &mut BytesMut) -> io::Result<Option<Message>> {
    let Some(header) = buffer.first_chunk::<5>() else { return Ok(None) };
    let [kind, length @ ..] = *header;
    let length = u32::from_be_bytes(length) as usize;
    if !(4..MAX_MESSAGE).contains(&length) || !kind.is_ascii_alphanumeric() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "what answers there does not speak the PostgreSQL protocol",
        ));
    }
    if buffer.len() <= length {
        return Ok(None);
    }
    Ok(Some(Message { frame: buffer.split_to(length + 1).freeze() }))
}

/// Takes a zero-terminated string off the front.
pub(super) fn take_string<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let (text, rest) = body.split_at(end);
    *body = rest.get(1..)?;
    Some(text)
}

/// Takes a 32-bit integer off the front.
pub(super) fn take_u32(body: &mut &[u8]) -> Option<u32> {
    body.try_get_u32().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_frames_and_keeps_the_rest() {
        let mut buffer = BytesMut::from(&b"Z\0\0\0\x05IR\0\0"[..]);
        let message = split(&mut buffer).unwrap().unwrap();
        assert_eq!((message.kind(), message.body()), (b'Z', &b"I"[..]));
        assert_eq!(message.frame().as_ref(), b"Z\0\0\0\x05I");
        assert!(split(&mut buffer).unwrap().is_none());
        assert_eq!(buffer.as_ref(), b"R\0\0");
    }

    #[test]
    fn what_is_not_postgresql_is_told_at_once() {
        assert!(split(&mut BytesMut::from(&b"HTTP/1.1 400 Bad Request"[..])).is_err());
        assert!(split(&mut BytesMut::from(&b"Z\0\0\0\x03"[..])).is_err());
        assert!(split(&mut BytesMut::from(&b"\x15\x03\x01\0\x02"[..])).is_err());
    }

    #[test]
    fn strings_and_integers_come_off_the_front() {
        let mut body = &b"ab\0\0\0\0\x07"[..];
        assert_eq!(take_string(&mut body), Some(&b"ab"[..]));
        assert_eq!(take_u32(&mut body), Some(7));
        assert_eq!(take_u32(&mut body), None);
        assert_eq!(take_string(&mut body), None);
    }
}
