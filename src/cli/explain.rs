//! `pgauthority explain`: which leg, which class, which rule and why, as the running proxy decides.

use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::output;
use crate::config::{self, Upstream};
use crate::contract::{Declaration, parameter};
use crate::policy::Denial;
use crate::proxy::{Asked, Explained, Fate, explain};
use crate::sql::{Judge, Judgement};

/// Arguments of `explain`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority explain --database nova_prod 'DROP TABLE runs'
  pgauthority explain --database nova --task unit_tests 'SELECT 1'

Exit codes: 0 it would run, 1 it would be blocked, 2 no such entry, 78 invalid configuration.")]
pub struct ExplainArgs {
    /// The configuration file
    #[arg(long, env = "PGAUTHORITY_CONFIG", default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    /// The entry, as a client names it in its URL
    #[arg(long, value_name = "ENTRY")]
    database: String,
    /// The session's authority.task
    #[arg(long)]
    task: Option<String>,
    /// The session's user
    #[arg(long, env = "PGUSER", default_value = "postgres")]
    user: String,
    /// The session has confirmed in its startup packet
    #[arg(long)]
    confirmed: bool,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write it to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The statement, or several with semicolons between them
    sql: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
}

/// Explains: 0 it would run, 1 it would be blocked, 2 no such entry, 78 invalid configuration.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(faults) => {
            eprint!("{faults}");
            return ExitCode::from(78);
        }
    };
    let mut settings = Vec::new();
    if let Some(task) = &args.task {
        settings.push((parameter::TASK, task.as_str()));
    }
    if args.confirmed {
        settings.push((parameter::CONFIRM, "true"));
    }
    let mut judge = Judge::new(config.contract.migration_tables.clone(), 0);
    let judgement = judge.judge(args.sql.as_bytes());
    let asked = Asked { database: &args.database, user: &args.user, settings };
    let Some(explained) = explain(&config, &asked, &mut judge, args.sql.as_bytes()) else {
        let entries: Vec<&str> = config.databases.keys().map(String::as_str).collect();
        eprintln!(
            "pgauthority explain: no entry \"{}\" in {}; the entries are {}",
            args.database,
            config.source,
            entries.join(", ")
        );
        return ExitCode::from(2);
    };
    let text = match args.format {
        Format::Table => table(&judgement, &explained, &args.sql),
        Format::Json => format!("{:#}\n", object(&judgement, &explained, &args.sql)),
    };
    let code = match explained.fate {
        Fate::Refused(_) => 1,
        Fate::Runs | Fate::RunsConfirmed => 0,
    };
    output::put("explain", text, args.output.as_deref(), code)
}

fn decision(fate: &Fate, by_text_alone: bool) -> &'static str {
    match fate {
        Fate::Runs if by_text_alone => {
            "runs, unless the database's catalog says otherwise: see the note"
        }
        Fate::Runs => "runs",
        Fate::RunsConfirmed => "runs, since the session has confirmed; recorded first",
        Fate::Refused(_) => "blocked",
    }
}

/// What no text shows and no server is asked about here.
const NOTE: &str = "by the text alone: the running proxy also reads in the database's catalog what \
                    the routines, views and triggers behind it do, and may judge it more strictly";

/// The running proxy would ask the catalog.
fn runs_more(judgement: &Judgement) -> bool {
    judgement.needs_catalog && judgement.statements.iter().any(|one| one.unseen_code)
}

/// Where the error would point, in characters from 1.
fn position(denial: &Denial, sql: &str) -> Option<usize> {
    Some(sql.get(..denial.points_at()? as usize)?.chars().count() + 1)
}

fn about(upstream: &Upstream) -> String {
    let Declaration { authority, role, environment } = upstream.declaration;
    format!("upstream \"{}\": authority {authority}, role {role}, env {environment}", upstream.name)
}

fn table(judgement: &Judgement, explained: &Explained, sql: &str) -> String {
    let mut statements = Table::new();
    statements.load_preset(presets::NOTHING).set_header(["statement", "class", "why", "objects"]);
    for statement in &judgement.statements {
        statements.add_row([
            statement.tag.to_owned(),
            statement.class.to_string(),
            statement.why().into_owned(),
            statement.objects.join(", "),
        ]);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    match (&explained.between, &explained.upstream) {
        (Some((read, write)), _) => {
            table.add_row(["reads on".to_owned(), about(read)]);
            table.add_row(["writes on".to_owned(), about(write)]);
        }
        (None, Some(upstream)) => {
            table.add_row(["leg".to_owned(), about(upstream)]);
        }
        (None, None) => {
            table.add_row(["leg", "none: the session itself is refused"]);
        }
    }
    for leg in &explained.legs {
        table.add_row([leg.tag, &format!("to {}: {}", leg.place, leg.why)]);
    }
    if let Some(task) = &explained.task {
        table.add_row(["task", task]);
    }
    table.add_row(["decision", decision(&explained.fate, runs_more(judgement))]);
    if let Fate::Refused(denial) = &explained.fate {
        table.add_row(["rule", denial.rule.id()]);
        table.add_row(["sqlstate", &denial.sqlstate()]);
        table.add_row(["why", &denial.message]);
        table.add_row(["instead", &denial.full_hint()]);
        if let Some(position) = position(denial, sql) {
            table.add_row(["position", &position.to_string()]);
        }
    }
    if runs_more(judgement) {
        table.add_row(["note", NOTE]);
    }
    format!("{}\n\n{}\n", statements.trim_fmt(), table.trim_fmt())
}

fn object(judgement: &Judgement, explained: &Explained, sql: &str) -> serde_json::Value {
    let statements: Vec<_> = judgement
        .statements
        .iter()
        .map(|statement| {
            json!({
                "command_tag": statement.tag,
                "class": statement.class.as_str(),
                "reason": statement.why(),
                "objects": statement.objects.iter().map(|one| &**one).collect::<Vec<&str>>(),
            })
        })
        .collect();
    let denial = match &explained.fate {
        Fate::Refused(denial) => Some(denial),
        Fate::Runs | Fate::RunsConfirmed => None,
    };
    let upstream = explained.upstream.as_ref();
    let legs = explained.legs.iter();
    let legs: Vec<_> = legs
        .map(|leg| json!({ "command_tag": leg.tag, "leg": leg.place, "why": leg.why }))
        .collect();
    json!({
        "statements": statements,
        "legs": legs,
        "upstream": upstream.map(|upstream| &upstream.name),
        "authority": upstream.map(|upstream| upstream.declaration.authority.as_str()),
        "role": upstream.map(|upstream| upstream.declaration.role.as_str()),
        "env": upstream.map(|upstream| upstream.declaration.environment.as_str()),
        "task": explained.task,
        "allowed": denial.is_none(),
        "by_text_alone": runs_more(judgement),
        "confirmed": explained.fate == Fate::RunsConfirmed,
        "rule": denial.map(|denial| denial.rule.id()),
        "sqlstate": denial.map(|denial| denial.sqlstate()),
        "message": denial.map(|denial| &denial.message),
        "hint": denial.map(|denial| denial.full_hint()),
        "position": denial.and_then(|denial| position(denial, sql)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of the example configuration; `auth`: how its routed entry authenticates.
    fn asked(auth: &str, task: &str, sql: &str) -> String {
        let text = include_str!("../../config/pgauthority.toml");
        let (head, nova) = text.split_once("[databases.nova] ").unwrap();
        let text = format!("{head}[databases.nova] {}", nova.replacen("auth = \"relay\"", auth, 1));
        let text = text.replace("nova@localhost", "nova:secret@localhost");
        let text = text.replace("//ep-cool", "//nova:secret@ep-cool");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgauthority.toml");
        std::fs::write(&path, text).unwrap();
        let config = config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
        let mut judge = Judge::new(config.contract.migration_tables.clone(), 0);
        let judgement = judge.judge(sql.as_bytes());
        let settings = vec![(parameter::TASK, task)];
        let asked = Asked { database: "nova", user: "nova", settings };
        let explained = explain(&config, &asked, &mut judge, sql.as_bytes()).unwrap();
        table(&judgement, &explained, sql)
    }

    fn told(task: &str, sql: &str) -> String {
        asked("auth = \"scram-sha-256\"\nusers = [\"nova\"]", task, sql)
    }

    #[test]
    fn a_split_session_has_two_places() {
        let told = told("spanning", "SELECT 1; EXPLAIN INSERT INTO t VALUES (1)");
        let on =
            |what: &str| told.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        assert!(on("reads on").contains("authority neon"), "{told}");
        assert!(on("writes on").contains("authority local"), "{told}");
        assert!(told.contains("to neon, where the session reads: it reads"), "{told}");
        assert!(told.contains("local, where the session writes: it shows the plan"), "{told}");
    }

    #[test]
    fn what_the_session_refuses_is_blocked() {
        let chain = told("spanning", "COMMIT AND CHAIN");
        assert!(chain.contains("blocked") && chain.contains("task.split"), "{chain}");
        let relayed = asked("auth = \"relay\"", "spanning", "SELECT 1");
        assert!(relayed.contains("none: the session itself is refused"), "{relayed}");
        assert!(relayed.contains("task.split"), "{relayed}");
    }

    #[test]
    fn what_the_catalog_decides_is_not_called_certain() {
        assert!(told("unit_tests", "SELECT boom()").contains("unless the database's catalog"));
        assert!(!told("unit_tests", "SELECT 1").contains("catalog"));
    }
}
