//! A socket that may leave what it writes in an outbox.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::outbox::{Outbox, SMALL, Ticket};

/// A stream socket of tokio's: non-blocking, and the same file for as long as it lives.
pub trait Plain: sealed::Sealed + AsyncRead + AsyncWrite + AsFd + AsRawFd + Unpin {}

impl Plain for TcpStream {}
impl Plain for UnixStream {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for tokio::net::TcpStream {}
    impl Sealed for tokio::net::UnixStream {}
}

/// A socket, as it is, until it [uses an outbox](Socket::use_outbox).
///
/// From then on a small write is complete once the outbox has it, and goes before the thread waits
/// for anything. `poll_flush` waits only for what the socket has refused to take, which nothing
/// else sends: a task that writes calls it whenever it is woken. An error of a send comes with the
/// next write or flush. Shutting down and dropping send first.
///
/// Cancel safety: as of the stream.
#[derive(Debug)]
pub struct Socket<S: Plain> {
    /// Not to be replaced while something of it waits in the outbox.
    stream: S,
    outbox: Option<Rc<Outbox>>,
    /// What it has left there last, until it has learnt what became of it.
    ticket: Option<Ticket>,
    /// What it has learnt.
    undone: Option<Box<Refused>>,
}

#[derive(Debug)]
enum Refused {
    /// Bytes that were not taken, and how many of them have gone since.
    Rest(Box<[u8]>, usize),
    /// Why nothing goes.
    Failed(io::Error),
}

impl<S: Plain> Socket<S> {
    /// A socket that uses no outbox.
    pub fn new(stream: S) -> Self {
        Socket { stream, outbox: None, ticket: None, undone: None }
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Leaves small writes in an outbox from now on. `None`: in none; what is in one goes now.
    pub fn use_outbox(&mut self, outbox: Option<&Rc<Outbox>>) {
        self.send();
        self.outbox = outbox.cloned();
    }

    /// Ready once the kernel has all that was written.
    ///
    /// # Errors
    ///
    /// Of a send.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send();
        self.poll_rest(cx)
    }

    /// Sends what waits in the outbox, and learns what became of it.
    fn send(&mut self) {
        if let (Some(outbox), Some(ticket)) = (&self.outbox, self.ticket) {
            if !outbox.has_sent(ticket) {
                outbox.send();
            }
            self.learn();
        }
    }

    /// Learns what became of what it has left, if that has been sent.
    #[inline]
    fn learn(&mut self) {
        if let (Some(outbox), Some(ticket)) = (&self.outbox, self.ticket)
            && outbox.has_sent(ticket)
        {
            self.ticket = None;
            self.undone = outbox.take_undone(ticket).map(|undone| {
                Box::new(match undone {
                    Ok(rest) => Refused::Rest(rest, 0),
                    Err(error) => Refused::Failed(error),
                })
            });
        }
    }

    /// Ready once the socket has taken all that it had refused.
    #[inline]
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.learn();
        match self.undone {
            None => Poll::Ready(Ok(())),
            Some(_) => self.poll_refused(cx),
        }
    }

    #[cold]
    fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(refused) = &mut self.undone {
            let Refused::Rest(bytes, gone) = &mut **refused else { break };
            if *gone == bytes.len() {
                self.undone = None;
                continue;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[*gone..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *gone += written,
            }
        }
        match self.undone.take().map(|refused| *refused) {
            Some(Refused::Failed(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Leaves bytes in the outbox, all of them. False: there is none, or it is of no use.
    #[inline]
    fn leave(&mut self, cx: &Context<'_>, bytes: &[u8]) -> bool {
        let Some(outbox) = &self.outbox else { return false };
        let socket = self.stream.as_raw_fd();
        if self.ticket.is_some() && outbox.add(socket, bytes) {
            return true;
        }
        // sends of one socket must not be two at once: the second could go where the first did not
        if self.ticket.is_some() {
            return false;
        }
        // SAFETY: the stream is neither replaced nor dropped before the ticket has been sent: only
        // `drop` and `use_outbox` end its life here or the outbox's, and both send first.
        self.ticket = unsafe { outbox.leave(socket, bytes, cx.waker()) };
        self.ticket.is_some()
    }
}

impl<S: Plain> Drop for Socket<S> {
    fn drop(&mut self) {
        self.send();
    }
}

impl<S: Plain> AsyncRead for Socket<S> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Plain> AsyncWrite for Socket<S> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        if buf.len() <= SMALL && self.leave(cx, buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(self.poll_sent(cx))?;
        if buf.len() <= SMALL && self.leave(cx, buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outbox.is_none() && self.undone.is_none() {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        }
        // one after the other: they meet again in the outbox
        let mut written = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            match self.as_mut().poll_write(cx, buf) {
                Poll::Ready(Ok(length)) if length == buf.len() => written += length,
                Poll::Ready(Ok(length)) => return Poll::Ready(Ok(written + length)),
                Poll::Ready(Err(error)) if written > 0 => {
                    self.undone = Some(Box::new(Refused::Failed(error)));
                    break;
                }
                Poll::Pending if written > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_rest(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
