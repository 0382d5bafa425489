//! `pgauthority guard`: the environment gate for scripts and CI.

pub mod report;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::output;
use crate::contract::Authority;
use crate::governance::gate::{self, Demand, Report, Status, Variables, Verdict};
use crate::governance::shell;

/// Arguments of `pgauthority guard`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority guard show
  DB_AUTHORITY=neon DB_ENV=prod-like pgauthority guard require neon
  pgauthority guard migrations && alembic upgrade head
  pgauthority guard migrations --format github
  eval \"$(pgauthority guard env migrations || echo exit $?)\"

Exit codes: 0 allowed, 1 refused, 78 not declared (or declared so that it contradicts itself), 2 the
command line is wrong or the report cannot be written.")]
pub struct GuardArgs {
    #[command(subcommand)]
    command: Command,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    format: Format,
    /// The same as --format json
    #[arg(long, global = true, conflicts_with = "format")]
    json: bool,
    /// Write the report (of `env`: the shell's text) to this file instead of standard output
    #[arg(long, value_name = "FILE", global = true)]
    output: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show what is declared; DB_AUTHORITY and DB_ENV must be
    #[command(after_long_help = "\
Example:
  DB_AUTHORITY=local DB_ENV=dev pgauthority guard show")]
    Show,
    /// Fail unless this authority is declared
    #[command(after_long_help = "\
Example:
  DB_AUTHORITY=neon DB_ENV=prod-like pgauthority guard require neon")]
    Require {
        /// The authority that the rest of the script needs
        #[arg(value_enum)]
        authority: RequiredAuthority,
    },
    /// Fail unless migrations may run: DB_AUTHORITY, DB_ENV, DB_ROLE and DATABASE_URL are declared, and prod is confirmed
    #[command(after_long_help = "\
Example:
  DB_AUTHORITY=local DB_ENV=dev DB_ROLE=staging DATABASE_URL=postgresql://nova@localhost/nova \\
    pgauthority guard migrations")]
    Migrations,
    /// Print the declarations for a shell to eval; what is not allowed ends the script
    #[command(after_long_help = "\
Examples:
  eval \"$(pgauthority guard env || echo exit $?)\"
  eval \"$(pgauthority guard env migrations || echo exit $?)\"

Findings go to standard error, in the --format asked for. Where DB_VIA=pgauthority is declared,
PGOPTIONS gets the declarations, so that libpq's programs connect to nothing else; on prod, with
`migrations`, it confirms for their sessions too.")]
    Env {
        /// What the rest of the script needs, beside DB_AUTHORITY and DB_ENV
        #[arg(value_enum)]
        need: Option<Need>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RequiredAuthority {
    /// Production data
    Neon,
    /// Disposable data
    Local,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Need {
    /// DB_AUTHORITY is neon
    Neon,
    /// DB_AUTHORITY is local
    Local,
    /// Migrations may run
    Migrations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// Annotations of GitHub Actions
    Github,
}

impl Command {
    fn demand(&self) -> Demand {
        match self {
            Command::Show | Command::Env { need: None } => Demand::Declared,
            Command::Require { authority: RequiredAuthority::Neon }
            | Command::Env { need: Some(Need::Neon) } => Demand::Authority(Authority::Neon),
            Command::Require { authority: RequiredAuthority::Local }
            | Command::Env { need: Some(Need::Local) } => Demand::Authority(Authority::Local),
            Command::Migrations | Command::Env { need: Some(Need::Migrations) } => {
                Demand::Migrations
            }
        }
    }
}

/// Judges the process's environment, writes the report, gives the verdict's exit code (2 where
/// the report could not be written).
pub fn run(args: &GuardArgs) -> ExitCode {
    let variables = variables_of_process();
    let demand = args.command.demand();
    let report = gate::judge(&variables, demand);
    let format = if args.json { Format::Json } else { args.format };
    let text = if matches!(args.command, Command::Env { .. }) {
        match format {
            Format::Table => say(&report),
            Format::Json => tell(&report::json_text(&variables, &report)),
            Format::Github => tell(&report::github(&report)),
        }
        shell_text(&variables, demand, &report)
    } else {
        let colour = output::is_coloured(args.output.as_deref());
        let text = match format {
            Format::Table => report::table(&variables, demand, &report, colour),
            Format::Json => report::json_text(&variables, &report),
            Format::Github => report::github(&report),
        };
        text.into_bytes()
    };
    output::put("guard", text, args.output.as_deref(), report.verdict.exit_code())
}

fn shell_text(variables: &Variables, demand: Demand, report: &Report) -> Vec<u8> {
    if report.verdict != Verdict::Allowed {
        return shell::refusal(report.verdict.exit_code());
    }
    let options = std::env::var_os("PGOPTIONS").unwrap_or_default();
    shell::declarations(variables, options.as_bytes(), demand == Demand::Migrations)
}

/// The findings on standard error, where standard output is the shell's.
fn say(report: &Report) {
    let mut text = String::new();
    for check in report.findings() {
        let what = if check.status == Status::Warning { "warning: " } else { "" };
        text.push_str(&format!("pgauthority guard: {what}{} ({})\n", check.message, check.rule));
        if let Some(hint) = &check.hint {
            text.push_str(&format!("pgauthority guard: hint: {hint}\n"));
        }
    }
    if report.verdict != Verdict::Allowed {
        text.push_str(&format!("pgauthority guard: {}\n", report.verdict.as_str()));
    }
    tell(&text);
}

fn tell(text: &str) {
    // where standard error is closed there is nobody to tell
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The variables of the gate from this process's environment. A value that is not UTF-8 is none
/// of the words of any declaration; it is read lossily and fails as such.
pub fn variables_of_process() -> Variables {
    let lossy = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    let found = gate::VARIABLES.iter();
    found.filter_map(|name| Some(((*name).to_owned(), lossy(name)?))).collect()
}
