//! The file of a Unix socket: claimed, taken over from the dead, removed at the end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Anybody who can reach the folder may connect: PostgreSQL's `unix_socket_permissions` default.
const SOCKET_MODE: u32 = 0o777;

/// A bound socket file and its lock. Dropping it removes both.
///
/// The lock file is PostgreSQL's in name and content, so that neither a server nor another proxy
/// takes the socket of a live one; unlike PostgreSQL's it is also locked, so that a leftover with
/// a recycled process id does not keep anybody from starting.
#[derive(Debug)]
pub(super) struct SocketFile {
    socket: PathBuf,
    lock_path: PathBuf,
    /// Held as long as the socket is ours.
    _lock: File,
}

impl SocketFile {
    /// Binds the socket at `socket`, in place of one that nobody listens on any more.
    pub(super) fn bind(socket: PathBuf, port: u16) -> io::Result<(UnixListener, SocketFile)> {
        let mut lock_path = socket.clone().into_os_string();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let mut lock = claim(&lock_path)?;
        match UnixStream::connect(&socket) {
            Ok(_) => return Err(in_use(&socket)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // nobody listens: a leftover
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(&socket)?;
            }
            Err(error) => return Err(error),
        }
        describe(&mut lock, &socket, port)?;
        let listener = UnixListener::bind(&socket)?;
        let file = SocketFile { socket, lock_path, _lock: lock };
        fs::set_permissions(&file.socket, fs::Permissions::from_mode(SOCKET_MODE))?;
        listener.set_nonblocking(true)?;
        Ok((listener, file))
    }
}

fn in_use(socket: &Path) -> io::Error {
    let message = format!("another process listens on \"{}\"", socket.display());
    io::Error::new(io::ErrorKind::AddrInUse, message)
}

/// Opens and locks the lock file.
fn claim(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // its last owner may have removed it between the opening and the locking
        match fs::metadata(path) {
            Ok(metadata) if metadata.ino() == file.metadata()?.ino() => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what PostgreSQL writes into its lock files: process id, data directory (there is none),
/// start time, port, folder.
fn describe(lock: &mut File, socket: &Path, port: u16) -> io::Result<()> {
    let folder = socket.parent().unwrap_or(Path::new("/")).display();
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    lock.set_len(0)?;
    write!(lock, "{}\n\n{started}\n{port}\n{folder}\n", std::process::id())
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // the lock goes last: until then nobody else binds here
        let _ = fs::remove_file(&self.socket);
        let _ = fs::remove_file(&self.lock_path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_socket_is_left_alone_and_a_dead_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".s.PGSQL.7432");
        let (listener, file) = SocketFile::bind(path.clone(), 7432).unwrap();
        let again = SocketFile::bind(path.clone(), 7432).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse, "{again}");
        let lock = fs::read_to_string(folder.path().join(".s.PGSQL.7432.lock")).unwrap();
        let lines: Vec<&str> = lock.lines().collect();
        assert_eq!(lines[0], std::process::id().to_string());
        assert_eq!(lines[3..], ["7432", folder.path().to_str().unwrap()]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);

        // killed: the files stay, the lock does not
        drop(listener);
        let stale = fs::read(folder.path().join(".s.PGSQL.7432.lock")).unwrap();
        drop(file);
        fs::write(folder.path().join(".s.PGSQL.7432.lock"), stale).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_listener, file) = SocketFile::bind(path.clone(), 7432).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_socket_without_a_lock_is_left_alone_while_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".s.PGSQL.7432");
        let _foreign = UnixListener::bind(&path).unwrap();
        let error = SocketFile::bind(path.clone(), 7432).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(path.exists());
    }
}
