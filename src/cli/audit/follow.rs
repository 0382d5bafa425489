//! Reads a growing log line by line, through rotations and truncations.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often a log that has no more lines is looked at.
const POLL: Duration = Duration::from_millis(200);

/// The lines of a log.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    /// Device and inode.
    identity: (u64, u64),
    /// Bytes read.
    position: u64,
    number: u64,
    /// The beginning of a line whose end has not been written yet.
    partial: Vec<u8>,
}

impl Lines {
    /// Starts at the log's first line.
    pub(super) fn open(path: &Path) -> io::Result<Lines> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        Ok(Lines {
            path: path.to_owned(),
            file: BufReader::with_capacity(64 * 1024, file),
            identity: (metadata.dev(), metadata.ino()),
            position: 0,
            number: 0,
            partial: Vec::new(),
        })
    }

    /// The next whole line, without its line feed; `None` when there is none yet.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let count = self.file.read_until(b'\n', &mut self.partial)?;
        self.position += count as u64;
        if self.partial.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.partial.pop();
        self.number += 1;
        Ok(Some(std::mem::take(&mut self.partial)))
    }

    /// Waits for the next whole line; says what happens to the file meanwhile.
    pub(super) fn wait(&mut self, say: &mut dyn FnMut(&str)) -> io::Result<Vec<u8>> {
        let mut missing = false;
        loop {
            if let Some(line) = self.next()? {
                return Ok(line);
            }
            thread::sleep(POLL);
            let found = match fs::metadata(&self.path) {
                Ok(found) => found,
                Err(error) => {
                    if !std::mem::replace(&mut missing, true) {
                        say(&format!("\"{}\": {error}; waiting for it", self.path.display()));
                    }
                    continue;
                }
            };
            missing = false;
            if (found.dev(), found.ino()) != self.identity {
                // What was written to the old file until the very end.
                if let Some(line) = self.next()? {
                    return Ok(line);
                }
                let Ok(new) = Lines::open(&self.path) else { continue };
                *self = new;
            } else if found.is_file() && found.len() < self.position {
                say(&format!("\"{}\" was truncated; reading it anew", self.path.display()));
                self.file.rewind()?;
                (self.position, self.number) = (0, 0);
                self.partial.clear();
            }
        }
    }

    /// Where the last line stood, for people.
    pub(super) fn place(&self) -> String {
        format!("line {} of \"{}\"", self.number, self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn wait(lines: &mut Lines) -> String {
        String::from_utf8(lines.wait(&mut |_| {}).unwrap()).unwrap()
    }

    #[test]
    fn follows_growth_rotation_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        append(&path, "one\ntw");
        let mut lines = Lines::open(&path).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), b"one");
        assert_eq!(lines.next().unwrap(), None);
        append(&path, "o\n");
        assert_eq!(wait(&mut lines), "two");
        assert_eq!(lines.place(), format!("line 2 of \"{}\"", path.display()));

        let old = folder.path().join("audit.jsonl.1");
        fs::rename(&path, &old).unwrap();
        append(&old, "three\n");
        append(&path, "four\n");
        assert_eq!(wait(&mut lines), "three");
        assert_eq!(wait(&mut lines), "four");

        File::options().write(true).truncate(true).open(&path).unwrap();
        let rewritten = path.clone();
        let writer = thread::spawn(move || {
            thread::sleep(2 * POLL);
            append(&rewritten, "5\n");
        });
        assert_eq!(wait(&mut lines), "5");
        writer.join().unwrap();
    }
}
