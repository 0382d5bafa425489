//! For people: the inventory, newest first, and the findings, the worst first, by rule.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::{Row, plain, slashed};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::finding::{Finding, RULES, Severity};

pub(super) fn render(audit: &Audit, rows: &[Row<'_>], width: Option<u16>) -> String {
    let mut text = inventory(rows, width);
    text.push('\n');
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for rule in RULES {
            let found: Vec<&Finding> = audit
                .findings
                .iter()
                .filter(|finding| finding.severity == severity && finding.rule.id == rule.id)
                .collect();
            if found.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{}  {}: {}", severity.as_str(), rule.id, rule.summary);
            for finding in found {
                match &finding.path {
                    Some(path) => {
                        let place = format!("{}:{}", plain(&slashed(path)), finding.line);
                        let _ = writeln!(text, "  {place}  {}", plain(&finding.message));
                    }
                    None => {
                        let _ = writeln!(text, "  {}", plain(&finding.message));
                    }
                }
            }
            let _ = writeln!(text, "  fix: {}\n", rule.fix);
        }
    }
    text + &summary(audit)
}

/// Rows of the inventory: what the folder has, newest first.
fn inventory(rows: &[Row<'_>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(["FILE", "LINES", "DATE", "FAMILY", "DOES", "RISKS", "BACK"]);
    for row in rows.iter().rev() {
        let family = row.family.as_ref().map_or("-".to_owned(), |family| match family.second {
            Some((second, _)) => format!("{} ({second})", family.name),
            None => family.name.to_owned(),
        });
        let risks = [
            (!row.destructive.is_empty(), "loss"),
            (!row.locks.is_empty(), "lock"),
            (!row.fails.is_empty(), "fails"),
        ];
        let risks = risks.iter().filter(|(there, _)| *there).map(|(_, word)| *word);
        table.add_row([
            plain(&row.script.path.file_name().unwrap_or_default().to_string_lossy()),
            row.script.lines.to_string(),
            row.script.date.clone().unwrap_or_else(|| "-".to_owned()),
            family,
            plain(&row.does_text()),
            risks.collect::<Vec<_>>().join(" "),
            // of a file that is no migration
            if row.script.revision.is_some() { row.back() } else { "-" }.to_owned(),
        ]);
    }
    table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned() + "\n")
        .collect()
}

/// The last lines: the shape of the graph, and how much was found.
pub(super) fn summary(audit: &Audit) -> String {
    let graph = &audit.graph;
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    };
    let heads: Vec<String> =
        graph.heads.iter().map(|head| plain(&audit.scripts[*head].id())).collect();
    let shown = match heads.len() {
        0 => String::new(),
        1..=3 => format!(" ({})", heads.join(", ")),
        _ => format!(" ({}, …)", heads[..3].join(", ")),
    };
    format!(
        "{}, {}{shown}, {}, {}, {}\n{}, {}, {}\n",
        counted(audit.scripts.len(), "migration", "migrations"),
        counted(graph.heads.len(), "head", "heads"),
        counted(graph.bases.len(), "base", "bases"),
        counted(graph.branch_points().count(), "branch point", "branch points"),
        counted(graph.merge_points().count(), "merge", "merges"),
        counted(audit.count(Severity::Error), "error", "errors"),
        counted(audit.count(Severity::Warning), "warning", "warnings"),
        counted(audit.count(Severity::Note), "note", "notes"),
    )
}
