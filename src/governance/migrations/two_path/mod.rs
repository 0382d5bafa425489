//! The two-path check: both ways to build a database work, and end in the same schema.
//!
//! [`run`] is the whole story in order: scratch databases on the declared upstream ([`scratch`]),
//! a proxy in this process in front of them ([`front`]), the paths' commands through it
//! ([`walk`]), what that means ([`judge`]), and the databases gone again. [`names`], [`model`],
//! [`judge`], [`environment`] and [`report`] are pure, the look at `/proc` in `names` apart.

pub mod command;
pub mod environment;
pub mod front;
pub mod judge;
pub mod model;
pub mod names;
pub mod report;
pub mod scratch;
pub mod tap;
mod walk;

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::judge::{Failure, Kind};
pub use self::model::{Commands, Path, Report, Request, Step};
use self::scratch::Scratch;

/// Why there is no report. Holds no secret.
#[derive(Debug)]
pub struct Fault {
    /// What is so.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The signal that ended it, where one did.
    pub signal: Option<u8>,
}

impl Fault {
    /// Something could not be done.
    pub fn failed(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), hint: None, signal: None }
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }
}

/// Is told how it goes.
pub trait Tell {
    /// A step is under way: since when, and the last line that it wrote.
    fn step(&mut self, path: &str, step: &str, since: Duration, line: &str);
    /// A path has been walked.
    fn walked(&mut self, path: Path, passed: bool, took: Duration);
    /// Something that people should know whatever becomes of the run.
    fn note(&mut self, text: &str);
}

/// Runs the check. Whatever happens, short of the death of this process, the scratch databases are
/// gone when it returns; what could not be dropped is told.
///
/// # Errors
/// A [`Fault`] where the check could not be made, or was interrupted.
pub async fn run(request: &Request, tell: &mut dyn Tell) -> Result<Report, Fault> {
    let cannot = |error: std::io::Error| Fault::failed(format!("cannot catch signals: {error}"));
    // caught before there is anything to clean up
    let mut signals = Signals::catch().map_err(cannot)?;
    let mut scratch = Scratch::begin(&request.upstream).await?;
    let swept = scratch.sweep().await?;
    for name in &swept.dropped {
        tell.note(&format!("dropped {name}, which a run that ended early had left"));
    }
    for (name, why) in &swept.kept {
        tell.note(&format!("{name} of a run that ended early cannot be dropped: {why}"));
    }
    // made and dropped to the end, never cut off half-way: what a signal asks for waits that long
    let outcome = match walk::databases(request, &mut scratch).await {
        Err(fault) => Err(fault),
        Ok(databases) => tokio::select! {
            biased;
            number = signals.next() => Err(interrupted(number)),
            walked = walk::all(request, &scratch, &databases, tell) => walked,
        },
    };
    for (name, why) in scratch.end().await {
        tell.note(&format!("{name} could not be dropped: {why}; the next run tries again"));
    }
    outcome
}

fn interrupted(number: u8) -> Fault {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        _ => "SIGTERM",
    };
    Fault { signal: Some(number), ..Fault::failed(format!("interrupted by {name}")) }
}

/// What ends a run early.
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}
