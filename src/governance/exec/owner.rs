//! Whose connection it is: a port on the loopback interface can be reached by every user of the
//! machine, and what `exec` declares is declared for one of them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::process::geteuid;
use tokio::net::{TcpListener, TcpStream};

/// A user of the machine.
pub(super) type UserId = u32;

/// `ESTABLISHED` in the kernel's tables. In later states the socket can be an orphan, which the
/// kernel shows as root's.
const ESTABLISHED: &str = "01";
/// A row's inode of a socket that no process holds.
const NO_INODE: &str = "0";
/// What the kernel shows for a user who does not exist in this user namespace.
const OVERFLOW_USER: UserId = 65_534;

/// Whose process holds the other end of an accepted connection, by the kernel's tables;
/// `None` where it holds none any more, or cannot be told.
///
/// # Errors
/// The tables cannot be read.
pub(super) fn of_peer(stream: &TcpStream) -> io::Result<Option<UserId>> {
    let (peer, ours) = (stream.peer_addr()?, stream.local_addr()?);
    // a client whose socket is IPv6 (Java's all are) stands in the other table
    let mut owner = None;
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        match std::fs::read_to_string(table) {
            Ok(rows) => owner = owner.or_else(|| find(&rows, peer, ours)),
            // a machine without IPv6 has no such table
            Err(error) if error.kind() == io::ErrorKind::NotFound && table.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(owner)
}

/// Who may connect: the user that runs `exec`.
pub(super) fn ourselves() -> UserId {
    geteuid().as_raw()
}

/// Connects to `listener` and sees whether the connection is told to be our own: where this
/// fails, no connection could be told from another user's.
///
/// # Errors
/// The words for a person.
pub(super) async fn try_out(listener: &TcpListener) -> io::Result<()> {
    if ourselves() == OVERFLOW_USER && !all_users_are_mapped()? {
        return Err(io::Error::other(
            "user 65534 cannot be told from other users in this user namespace",
        ));
    }
    let address = listener.local_addr()?;
    let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (_ours, (stream, _)) = (connected?, accepted?);
    match of_peer(&stream)? {
        Some(user) if user == ourselves() => Ok(()),
        found => Err(io::Error::other(format!(
            "the system's tables say {found:?} of a connection of user {}",
            ourselves()
        ))),
    }
}

/// Whether this user namespace knows every user, as the first one does.
fn all_users_are_mapped() -> io::Result<bool> {
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// The owner of the socket at `local`, connected to `remote`.
fn find(rows: &str, local: SocketAddr, remote: SocketAddr) -> Option<UserId> {
    rows.lines().skip(1).find_map(|row| {
        // sl local_address rem_address st queues timer retrnsmt uid timeout inode …
        let mut fields = row.split_ascii_whitespace();
        let (at, to) = (fields.nth(1)?, fields.next()?);
        let state = fields.next()?;
        let user = fields.nth(3)?;
        let inode = fields.nth(1)?;
        let ours = address(at)? == canonical(local) && address(to)? == canonical(remote);
        (ours && state == ESTABLISHED && inode != NO_INODE).then(|| user.parse().ok())?
    })
}

fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}

/// `0100007F:1538`: each 32-bit word of the address as the machine holds it, the port in hex.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word =
        |at: usize| u32::from_str_radix(ip.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn row(at: &str, to: &str, state: &str, user: u32, inode: u32) -> String {
        format!(
            "   1: {at} {to} {state} 00000000:00000000 02:0000 00000000  {user}        0 {inode} 2 0 20 4 30 10 -1\n"
        )
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn rows_are_read_as_the_kernel_writes_them() {
        let (local, remote) = ("127.0.0.1:5432".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let at = |rows: String| find(&(HEAD.to_owned() + &rows), local, remote);
        assert_eq!(at(row("0100007F:1538", "0100007F:0050", "01", 1000, 9)), Some(1000));
        assert_eq!(at(row("0100007F:0050", "0100007F:1538", "01", 1000, 9)), None);
        assert_eq!(at(row("0100007F:1538", "0100007F:0050", "06", 0, 0)), None);
        assert_eq!(at(row("0100007F:1538", "0100007F:0050", "05", 0, 9)), None);
        assert_eq!(at(row("0100007F:1538", "0100007F:0050", "01", 0, 0)), None);
        let six = "0000000000000000FFFF00000100007F";
        let row = row(&format!("{six}:1538"), &format!("{six}:0050"), "01", 7, 9);
        assert_eq!(at(row), Some(7));
        assert_eq!(at("garbage\n".to_owned()), None);
    }

    #[tokio::test]
    async fn our_own_connections_are_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        try_out(&listener).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(of_peer(&accepted).unwrap(), Some(ourselves()));
        drop(client);
        assert_eq!(of_peer(&accepted).unwrap(), None);
    }

    #[tokio::test]
    async fn a_socket_of_the_other_family_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket =
            socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
        socket.set_only_v6(false).unwrap();
        let mapped: SocketAddr = format!("[::ffff:127.0.0.1]:{port}").parse().unwrap();
        socket.connect(&mapped.into()).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert_eq!(of_peer(&accepted).unwrap(), Some(ourselves()));
    }
}
