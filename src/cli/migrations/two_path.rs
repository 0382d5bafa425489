//! `pgauthority migrations two-path`: both ways to build a database work, and end the same.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use self::progress::Progress;
use crate::cli::database::{FAILED, Failure, say, write};
use crate::governance::catalog_diff::Known;
use crate::governance::migrations::two_path::{
    self, Commands, Fault, Path, Report, Request, report,
};

mod declared;
mod progress;

/// Arguments of `pgauthority migrations two-path`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Example, in the folder of a project with Alembic and app/db.py:
  DB_AUTHORITY=local DB_ROLE=staging DB_ENV=test \\
    DATABASE_URL=postgresql://nova:novapass@localhost:5433/nova_aos \\
    pgauthority migrations two-path --orm-tables agents,runs,status_history

  A  upgrade head on an empty database
  B  bootstrap, stamp head, current at head
  C  bootstrap, then upgrade head unstamped

Every command is run by sh, in --directory, with a DATABASE_URL (and PGHOST, PGPORT, PGDATABASE,
PGUSER, PGPASSWORD) that leads through a proxy in this process to a scratch database. DATABASE_URL
itself, or --upstream, says on which server those are made; nothing else there is touched, and they
are gone at the end. What a run that was killed has left the next one drops.

DB_ROLE must be staging, and the upstream's authority local.

Exit codes: 0 all chosen paths pass; 1 one fails, or it is refused; 2 error; 78 not declared or
invalid configuration; 128 + n interrupted by signal n.")]
pub struct TwoPathArgs {
    /// Which paths
    #[arg(long, value_enum, value_delimiter = ',', ignore_case = true, default_values_t = [PathArg::A, PathArg::B, PathArg::C])]
    paths: Vec<PathArg>,
    /// Runs every migration
    #[arg(long, value_name = "CMD", default_value = "python3 -m alembic upgrade head")]
    upgrade: String,
    /// Makes the application's own tables
    #[arg(
        long,
        value_name = "CMD",
        default_value = "python3 -c 'from app.db import init_db; init_db()'"
    )]
    bootstrap: String,
    /// Writes the head into the version table
    #[arg(long, value_name = "CMD", default_value = "python3 -m alembic stamp head")]
    stamp: String,
    /// Says where the database stands; its output must have "(head)"
    #[arg(long, value_name = "CMD", default_value = "python3 -m alembic current")]
    current: String,
    /// Lists the migrations' ids as Alembic does; an empty one lists nothing
    #[arg(long, value_name = "CMD", default_value = "python3 -m alembic history")]
    history: String,
    /// Where the commands run
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// How many seconds each command may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Tables that the application owns, which must be there after A and after B: a list, or @FILE
    /// with one a line; without it the configuration's orm_tables, where --upstream reads one
    #[arg(long, value_name = "NAMES")]
    orm_tables: Option<String>,
    /// The table of the migrations' versions; an empty one is not looked at
    #[arg(long, value_name = "NAME", default_value = "alembic_version")]
    version_table: String,
    /// How many characters an id may have [default: 128]; where it is given the version column must
    /// hold as many, else as many as the longest id in use
    #[arg(long, value_name = "LENGTH", value_parser = clap::value_parser!(u32).range(1..))]
    version_length: Option<u32>,
    /// Differences between A and B fail, those declared in --known apart
    #[arg(long)]
    require_equal: bool,
    /// Differences that are known, each with its reason (TOML)
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// What the scratch databases are made from
    #[arg(long, value_name = "DATABASE", default_value = "template0")]
    template: String,
    #[command(flatten)]
    target: declared::Target,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PathArg {
    #[value(name = "A")]
    A,
    #[value(name = "B")]
    B,
    #[value(name = "C")]
    C,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// For people, behind annotations of GitHub Actions
    Github,
}

const NAME: &str = "migrations two-path";

/// How long an id may be, in characters.
const VERSION_LENGTH: u32 = 128;

/// Runs the command: 0 passed, 1 failed or refused, 2 error, 78 not declared.
pub fn run(args: &TwoPathArgs) -> ExitCode {
    crate::cli::database::run(NAME, async {
        let request = request(args)?;
        let mut progress = Progress::new();
        let made = two_path::run(&request, &mut progress).await;
        progress.clear();
        let report = made.map_err(failure)?;
        write(&text(&report, args.format), args.output.as_deref())?;
        if args.output.is_some() {
            say(NAME, if report.passed() { "passed" } else { "failed" });
        }
        Ok(u8::from(!report.passed()))
    })
}

fn text(report: &Report, format: Format) -> String {
    match format {
        Format::Table => report::table(report),
        Format::Json => format!("{:#}\n", report::json(report)),
        Format::Github => report::github(report),
    }
}

fn failure(fault: Fault) -> Failure {
    let code = fault.signal.map_or(FAILED, |signal| 128 + signal);
    let failure = Failure::new(code, fault.message);
    match fault.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn request(args: &TwoPathArgs) -> Result<Request, Failure> {
    // who may is asked before anything else
    let declared::Declared { upstream, url, environment, orm_tables } = args.target.declared()?;
    let mut paths: Vec<Path> = args.paths.iter().map(|path| path.path()).collect();
    paths.sort();
    paths.dedup();
    let both = paths.contains(&Path::A) && paths.contains(&Path::B);
    if args.require_equal && !both {
        return Err(Failure::new(
            FAILED,
            "--require-equal compares A and B, and one is not chosen",
        )
        .hint("--paths A,B"));
    }
    if let Some(folder) = args.output.as_deref().and_then(std::path::Path::parent)
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        let shown = folder.display();
        let message = format!("--output: there is no folder {shown}");
        return Err(Failure::new(FAILED, message).hint(format!("mkdir -p {shown}")));
    }
    if !args.directory.is_dir() {
        let shown = args.directory.display();
        return Err(
            Failure::new(FAILED, format!("there is no folder {shown}")).hint("--directory DIR")
        );
    }
    Ok(Request {
        upstream,
        url,
        environment,
        paths,
        commands: Commands {
            upgrade: args.upgrade.clone(),
            bootstrap: args.bootstrap.clone(),
            stamp: args.stamp.clone(),
            current: args.current.clone(),
            history: Some(args.history.clone()).filter(|text| !text.trim().is_empty()),
        },
        directory: args.directory.clone(),
        timeout: Duration::from_secs(args.timeout),
        template: args.template.clone(),
        orm_tables: args.orm_tables.as_deref().map_or(Ok(orm_tables), tables)?,
        version_table: Some(args.version_table.clone()).filter(|name| !name.is_empty()),
        version_length: args.version_length.unwrap_or(VERSION_LENGTH),
        wide_column: args.version_length.is_some(),
        known: known(args)?,
        require_equal: args.require_equal,
    })
}

impl PathArg {
    fn path(self) -> Path {
        match self {
            PathArg::A => Path::A,
            PathArg::B => Path::B,
            PathArg::C => Path::C,
        }
    }
}

/// Names, separated by commas or lines, or in a file; `#` begins a comment.
fn tables(list: &str) -> Result<Vec<String>, Failure> {
    let text = match list.strip_prefix('@') {
        None => list.to_owned(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::new(FAILED, format!("cannot read {path}: {error}")))?,
    };
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let names: Vec<String> = lines
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Err(Failure::new(FAILED, "--orm-tables names no table")
            .hint("--orm-tables agents,runs, or --orm-tables @FILE"));
    }
    Ok(names)
}

fn known(args: &TwoPathArgs) -> Result<Known, Failure> {
    let Some(path) = &args.known else { return Ok(Known::default()) };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(FAILED, format!("cannot read {shown}: {error}")))?;
    Known::parse(&text).map_err(|fault| {
        Failure::new(FAILED, format!("{shown}: {fault}")).hint(
            "[[known]] entries of object = \"index public.ix\", kind = \"only_in_a\", reason = \"…\"",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_listed_in_either_way() {
        assert_eq!(tables("a, b,\nc # and d\n#e").unwrap(), ["a", "b", "c"]);
        assert!(tables(" , ").is_err());
        assert!(tables("@/nowhere/at/all").is_err());
    }
}
