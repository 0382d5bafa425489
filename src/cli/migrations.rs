//! `pgauthority migrations`: what governs migrations, a command each.

mod audit;
mod two_path;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Arguments of `pgauthority migrations`.
#[derive(Args, Debug)]
pub struct MigrationsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Read an Alembic project's migrations: what they do, what is risky, how they hang together
    Audit(audit::AuditArgs),
    /// Build scratch databases in both ways, through a proxy, and compare them
    TwoPath(Box<two_path::TwoPathArgs>),
}

/// Runs the command.
pub fn run(args: &MigrationsArgs) -> ExitCode {
    match &args.command {
        Command::Audit(args) => audit::run(args),
        Command::TwoPath(args) => two_path::run(args),
    }
}
