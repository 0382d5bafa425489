//! How it goes, on one line of a terminal; nothing where standard error is none.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::NAME;
use crate::cli::database::{plain, say};
use crate::governance::migrations::two_path::{Path, Tell};

/// The line.
pub(super) struct Progress {
    terminal: bool,
    drawn: bool,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { terminal: io::stderr().is_terminal(), drawn: false }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
            let _ = io::stderr().flush();
            self.drawn = false;
        }
    }
}

impl Tell for Progress {
    fn step(&mut self, path: &str, step: &str, since: Duration, line: &str) {
        if !self.terminal {
            return;
        }
        let text = format!("{path}  {step}  {}s  {}", since.as_secs(), plain(line));
        // a terminal that does not know its width says 0
        let width = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
        let width = if width == 0 { 79 } else { usize::from(width) - 1 };
        let text: String = text.chars().take(width).collect();
        let _ = write!(io::stderr(), "\r\x1b[2K{text}");
        let _ = io::stderr().flush();
        self.drawn = true;
    }

    fn walked(&mut self, path: Path, passed: bool, took: Duration) {
        if self.terminal {
            self.clear();
            let how = if passed { "walked" } else { "FAILED" };
            say(NAME, &format!("path {} {how} in {:.1}s", path.letter(), took.as_secs_f64()));
        }
    }

    fn note(&mut self, text: &str) {
        self.clear();
        say(NAME, &plain(text));
    }
}
