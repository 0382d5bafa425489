//! Everything as one JSON object, documented in docs/migrations-audit.md.

use serde_json::{Value, json};

use super::{Row, slashed};
use crate::governance::migrations::audit::Audit;
use crate::governance::migrations::audit::finding::{Finding, Severity};
use crate::governance::migrations::audit::operation::Operation;
use crate::governance::migrations::audit::run::text::shown;
use crate::governance::migrations::audit::script::Effort;

/// The version of the format: it changes when a program that reads it would have to.
const FORMAT: u32 = 1;

pub(super) fn render(audit: &Audit, rows: &[Row<'_>]) -> String {
    let graph = &audit.graph;
    let ids = |numbers: &mut dyn Iterator<Item = usize>| -> Vec<String> {
        let mut ids: Vec<String> = numbers.map(|number| audit.scripts[number].id()).collect();
        ids.sort();
        ids
    };
    let object = json!({
        "format": FORMAT,
        "summary": {
            "migrations": audit.scripts.len(),
            "errors": audit.count(Severity::Error),
            "warnings": audit.count(Severity::Warning),
            "notes": audit.count(Severity::Note),
        },
        "graph": {
            "heads": ids(&mut graph.heads.iter().copied()),
            "heads_without_dependents": ids(&mut graph.real_heads.iter().copied()),
            "bases": ids(&mut graph.bases.iter().copied()),
            "branch_points": ids(&mut graph.branch_points()),
            "merge_points": ids(&mut graph.merge_points()),
            "cycles": graph.cycles.iter().map(|circle| ids(&mut circle.iter().copied()))
                .collect::<Vec<_>>(),
            "missing": graph.missing.iter().map(|(number, name)| json!({
                "revision": audit.scripts[*number].id(), "names": name,
            })).collect::<Vec<_>>(),
            "duplicates": graph.duplicates.keys().collect::<Vec<_>>(),
        },
        "migrations": rows.iter().map(|row| migration(audit, row)).collect::<Vec<_>>(),
        "findings": audit.findings.iter().map(finding).collect::<Vec<_>>(),
    });
    format!("{object:#}\n")
}

fn migration(audit: &Audit, row: &Row<'_>) -> Value {
    let script = row.script;
    let resolved = audit.graph.dependencies[row.number].iter();
    json!({
        "file": slashed(&script.path),
        "revision": script.revision,
        "down_revision": script.parents,
        "depends_on": script.depends_on,
        "dependencies": resolved.map(|number| audit.scripts[*number].id()).collect::<Vec<_>>(),
        "branch_labels": script.labels,
        "message": script.message,
        "lines": script.lines,
        "date": script.date,
        "date_from": script.date.as_ref().map(|_| if script.dated { "docstring" } else { "file" }),
        "family": row.family.as_ref().map(|family| json!({
            "name": family.name,
            "pattern": family.pattern,
            "meaning": family.meaning,
            "number": family.number,
            "second": family.second.map(|(name, prefix)| json!({ "name": name, "prefix": prefix })),
        })),
        "operations": script.upgrade.body.operations.iter().map(operation).collect::<Vec<_>>(),
        "unseen_calls": script.upgrade.body.unseen.iter().map(|(name, line)| json!({
            "name": name, "line": line,
        })).collect::<Vec<_>>(),
        "destructive": row.destructive,
        "long_lock": row.locks,
        "downgrade": match script.downgrade.effort {
            Effort::Works => "works",
            Effort::Missing => "missing",
            Effort::Empty => "empty",
            Effort::Raises => "raises",
        },
        "alters_uncreated": row.uncreated,
    })
}

fn operation(operation: &Operation) -> Value {
    let mut tables: Vec<String> = operation.action.tables().into_iter().map(shown).collect();
    tables.dedup();
    json!({
        "line": operation.line,
        "name": operation.name,
        "tables": tables,
        "class": operation.class.as_str(),
        "sql": operation.sql,
        "undecidable": operation.open,
        "conditional": operation.conditional,
        "autocommit": operation.autocommit,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "rule": finding.rule.id,
        "severity": finding.severity,
        "file": finding.path.as_deref().map(slashed),
        "line": finding.path.as_ref().map(|_| finding.line),
        "revision": finding.revision,
        "message": finding.message,
        "fix": finding.rule.fix,
    })
}
