//! What a walked path means: failures, each of one kind, from what was run and seen. Pure.

use serde_json::Value;

use super::command::Outcome;
use super::model::{Path, PathRun, Request, Step, StepRun};
use super::tap::ServerError;
use crate::governance::catalog_diff::Catalog;

/// What kind of failure; the closed list of docs/two-path.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table that the application owns is not there.
    OrmTableMissing,
    /// A migration that fails on what is there already.
    NotIdempotent,
    /// A stamp that reported success, and is not in the database.
    StampNotCommitted,
    /// An upgrade that reported success, and is not in the database.
    UpgradeNotCommitted,
    /// The database does not stand at head.
    NotAtHead,
    /// An id that the version column does not hold.
    VersionTooLong,
    /// A version column shorter than demanded.
    VersionColumn,
    /// A command that had no session through the proxy.
    WentRound,
    /// A command that failed for a reason of its own.
    CommandFailed,
    /// A command that took too long.
    TimedOut,
    /// Differences that are neither known nor notes.
    SchemasDiffer,
}

impl Kind {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::OrmTableMissing => "orm_table_missing",
            Kind::NotIdempotent => "not_idempotent",
            Kind::StampNotCommitted => "stamp_not_committed",
            Kind::UpgradeNotCommitted => "upgrade_not_committed",
            Kind::NotAtHead => "not_at_head",
            Kind::VersionTooLong => "version_too_long",
            Kind::VersionColumn => "version_column",
            Kind::WentRound => "went_round",
            Kind::CommandFailed => "command_failed",
            Kind::TimedOut => "timed_out",
            Kind::SchemasDiffer => "schemas_differ",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// What is so.
    pub message: String,
    /// The objects that it is about.
    pub objects: Vec<String>,
    /// The migration under way, where that is known.
    pub revision: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), objects: Vec::new(), revision: None, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

/// What is known beside the path itself.
pub struct Context<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// Every id in use, as far as they are known.
    pub ids: &'a [String],
    /// The heads of the migrations, as far as they are known.
    pub heads: &'a [String],
    /// The tables that the bootstrap makes, as far as it was seen to.
    pub bootstrapped: &'a [String],
    /// Path A passed or was not walked.
    pub clean_passes: bool,
}

/// Everything that is wrong with a path.
pub fn failures(context: &Context<'_>, run: &PathRun) -> Vec<Failure> {
    let mut found = Vec::new();
    // one that went wrong says why what follows did
    found.extend(run.steps.iter().find_map(|step| went_wrong(context, run.path, step)));
    if let Some(catalog) = &run.catalog {
        found.extend(missing_tables(context, run.path, catalog));
        found.extend(version_column(context, catalog));
    }
    found
}

fn went_wrong(context: &Context<'_>, path: Path, run: &StepRun) -> Option<Failure> {
    let step = run.step;
    match &run.ran.outcome {
        Outcome::TimedOut => {
            let seconds = context.request.timeout.as_secs();
            let message = format!("{step} took longer than {seconds}s and was ended");
            return Some(Failure::new(Kind::TimedOut, message).hint("--timeout SECONDS"));
        }
        Outcome::Failed(how) => return Some(cause(context, path, run, how)),
        Outcome::Succeeded => {}
    }
    if run.sessions == 0 {
        let message = format!("{step} had no session with the scratch database");
        let hint = "it takes its URL from elsewhere: it must go by DATABASE_URL or by PGHOST, \
                    PGPORT and PGDATABASE";
        return Some(Failure::new(Kind::WentRound, message).hint(hint));
    }
    match step {
        Step::Upgrade | Step::Stamp => not_written(context, run),
        Step::Current if !run.ran.output.contains("(head)") => {
            let message = "current reported success, and not that the database is at head";
            Some(Failure::new(Kind::NotAtHead, message).hint("see its output"))
        }
        Step::Current | Step::Bootstrap => None,
    }
}

/// Reported success, and the version table says nothing of it, or something else.
fn not_written(context: &Context<'_>, run: &StepRun) -> Option<Failure> {
    let table = context.request.version_table.as_ref()?;
    let what = match &run.versions {
        Some(rows) if !rows.is_empty() => return not_at_head(context, run, rows),
        Some(_) => "has no row",
        None => "is not there",
    };
    let kind =
        if run.step == Step::Stamp { Kind::StampNotCommitted } else { Kind::UpgradeNotCommitted };
    let message = format!("{} reported success, and the table {table} {what}", run.step);
    let hint = "SQLAlchemy 2 commits what it is told to: in env.py, with connectable.begin() as connection";
    Some(Failure::new(kind, message).hint(hint))
}

/// A head that the version table does not have.
fn not_at_head(context: &Context<'_>, run: &StepRun, rows: &[String]) -> Option<Failure> {
    let absent: Vec<String> =
        context.heads.iter().filter(|head| !rows.contains(head)).cloned().collect();
    if absent.is_empty() {
        return None;
    }
    let message = format!(
        "{} reported success, and the database stands at {}, not at {}",
        run.step,
        rows.join(", "),
        absent.join(", ")
    );
    let failure = Failure::new(Kind::NotAtHead, message)
        .hint("several heads want \"heads\" in place of \"head\"");
    Some(Failure { objects: absent, ..failure })
}

/// Why a command failed, from the last error that the server sent it.
fn cause(context: &Context<'_>, path: Path, run: &StepRun, how: &str) -> Failure {
    // what follows an error in a transaction says nothing new
    let error = run.errors.iter().rfind(|error| error.sqlstate != "25P02");
    let revision = revision(&run.ran.output);
    let Some(error) = error else {
        let message = format!("{} failed: {how}, and the server had sent it no error", run.step);
        return Failure { revision, ..Failure::new(Kind::CommandFailed, message) };
    };
    let ServerError { sqlstate, message, .. } = error;
    let said = format!("{} failed: {message} ({sqlstate})", run.step);
    let failure = match classify(context, path, run.step, error) {
        Cause::Missing(table) => Failure {
            objects: vec![table],
            ..Failure::new(Kind::OrmTableMissing, said).hint(
                "no migration creates it, only the bootstrap does: add one that does, \
                 before the first that needs it",
            )
        },
        Cause::Existing => Failure::new(Kind::NotIdempotent, said).hint(
            "if_not_exists=True, or a look at what is there: the bootstrap has made it already",
        ),
        Cause::TooLong => too_long(context, said),
        Cause::Other => Failure::new(Kind::CommandFailed, said),
    };
    Failure { revision, ..failure }
}

enum Cause {
    Missing(String),
    Existing,
    TooLong,
    Other,
}

fn classify(context: &Context<'_>, path: Path, step: Step, error: &ServerError) -> Cause {
    let Request { orm_tables, version_table, .. } = context.request;
    match (error.sqlstate.as_str(), step) {
        // undefined_table
        ("42P01", Step::Upgrade) if path == Path::A => {
            let owned = orm_tables.iter().chain(context.bootstrapped);
            let named = owned.into_iter().find(|table| names(&error.message, table));
            named.map_or(Cause::Other, |table| Cause::Missing(table.clone()))
        }
        // string_data_right_truncation
        ("22001", Step::Upgrade | Step::Stamp)
            if version_table.as_ref().is_some_and(|table| names(&error.statement, table)) =>
        {
            Cause::TooLong
        }
        (code, Step::Upgrade)
            if path == Path::C && (is_duplicate(code) || context.clean_passes) =>
        {
            Cause::Existing
        }
        _ => Cause::Other,
    }
}

/// duplicate_table, _column, _object, _function, _schema, _alias, _database, _cursor,
/// _prepared_statement aside: what CREATE and ALTER say of what is there already; and what they
/// say of a second primary key.
fn is_duplicate(sqlstate: &str) -> bool {
    matches!(sqlstate, "42P07" | "42701" | "42710" | "42723" | "42P06" | "42P16")
}

/// Whether a text has this table's name as a word.
fn names(text: &str, table: &str) -> bool {
    let name = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name)
        .any(|(at, _)| !text[..at].ends_with(word) && !text[at + name.len()..].starts_with(word))
}

/// Alembic's `Running upgrade X -> Y, …`: the last one said.
fn revision(output: &str) -> Option<String> {
    let line = output.lines().rfind(|line| line.contains("Running upgrade "))?;
    let after = line.rsplit_once(" -> ")?.1;
    Some(after.split([',', ' ']).next()?.to_owned()).filter(|id| !id.is_empty())
}

fn too_long(context: &Context<'_>, message: String) -> Failure {
    let longest = context.ids.iter().max_by_key(|id| id.chars().count());
    let objects = longest.cloned().into_iter().collect();
    Failure { objects, ..Failure::new(Kind::VersionTooLong, message).hint(WIDEN) }
}

const WIDEN: &str = "widen it: ALTER TABLE alembic_version ALTER version_num TYPE varchar(128), and \
                     make it so in env.py (docs/two-path.md)";

fn missing_tables(context: &Context<'_>, path: Path, catalog: &Catalog) -> Option<Failure> {
    if path == Path::C {
        return None;
    }
    let tables = context.request.orm_tables.iter();
    let missing: Vec<String> =
        tables.filter(|table| catalog.table(table).is_none()).cloned().collect();
    if missing.is_empty() {
        return None;
    }
    let hint = match path {
        Path::A => "no migration creates them, only the bootstrap does: add one that does",
        Path::B | Path::C => "the bootstrap does not create them, or does not commit",
    };
    let names = missing.join(", ");
    let message = match missing.len() {
        1 => format!("a table that the application owns is missing: {names}"),
        count => format!("{count} tables that the application owns are missing: {names}"),
    };
    let failure = Failure::new(Kind::OrmTableMissing, message).hint(hint);
    Some(Failure { objects: missing, ..failure })
}

/// How many characters the version column holds; `None`: any number, or there is none.
pub fn version_width(request: &Request, catalog: &Catalog) -> Option<u32> {
    let table = catalog.table(request.version_table.as_ref()?)?;
    let prefix = format!("{table}.");
    let columns = catalog.objects.iter().filter(|(key, _)| key.kind == "column");
    let mut types = columns
        .filter(|(key, _)| key.identity.starts_with(&prefix))
        .filter_map(|(_, object)| object.properties.get("type").and_then(Value::as_str));
    let width = types.find_map(|kind| kind.strip_prefix("character varying("))?;
    width.strip_suffix(')')?.parse().ok()
}

fn version_column(context: &Context<'_>, catalog: &Catalog) -> Option<Failure> {
    let Request { version_table, version_length, wide_column, .. } = context.request;
    catalog.table(version_table.as_ref()?)?;
    let width = version_width(context.request, catalog);
    let limit = width.unwrap_or(u32::MAX).min(*version_length);
    let longer = |id: &&String| id.chars().count() > limit as usize;
    let ids: Vec<String> = context.ids.iter().filter(longer).cloned().collect();
    if let Some(id) = ids.first() {
        let length = id.chars().count();
        let message = match width.filter(|width| (*width as usize) < length) {
            Some(width) => {
                format!("the version column holds {width} characters, and \"{id}\" has {length}")
            }
            None => format!("\"{id}\" has {length} characters, more than {version_length}"),
        };
        let failure = Failure::new(Kind::VersionTooLong, message).hint(WIDEN);
        return Some(Failure { objects: ids, ..failure });
    }
    let width = width.filter(|width| *wide_column && width < version_length)?;
    let message =
        format!("the version column holds {width} characters, and {version_length} are demanded");
    Some(Failure::new(Kind::VersionColumn, message).hint(WIDEN))
}
