//! `pgauthority exec`: runs a command under the contract.

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::contract::{Declaration, parameter};
use crate::governance::exec::process::{self, Ended};
use crate::governance::exec::{self, Complain, Refusal, Request, Tell};
use crate::governance::gate::{Report, Status};

/// Refused, or not declared: as `env`, what is no answer of the command's own.
const REFUSED: u8 = 125;

/// Arguments of `pgauthority exec`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  DB_AUTHORITY=local DB_ROLE=staging DB_ENV=dev pgauthority exec -- alembic upgrade head
  DB_AUTHORITY=neon DB_ROLE=prod DB_ENV=prod-like CONFIRM_PROD_MIGRATIONS=true \\
    pgauthority exec --ticket CHG-1234 -- alembic upgrade head

DATABASE_URL must lead to a pgauthority.

Exit codes: the command's own (a signal that ended it ends exec too); 125 refused or not declared,
126 the command cannot be run, 127 there is no such command.")]
pub struct ExecArgs {
    /// The task of the command's sessions (authority.task), for routed entries
    #[arg(long, value_name = "TASK", env = "PGAUTHORITY_TASK")]
    task: Option<String>,
    /// Recorded with every audit event of the command's sessions (authority.ticket)
    #[arg(long, value_name = "TEXT", env = "PGAUTHORITY_TICKET", value_parser = ticket)]
    ticket: Option<String>,
    /// Say nothing unless something is wrong
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// Runs the command under the contract; gives its exit code, or 125 to 127. Ends by the signal
/// that ended the command.
pub fn run(args: &ExecArgs) -> ExitCode {
    let environment = std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .collect();
    let request = Request {
        command: args.command.clone(),
        task: args.task.clone().filter(|task| !task.is_empty()),
        ticket: args.ticket.clone().filter(|ticket| !ticket.is_empty()),
        environment,
    };
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format!("cannot start: {error}"));
            return ExitCode::from(REFUSED);
        }
    };
    let terminal = Terminal { quiet: args.quiet, connected: Cell::new(false) };
    let ended = runtime.block_on(async {
        let running = exec::run(request, &terminal);
        tokio::pin!(running);
        tokio::select! {
            biased;
            ended = &mut running => return ended,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        if !terminal.connected.get() && !args.quiet && io::stderr().is_terminal() {
            say("waiting for the proxy …");
        }
        running.await
    });
    // a relay that still talks to somebody ends with the command
    runtime.shutdown_background();
    ExitCode::from(match ended {
        Ok(Ended::Exited(code)) => code,
        Ok(Ended::Signalled(signal)) => process::end_by(signal),
        Err(refusal) => refused(&refusal),
    })
}

fn refused(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Gate(report) => {
            findings(report);
            say(&format!("{}: the command was not run", report.verdict.as_str()));
            REFUSED
        }
        Refusal::Other { message, hint } => {
            say(message);
            say(&format!("hint: {hint}"));
            REFUSED
        }
        Refusal::Command { message, exit_code } => {
            say(message);
            *exit_code
        }
    }
}

fn findings(report: &Report) {
    for check in report.findings() {
        let what = if check.status == Status::Warning { "warning: " } else { "" };
        say(&format!("{what}{} ({})", check.message, check.rule));
        if let Some(hint) = &check.hint {
            say(&format!("hint: {hint}"));
        }
    }
}

/// Standard error.
struct Terminal {
    quiet: bool,
    /// The proxy has answered: what takes time from now on is the command.
    connected: Cell<bool>,
}

impl Tell for Terminal {
    fn gate(&self, report: &Report) {
        if !self.quiet {
            findings(report);
        }
    }

    fn proxy(&self, upstream: &str, declaration: Declaration, confirmed: bool) {
        self.connected.set(true);
        if !self.quiet {
            let Declaration { authority, role, environment } = declaration;
            let confirmed = if confirmed { ", migrations confirmed" } else { "" };
            say(&format!(
                "upstream \"{upstream}\": authority {authority}, role {role}, env {environment}{confirmed}"
            ));
        }
    }

    fn unused(&self) {
        if !self.quiet {
            say(
                "the command failed, and no connection of its came through exec: nothing of it was \
                 confirmed",
            );
            say("hint: let it take its URL from DATABASE_URL or PGHOST and PGPORT (Alembic: in \
                 env.py, not alembic.ini); docs/exec.md says how");
        }
    }

    fn complaints(&self) -> Complain {
        Box::new(say)
    }
}

fn say(text: &str) {
    // where standard error is closed there is nobody to tell
    let _ = writeln!(io::stderr(), "pgauthority exec: {text}");
}

fn ticket(text: &str) -> Result<String, String> {
    if text.chars().count() <= parameter::TICKET_LIMIT {
        Ok(text.to_owned())
    } else {
        Err(format!("a ticket is at most {} characters", parameter::TICKET_LIMIT))
    }
}
