//! From an accepted socket to a startup packet: TLS by request or from the first byte, GSSAPI
//! refused, cancel requests told apart.
//!
//! Follows PostgreSQL's `ProcessSSLStartup` and `ProcessStartupPacket`.

use std::io;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, is_departure};
use crate::config::{ServerSettings, TlsMode};
use crate::net::tls::{self, ClientTls};
use crate::net::{Peer, Stream};
use crate::protocol::message::{negotiate_protocol_version, protocol_version};
use crate::protocol::{ErrorResponse, InitialPacket, Startup, StartupError};

/// The first byte of a TLS record with a handshake. A packet that began with it would be hundreds
/// of megabytes long.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection turned out to want.
#[derive(Debug)]
pub enum Handshake {
    /// A session. Told already what of its protocol is not known, if anything.
    Startup(Box<Client>),
    /// A running query cancelled. The connection is closed without an answer, as the protocol
    /// has it, once the cancellation has been passed on.
    Cancel {
        /// As BackendKeyData gave it.
        process_id: i32,
        /// As BackendKeyData gave it.
        key: Bytes,
        /// To be held until the cancellation has been passed on: clients wait for its end.
        stream: Box<Stream>,
    },
    /// Nothing: it came and went, as port probes do.
    Closed,
}

/// Why a connection came to nothing. The client has been told what it is to be told.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// It ended within a packet.
    #[error("incomplete startup packet")]
    Incomplete,
    /// A packet that is refused.
    #[error(transparent)]
    Packet(#[from] StartupError),
    /// Bytes behind a request for encryption, which anybody could have put there: acted on
    /// later, they would pass for the client's own (CVE-2021-23214).
    #[error("received unencrypted data after {0} request")]
    UnencryptedData(&'static str),
    /// The TLS handshake failed; rustls has sent its alert.
    #[error("could not accept TLS connection: {0}")]
    Tls(io::Error),
    /// TLS from the first byte, where TLS is not offered.
    #[error("direct SSL connection rejected: TLS is not offered here")]
    TlsNotOffered,
    /// A session over plain TCP, where TLS is required.
    #[error("connection requires TLS")]
    TlsRequired,
}

impl HandshakeError {
    /// What the client is told; `None`: nothing.
    fn response(&self) -> Option<ErrorResponse> {
        match self {
            HandshakeError::Packet(error) => error.response(),
            HandshakeError::UnencryptedData(_) => {
                Some(ErrorResponse::fatal("08P01", self.to_string()).with_detail(
                    "This could be either a client-software bug or evidence of an attempted \
                     man-in-the-middle attack.",
                ))
            }
            HandshakeError::TlsRequired => Some(
                ErrorResponse::fatal("28000", self.to_string())
                    .with_hint("add sslmode=require to the connection string"),
            ),
            HandshakeError::Io(_)
            | HandshakeError::Incomplete
            | HandshakeError::Tls(_)
            | HandshakeError::TlsNotOffered => None,
        }
    }
}

/// Takes a connection as far as its startup packet.
///
/// Sets no time limit: the caller puts `login_timeout` around it. Not cancel safe: cancelled, the
/// connection is closed.
pub async fn handshake(
    stream: Stream,
    peer: Peer,
    settings: &ServerSettings,
) -> Result<Handshake, HandshakeError> {
    let mut opening = Opening::new(stream, peer, settings);
    let error = match opening.run().await {
        Ok(Outcome::Startup(startup)) => return opening.into_session(startup).await,
        Ok(Outcome::Cancel { process_id, key }) => {
            let stream = opening.stream.take().ok_or_else(lost)?;
            return Ok(Handshake::Cancel { process_id, key, stream: Box::new(stream) });
        }
        Ok(Outcome::Closed) => {
            opening.close().await;
            return Ok(Handshake::Closed);
        }
        Err(error) => error,
    };
    opening.explain(&error).await;
    Err(error)
}

/// What the packets led to.
enum Outcome {
    Startup(Box<Startup>),
    Cancel { process_id: i32, key: Bytes },
    Closed,
}

/// A connection that has not sent its startup packet yet.
struct Opening<'a> {
    /// Away only while a TLS handshake has it, and for good if that fails.
    stream: Option<Stream>,
    peer: Peer,
    settings: &'a ServerSettings,
    tls: Option<ClientTls>,
    /// An SSLRequest has had its answer; another one is no packet of the protocol.
    ssl_done: bool,
    /// A GSSENCRequest likewise. TLS by request settles both.
    gss_done: bool,
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the stream is gone")
}

impl<'a> Opening<'a> {
    fn new(stream: Stream, peer: Peer, settings: &'a ServerSettings) -> Self {
        let stream = Some(stream);
        Opening { stream, peer, settings, tls: None, ssl_done: false, gss_done: false }
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(lost)
    }

    async fn run(&mut self) -> Result<Outcome, HandshakeError> {
        match self.first_byte().await? {
            None => return Ok(Outcome::Closed),
            Some(TLS_HANDSHAKE) => self.accept_tls(true).await?,
            Some(_) => {}
        }
        loop {
            let Some(packet) = read_packet(self.stream()?).await? else {
                return Ok(Outcome::Closed);
            };
            match InitialPacket::parse(packet)? {
                InitialPacket::SslRequest if !self.ssl_done => self.answer_ssl_request().await?,
                InitialPacket::GssEncRequest if !self.gss_done => {
                    self.refuse_encryption("GSSAPI encryption").await?;
                    self.gss_done = true;
                }
                InitialPacket::SslRequest => return Err(unexpected(5679)),
                InitialPacket::GssEncRequest => return Err(unexpected(5680)),
                InitialPacket::Cancel { process_id, key } => {
                    return Ok(Outcome::Cancel { process_id, key });
                }
                InitialPacket::Startup(startup) => return self.admit(startup),
            }
        }
    }

    /// The first byte, left in the stream; `None` at its end. Only TCP sockets are looked at:
    /// PostgreSQL has no TLS on Unix sockets.
    async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        let Stream::Tcp(tcp) = self.stream()? else { return Ok(Some(0)) };
        let mut byte = [0];
        match tcp.get_ref().peek(&mut byte).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(byte[0])),
            Err(error) if is_departure(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a request for TLS is granted.
    fn offers_tls(&self) -> bool {
        let tls = &self.settings.tls;
        let plain_tcp = matches!(self.stream, Some(Stream::Tcp(_)));
        plain_tcp && tls.mode != TlsMode::Disable && tls.config.is_some()
    }

    async fn accept_tls(&mut self, direct: bool) -> Result<(), HandshakeError> {
        let config = match &self.settings.tls.config {
            Some(config) if self.offers_tls() => config,
            _ => return Err(HandshakeError::TlsNotOffered),
        };
        let stream = self.stream.take().ok_or_else(lost)?;
        let (stream, tls) =
            tls::accept(stream, config, direct).await.map_err(HandshakeError::Tls)?;
        (self.stream, self.tls) = (Some(stream), Some(tls));
        Ok(())
    }

    async fn answer_ssl_request(&mut self) -> Result<(), HandshakeError> {
        if !self.offers_tls() {
            self.refuse_encryption("SSL").await?;
            self.ssl_done = true;
            return Ok(());
        }
        nothing_behind(self.stream()?, "SSL")?;
        self.stream()?.write_all(b"S").await?;
        (self.ssl_done, self.gss_done) = (true, true);
        self.accept_tls(false).await
    }

    /// Answers a request for encryption with no.
    async fn refuse_encryption(&mut self, request: &'static str) -> Result<(), HandshakeError> {
        let stream = self.stream()?;
        nothing_behind(stream, request)?;
        stream.write_all(b"N").await?;
        stream.flush().await?;
        Ok(())
    }

    /// Holds a session to `mode = "require"`. Cancel requests are not held to it: libpq before
    /// version 17 never encrypts them.
    fn admit(&self, startup: Box<Startup>) -> Result<Outcome, HandshakeError> {
        let required = self.settings.tls.mode == TlsMode::Require;
        match required && self.tls.is_none() && self.peer.address.is_some() {
            true => Err(HandshakeError::TlsRequired),
            false => Ok(Outcome::Startup(startup)),
        }
    }

    async fn into_session(mut self, startup: Box<Startup>) -> Result<Handshake, HandshakeError> {
        let stream = self.stream.take().ok_or_else(lost)?;
        let mut client = Client { stream, peer: self.peer, tls: self.tls, startup: *startup };
        if client.startup.needs_negotiation() {
            let (major, minor) = client.startup.protocol_in_use();
            let mut out = BytesMut::new();
            let version = protocol_version(major, minor);
            negotiate_protocol_version(&mut out, version, &client.startup.unrecognized);
            client.send(&out).await?;
        }
        Ok(Handshake::Startup(Box::new(client)))
    }

    /// Ends the connection: within TLS that is said.
    async fn close(&mut self) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.shutdown().await;
        }
    }

    /// Tells the client, in the form of the protocol it asked for, and ends the connection.
    async fn explain(&mut self, error: &HandshakeError) {
        let Some(stream) = &mut self.stream else { return };
        if let Some(response) = error.response() {
            let mut out = BytesMut::new();
            match error {
                HandshakeError::Packet(packet) if packet.speaks_protocol_2() => {
                    response.encode_protocol_2(&mut out);
                }
                _ => response.encode(&mut out),
            }
            let _ = stream.write_all(&out).await;
        }
        self.close().await;
    }
}

/// A request for encryption in the wrong place is an unknown protocol, as it is to PostgreSQL.
fn unexpected(minor: u16) -> HandshakeError {
    HandshakeError::Packet(StartupError::Protocol { major: 1234, minor })
}

/// Reads a packet without its length word; `None`: the stream ended before it.
async fn read_packet(stream: &mut Stream) -> Result<Option<Bytes>, HandshakeError> {
    let mut word = [0; 4];
    match stream.read(&mut word[..1]).await {
        Ok(0) => return Ok(None),
        Err(error) if is_departure(&error) => return Ok(None),
        Err(error) => return Err(HandshakeError::Io(error)),
        Ok(_) => {}
    }
    stream.read_exact(&mut word[1..]).await.map_err(incomplete)?;
    let mut packet = BytesMut::zeroed(InitialPacket::body_length(word)?);
    stream.read_exact(&mut packet).await.map_err(incomplete)?;
    Ok(Some(packet.freeze()))
}

fn incomplete(error: io::Error) -> HandshakeError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => HandshakeError::Incomplete,
        _ => HandshakeError::Io(error),
    }
}

/// Makes sure that nothing has been sent behind a request whose answer is still to come.
fn nothing_behind(stream: &Stream, request: &'static str) -> Result<(), HandshakeError> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let peeked = match stream {
        Stream::Tcp(tcp) => SockRef::from(tcp.get_ref()).peek(&mut byte),
        Stream::Unix(unix) => SockRef::from(unix.get_ref()).peek(&mut byte),
        // inside TLS nobody but the client can have put it there
        Stream::TlsServer(_)
        | Stream::TlsServerUnix(_)
        | Stream::TlsClient(_)
        | Stream::Pipe(_) => return Ok(()),
    };
    match peeked {
        Ok(0) => Ok(()),
        Ok(_) => Err(HandshakeError::UnencryptedData(request)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(HandshakeError::Io(error)),
    }
}
