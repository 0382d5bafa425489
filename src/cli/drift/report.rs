//! Findings for people, as JSON, CSV and GitHub annotations.

use std::fmt::Write as _;

use serde_json::json;

use super::Outcome;
use crate::governance::drift::{Finding, Needs, Rule, Severity};
use crate::governance::github::{Place, annotation};

/// For people: a finding in three lines, then the account.
pub(super) fn table(outcome: &Outcome, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut text = String::new();
    for finding in &outcome.findings {
        let severity = match finding.rule.severity() {
            Severity::Error => paint("1;31", "error"),
            Severity::Warning => paint("33", "warning"),
        };
        let place = format!("{}:{}:{}", plain(&finding.path), finding.line, finding.column);
        let rule = paint("1", finding.rule.id());
        let _ = writeln!(text, "{place}: {severity} {rule}");
        let _ = writeln!(text, "    {}", plain(&finding.message));
        let _ = writeln!(text, "    fix: {}\n", plain(&finding.fix));
    }
    text.push_str(&account(outcome));
    text
}

/// How many, where, beside the best run on record.
fn account(outcome: &Outcome) -> String {
    let run = &outcome.run;
    let of = |severity| {
        outcome.findings.iter().filter(|finding| finding.rule.severity() == severity).count()
    };
    let mut text = match outcome.findings.len() {
        0 => format!("no drift in {}", counted(run.files, "file")),
        found => format!(
            "{} ({}, {}) in {}",
            counted(found as u64, "finding"),
            counted(of(Severity::Error) as u64, "error"),
            counted(of(Severity::Warning) as u64, "warning"),
            counted(run.files, "file")
        ),
    };
    if run.allowed > 0 {
        let _ = write!(text, ", {} allowed by comments", run.allowed);
    }
    if outcome.too_long > 0 {
        let _ = write!(text, ", {} too long to be read", counted(outcome.too_long, "file"));
    }
    text.push('\n');
    let Some(best) = outcome.best() else { return text };
    let day = best.at.get(..10).unwrap_or(&best.at);
    if outcome.is_regression() {
        let more: Vec<String> = run
            .findings
            .iter()
            .filter_map(|(rule, now)| {
                let then = best.findings.get(rule).copied().unwrap_or(0);
                (*now > then).then(|| format!("{rule} {then} → {now}"))
            })
            .collect();
        let _ = writeln!(
            text,
            "REGRESSION: the best run on record ({day}) had {}: {}",
            best.total,
            more.join(", ")
        );
    } else {
        let _ = writeln!(text, "best run on record: {} ({day})", best.total);
    }
    text
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Text from a file, fit for a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// One object.
pub(super) fn json(outcome: &Outcome) -> String {
    let findings: Vec<_> = outcome
        .findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule.id(),
                "severity": finding.rule.severity().as_str(),
                "path": finding.path,
                "line": finding.line,
                "column": finding.column,
                "message": finding.message,
                "fix": finding.fix,
            })
        })
        .collect();
    let object = json!({
        "run": outcome.run,
        "best": outcome.best(),
        "regression": outcome.is_regression(),
        "exit_code": outcome.exit_code(),
        "unreadable": outcome.unreadable,
        "not_looked_at": outcome.not_looked_at,
        "findings": findings,
    });
    format!("{object:#}\n")
}

/// A row a finding, in the form of RFC 4180.
pub(super) fn csv(outcome: &Outcome) -> String {
    let mut text = "rule,severity,path,line,column,message,fix\r\n".to_owned();
    for finding in &outcome.findings {
        let (line, column) = (finding.line.to_string(), finding.column.to_string());
        let fields = [
            finding.rule.id(),
            finding.rule.severity().as_str(),
            &finding.path,
            &line,
            &column,
            &finding.message,
            &finding.fix,
        ];
        text.push_str(&row(&fields));
    }
    text
}

/// A row of CSV.
pub(super) fn row(fields: &[&str]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            (*field).to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\r\n"
}

/// Workflow commands of GitHub Actions.
pub(super) fn github(outcome: &Outcome) -> String {
    let mut text = String::new();
    for finding in &outcome.findings {
        let Finding { path, line, column, .. } = finding;
        let place = Place { file: path, line: *line, column: Some(*column) };
        let message = format!("{}\nfix: {}", finding.message, finding.fix);
        let (level, title) = (finding.rule.severity().as_str(), finding.rule.id());
        text.push_str(&annotation(level, Some(place), title, &message));
    }
    if outcome.is_regression() {
        let account = account(outcome);
        text.push_str(&annotation("error", None, "drift regression", account.trim()));
    }
    text
}

/// The closed list of rules.
pub(super) fn rules(as_json: bool) -> String {
    if as_json {
        let rules: Vec<_> = Rule::ALL
            .iter()
            .map(|rule| {
                json!({
                    "rule": rule.id(),
                    "severity": rule.severity().as_str(),
                    "needs": needs(*rule),
                    "finds": rule.summary(),
                    "fix": rule.fix(),
                })
            })
            .collect();
        return format!("{:#}\n", json!(rules));
    }
    let mut text = String::new();
    for rule in Rule::ALL {
        let severity = rule.severity().as_str();
        let _ = writeln!(text, "{:<19} {severity:<8} {}", rule.id(), rule.summary());
        if rule.needs() != Needs::Files {
            let _ = writeln!(text, "{:<28} needs {}", "", needs(*rule));
        }
        let _ = writeln!(text, "{:<28} fix: {}", "", rule.fix());
    }
    text
}

fn needs(rule: Rule) -> &'static str {
    match rule.needs() {
        Needs::Files => "files",
        Needs::Config => "--config",
        Needs::Connect => "--connect",
    }
}
