//! The graph and the ids of a set.

use super::Options;
use crate::governance::migrations::audit::finding::{Finding, Severity, rule_named};
use crate::governance::migrations::audit::graph::Graph;
use crate::governance::migrations::audit::script::Script;

/// The width of the version column that Alembic itself makes.
pub(in crate::governance::migrations::audit) const ALEMBICS_OWN_LENGTH: usize = 32;

/// A finding about a migration as a whole.
pub(super) fn about(script: &Script, id: &str, severity: Severity, message: String) -> Finding {
    Finding {
        rule: rule_named(id),
        severity,
        path: Some(script.path.clone()),
        line: script.line,
        revision: script.revision.clone(),
        message,
    }
}

/// A finding about the set.
pub(super) fn of_all(id: &str, message: String) -> Finding {
    let rule = rule_named(id);
    Finding { rule, severity: rule.severity, path: None, line: 1, revision: None, message }
}

pub(super) fn check(
    scripts: &[Script],
    graph: &Graph,
    options: &Options,
    found: &mut Vec<Finding>,
) {
    let list = |numbers: &[usize]| {
        numbers.iter().map(|number| scripts[*number].id()).collect::<Vec<_>>().join(", ")
    };
    for (number, parent) in &graph.missing {
        let message = format!("names {parent}, which no file has");
        found.push(about(&scripts[*number], "graph.missing-parent", Severity::Error, message));
    }
    for (id, numbers) in &graph.duplicates {
        for number in numbers.iter().skip(1) {
            let first = scripts[numbers[0]].path.display();
            let message = format!("{id} is the id of {first} too");
            found.push(about(&scripts[*number], "id.duplicate", Severity::Error, message));
        }
    }
    for circle in &graph.cycles {
        let Some(first) = circle.first() else { continue };
        let message = match circle.len() {
            1 => "follows itself".to_owned(),
            _ => format!("{} follow each other", list(circle)),
        };
        found.push(about(&scripts[*first], "graph.cycle", Severity::Error, message));
    }
    // alembic's own word: heads that nothing depends on either
    if graph.real_heads.len() > 1 {
        let mut finding = of_all(
            "graph.heads",
            format!("{} heads: {}", graph.real_heads.len(), list(&graph.real_heads)),
        );
        // branches that their labels tell apart are meant to stay so
        if graph.unlabelled(scripts) <= 1 {
            finding.severity = Severity::Note;
        }
        found.push(finding);
    }
    if graph.bases.len() > 1 {
        let message = format!("{} bases: {}", graph.bases.len(), list(&graph.bases));
        found.push(of_all("graph.bases", message));
    }
    lengths(scripts, options, found);
}

fn lengths(scripts: &[Script], options: &Options, found: &mut Vec<Finding>) {
    let length = |script: &Script| script.revision.as_ref().map_or(0, |id| id.chars().count());
    for script in scripts.iter().filter(|script| length(script) > options.version_length) {
        let message = format!(
            "the id has {} characters, the version column {}",
            length(script),
            options.version_length
        );
        found.push(about(script, "id.too-long", Severity::Error, message));
    }
    let long: Vec<&Script> = scripts
        .iter()
        .filter(|script| {
            (ALEMBICS_OWN_LENGTH + 1..=options.version_length).contains(&length(script))
        })
        .collect();
    if let Some(longest) = long.iter().max_by_key(|script| length(script)) {
        let ids = if long.len() == 1 {
            "1 id has".to_owned()
        } else {
            format!("{} ids have", long.len())
        };
        let message = format!(
            "{ids} more than the {ALEMBICS_OWN_LENGTH} characters of Alembic's own version column; \
             the longest, {}, has {}",
            longest.id(),
            length(longest)
        );
        found.push(of_all("id.long", message));
    }
}
