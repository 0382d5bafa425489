//! `pgauthority guard`: the environment gate for scripts and CI.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::contract::Authority;
use crate::governance::gate::{self, Demand, Report, Status, Variables};

/// Arguments of `pgauthority guard`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority guard show
  DB_AUTHORITY=neon DB_ENV=prod-like pgauthority guard require neon
  pgauthority guard migrations && alembic upgrade head

Exit codes: 0 allowed, 1 refused, 78 not declared (or declared so that it contradicts itself).")]
pub struct GuardArgs {
    #[command(subcommand)]
    command: Command,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE", global = true)]
    output: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show what is declared; DB_AUTHORITY and DB_ENV must be
    Show,
    /// Fail unless this authority is declared
    Require {
        /// The authority that the rest of the script needs
        #[arg(value_enum)]
        authority: RequiredAuthority,
    },
    /// Fail unless migrations may run: DB_AUTHORITY, DB_ENV, DB_ROLE and DATABASE_URL are declared, and prod is confirmed
    Migrations,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RequiredAuthority {
    /// Production data
    Neon,
    /// Disposable data
    Local,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
}

/// Judges the process's environment, writes the report, gives the verdict's exit code (2 where
/// the report could not be written).
pub fn run(args: &GuardArgs) -> ExitCode {
    let variables = variables_of_process();
    let demand = match &args.command {
        Command::Show => Demand::Declared,
        Command::Require { authority: RequiredAuthority::Neon } => {
            Demand::Authority(Authority::Neon)
        }
        Command::Require { authority: RequiredAuthority::Local } => {
            Demand::Authority(Authority::Local)
        }
        Command::Migrations => Demand::Migrations,
    };
    let report = gate::judge(&variables, demand);
    let text = match args.format {
        Format::Table => table(&variables, demand, &report),
        Format::Json => json_text(&variables, &report),
    };
    match write(&text, args.output.as_ref()) {
        Ok(()) => ExitCode::from(report.verdict.exit_code()),
        Err(error) => {
            let place = args
                .output
                .as_ref()
                .map_or("standard output".into(), |path| path.to_string_lossy());
            let _ = writeln!(io::stderr(), "pgauthority guard: cannot write {place}: {error}");
            ExitCode::from(2)
        }
    }
}

/// The variables of the gate from this process's environment. A value that is not UTF-8 is none
/// of the words of any declaration; it is read lossily and fails as such.
pub fn variables_of_process() -> Variables {
    let lossy = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let found = gate::VARIABLES.iter();
    found.filter_map(|name| Some(((*name).to_owned(), lossy(name)?))).collect()
}

fn write(text: &str, output: Option<&PathBuf>) -> io::Result<()> {
    match output {
        Some(path) => File::create(path)?.write_all(text.as_bytes()),
        None => io::stdout().write_all(text.as_bytes()),
    }
}

fn json_text(variables: &Variables, report: &Report) -> String {
    let declared: serde_json::Map<_, _> = gate::declared(variables)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let object = json!({
        "verdict": report.verdict,
        "exit_code": report.verdict.exit_code(),
        "declared": declared,
        "checks": report.checks,
    });
    format!("{object:#}\n")
}

fn table(variables: &Variables, demand: Demand, report: &Report) -> String {
    let mut text = String::new();
    if demand == Demand::Declared {
        let mut declared = new_table();
        for (name, value) in gate::declared(variables) {
            declared.add_row([name.to_owned(), value.unwrap_or_else(|| "(not set)".to_owned())]);
        }
        text.push_str(&lines(&declared));
        text.push('\n');
    }
    text.push_str(&checks(report));
    text.push_str(report.verdict.as_str());
    text.push('\n');
    text
}

/// The checks of a report as an aligned table, one a line, each hint under its check.
pub fn checks(report: &Report) -> String {
    let mut table = new_table();
    for check in &report.checks {
        let mark = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Refused => "REFUSED",
            Status::NotDeclared => "NOT DECLARED",
        };
        let mut message = check.message.clone();
        if let Some(hint) = &check.hint {
            message.push_str("\nhint: ");
            message.push_str(hint);
        }
        table.add_row([mark, check.rule, &message]);
    }
    lines(&table)
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
        text.push('\n');
    }
    text
}
