//! Listeners: an address is bound once, then every worker accepts on it by itself.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use super::Stream;
use super::socket_file::SocketFile;
use crate::config::ListenAddress;

/// Connections that wait to be accepted, a listener; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 4096;
/// Linux's `MAX_TCP_KEEPIDLE`.
const MAX_KEEPALIVE: Duration = Duration::from_secs(32_767);

/// An address that is bound. Dropping it gives a Unix socket's file up; listeners live on.
#[derive(Debug)]
pub struct Bound {
    address: ListenAddress,
    kind: BoundKind,
}

#[derive(Debug)]
enum BoundKind {
    /// Bound and not listening: it holds the port, and takes no connection.
    Tcp { _holder: Socket },
    /// Shared by all workers, since a path can be bound only once.
    Unix { listener: StdUnixListener, _file: SocketFile },
}

impl Bound {
    /// Binds. The kernel gives a port where that of a TCP address is 0.
    ///
    /// # Errors
    ///
    /// The address is in use, not of this machine, or not permitted; a Unix socket's folder does
    /// not exist or its path is too long.
    pub fn bind(address: &ListenAddress) -> io::Result<Bound> {
        match address {
            ListenAddress::Tcp(wanted) => {
                let holder = tcp_socket(*wanted)?;
                let actual = holder.local_addr()?.as_socket().unwrap_or(*wanted);
                Ok(Bound {
                    address: ListenAddress::Tcp(actual),
                    kind: BoundKind::Tcp { _holder: holder },
                })
            }
            ListenAddress::Unix { folder, port } => {
                let path = address.socket_path().unwrap_or_else(|| folder.clone());
                let (listener, file) = SocketFile::bind(path, *port)?;
                Ok(Bound {
                    address: address.clone(),
                    kind: BoundKind::Unix { listener, _file: file },
                })
            }
        }
    }

    /// The address, with the actual port.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// A listener for one worker, to be called on its runtime. TCP listeners share the port
    /// (SO_REUSEPORT) and the kernel spreads connections over them; a connection waiting on one
    /// that is dropped is lost, so a worker accepts what waits before it drops its own.
    ///
    /// `keepalive`: idle time before TCP keepalive probes.
    pub fn listener(&self, keepalive: Duration) -> io::Result<Listener> {
        match (&self.address, &self.kind) {
            (ListenAddress::Tcp(address), _) => {
                let socket = tcp_socket(*address)?;
                socket.listen(BACKLOG)?;
                let inner = TcpListener::from_std(socket.into())?;
                // what Linux takes: TCP_KEEPIDLE is a number of seconds below 2^15
                let keepalive = keepalive.clamp(Duration::from_secs(1), MAX_KEEPALIVE);
                Ok(Listener::Tcp { inner, keepalive })
            }
            (_, BoundKind::Unix { listener, .. }) => {
                Ok(Listener::Unix(UnixListener::from_std(listener.try_clone()?)?))
            }
            (ListenAddress::Unix { .. }, BoundKind::Tcp { .. }) => {
                Err(io::Error::other("a socket of another kind"))
            }
        }
    }
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // as PostgreSQL: so that 0.0.0.0 and [::] can both be listened on
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What one worker accepts connections on.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp {
        /// The socket.
        inner: TcpListener,
        /// Idle time before keepalive probes on what it accepts.
        keepalive: Duration,
    },
    /// A Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// The next connection, its TCP_NODELAY and keepalive set.
    ///
    /// Cancel safe: a connection that is not returned stays in the queue.
    ///
    /// # Errors
    ///
    /// Out of file descriptors or memory: the caller waits a little before it tries again, since
    /// the connection stays in the queue. Connections that broke while they waited are passed
    /// over in silence.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        loop {
            let accepted = match self {
                Listener::Tcp { inner, keepalive } => accept_tcp(inner, *keepalive).await,
                Listener::Unix(inner) => {
                    inner.accept().await.map(|(stream, _)| (stream.into(), Peer::LOCAL))
                }
            };
            match accepted {
                Err(error) if is_of_the_connection(&error) => {}
                accepted => return accepted,
            }
        }
    }
}

async fn accept_tcp(listener: &TcpListener, keepalive: Duration) -> io::Result<(Stream, Peer)> {
    let (stream, address) = listener.accept().await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(keepalive))?;
    Ok((stream.into(), Peer { address: Some(address) }))
}

/// Whether an error of accept(2), or of setting options, is about one connection that is gone.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NotConnected
    )
}

/// Who connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Address and port; `None` for a Unix socket.
    pub address: Option<SocketAddr>,
}

impl Peer {
    /// A client on a Unix socket.
    pub const LOCAL: Peer = Peer { address: None };

    /// On this machine: by a Unix socket or a loopback address.
    pub fn is_local(&self) -> bool {
        self.address.is_none_or(|address| address.ip().to_canonical().is_loopback())
    }
}

/// As in the audit log: address and port, or `local`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpStream, UnixStream};

    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(7);

    #[tokio::test]
    async fn workers_share_a_port() {
        let wanted = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let bound = Bound::bind(&wanted).unwrap();
        let ListenAddress::Tcp(address) = *bound.address() else { panic!("not TCP") };
        assert_ne!(address.port(), 0);
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens yet");
        let first = bound.listener(KEEPALIVE).unwrap();
        let second = bound.listener(KEEPALIVE).unwrap();
        for _ in 0..20 {
            let client = TcpStream::connect(address).await.unwrap();
            let (stream, peer) = tokio::select! {
                accepted = first.accept() => accepted,
                accepted = second.accept() => accepted,
            }
            .unwrap();
            assert_eq!(peer.address, Some(client.local_addr().unwrap()));
            assert!(peer.is_local());
            assert_eq!(peer.to_string(), client.local_addr().unwrap().to_string());
            let Stream::Tcp(stream) = stream else { panic!("not TCP") };
            assert!(stream.get_ref().nodelay().unwrap());
            assert_eq!(SockRef::from(stream.get_ref()).tcp_keepalive_time().unwrap(), KEEPALIVE);
        }
        let taken = tcp_without_sharing(address);
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    fn tcp_without_sharing(address: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&address.into())
    }

    #[tokio::test]
    async fn workers_share_a_unix_socket() {
        let folder = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix { folder: folder.path().to_owned(), port: 5432 };
        let bound = Bound::bind(&address).unwrap();
        let listeners = [bound.listener(KEEPALIVE).unwrap(), bound.listener(KEEPALIVE).unwrap()];
        for listener in &listeners {
            let path = folder.path().join(".s.PGSQL.5432");
            let mut client = UnixStream::connect(&path).await.unwrap();
            let (mut stream, peer) = listener.accept().await.unwrap();
            assert_eq!((peer.to_string().as_str(), peer.is_local()), ("local", true));
            client.write_all(b"x").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
        }
        drop(bound);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn addresses_that_cannot_be_bound_say_why() {
        let elsewhere = ListenAddress::Tcp("192.0.2.1:1".parse().unwrap());
        let error = Bound::bind(&elsewhere).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        let nowhere = ListenAddress::Unix { folder: "/no/such/folder".into(), port: 1 };
        assert_eq!(Bound::bind(&nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
