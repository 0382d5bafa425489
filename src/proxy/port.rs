//! One side of a relay: a stream, what could not be written to it yet, what was read from it and
//! is not dealt with yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::worker::Worker;
use crate::net::Stream;

/// A buffer that grew beyond this is given back once it is empty.
const KEEP: usize = 4096;

/// A stream with its two buffers; both are empty, and own no memory, while the session is idle.
#[derive(Debug)]
pub(super) struct Port {
    stream: Stream,
    /// Not written yet. While it is not empty nothing is read on the other side.
    unsent: BytesMut,
    /// Read, and waiting for the rest of a message or for a decision.
    pub(super) held: BytesMut,
    pub(super) closed: bool,
}

impl Port {
    pub(super) fn new(stream: Stream, held: BytesMut) -> Self {
        Port { stream, unsent: BytesMut::new(), held, closed: false }
    }

    /// Leaves small writes in the worker's outbox: for a relay, which flushes whenever it is woken.
    pub(super) fn use_outbox(&mut self, worker: &Worker) {
        self.stream.use_outbox(worker.outbox.as_ref());
    }

    /// The stream, and what was read from it. It uses no outbox.
    pub(super) fn into_parts(mut self) -> (Stream, BytesMut) {
        self.stream.use_outbox(None);
        (self.stream, self.held)
    }

    /// Reads once into `scratch`; 0 bytes mean the end.
    #[inline]
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        self.closed |= length == 0;
        Poll::Ready(Ok(length))
    }

    /// Writes as much as goes without waiting, keeps the rest.
    #[inline]
    pub(super) fn send(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        while self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) if written == bytes.len() => return Ok(()),
                Poll::Ready(Ok(written)) => bytes = &bytes[written..],
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    /// Something is not written yet.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes what is kept; ready once nothing is.
    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unsent.advance(written),
            }
        }
        if self.unsent.capacity() > KEEP {
            self.unsent = BytesMut::new();
        }
        // the TLS layer may hold encrypted bytes, and the socket what it could not take
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ready once the kernel has all of it; a relay need not wait for that.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.stream.poll_sent(cx)
    }

    /// Says goodbye on the transport: TLS close_notify, FIN.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Keeps bytes for later.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Puts back what is left of a buffer that was taken from `held`.
    pub(super) fn put_back(&mut self, mut buffer: BytesMut, dealt_with: usize) {
        buffer.advance(dealt_with);
        if buffer.is_empty() && buffer.capacity() > KEEP {
            return; // `held` was left empty
        }
        self.held = buffer;
    }
}
