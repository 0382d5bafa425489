//! The history on disk: read and added to under a lock, written as a whole beside it and renamed
//! over it. The lock is on the folder, so that it leaves nothing behind.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::history::{FILE, History, Run};

/// Reads a history; one that does not exist is empty.
///
/// # Errors
/// Worded, with how to repair it.
pub fn read(path: &Path) -> Result<History, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(History::default()),
        Err(error) => {
            return Err(format!("cannot read the history \"{}\": {error}", path.display()));
        }
    };
    History::parse(&text).map_err(|fault| {
        let name = path.display().to_string();
        let repair = fault.repair.replace("FILE", &name);
        format!(
            "the history \"{name}\" is corrupt: {fault}; nothing was written to it\nhint: {repair}"
        )
    })
}

/// Adds a run and gives the history before it, as it was under the lock.
///
/// # Errors
/// Worded; the file is as it was.
pub fn add(path: &Path, run: Run) -> Result<History, String> {
    // what a link leads to is replaced, not the link
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let cannot =
        |error: io::Error| format!("cannot write the history \"{}\": {error}", path.display());
    let lock = File::open(&folder).map_err(cannot)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)
        .map_err(|error| cannot(error.into()))?;
    sweep(&folder);
    let before = read(path)?;
    let mut after = before.clone();
    after.add(run);
    write(path, &folder, &after.to_text()).map_err(cannot)?;
    let _ = lock.sync_all();
    Ok(before)
}

/// Removes what runs that were killed have left behind: whoever writes one holds the lock.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let inside = name.strip_prefix(FILE).and_then(|rest| rest.strip_suffix(".tmp"));
        let is_pid =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if inside.and_then(|rest| rest.strip_prefix('.')).is_some_and(is_pid) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write(path: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let temporary = folder.join(format!("{FILE}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        if let Ok(known) = fs::metadata(path) {
            file.set_permissions(known.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The commit that is checked out around a folder, read from `.git` alone.
pub fn commit(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let git = folder.ancestors().map(|at| at.join(".git")).find(|git| git.exists())?;
    let git = if git.is_file() {
        let text = fs::read_to_string(&git).ok()?;
        git.parent()?.join(text.strip_prefix("gitdir:")?.trim())
    } else {
        git
    };
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(name) = head.strip_prefix("ref: ") else { return is_commit(head) };
    let common = fs::read_to_string(git.join("commondir"));
    let common = common.map_or_else(|_| git.clone(), |to| git.join(to.trim()));
    if let Ok(id) = fs::read_to_string(common.join(name)) {
        return is_commit(id.trim());
    }
    let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(&format!(" {name}")))?;
    is_commit(line.split(' ').next()?)
}

fn is_commit(id: &str) -> Option<String> {
    (id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
