//! Progress on standard error while a walk takes more than a second, and only on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::governance::drift::scan::Progress;

/// Runs `work` and shows how far it is.
pub(super) fn shown<T>(work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::default();
    if !io::stderr().is_terminal() {
        return work(&progress);
    }
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = waiting;
            let mut patience = Duration::from_secs(1);
            let mut said = false;
            while let Err(RecvTimeoutError::Timeout) = waiting.recv_timeout(patience) {
                let seen = progress.seen.load(Ordering::Relaxed);
                let parsed = progress.parsed.load(Ordering::Relaxed);
                let _ = write!(io::stderr(), "\r{seen} files, {parsed} of them read \x1b[K");
                said = true;
                patience = Duration::from_millis(200);
            }
            if said {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        let result = work(&progress);
        drop(done);
        result
    })
}
