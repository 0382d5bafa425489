//! `pgauthority migrations audit`: the inventory of an Alembic project, and what is risky in it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::cli::progress;
use crate::governance::migrations::audit::families::Families;
use crate::governance::migrations::audit::finding::Severity;
use crate::governance::migrations::audit::findings::Options;
use crate::governance::migrations::audit::locate::{Wanted, locate};
use crate::governance::migrations::audit::render::{self, render};
use crate::governance::migrations::audit::{Audit, audit};
use crate::upstream::in_words;

/// Arguments of `pgauthority migrations audit`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority migrations audit
  pgauthority migrations audit backend --orm-tables agents,runs --fail-on warning
  pgauthority migrations audit backend/alembic/versions --format svg --output graph.svg

Nothing of the project is imported or run. Tables in which each row counts: docs/migrations-audit.md
has every rule and the JSON format.

Exit codes: 0, 1 findings at or above --fail-on, 2 error.")]
pub struct AuditArgs {
    /// A folder with an alembic.ini, a script folder (the one with env.py), or a folder of versions
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// The ini file, where it does not stand in DIR
    #[arg(long, value_name = "FILE")]
    ini: Option<PathBuf>,
    /// The section of the ini file
    #[arg(long, value_name = "SECTION", default_value = "alembic")]
    name: String,
    /// Read folders within the folders of versions too, as recursive_version_locations does
    #[arg(long)]
    recursive: bool,
    /// Declare naming families besides the contract's own, in TOML
    #[arg(long, value_name = "FILE")]
    families: Option<PathBuf>,
    /// Tables that the application makes and no migration: names, or @FILE with one a line
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    orm_tables: Vec<String>,
    /// How many characters the version column holds
    #[arg(long, value_name = "LENGTH", default_value_t = 128)]
    version_length: usize,
    /// The connection of env.py is in AUTOCOMMIT, so CONCURRENTLY is no error (an env.py that names
    /// AUTOCOMMIT says so by itself)
    #[arg(long)]
    autocommit: bool,
    /// Exit with 1 if anything is found that matters so much
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// How to write the audit
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// What does not work
    Error,
    /// What somebody should look at before it runs on prod, too
    Warning,
    /// Anything at all
    Note,
    /// Nothing: always 0
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The inventory and the findings, for people
    Table,
    /// The inventory, a migration a line
    Csv,
    /// Everything, as one JSON object
    Json,
    /// The findings, for code review
    Sarif,
    /// The findings, as annotations of GitHub Actions
    Github,
    /// The graph, as a picture
    Svg,
    /// The graph, for Mermaid
    Mermaid,
}

/// Runs the command.
pub fn run(args: &AuditArgs) -> ExitCode {
    match audited(args) {
        Ok(audit) => {
            let limit = match args.fail_on {
                FailOn::Error => Some(Severity::Error),
                FailOn::Warning => Some(Severity::Warning),
                FailOn::Note => Some(Severity::Note),
                FailOn::Never => None,
            };
            let failed =
                limit.is_some_and(|limit| audit.worst().is_some_and(|worst| worst >= limit));
            ExitCode::from(u8::from(failed))
        }
        Err(error) => {
            eprintln!("pgauthority migrations audit: {error}");
            ExitCode::from(2)
        }
    }
}

/// Audits, and writes the result.
fn audited(args: &AuditArgs) -> Result<Audit, String> {
    let mut options = Options {
        families: families(args.families.as_deref())?,
        version_length: args.version_length,
        autocommit: args.autocommit,
        orm_tables: orm_tables(&args.orm_tables)?,
    };
    let wanted = Wanted {
        folder: args.folder.clone(),
        ini: args.ini.clone(),
        section: args.name.clone(),
        recursive: args.recursive,
    };
    let (located, audit) = progress::shown("looking for migrations", |progress| {
        let mut reading = |at, of| progress.say(format!("reading {} of {of}", at + 1));
        let located = locate(&wanted, &mut reading).map_err(|error| error.to_string())?;
        options.autocommit |= located.autocommit;
        let mut looking = |at: usize, of| {
            let name = located.files.get(at).and_then(|file| file.path.file_name());
            let name = name.unwrap_or_default().to_string_lossy();
            progress.say(format!("looking at {} of {of}: {name}", at + 1));
        };
        let audit = audit(&located, &options, &mut looking).map_err(|error| error.to_string())?;
        Ok::<_, String>((located, audit))
    })?;
    if audit.scripts.is_empty() {
        let folders: Vec<String> =
            located.versions.iter().map(|folder| format!("\"{}\"", folder.display())).collect();
        let hint = "hint: --recursive reads the folders in it too";
        return Err(format!("no migration stands in {}; {hint}", folders.join(", ")));
    }
    let (format, terminal) = (format(args.format), io::stdout().is_terminal());
    // a pipe or a file has no width: nothing is folded there
    let width = (args.output.is_some() || !terminal).then_some(u16::MAX);
    let text = render(&audit, &options.families, format, width)?;
    write(&text, args.output.as_deref()).map_err(|error| {
        let place = args.output.as_deref().map_or("standard output".into(), Path::to_string_lossy);
        format!("could not write to {place}: {error}")
    })?;
    Ok(audit)
}

fn families(file: Option<&Path>) -> Result<Families, String> {
    let Some(file) = file else { return Ok(Families::default()) };
    let text = fs::read_to_string(file)
        .map_err(|error| format!("could not read \"{}\": {}", file.display(), in_words(&error)))?;
    Families::of_toml(&text).map_err(|error| format!("\"{}\": {error}", file.display()))
}

/// Names of tables, those of files that are named with `@` included; in lower case, no schema.
fn orm_tables(given: &[String]) -> Result<BTreeSet<String>, String> {
    let mut tables = BTreeSet::new();
    let mut add = |name: &str| {
        let name = name.trim().trim_matches('`').to_lowercase();
        if !name.is_empty() {
            tables.insert(name.rsplit('.').next().unwrap_or(&name).to_owned());
        }
    };
    for name in given {
        let Some(file) = name.strip_prefix('@') else {
            add(name);
            continue;
        };
        let text = fs::read_to_string(file)
            .map_err(|error| format!("could not read \"{file}\": {}", in_words(&error)))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line));
        lines.flat_map(|line| line.split([',', ' ', '\t'])).for_each(&mut add);
    }
    Ok(tables)
}

const fn format(format: Format) -> render::Format {
    match format {
        Format::Table => render::Format::Table,
        Format::Csv => render::Format::Csv,
        Format::Json => render::Format::Json,
        Format::Sarif => render::Format::Sarif,
        Format::Github => render::Format::Github,
        Format::Svg => render::Format::Svg,
        Format::Mermaid => render::Format::Mermaid,
    }
}

fn write(text: &str, output: Option<&Path>) -> io::Result<()> {
    match output {
        Some(path) => fs::write(path, text),
        None => match io::stdout().write_all(text.as_bytes()) {
            // whoever reads has read enough
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        },
    }
}
