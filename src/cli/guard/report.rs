//! How `pgauthority guard` writes a report: aligned for people, as JSON, as annotations of GitHub
//! Actions.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use crate::governance::gate::{self, Check, Demand, Report, Status, Variables};
use crate::governance::github;

/// One JSON object.
pub fn json_text(variables: &Variables, report: &Report) -> String {
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

/// For people: every rule that applied, and before it, where nothing but the declarations is asked
/// for, what is declared.
pub fn table(variables: &Variables, demand: Demand, report: &Report, colour: bool) -> String {
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
    if colour { painted(&text) } else { text }
}

fn mark(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warning => "warning",
        Status::Refused => "REFUSED",
        Status::NotDeclared => "NOT DECLARED",
    }
}

/// The checks as an aligned table, one a line, each hint under its check.
fn checks(report: &Report) -> String {
    let mut table = new_table();
    for check in &report.checks {
        let mut message = check.message.clone();
        if let Some(hint) = &check.hint {
            message.push_str("\nhint: ");
            message.push_str(hint);
        }
        table.add_row([mark(check.status), check.rule, &message]);
    }
    lines(&table)
}

/// Each check's mark in its colour. A line that begins with a mark is a check's: what is declared
/// begins with a variable's name.
fn painted(text: &str) -> String {
    let colours = [(Status::NotDeclared, 31), (Status::Refused, 31), (Status::Warning, 33)];
    let line = |line: &str| {
        let found = colours.iter().find(|(status, _)| line.starts_with(mark(*status)));
        let Some((status, colour)) = found else { return format!("{line}\n") };
        let (mark, rest) = line.split_at(mark(*status).len());
        format!("\x1b[{colour}m{mark}\x1b[0m{rest}\n")
    };
    text.lines().map(line).collect()
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

/// Workflow commands of GitHub Actions, one a finding, and the verdict for the log. The runner
/// reads them from either stream of a step.
pub fn github(report: &Report) -> String {
    let mut text: String = report.findings().map(annotation).collect();
    text.push_str(report.verdict.as_str());
    text.push('\n');
    text
}

fn annotation(check: &Check) -> String {
    let command = if check.status == Status::Warning { "warning" } else { "error" };
    let title = format!("pgauthority guard, {}", check.rule);
    let hint = check.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    github::annotation(command, None, &title, &format!("{}{hint}", check.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::gate::Verdict;

    fn report() -> Report {
        let check = |rule, status, message: &str, hint: Option<&str>| Check {
            rule,
            status,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        };
        Report {
            verdict: Verdict::Refused,
            checks: vec![
                check("a.b", Status::Ok, "well", None),
                check("prod.confirmed", Status::Refused, "100% no\r", Some("x=true, or y")),
                check("mapping.env", Status::Warning, "hm", None),
            ],
        }
    }

    #[test]
    fn annotations_are_one_line_a_finding() {
        assert_eq!(
            github(&report()),
            "::error title=pgauthority guard%2C prod.confirmed::100%25 no%0D%0Ahint: x=true, or y\n\
             ::warning title=pgauthority guard%2C mapping.env::hm\nrefused\n"
        );
    }

    #[test]
    fn colours_change_nothing_but_the_marks() {
        let variables = Variables::new();
        let plain = table(&variables, Demand::Migrations, &report(), false);
        let painted = table(&variables, Demand::Migrations, &report(), true);
        assert!(painted.contains("\x1b[31mREFUSED\x1b[0m"), "{painted}");
        let stripped = painted.replace("\x1b[31m", "").replace("\x1b[33m", "");
        assert_eq!(stripped.replace("\x1b[0m", ""), plain);
    }
}
