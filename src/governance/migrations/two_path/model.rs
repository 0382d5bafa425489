//! What is asked of a run, and what it has seen: values, nothing else.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::command::Ran;
use super::judge::Failure;
use super::tap::ServerError;
use crate::config::Upstream;
use crate::governance::catalog_diff::{Catalog, Comparison, Known};
use crate::governance::gate::Variables;
use crate::governance::url::DatabaseUrl;

/// A way to build a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// `upgrade head` on an empty database.
    A,
    /// The application's bootstrap, then `stamp head`, then `current` at head.
    B,
    /// The application's bootstrap, then `upgrade head` on what it has made.
    C,
}

impl Path {
    /// Every one, in order.
    pub const ALL: [Path; 3] = [Path::A, Path::B, Path::C];

    /// Its letter.
    pub fn letter(self) -> &'static str {
        match self {
            Path::A => "A",
            Path::B => "B",
            Path::C => "C",
        }
    }

    /// What it does.
    pub fn title(self) -> &'static str {
        match self {
            Path::A => "upgrade head on an empty database",
            Path::B => "bootstrap, stamp head, current at head",
            Path::C => "bootstrap, then upgrade head unstamped",
        }
    }

    /// What runs, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Path::A => &[Step::Upgrade],
            Path::B => &[Step::Bootstrap, Step::Stamp, Step::Current],
            Path::C => &[Step::Bootstrap, Step::Upgrade],
        }
    }
}

/// One command of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The migrations.
    Upgrade,
    /// The application's own way to make its tables.
    Bootstrap,
    /// Writes the head into the version table, and runs nothing.
    Stamp,
    /// Says where the database stands.
    Current,
}

impl Step {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Upgrade => "upgrade",
            Step::Bootstrap => "bootstrap",
            Step::Stamp => "stamp",
            Step::Current => "current",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The commands, each for `sh -c`.
#[derive(Clone, Debug)]
pub struct Commands {
    /// Runs every migration.
    pub upgrade: String,
    /// Makes the application's tables.
    pub bootstrap: String,
    /// Writes the head down.
    pub stamp: String,
    /// Says where the database stands; `(head)` in its output means: at head.
    pub current: String,
    /// Lists every migration as Alembic does; `None`: nothing does.
    pub history: Option<String>,
}

impl Commands {
    /// The command of a step.
    pub fn of(&self, step: Step) -> &str {
        match step {
            Step::Upgrade => &self.upgrade,
            Step::Bootstrap => &self.bootstrap,
            Step::Stamp => &self.stamp,
            Step::Current => &self.current,
        }
    }
}

/// What is asked.
#[derive(Debug)]
pub struct Request {
    /// The declared local upstream.
    pub upstream: Arc<Upstream>,
    /// Its URL in the spelling of the commands' driver.
    pub url: DatabaseUrl,
    /// The environment, as far as it is text.
    pub environment: Variables,
    /// Which paths, each once, in order.
    pub paths: Vec<Path>,
    /// What they run.
    pub commands: Commands,
    /// Where they run it.
    pub directory: PathBuf,
    /// How long each command may take.
    pub timeout: Duration,
    /// What databases are made from.
    pub template: String,
    /// The tables that the application owns.
    pub orm_tables: Vec<String>,
    /// The table of the migrations' versions; `None`: there is none to look at.
    pub version_table: Option<String>,
    /// How many characters an id may have; the version column must hold as many where
    /// `wide_column` says so, else as many as the longest id in use.
    pub version_length: u32,
    /// The version column must be as wide as an id may be long.
    pub wide_column: bool,
    /// Differences that are known.
    pub known: Known,
    /// Every other difference is a failure.
    pub require_equal: bool,
}

/// A command that has run, and what was seen of it on the wire.
#[derive(Clone, Debug)]
pub struct StepRun {
    /// Which.
    pub step: Step,
    /// Its text.
    pub command: String,
    /// How it went.
    pub ran: Ran,
    /// Sessions that it had through the proxy.
    pub sessions: usize,
    /// Errors that the server sent it.
    pub errors: Vec<ServerError>,
    /// The rows of the version table right behind it; `None`: there is no such table, or it was
    /// not looked for.
    pub versions: Option<Vec<String>>,
}

/// A path that was walked, as far as it went.
#[derive(Clone, Debug)]
pub struct PathRun {
    /// Which.
    pub path: Path,
    /// Its steps.
    pub steps: Vec<StepRun>,
    /// The catalog at its end; `None` where a command failed.
    pub catalog: Option<Catalog>,
}

/// A run that is over.
#[derive(Debug)]
pub struct Report {
    /// Where the databases were made.
    pub place: String,
    /// The paths, each with what is wrong with it.
    pub paths: Vec<(PathRun, Vec<Failure>)>,
    /// A and B side by side, where both were built, and the known differences without a use.
    pub comparison: Option<(Comparison, Vec<(String, String)>)>,
    /// What is wrong with the comparison.
    pub differing: Option<Failure>,
    /// What is worth saying, and no failure.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether every path passed, and the comparison where it had to.
    pub fn passed(&self) -> bool {
        self.differing.is_none() && self.paths.iter().all(|(_, failures)| failures.is_empty())
    }
}
