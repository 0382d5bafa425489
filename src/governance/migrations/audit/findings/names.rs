//! Files' names: families, numbers, and whether they agree with the ids and the graph.

use std::collections::BTreeMap;

use super::Options;
use super::set::{about, of_all};
use crate::governance::migrations::audit::finding::{Finding, Severity};
use crate::governance::migrations::audit::graph::Graph;
use crate::governance::migrations::audit::script::Script;

/// More gaps than this in a family are told together.
const MANY: usize = 12;

pub(super) fn check(
    scripts: &[Script],
    graph: &Graph,
    options: &Options,
    found: &mut Vec<Finding>,
) {
    outside(scripts, found);
    mismatches(scripts, found);
    for (place, family) in options.families.all().iter().enumerate() {
        let mut numbers: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, script) in scripts.iter().enumerate() {
            if let Some(naming) = script.naming.as_ref().filter(|naming| naming.family == place)
                && let Some(number) = naming.number
            {
                numbers.entry(number).or_default().push(at);
            }
        }
        if family.gaps {
            gaps(&numbers, &family.pattern, found);
        }
        if family.unique {
            twice(scripts, &numbers, found);
            order(scripts, graph, place, found);
        }
    }
}

/// Names in no family: each, or all together where the project does not name by families.
fn outside(scripts: &[Script], found: &mut Vec<Finding>) {
    let outside: Vec<&Script> = scripts
        .iter()
        .filter(|script| script.naming.is_none() && script.revision.is_some())
        .collect();
    if outside.len() * 2 > scripts.len() {
        let message = format!(
            "{} of {} names are in no family: {} for example",
            outside.len(),
            scripts.len(),
            outside[0].stem()
        );
        found.push(of_all("name.family", message));
        return;
    }
    for script in outside {
        let message = format!("{} is in no family", script.stem());
        found.push(about(script, "name.family", Severity::Note, message));
    }
}

/// Names that do not have the id in them; nothing where most have not, as that is the habit then.
fn mismatches(scripts: &[Script], found: &mut Vec<Finding>) {
    let differs = |script: &&Script| {
        let stem = script.stem();
        script.revision.as_ref().is_some_and(|id| !id.is_empty() && !stem.contains(id.as_str()))
    };
    let differing: Vec<&Script> = scripts.iter().filter(differs).collect();
    if differing.len() * 2 > scripts.len() {
        return;
    }
    for script in differing {
        let message = format!("the file is {}.py, the revision {}", script.stem(), script.id());
        found.push(about(script, "name.mismatch", Severity::Note, message));
    }
}

fn gaps(numbers: &BTreeMap<u64, Vec<usize>>, pattern: &str, found: &mut Vec<Finding>) {
    let used: Vec<u64> = numbers.keys().copied().collect();
    let missing: Vec<String> = used
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] if after - before == 2 => Some((before + 1).to_string()),
            [before, after] if after - before > 2 => Some(format!("{}-{}", before + 1, after - 1)),
            _ => None,
        })
        .collect();
    if missing.is_empty() {
        return;
    }
    let shown = missing.iter().take(MANY).cloned().collect::<Vec<_>>().join(", ");
    let more = match missing.len().saturating_sub(MANY) {
        0 => String::new(),
        more => format!(", and {more} more gaps"),
    };
    found.push(of_all("name.gap", format!("{pattern}: nothing has the numbers {shown}{more}")));
}

fn twice(scripts: &[Script], numbers: &BTreeMap<u64, Vec<usize>>, found: &mut Vec<Finding>) {
    for (number, files) in numbers.iter().filter(|(_, files)| files.len() > 1) {
        let first = scripts[files[0]].stem();
        for file in files.iter().skip(1) {
            let message = format!("{first} has the number {number} too");
            found.push(about(&scripts[*file], "name.number-twice", Severity::Warning, message));
        }
    }
}

/// Numbers that are lower than a parent's of the same family.
fn order(scripts: &[Script], graph: &Graph, place: usize, found: &mut Vec<Finding>) {
    let number = |at: usize| {
        let naming = scripts[at].naming.as_ref().filter(|naming| naming.family == place)?;
        naming.number
    };
    for at in 0..scripts.len() {
        for &parent in &graph.parents[at] {
            if let (Some(own), Some(before)) = (number(at), number(parent))
                && own < before
            {
                let message = format!("{own} comes after {before} ({})", scripts[parent].stem());
                found.push(about(&scripts[at], "name.order", Severity::Note, message));
            }
        }
    }
}
