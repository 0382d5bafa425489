//! The private relay: a port on the loopback interface for one command, which adds the
//! declarations to every startup packet and then copies bytes both ways.
//!
//! Authentication stays between the command and the proxy: the relay holds no session of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::declarations::Declarations;
use super::proxy::Proxy;
use super::sasl::{self, Step};
use super::{Complain, owner};
use crate::protocol::{ErrorResponse, InitialPacket};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what a command left on its way to the proxy may take to arrive, once it has ended.
const PARTING: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes copied at a time, each way.
const CHUNK: usize = 32 * 1024;
/// The first byte of a TLS record with a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// A TLS alert: fatal, handshake_failure.
const TLS_REFUSAL: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 40];

/// Serves connections until dropped, as tasks of this thread.
pub(super) async fn serve(listener: TcpListener, relay: Arc<Relay>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let relay = Arc::clone(&relay);
                tokio::task::spawn_local(async move { relay.connection(stream).await });
            }
            // out of descriptors, or the client is gone already: the next one may do better
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

/// What every connection needs.
pub(super) struct Relay {
    pub(super) proxy: Proxy,
    pub(super) declarations: Declarations,
    /// Words for the person who runs the command, where a client cannot be told.
    pub(super) complain: Complain,
    /// Sessions.
    open: AtomicUsize,
    /// Sessions whose client's bytes are on their way to the proxy, or whose client has closed and
    /// whose server has not.
    busy: AtomicUsize,
    /// Some session has come this way.
    used: AtomicBool,
}

/// One more while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl Counted<'_> {
    fn one(count: &AtomicUsize) -> Counted<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a client wants, once negotiation is over.
enum Wish {
    /// A session; the packet to begin it with.
    Session(Bytes),
    /// A cancel request, as it came.
    Cancel(Bytes),
    /// Nothing that can be served; it has been told.
    Nothing,
}

impl Relay {
    pub(super) fn new(proxy: Proxy, declarations: Declarations, complain: Complain) -> Relay {
        Relay { proxy, declarations, complain, open: 0.into(), busy: 0.into(), used: false.into() }
    }

    /// Whether any session has come this way.
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Lets what the command sent before it ended arrive, as the kernel does for a socket of its
    /// own. What a process that it left behind still does is not waited for.
    pub(super) async fn part(&self) {
        let deadline = Instant::now() + PARTING;
        while self.open.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
            sleep(LOOK).await;
            if self.busy.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }

    async fn connection(&self, mut client: TcpStream) {
        if !self.is_ours(&mut client).await {
            return;
        }
        let _ = client.set_nodelay(true);
        match timeout(PATIENCE, self.wish(&mut client)).await {
            Ok(Ok(Wish::Session(packet))) => self.session(client, packet).await,
            Ok(Ok(Wish::Cancel(packet))) => self.cancel(&packet).await,
            Ok(Ok(Wish::Nothing) | Err(_)) | Err(_) => {}
        }
    }

    /// Whether the client belongs to the user for whom everything was declared. Nothing is read
    /// from it before that is known.
    async fn is_ours(&self, client: &mut TcpStream) -> bool {
        let found = owner::of_peer(client);
        if matches!(found, Ok(Some(user)) if user == owner::ourselves()) {
            return true;
        }
        let who = match found {
            Ok(Some(user)) => format!("user {user}"),
            Ok(None) | Err(_) => "a user who cannot be told".to_owned(),
        };
        let message = format!(
            "this port serves a command of user {} only, and the connection is of {who}",
            owner::ourselves()
        );
        (self.complain)(&message);
        let refusal = ErrorResponse::fatal("28000", message)
            .with_hint("run pgauthority exec as the user that connects");
        tell(client, &refusal).await;
        false
    }

    /// Reads what the client begins with; TLS and GSSAPI encryption are declined.
    async fn wish(&self, client: &mut TcpStream) -> io::Result<Wish> {
        // PostgreSQL allows each kind of encryption to be asked for once
        for _ in 0..3 {
            let mut length = [0; 4];
            client.read_exact(&mut length).await?;
            if length[0] == TLS_HANDSHAKE {
                (self.complain)(
                    "a client began with TLS (sslnegotiation=direct): the relay speaks none, \
                     connect with sslmode=disable",
                );
                client.write_all(&TLS_REFUSAL).await?;
                return Ok(Wish::Nothing);
            }
            let Ok(body_length) = InitialPacket::body_length(length) else {
                return Ok(Wish::Nothing);
            };
            let mut packet = vec![0; 4 + body_length];
            packet[..4].copy_from_slice(&length);
            client.read_exact(&mut packet[4..]).await?;
            let packet = Bytes::from(packet);
            match InitialPacket::parse(packet.slice(4..)) {
                Ok(InitialPacket::SslRequest | InitialPacket::GssEncRequest) => {
                    client.write_all(b"N").await?;
                }
                Ok(InitialPacket::Cancel { .. }) => return Ok(Wish::Cancel(packet)),
                Ok(InitialPacket::Startup(startup)) => {
                    match self.declarations.amend(&packet.slice(4..), &startup) {
                        Ok(amended) => return Ok(Wish::Session(amended)),
                        Err(refusal) => {
                            tell(client, &refusal).await;
                            return Ok(Wish::Nothing);
                        }
                    }
                }
                Err(fault) => {
                    if let Some(refusal) = fault.response() {
                        tell(client, &refusal).await;
                    }
                    return Ok(Wish::Nothing);
                }
            }
        }
        Ok(Wish::Nothing)
    }

    async fn session(&self, mut client: TcpStream, packet: Bytes) {
        let _open = Counted::one(&self.open);
        self.used.store(true, Ordering::Relaxed);
        let mut server = match self.proxy.connect().await {
            Ok(server) => server,
            Err(error) => return tell(&mut client, &error).await,
        };
        if server.write_all(&packet).await.is_err() || server.flush().await.is_err() {
            let gone = "the pgauthority closed the connection before it was asked anything";
            return tell(&mut client, &ErrorResponse::fatal("08006", gone)).await;
        }
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let (mut from_client, mut to_client) = client.split();
        let up = pump(&mut from_client, &mut to_server, BytesMut::new(), Some(&self.busy));
        let down = async {
            let rest = authentication(&mut from_server, &mut to_client).await?;
            pump(&mut from_server, &mut to_client, rest, None).await
        };
        tokio::pin!(up, down);
        // the server's end is the session's; the client's is passed on, and the server answers it.
        // Either's failure ends both: the sockets are dropped, and the other side sees it
        let _ = tokio::select! {
            ended = &mut down => ended,
            ended = &mut up => match ended {
                Ok(()) => {
                    let _leaving = Counted::one(&self.busy);
                    down.await
                }
                Err(error) => Err(error),
            },
        };
    }

    /// Passes a cancel request on. It is never answered; the server closes when it is done.
    async fn cancel(&self, packet: &[u8]) {
        let Ok(mut server) = self.proxy.connect().await else { return };
        if server.write_all(packet).await.is_ok() && server.flush().await.is_ok() {
            let _ = timeout(PATIENCE, server.read(&mut [0])).await;
        }
    }
}

/// Passes the server's part of authentication on, until it is over; gives what was read beyond.
async fn authentication(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<BytesMut> {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        match sasl::step(&mut buffer).map_err(io::Error::other)? {
            Step::More => {
                if server.read_buf(&mut buffer).await? == 0 {
                    client.write_all(&buffer).await?;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Step::Pass(bytes) => client.write_all(&bytes).await?,
            Step::Done(bytes) => {
                client.write_all(&bytes).await?;
                return Ok(buffer);
            }
            Step::NoMechanism => {
                let message = "the pgauthority offers only SCRAM with channel binding, which a \
                               connection through the relay of pgauthority exec cannot have";
                let refusal = ErrorResponse::fatal("28000", message);
                client.write_all(&refusal.to_bytes()).await?;
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
    }
}

/// Copies `first` and then everything that comes, until the end, which is passed on. `busy` counts
/// while something is on its way.
///
/// Each chunk is flushed: a TLS stream holds back what it could not write at once.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    first: BytesMut,
    busy: Option<&AtomicUsize>,
) -> io::Result<()> {
    to.write_all(&first).await?;
    to.flush().await?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        let _busy = busy.map(Counted::one);
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&chunk[..length]).await?;
        to.flush().await?;
    }
}

/// A last word to a client; whether it arrives is the client's affair.
async fn tell(client: &mut TcpStream, refusal: &ErrorResponse) {
    if client.write_all(&refusal.to_bytes()).await.is_ok() {
        let _ = client.shutdown().await;
    }
}
