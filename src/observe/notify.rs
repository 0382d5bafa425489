//! Tells systemd how the service fares: `sd_notify`'s protocol, in safe Rust.
//!
//! Source: sd_notify(3): one datagram of `KEY=value` lines to the socket in `NOTIFY_SOCKET`, a
//! path or, after `@`, an abstract name.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::ClockId;

/// Where to report to; does nothing where nobody listens.
#[derive(Debug, Default)]
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// The service manager that started this process, if any.
    pub fn from_environment() -> Notifier {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(socket) => Notifier::to(&socket).unwrap_or_else(|error| {
                tracing::warn!(%error, "service manager cannot be told of this service's state");
                Notifier::default()
            }),
            None => Notifier::default(),
        }
    }

    /// A notifier for this socket: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// The name is of neither kind, or is too long for a socket address.
    pub fn to(socket: &OsStr) -> io::Result<Notifier> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(socket)?,
            _ => return Err(io::Error::from(io::ErrorKind::Unsupported)),
        };
        let datagrams = UnixDatagram::unbound()?;
        // A service manager that does not read must not hold up the proxy.
        datagrams.set_nonblocking(true)?;
        Ok(Notifier(Some((datagrams, address))))
    }

    /// The service is up and accepts connections; also after a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\n{}", status_line(status)));
    }

    /// A reload has begun; [`Notifier::ready`] ends it, whether it was taken or refused.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n"));
    }

    /// The service drains.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\n{}", status_line(status)));
    }

    /// One line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&status_line(status));
    }

    fn send(&self, message: &str) {
        let Some((datagrams, address)) = &self.0 else { return };
        if let Err(error) = datagrams.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, "service manager cannot be told of this service's state");
        }
    }
}

/// A line feed in it would begin another key.
fn status_line(status: &str) -> String {
    format!("STATUS={}\n", status.replace(['\n', '\r'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    #[test]
    fn tells_a_socket_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready("listening\nMAINPID=1");
        assert_eq!(receive(&socket), "READY=1\nSTATUS=listening MAINPID=1\n");
        notifier.reloading();
        let reloading = receive(&socket);
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(since.trim_end().parse::<u64>().unwrap() > 0, "{reloading}");
        notifier.stopping("draining");
        assert_eq!(receive(&socket), "STOPPING=1\nSTATUS=draining\n");
    }

    #[test]
    fn tells_an_abstract_socket() {
        let name = format!("pgauthority-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}"))).unwrap().status("up");
        assert_eq!(receive(&socket), "STATUS=up\n");
    }

    #[test]
    fn a_missing_or_strange_socket_harms_nothing() {
        Notifier::default().ready("up");
        Notifier::to(OsStr::new("/nowhere/notify")).unwrap().ready("up");
        assert!(Notifier::to(OsStr::new("vsock:2:1234")).is_err());
        assert!(Notifier::to(OsStr::new("")).is_err());
    }
}
