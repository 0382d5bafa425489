//! Where the lines go: one open file (or standard output), its failures and its recovery.
//!
//! Invariants: a line is only ever appended (`O_APPEND`), so nothing that is in the file can be
//! overwritten, by this process or by a second one during a restart; the file is never truncated;
//! what follows a half-written line starts on a line of its own; what is written is written to
//! the file that the path names now, not to one that has been moved or removed since.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::config::AuditTarget;

/// The mode of a log file that is created: the group may read it, nobody else.
const MODE: u32 = 0o640;

/// Below this much room the log counts as not writable.
const ROOM: u64 = 64 * 1024;

/// How long a non-blocking standard output may refuse bytes.
const BUSY_RETRIES: u32 = 2_000;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The open end of the log.
#[derive(Debug)]
pub(super) struct Sink {
    target: AuditTarget,
    fsync: bool,
    open: Option<Open>,
    /// The last byte that reached the target is not a line feed.
    half_line: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode of a regular file; `None` for devices, pipes and standard output.
    regular: Option<(u64, u64)>,
}

/// What became of an append that failed.
#[derive(Debug)]
pub(super) struct AppendError {
    /// This many of the bytes are in the file, though perhaps not on the disk.
    pub(super) written: usize,
    /// What went wrong.
    pub(super) cause: io::Error,
}

impl Sink {
    /// Opens the target for appending, creating the file with mode 0640 where it is missing.
    pub(super) fn open(target: AuditTarget, fsync: bool) -> io::Result<Sink> {
        let mut sink = Sink { target, fsync, open: None, half_line: false };
        sink.reopen()?;
        Ok(sink)
    }

    /// Opens the target again: after a rotation, or after a failure.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.open = None;
        let path = match &self.target {
            AuditTarget::Stdout => {
                let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                self.open = Some(Open { file, regular: None });
                return Ok(());
            }
            AuditTarget::File(path) => path,
        };
        let existed = path.exists();
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            // A pipe without a reader is an error, not a wait.
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open(path)?;
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let regular = metadata.is_file().then(|| (metadata.dev(), metadata.ino()));
        if regular.is_some() {
            self.half_line = ends_in_half_line(path, metadata.len());
            if self.fsync && !existed {
                sync_folder(path)?;
            }
        }
        self.open = Some(Open { file, regular });
        Ok(())
    }

    /// Makes sure that the open file is the one that the path names.
    pub(super) fn verify(&mut self) -> io::Result<()> {
        let AuditTarget::File(path) = &self.target else {
            return if self.open.is_some() { Ok(()) } else { self.reopen() };
        };
        let same = match &self.open {
            None => false,
            Some(Open { regular: None, .. }) => true,
            Some(Open { regular: Some(identity), .. }) => {
                fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == *identity)
            }
        };
        if same { Ok(()) } else { self.reopen() }
    }

    /// Appends whole lines, in one write unless the system takes less.
    ///
    /// `Ok` means that every byte is in the file, and on the disk where `fsync` is asked for.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<(), AppendError> {
        let unwritten = |cause| AppendError { written: 0, cause };
        self.verify().map_err(unwritten)?;
        let Some(open) = &mut self.open else {
            return Err(unwritten(io::Error::from(io::ErrorKind::NotFound)));
        };
        let result = if self.half_line {
            let mut separated = Vec::with_capacity(lines.len() + 1);
            separated.push(b'\n');
            separated.extend_from_slice(lines);
            write_whole(&mut open.file, &separated)
                .map_err(|(written, cause)| (written.checked_sub(1), cause))
        } else {
            write_whole(&mut open.file, lines).map_err(|(written, cause)| (Some(written), cause))
        };
        let result = match result {
            Ok(()) => {
                self.half_line = false;
                let sync = self.fsync && open.regular.is_some();
                let synced = if sync { open.file.sync_data() } else { Ok(()) };
                synced.map_err(|cause| AppendError { written: lines.len(), cause })
            }
            Err((written, cause)) => {
                // `None`: not even the separator was written, and all stays as it was.
                if let Some(written) = written {
                    let last = written.checked_sub(1).and_then(|at| lines.get(at));
                    self.half_line = last.is_some_and(|byte| *byte != b'\n');
                }
                Err(AppendError { written: written.unwrap_or(0), cause })
            }
        };
        if result.is_err() {
            self.open = None;
        }
        result
    }

    /// Whether the next event could be written, as far as can be told without writing one.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        self.verify()?;
        let Some(open) = &self.open else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        if open.regular.is_none() {
            return Ok(());
        }
        let room = rustix::fs::fstatvfs(&open.file)?;
        // File systems that do not count blocks report none at all.
        if room.f_blocks > 0 && room.f_bavail.saturating_mul(room.f_frsize) < ROOM {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    /// Whether every line must be on the disk before it counts.
    pub(super) fn fsync(&self) -> bool {
        self.fsync
    }

    /// The target, for people.
    pub(super) fn name(&self) -> String {
        match &self.target {
            AuditTarget::File(path) => path.display().to_string(),
            AuditTarget::Stdout => "stdout".to_owned(),
        }
    }
}

/// Writes everything; on failure says how much was written.
fn write_whole(file: &mut File, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    let mut busy = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err((written, io::Error::from(io::ErrorKind::WriteZero))),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && busy < BUSY_RETRIES => {
                busy += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}

/// Whether a file of this length lacks its final line feed: a process or machine died in a write.
/// A file that cannot be read is taken to lack it: a blank line does no harm.
fn ends_in_half_line(path: &Path, length: u64) -> bool {
    let Some(last) = length.checked_sub(1) else { return false };
    let mut byte = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut byte, last));
    read.is_err() || byte != *b"\n"
}

/// Makes a new file's name durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
