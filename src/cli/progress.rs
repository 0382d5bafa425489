//! A line on standard error that says what is under way, once that takes more than a second, and
//! only on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What is said.
pub(super) struct Progress(Mutex<String>);

impl Progress {
    /// Says something else from now on.
    pub(super) fn say(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    fn line(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // what does not fit on the line could not be wiped off again
        text.chars().take(76).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// Runs `work` and shows what it says, `what` to begin with.
pub(super) fn shown<T>(what: &str, work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress(Mutex::new(what.to_owned()));
    shown_as(&progress, |progress| format!("{} …", progress.line()), work)
}

/// Runs `work` and shows what `line` makes of how far it is.
pub(super) fn shown_as<P: Sync, T>(
    progress: &P,
    line: impl Fn(&P) -> String + Sync,
    work: impl FnOnce(&P) -> T,
) -> T {
    if !io::stderr().is_terminal() {
        return work(progress);
    }
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = waiting;
            let mut patience = Duration::from_secs(1);
            let mut said = false;
            while let Err(RecvTimeoutError::Timeout) = waiting.recv_timeout(patience) {
                let _ = write!(io::stderr(), "\r{} \x1b[K", line(progress));
                said = true;
                patience = Duration::from_millis(200);
            }
            if said {
                let _ = write!(io::stderr(), "\r\x1b[K");
            }
        });
        let result = work(progress);
        drop(done);
        result
    })
}
