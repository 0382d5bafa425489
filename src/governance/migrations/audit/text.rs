//! Reads a file as Python would: what is no regular file, or not the encoding that it says, is told.

use std::fs;
use std::io;
use std::path::Path;

use super::locate::SourceFile;
use crate::upstream::in_words;

/// Reads a file. Where that fails it is empty, and in trouble.
pub(super) fn read(path: &Path) -> SourceFile {
    let modified = fs::metadata(path).and_then(|about| about.modified()).ok();
    let (text, trouble) = match bytes(path) {
        Ok(bytes) => {
            let trouble = undecoded(&bytes);
            (String::from_utf8_lossy(&bytes).into_owned(), trouble)
        }
        Err(error) => {
            (String::new(), Some((1, format!("it cannot be read: {}", in_words(&error)))))
        }
    };
    SourceFile { path: path.to_owned(), text, modified, trouble }
}

/// A regular file's text, bytes that are not UTF-8 replaced.
///
/// # Errors
/// It cannot be read, or is something else: opening a pipe would wait for ever.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&bytes(path)?).into_owned())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)?.is_file() {
        true => fs::read(path),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Where a file is not UTF-8 and its first two lines name no other encoding (PEP 263).
fn undecoded(bytes: &[u8]) -> Option<(u32, String)> {
    let valid = std::str::from_utf8(bytes).err()?.valid_up_to();
    let names_one = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let comment = line.trim_start().strip_prefix('#').map(str::to_owned);
        comment.is_some_and(|line| line.contains("coding:") || line.contains("coding="))
    };
    if bytes.split(|byte| *byte == b'\n').take(2).any(names_one) {
        return None;
    }
    let line = bytes.get(..valid)?.iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = "it is not UTF-8, and its first lines name no other encoding".to_owned();
    Some((u32::try_from(line).unwrap_or(u32::MAX), message))
}

#[cfg(test)]
mod tests {
    use super::undecoded;

    #[test]
    fn an_encoding_has_to_be_named() {
        assert_eq!(undecoded("a = 'ä'\n".as_bytes()), None);
        assert_eq!(undecoded(b"x = 1\ny = '\xe4'\n").map(|(line, _)| line), Some(2));
        assert_eq!(undecoded(b"# -*- coding: latin-1 -*-\ny = '\xe4'\n"), None);
    }
}
