//! The command line: one file a command, thin.

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::{LocalOptions, LocalRuntime};
use tracing_subscriber::EnvFilter;

pub mod audit;
pub mod backstop;
pub mod check;
pub mod classify;
mod database;
pub mod drift;
pub mod exec;
pub mod explain;
pub mod guard;
pub mod migrations;
mod output;
mod progress;
pub mod seal;
pub mod serve;

/// A PostgreSQL wire-protocol proxy that enforces declared database authority.
#[derive(Parser, Debug)]
#[command(
    name = "pgauthority",
    version,
    propagate_version = true,
    after_help = "Every command has --help with an example. Exit codes: 0 and 1 as each command \
        says, 2 usage or error, 78 not declared or invalid configuration."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the proxy
    Serve(serve::ServeArgs),
    /// The environment gate for scripts and CI
    Guard(guard::GuardArgs),
    /// Run a command under the contract
    Exec(exec::ExecArgs),
    /// Validate the configuration, and look at the upstreams
    Check(check::CheckArgs),
    /// What the running proxy would do with a statement, and why
    Explain(explain::ExplainArgs),
    /// Where the declared authority and a source tree, or the running world, have come apart
    Drift(drift::DriftArgs),
    /// What each statement of a script is, and what a role would do with it
    Classify(classify::ClassifyArgs),
    /// What governs migrations: the audit of an Alembic project, the two-path check
    Migrations(migrations::MigrationsArgs),
    /// Read the audit log
    Audit(audit::AuditArgs),
    /// Write the declaration of an upstream into its database
    Seal(seal::SealArgs),
    /// Event triggers in a prod database, for DDL that hides from the proxy or comes round it
    Backstop(backstop::BackstopArgs),
}

/// The command line, with everything that it says of itself.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Parses the arguments, runs the command, gives its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr(matches!(arguments.command, Command::Serve(_)));
    match arguments.command {
        Command::Serve(args) => serve::run(&args),
        Command::Guard(args) => guard::run(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::Migrations(args) => migrations::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Seal(args) => seal::run(&args),
        Command::Backstop(args) => backstop::run(&args),
    }
}

/// A runtime for one command: its tasks stay on this thread.
fn runtime() -> io::Result<LocalRuntime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Diagnostics go to stderr: from `info` for the proxy, from `warn` for the other commands;
/// `PGAUTHORITY_LOG` says otherwise.
fn log_to_stderr(serving: bool) {
    use std::io::IsTerminal;
    let default = if serving { "info" } else { "warn" };
    let filter =
        EnvFilter::try_from_env("PGAUTHORITY_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
