//! The file that holds a backstop's key: mode 0600, never half written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::contract::backstop::Key;

/// What is in a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// There is no file.
    Nothing,
    /// A key.
    Key(Key),
    /// Something else.
    Other,
}

/// Looks into a file. Never quotes it.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> io::Result<Content> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Nothing),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let key = Key::parse(text.trim_end_matches(['\n', '\r']));
    Ok(key.map_or(Content::Other, Content::Key))
}

/// Writes a key in place of whatever is there, readable by this user alone.
///
/// # Errors
/// It cannot be written; then what was there is still there.
pub fn write(path: &Path, key: &Key) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    let written = write_new(&beside, key).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write_new(path: &Path, key: &Key) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.to_text())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backstop.key");
        assert_eq!(read(&path).unwrap(), Content::Nothing);
        for key in [Key::new([5; 32]), Key::new([6; 32])] {
            write(&path, &key).unwrap();
            assert_eq!(read(&path).unwrap(), Content::Key(key));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside it");
        fs::write(&path, b"\xff").unwrap();
        assert_eq!(read(&path).unwrap(), Content::Other);
        assert!(write(&folder.path().join("nowhere/x"), &Key::new([5; 32])).is_err());
    }
}
