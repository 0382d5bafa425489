//! `pgauthority classify`: what every statement of a script is, and what a role would do with it.

mod script;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::output;
use crate::config::MIGRATION_TABLES;
use crate::contract::{Authority, Declaration, Environment, Role};
use crate::policy::{Decision, Policy, View};
use crate::sql::{Class, Statement, judge};
use crate::upstream::in_words;

use script::{Part, pieces};

/// Arguments of `pgauthority classify`.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  pgauthority classify migrations/0007_add_orders.sql
  pgauthority classify --role prod --format json schema.sql
  pg_dump --schema-only shop | pgauthority classify -

The script is cut as psql cuts it: commands of psql's own (\\connect) are not judged and are listed
as such, the data of COPY ... FROM stdin is skipped.

Exit codes: 0, 1 if any statement would be blocked, 2 for a script that cannot be read.")]
pub struct ClassifyArgs {
    /// The script; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Also say what an upstream of this role would do: allow, confirm (run once the session has
    /// confirmed) or block
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
    /// How to write the judgements: for people, or as one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write them to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RoleArg {
    /// Everything may run
    Staging,
    /// Changes of the schema need a confirmation
    Prod,
    /// Read-only
    Replica,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What a role does with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    Confirm,
    Block,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Confirm => "confirm",
            Verdict::Block => "block",
        }
    }
}

/// One line of the report.
#[derive(Debug)]
struct Row {
    line: usize,
    column: usize,
    /// `None` for a command of psql's own.
    statement: Option<Statement>,
    /// Line and column of what PostgreSQL's parser did not take, where it said so.
    fault: Option<(usize, usize)>,
    verdict: Option<Verdict>,
    /// The beginning of a command of psql's own.
    command: String,
}

/// Runs the command.
pub fn run(args: &ClassifyArgs) -> ExitCode {
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(error) => {
            let (file, why) = (args.file.display(), in_words(&error));
            eprintln!("pgauthority classify: cannot read \"{file}\": {why}");
            return ExitCode::from(2);
        }
    };
    let rows = rows(&text, args.role.map(policy).as_ref());
    let report = match args.format {
        Format::Table => table(&rows, args.role.is_some()),
        Format::Json => rows.iter().map(|row| format!("{}\n", object(row))).collect(),
    };
    let blocked = rows.iter().any(|row| row.verdict == Some(Verdict::Block));
    output::put("classify", report, args.output.as_deref(), u8::from(blocked))
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

/// The law of a role, with the defaults of an entry.
fn policy(role: RoleArg) -> Policy {
    let role = match role {
        RoleArg::Staging => Role::Staging,
        RoleArg::Prod => Role::Prod,
        RoleArg::Replica => Role::Replica,
    };
    let declaration = match role {
        Role::Staging => {
            Declaration { authority: Authority::Local, role, environment: Environment::Test }
        }
        Role::Prod | Role::Replica => {
            Declaration { authority: Authority::Neon, role, environment: Environment::ProdLike }
        }
    };
    Policy::new(role.as_str(), declaration)
}

fn verdict(policy: &Policy, statement: &Statement) -> Verdict {
    let blocked = |confirmed| {
        let view = View { confirmed, ..View::default() };
        matches!(policy.decide(statement, statement.class, view), Decision::Block(_))
    };
    match (blocked(false), blocked(true)) {
        (false, _) => Verdict::Allow,
        (true, false) => Verdict::Confirm,
        (true, true) => Verdict::Block,
    }
}

fn rows(text: &[u8], policy: Option<&Policy>) -> Vec<Row> {
    let tables: BTreeSet<String> = MIGRATION_TABLES.iter().map(|name| (*name).to_owned()).collect();
    let copies_in = |statement: &[u8]| {
        statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"copy"))
            && judge(statement, &tables).statements.iter().any(|statement| statement.copy_in)
    };
    let mut place = Place { text, at: 0, line: 1, column: 1 };
    let mut rows = Vec::new();
    for piece in pieces(text, copies_in) {
        let part = text.get(piece.start..piece.end).unwrap_or_default();
        match piece.kind {
            Part::Data => {}
            Part::Meta => {
                place.advance(piece.start);
                let command = String::from_utf8_lossy(part).trim_end().to_owned();
                let (line, column) = (place.line, place.column);
                rows.push(Row {
                    line,
                    column,
                    statement: None,
                    fault: None,
                    verdict: None,
                    command,
                });
            }
            Part::Sql => {
                for statement in judge(part, &tables).statements {
                    place.advance(piece.start + statement.location as usize);
                    let (line, column) = (place.line, place.column);
                    let fault = statement.fault.as_ref().and_then(|fault| fault.at).map(|at| {
                        place.advance(piece.start + at as usize);
                        (place.line, place.column)
                    });
                    rows.push(Row {
                        line,
                        column,
                        fault,
                        verdict: policy.map(|policy| verdict(policy, &statement)),
                        statement: Some(statement),
                        command: String::new(),
                    });
                }
            }
        }
    }
    rows
}

/// A place in the script, moving forwards.
struct Place<'t> {
    text: &'t [u8],
    at: usize,
    /// From 1.
    line: usize,
    /// In characters from 1.
    column: usize,
}

impl Place<'_> {
    fn advance(&mut self, to: usize) {
        for byte in self.text.get(self.at..to).unwrap_or_default() {
            match byte {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // a continuation byte of UTF-8 is no character of its own
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
        self.at = self.at.max(to);
    }
}

fn object(row: &Row) -> serde_json::Value {
    let Some(statement) = &row.statement else {
        return json!({ "line": row.line, "column": row.column, "psql": row.command });
    };
    let mut object = json!({
        "line": row.line,
        "column": row.column,
        "class": statement.class.as_str(),
        "tag": statement.tag,
        "objects": statement.objects,
        "reason": statement.why(),
    });
    if let Some(fields) = object.as_object_mut() {
        if let Some((line, column)) = row.fault {
            fields.insert("fault".into(), json!({ "line": line, "column": column }));
        }
        if let Some(verdict) = row.verdict {
            fields.insert("decision".into(), verdict.as_str().into());
        }
    }
    object
}

fn reason(statement: &Statement, fault: Option<(usize, usize)>) -> String {
    match fault {
        Some((line, column)) => format!("{} ({line}:{column})", statement.why()),
        None => statement.why().into_owned(),
    }
}

fn table(rows: &[Row], decided: bool) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let mut header = vec!["CLASS", "TAG", "LINE:COLUMN", "OBJECTS", "REASON"];
    if decided {
        header.insert(0, "DECISION");
    }
    table.set_header(header);
    for row in rows {
        let place = format!("{}:{}", row.line, row.column);
        let mut cells = match &row.statement {
            Some(statement) => vec![
                statement.class.as_str().to_owned(),
                statement.tag.to_owned(),
                place,
                statement.objects.join(", "),
                reason(statement, row.fault),
            ],
            None => {
                let reason = "not judged: psql's own command".to_owned();
                vec!["-".into(), row.command.clone(), place, String::new(), reason]
            }
        };
        if decided {
            cells.insert(0, row.verdict.map_or("-", Verdict::as_str).to_owned());
        }
        table.add_row(cells);
    }
    let mut text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    let strongest = rows.iter().filter_map(|row| row.statement.as_ref()).map(|one| one.class).max();
    let count = rows.iter().filter(|row| row.statement.is_some()).count();
    text += &match (count, strongest) {
        (1, Some(class)) => format!("\n1 statement: {class}\n"),
        (_, Some(class)) => format!("\n{count} statements, the strongest: {class}\n"),
        (_, None) => format!("\nno statement ({})\n", Class::Session),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\\connect shop\n-- x\nSELECT 1;\n  CREATE TABLE é (a int); CHECKPOINT;\n\
        COPY t FROM stdin;\nDROP TABLE t;\n\\.\nINSERT INTO alembic_version VALUES (1);\nnonsense;\n";

    fn summary(role: RoleArg) -> Vec<String> {
        rows(SCRIPT.as_bytes(), Some(&policy(role)))
            .iter()
            .map(|row| {
                let class = row.statement.as_ref().map_or("-", |one| one.class.as_str());
                let verdict = row.verdict.map_or("-", Verdict::as_str);
                format!("{}:{} {class} {verdict}", row.line, row.column)
            })
            .collect()
    }

    #[test]
    fn statements_are_placed_judged_and_decided() {
        assert_eq!(
            summary(RoleArg::Prod),
            [
                "1:1 - -",
                "3:1 read allow",
                "4:3 ddl confirm",
                "4:27 admin block",
                "5:1 write allow",
                "8:1 migration_state confirm",
                "9:1 opaque confirm",
            ]
        );
        let replica = summary(RoleArg::Replica);
        assert_eq!(replica.iter().filter(|row| row.ends_with("block")).count(), 5);
        let staging = summary(RoleArg::Staging);
        assert_eq!(staging.iter().filter(|row| row.ends_with("allow")).count(), 6);
    }

    #[test]
    fn both_formats_say_the_same() {
        let rows = rows(SCRIPT.as_bytes(), Some(&policy(RoleArg::Prod)));
        let text = table(&rows, true);
        assert!(text.contains("DECISION"), "{text}");
        assert!(text.contains("6 statements, the strongest: admin"), "{text}");
        assert!(text.contains("not judged: psql's own command"), "{text}");
        assert!(text.contains("syntax error at or near \"nonsense\" (9:1)"), "{text}");
        let unread = object(rows.last().unwrap());
        assert_eq!(unread["fault"], json!({ "line": 9, "column": 1 }));
        assert_eq!(
            unread["reason"],
            "cannot be read by PostgreSQL's grammar: syntax error at or near \"nonsense\""
        );
        let object = object(&rows[2]);
        assert_eq!(object["class"], "ddl");
        assert_eq!(object["decision"], "confirm");
        assert_eq!(object["objects"][0], "é");
        assert_eq!((&object["line"], &object["column"]), (&json!(4), &json!(3)));
    }
}
