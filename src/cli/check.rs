//! `pgauthority check`: is the configuration sound, and (with `--connect`) is the world as declared?

mod decisions;
mod report;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::output;
use crate::config::{self, Config, Faults};
use crate::governance::observation::{self, Observation};

/// Arguments of `pgauthority check`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority check --config pgauthority.toml
  pgauthority check --config pgauthority.toml --connect
  DB_AUTHORITY=local DB_ROLE=staging DB_ENV=dev \\
    PGAUTHORITY_UPSTREAM_URL=postgresql://localhost/nova pgauthority check --from-env

Exit codes: 0 sound, 1 something contradicts a declaration, 2 error, 78 invalid.")]
pub struct CheckArgs {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "PGAUTHORITY_CONFIG",
        default_value = config::DEFAULT_PATH
    )]
    config: PathBuf,
    /// Read DB_AUTHORITY, DB_ROLE, DB_ENV and PGAUTHORITY_UPSTREAM_URL instead of a file
    #[arg(long)]
    from_env: bool,
    /// Also connect to each upstream and hold what is there against what is declared
    #[arg(long)]
    connect: bool,
    /// How to write the report
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write the report to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
}

/// Checks, writes the report, gives the exit code: 0 sound, 1 a mismatch (or an upstream that
/// could not be looked at), 2 the report could not be written, 78 invalid.
pub fn run(args: CheckArgs) -> ExitCode {
    let loaded = if args.from_env {
        config::from_environment(&|name| std::env::var(name).ok())
    } else {
        config::load(&args.config)
    };
    let (text, code) = match loaded {
        Err(faults) => (refused(&args, &faults), faults.exit_code()),
        Ok(config) => judged(&args, &config),
    };
    output::put("check", text, args.output.as_deref(), code)
}

fn judged(args: &CheckArgs, config: &Config) -> (String, u8) {
    let observations = if args.connect { observe(config) } else { Vec::new() };
    let mut mismatches = config.warnings.clone();
    mismatches.extend(observation::contradictions(&observations).iter().map(ToString::to_string));
    let differences = observation::differences(config, &observations);
    let text = match args.format {
        Format::Table => {
            let mut text = report::table(config, &observations, &mismatches);
            if !differences.is_empty() {
                text.push_str(&format!("\nwarnings\n  {}\n", differences.join("\n  ")));
            }
            text
        }
        Format::Json => {
            let mut object = report::json(config, &observations, &mismatches);
            object["warnings"] = differences.into();
            format!("{object:#}\n")
        }
    };
    (text, u8::from(!mismatches.is_empty()))
}

/// What is wrong: for people on standard error, as every command says it.
fn refused(args: &CheckArgs, faults: &Faults) -> String {
    match args.format {
        Format::Table => {
            let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let _ = writeln!(io::stderr(), "{}", faults.paint(colour));
            String::new()
        }
        Format::Json => {
            let list: Vec<_> = faults
                .iter()
                .map(|fault| {
                    json!({
                        "line": fault.position().map(|(line, _)| line),
                        "column": fault.position().map(|(_, column)| column),
                        "variable": fault.variable(),
                        "message": fault.message(),
                        "hint": fault.hint(),
                    })
                })
                .collect();
            let object = json!({ "source": faults.source(), "sound": false, "faults": list });
            format!("{object:#}\n")
        }
    }
}

/// Looks at every upstream at once; says so on standard error if it takes more than a second.
fn observe(config: &Config) -> Vec<Observation> {
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return observation::none(config, &error.to_string()),
    };
    runtime.block_on(async {
        let all = observation::all(config);
        tokio::pin!(all);
        let patience = tokio::time::sleep(Duration::from_secs(1));
        tokio::select! {
            biased;
            observations = &mut all => return observations,
            () = patience => {}
        }
        let count = config.upstreams.len();
        let _ = writeln!(io::stderr(), "connecting to {count} upstreams …");
        all.await
    })
}
