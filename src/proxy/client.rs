//! A client that has asked for a session and does not have it yet.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::net::tls::ClientTls;
use crate::net::{Peer, Stream};
use crate::protocol::{ErrorResponse, HEADER_LENGTH, Startup, frontend};
use crate::upstream::RelayClient;

/// PostgreSQL's `PG_MAX_AUTH_TOKEN_LENGTH`: the longest password message.
pub const MAX_PASSWORD_LENGTH: usize = 65_535;
/// PostgreSQL's `PG_MAX_SASL_MESSAGE_LENGTH`.
pub const MAX_SASL_LENGTH: usize = 1_024;

/// How long a client may take to hear that its connection ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// A client whose startup packet has been read. Nothing behind the packet has: what comes next is
/// still in the stream.
#[derive(Debug)]
pub struct Client {
    /// Its stream, TLS included.
    pub stream: Stream,
    /// Where it comes from.
    pub peer: Peer,
    /// What its TLS says about it; `None` without TLS.
    pub tls: Option<ClientTls>,
    /// What it asks for.
    pub startup: Startup,
}

/// Why no message could be had from a client.
#[derive(Debug, Error)]
pub enum ReceiveError {
    /// It left. Not worth a complaint: psql does this to ask a person for the password.
    #[error("the client closed the connection")]
    Closed,
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another message than a password message.
    #[error("expected password response, got message type {0}")]
    Type(u8),
    /// Shorter than a message can be, or longer than a password message may be.
    #[error("invalid password packet size")]
    Length,
}

impl ReceiveError {
    /// What the client is told; `None`: it is not there any more.
    pub fn response(&self) -> Option<ErrorResponse> {
        match self {
            ReceiveError::Closed | ReceiveError::Io(_) => None,
            ReceiveError::Type(_) | ReceiveError::Length => {
                Some(ErrorResponse::fatal("08P01", self.to_string()))
            }
        }
    }
}

impl Client {
    /// Sends bytes and flushes them.
    ///
    /// Not cancel safe: a part may have been sent.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Receives one password message (PasswordMessage, SASLInitialResponse, SASLResponse); gives
    /// its body, of at most `limit` bytes.
    ///
    /// Not cancel safe: a part may have been read.
    pub async fn receive_password(&mut self, limit: usize) -> Result<Bytes, ReceiveError> {
        let mut header = [0; HEADER_LENGTH];
        match self.stream.read(&mut header[..1]).await {
            Ok(0) => return Err(ReceiveError::Closed),
            Err(error) if is_departure(&error) => return Err(ReceiveError::Closed),
            Err(error) => return Err(ReceiveError::Io(error)),
            Ok(_) => {}
        }
        let [kind, ..] = header;
        match kind {
            frontend::PASSWORD_MESSAGE => {}
            frontend::TERMINATE => return Err(ReceiveError::Closed),
            kind => return Err(ReceiveError::Type(kind)),
        }
        self.stream.read_exact(&mut header[1..]).await?;
        let [_, a, b, c, d] = header;
        let length = i64::from(i32::from_be_bytes([a, b, c, d])) - 4;
        let length = usize::try_from(length).map_err(|_| ReceiveError::Length)?;
        if length > limit {
            return Err(ReceiveError::Length);
        }
        let mut body = BytesMut::zeroed(length);
        self.stream.read_exact(&mut body).await?;
        Ok(body.freeze())
    }

    /// Sends a last message and ends the connection. Errors do not matter any more.
    pub async fn refuse(&mut self, response: &ErrorResponse) {
        self.end_with(&response.to_bytes()).await;
    }

    /// The same of a message that is encoded already.
    pub async fn end_with(&mut self, frame: &[u8]) {
        let _ = self.send(frame).await;
        let _ = self.stream.shutdown().await;
    }
}

/// The client as the upstream's side sees it while it relays authentication.
impl RelayClient for Client {
    fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    fn is_local(&self) -> bool {
        self.peer.is_local()
    }

    /// Nothing is owed: protocol 3.2 differs from 3.0 in cancel keys alone, which are the proxy's
    /// own, and the handshake has told the client what else was not understood. A second
    /// NegotiateProtocolVersion would be an error to libpq.
    async fn negotiated(&mut self, _upstream_minor: u16) -> io::Result<()> {
        Ok(())
    }

    async fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        Client::send(self, frames).await
    }

    async fn receive_password(&mut self) -> io::Result<Bytes> {
        Client::receive_password(self, MAX_PASSWORD_LENGTH).await.map_err(|error| match error {
            ReceiveError::Io(error) => error,
            ReceiveError::Closed => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            ReceiveError::Type(_) | ReceiveError::Length => {
                io::Error::new(io::ErrorKind::InvalidData, error)
            }
        })
    }
}

/// Ends a connection: a TLS client takes an end that is not said for an error.
pub(super) async fn hang_up(stream: &mut Stream) {
    let _ = timeout(FAREWELL, stream.shutdown()).await;
}

/// Whether an error only says that the other side is gone.
pub(super) fn is_departure(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
