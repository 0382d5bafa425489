//! One type for every byte stream: TCP or Unix socket, plain or TLS, either side.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pgauthority_outbox::{Outbox, Socket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpStream, UnixStream};

/// A connected byte stream.
///
/// Cancel safety: as the underlying stream; dropping it closes the socket.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(Socket<TcpStream>),
    /// A Unix socket.
    Unix(Socket<UnixStream>),
    /// TLS towards a client, over TCP.
    TlsServer(Box<tokio_rustls::server::TlsStream<Socket<TcpStream>>>),
    /// TLS towards a client, over a Unix socket.
    TlsServerUnix(Box<tokio_rustls::server::TlsStream<Socket<UnixStream>>>),
    /// TLS towards an upstream.
    TlsClient(Box<tokio_rustls::client::TlsStream<Socket<TcpStream>>>),
    /// A pipe within the process: a leg of a split session, whose client is the splitter.
    Pipe(Box<DuplexStream>),
}

/// What a pipe holds at most, in bytes, each way.
const PIPE: usize = 32 * 1024;

impl Stream {
    /// A pipe: the end to speak at, and the other one as a stream.
    pub fn pipe() -> (DuplexStream, Stream) {
        let (ours, theirs) = duplex(PIPE);
        (ours, Stream::Pipe(Box::new(theirs)))
    }

    /// Leaves small writes in a thread's outbox from now on; `None`: in none. Whoever writes has to
    /// flush whenever it is woken (see [`Socket`]). A pipe has no use for one.
    pub fn use_outbox(&mut self, outbox: Option<&Rc<Outbox>>) {
        match self {
            Stream::Tcp(socket) => socket.use_outbox(outbox),
            Stream::Unix(socket) => socket.use_outbox(outbox),
            Stream::TlsServer(tls) => tls.get_mut().0.use_outbox(outbox),
            Stream::TlsServerUnix(tls) => tls.get_mut().0.use_outbox(outbox),
            Stream::TlsClient(tls) => tls.get_mut().0.use_outbox(outbox),
            Stream::Pipe(_) => {}
        }
    }

    /// Ready once the kernel has all that was written and flushed.
    ///
    /// # Errors
    /// As of a write.
    pub fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(socket) => socket.poll_sent(cx),
            Stream::Unix(socket) => socket.poll_sent(cx),
            Stream::TlsServer(tls) => tls.get_mut().0.poll_sent(cx),
            Stream::TlsServerUnix(tls) => tls.get_mut().0.poll_sent(cx),
            Stream::TlsClient(tls) => tls.get_mut().0.poll_sent(cx),
            Stream::Pipe(_) => Poll::Ready(Ok(())),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Stream::Tcp(Socket::new(tcp))
    }
}

impl From<UnixStream> for Stream {
    fn from(unix: UnixStream) -> Self {
        Stream::Unix(Socket::new(unix))
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $body:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $body,
            Stream::Unix($stream) => $body,
            Stream::TlsServer($stream) => $body,
            Stream::TlsServerUnix($stream) => $body,
            Stream::TlsClient($stream) => $body,
            Stream::Pipe($stream) => $body,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
