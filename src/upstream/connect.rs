//! Sockets: every address a name has, in a race with staggered starts, or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::error::{ConnectError, ConnectErrorKind, Failure, in_words};
use super::tls::{self, Encryption, Secured};
use crate::config::{Endpoint, Upstream};

/// How far ahead an address is before the next one is tried beside it (RFC 8305).
const HEAD_START: Duration = Duration::from_millis(250);
/// A silent peer is probed after this, and given up after six probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 6;

/// The very server that a connection leads to: a name can have several addresses, and a cancel
/// request must reach the one that runs the query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// An address and port.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Tcp(address) => address.fmt(f),
            ServerAddress::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A connected socket, before TLS.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects to an upstream and secures the connection as `encryption` says.
pub(super) async fn dial(
    upstream: &Upstream,
    encryption: Encryption,
    deadline: Instant,
) -> Result<(Secured, ServerAddress), Failure> {
    let endpoint = &upstream.endpoint;
    let dialling = async {
        let (socket, peer) =
            reach(endpoint).await.map_err(|error| unreachable(upstream, &error))?;
        let secured = tls::secure(socket, upstream, encryption).await?;
        Ok((secured, peer))
    };
    match timeout_at(deadline, dialling).await {
        Ok(dialled) => dialled,
        Err(_) => Err(Failure::Final(silent(upstream))),
    }
}

/// Connects to one known server, without TLS.
pub(super) async fn reach_peer(peer: &ServerAddress) -> io::Result<Socket> {
    match peer {
        ServerAddress::Tcp(address) => {
            let stream = connect(*address).await?;
            tune(&stream)?;
            Ok(Socket::Tcp(stream))
        }
        ServerAddress::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
    }
}

/// A TCP connection. One that has met itself is none: where nobody listens on a port of the range
/// that the kernel also takes local ports from, a connection from the port to itself succeeds.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    match stream.local_addr()? == stream.peer_addr()? {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(stream),
    }
}

/// Why no socket could be had, and whether trying again may help.
#[derive(Debug)]
struct Unreached {
    what: String,
    transient: bool,
    hint: &'static str,
}

async fn reach(endpoint: &Endpoint) -> Result<(Socket, ServerAddress), Unreached> {
    if let Some(path) = socket_file(endpoint) {
        let peer = ServerAddress::Unix(path);
        return match reach_peer(&peer).await {
            Ok(socket) => Ok((socket, peer)),
            Err(error) => Err(not_connected([(peer, error)])),
        };
    }
    let addresses = resolve(endpoint).await?;
    match race(&addresses).await {
        Ok((stream, address)) => Ok((Socket::Tcp(stream), ServerAddress::Tcp(address))),
        Err(errors) => Err(not_connected(
            errors.into_iter().map(|(at, error)| (ServerAddress::Tcp(at), error)),
        )),
    }
}

/// The socket file that an endpoint names, as libpq names it; `None` where it leads to TCP.
pub(super) fn socket_file(endpoint: &Endpoint) -> Option<PathBuf> {
    let folder = endpoint.host.starts_with('/') && endpoint.hostaddr.is_none();
    folder.then(|| PathBuf::from(format!("{}/.s.PGSQL.{}", endpoint.host, endpoint.port)))
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Unreached> {
    if let Some(address) = endpoint.hostaddr {
        return Ok(vec![SocketAddr::new(address, endpoint.port)]);
    }
    let failed = |what: String, transient| Unreached {
        what,
        transient,
        hint: "check the host name in the upstream's url",
    };
    match lookup_host((endpoint.host.as_str(), endpoint.port)).await {
        Ok(addresses) => {
            let addresses: Vec<SocketAddr> = addresses.collect();
            if addresses.is_empty() {
                return Err(failed("the host name has no address".to_owned(), false));
            }
            Ok(addresses)
        }
        Err(error) => {
            let words = in_words(&error);
            // the standard library gives getaddrinfo's EAI_AGAIN as text only: glibc's, musl's
            let transient = ["Temporary failure", "temporary failure", "Try again"]
                .iter()
                .any(|text| words.contains(text));
            Err(failed(words, transient))
        }
    }
}

/// The first of these addresses that accepts, or every address's error.
async fn race(
    addresses: &[SocketAddr],
) -> Result<(TcpStream, SocketAddr), Vec<(SocketAddr, io::Error)>> {
    let mut waiting = addresses.iter().copied();
    let mut attempts = JoinSet::new();
    let mut errors = Vec::new();
    let mut start_next = true;
    loop {
        if start_next && let Some(address) = waiting.next() {
            attempts.spawn(async move {
                let connected = connect(address).await;
                (address, connected.and_then(|stream| tune(&stream).map(|()| stream)))
            });
        }
        start_next = tokio::select! {
            ended = attempts.join_next() => match ended {
                Some(Ok((address, Ok(stream)))) => return Ok((stream, address)),
                Some(Ok((address, Err(error)))) => {
                    errors.push((address, error));
                    true
                }
                // the attempts are ours: none panics, and none is aborted before this returns
                Some(Err(_)) => true,
                None => return Err(errors),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => true,
        };
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// A server that restarts refuses, resets, or has not made its socket file yet; one with a full
/// backlog says `WouldBlock` on a Unix socket.
fn is_transient(peer: &ServerAddress, error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => true,
        io::ErrorKind::NotFound | io::ErrorKind::WouldBlock => {
            matches!(peer, ServerAddress::Unix(_))
        }
        _ => false,
    }
}

fn not_connected(errors: impl IntoIterator<Item = (ServerAddress, io::Error)>) -> Unreached {
    let errors: Vec<(ServerAddress, io::Error)> = errors.into_iter().collect();
    let transient = errors.iter().any(|(peer, error)| is_transient(peer, error));
    let what: Vec<String> =
        errors.iter().map(|(peer, error)| format!("{} at {peer}", in_words(error))).collect();
    Unreached {
        what: what.join(", "),
        transient,
        hint: "is the server running, and does it listen there?",
    }
}

fn unreachable(upstream: &Upstream, why: &Unreached) -> Failure {
    let message = format!("could not connect to {}: {}", place(upstream), why.what);
    let error =
        ConnectError::new(ConnectErrorKind::Unreachable, "08001", message).with_hint(why.hint);
    if why.transient { Failure::Transient(error) } else { Failure::Final(error) }
}

/// Nothing was heard until the deadline.
pub(super) fn silent(upstream: &Upstream) -> ConnectError {
    let seconds = upstream.endpoint.connect_timeout.as_secs_f64();
    ConnectError::new(
        ConnectErrorKind::TimedOut,
        "08001",
        format!("{} did not answer within {seconds} s", place(upstream)),
    )
    .with_hint("is the server reachable from here? connect_timeout in the upstream's url says how long to wait")
}

/// An upstream and where it is, for messages.
pub(super) fn place(upstream: &Upstream) -> String {
    let Upstream { name, endpoint, .. } = upstream;
    match (socket_file(endpoint), endpoint.hostaddr) {
        (Some(path), _) => format!("upstream \"{name}\" at {}", path.display()),
        (None, None) if endpoint.host.contains(':') => {
            format!("upstream \"{name}\" at [{}]:{}", endpoint.host, endpoint.port)
        }
        (None, Some(address)) => {
            let at = SocketAddr::new(address, endpoint.port);
            format!("upstream \"{name}\" at {} ({at})", endpoint.host)
        }
        (None, None) => format!("upstream \"{name}\" at {}:{}", endpoint.host, endpoint.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_dead_address_does_not_hide_a_live_one() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (live_at, dead_at) = (live.local_addr().unwrap(), dead.local_addr().unwrap());
        drop(dead);
        let (_, address) = race(&[dead_at, live_at]).await.unwrap();
        assert_eq!(address, live_at);
        let errors = race(&[dead_at, dead_at]).await.unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(
            not_connected(errors.into_iter().map(|(a, e)| (ServerAddress::Tcp(a), e))).transient
        );
    }

    #[tokio::test]
    async fn ipv6_addresses_are_reached_and_written_in_brackets() {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            return; // no IPv6 on this machine
        };
        let mut upstream = crate::upstream::open::tests::upstream("six");
        upstream.endpoint.host = "::1".to_owned();
        upstream.endpoint.port = listener.local_addr().unwrap().port();
        let (_, at) = reach(&upstream.endpoint).await.unwrap();
        assert_eq!(at, ServerAddress::Tcp(listener.local_addr().unwrap()));
        assert_eq!(place(&upstream), format!("upstream \"six\" at {at}"));
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let tcp = ServerAddress::Tcp(([127, 0, 0, 1], 1).into());
        let unix = ServerAddress::Unix("/x".into());
        let error = |kind: io::ErrorKind| io::Error::from(kind);
        assert!(is_transient(&tcp, &error(io::ErrorKind::ConnectionRefused)));
        assert!(is_transient(&unix, &error(io::ErrorKind::NotFound)));
        assert!(!is_transient(&unix, &error(io::ErrorKind::PermissionDenied)));
        assert!(!is_transient(&tcp, &error(io::ErrorKind::HostUnreachable)));
    }
}
