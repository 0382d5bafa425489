//! Writing an audit down: for people, for programs, for reviews, as a picture.

mod csv;
mod github;
mod json;
mod mermaid;
mod sarif;
mod svg;
mod svg_lanes;
mod table;

use std::path::Path;

use super::Audit;
use super::families::Families;
use super::findings::uncreated;
use super::operation::Operation;
use super::script::{Effort, Script};

/// How an audit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The inventory and the findings, for people.
    Table,
    /// The inventory, a migration a line.
    Csv,
    /// Everything, as one JSON object.
    Json,
    /// The findings, for code review.
    Sarif,
    /// The findings, as annotations of GitHub Actions.
    Github,
    /// The graph, as a picture.
    Svg,
    /// The graph, for Mermaid.
    Mermaid,
}

/// Writes an audit.
///
/// # Errors
/// What the libraries that write CSV and JSON say; none is expected.
pub fn render(
    audit: &Audit,
    families: &Families,
    format: Format,
    width: Option<u16>,
) -> Result<String, String> {
    let rows = rows(audit, families);
    match format {
        Format::Table => Ok(table::render(audit, &rows, width)),
        Format::Csv => csv::render(&rows),
        Format::Json => Ok(json::render(audit, &rows)),
        Format::Sarif => Ok(sarif::render(audit)),
        Format::Github => Ok(github::render(audit)),
        Format::Svg => Ok(svg::render(audit, &rows, families)),
        Format::Mermaid => Ok(mermaid::render(audit, &rows)),
    }
}

/// A migration of the inventory.
pub(super) struct Row<'a> {
    /// Its place among the scripts.
    number: usize,
    script: &'a Script,
    family: Option<Belongs<'a>>,
    /// The rules of its findings about lost data, about locks, about what fails where rows are.
    destructive: Vec<&'static str>,
    locks: Vec<&'static str>,
    fails: Vec<&'static str>,
    /// Tables that it alters and no migration makes.
    uncreated: Vec<String>,
}

/// Where a name belongs, in words.
pub(super) struct Belongs<'a> {
    name: &'a str,
    pattern: &'a str,
    meaning: &'a str,
    number: Option<u64>,
    /// The name of the second family, and its prefix.
    second: Option<(&'a str, &'a str)>,
}

/// The migrations, each behind its parents.
fn rows<'a>(audit: &'a Audit, families: &'a Families) -> Vec<Row<'a>> {
    let uncreated = uncreated(&audit.scripts);
    let row = |&number: &usize| {
        let script = &audit.scripts[number];
        let rules = |group| {
            let mut rules: Vec<&'static str> =
                audit.of(script, group).map(|finding| finding.rule.id).collect();
            rules.sort_unstable();
            rules.dedup();
            rules
        };
        Row {
            number,
            script,
            family: belongs(script, families),
            destructive: rules("destructive."),
            locks: rules("lock."),
            fails: rules("fails."),
            uncreated: uncreated[number].clone(),
        }
    };
    audit.graph.order.iter().map(row).collect()
}

fn belongs<'a>(script: &'a Script, families: &'a Families) -> Option<Belongs<'a>> {
    let naming = script.naming.as_ref()?;
    let family = families.get(naming.family)?;
    let second = naming
        .second
        .as_ref()
        .and_then(|(second, prefix)| Some((families.get(*second)?.name.as_str(), prefix.as_str())));
    Some(Belongs {
        name: &family.name,
        pattern: &family.pattern,
        meaning: &family.meaning,
        number: naming.number,
        second,
    })
}

impl Row<'_> {
    /// Whether it can be taken back, in a word.
    fn back(&self) -> &'static str {
        match self.script.downgrade.effort {
            Effort::Works => "yes",
            // what does nothing needs nothing
            Effort::Missing | Effort::Empty if self.script.upgrade.effort != Effort::Works => "yes",
            Effort::Missing => "missing",
            Effort::Empty => "empty",
            Effort::Raises => "raises",
        }
    }

    /// What it does, each kind with how often; `…` for code that is not followed.
    fn does(&self) -> Vec<(String, usize)> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for operation in &self.script.upgrade.body.operations {
            let name = called(operation);
            match counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name, 1)),
            }
        }
        if counts.is_empty() && self.script.is_merge() {
            counts.push(("merge".to_owned(), 1));
        }
        if !self.script.upgrade.body.unseen.is_empty() {
            counts.push(("…".to_owned(), 1));
        }
        counts
    }

    /// The same as one text.
    fn does_text(&self) -> String {
        let each = |(name, count): (String, usize)| match count {
            1 => name,
            _ => format!("{name} ×{count}"),
        };
        self.does().into_iter().map(each).collect::<Vec<_>>().join(", ")
    }
}

fn called(operation: &Operation) -> String {
    match operation.sql && operation.name == "SQL" {
        true => "SQL".to_owned(),
        false => operation.name.clone(),
    }
}

/// A path as git names it: `/` between its parts, no `./` in front.
fn slashed(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    let mut rest = path.as_str();
    while let Some(inside) = rest.strip_prefix("./") {
        rest = inside.trim_start_matches('/');
    }
    rest.to_owned()
}

/// What a file, its name or an id says, as a terminal and XML can take it.
fn plain(text: &str) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if bad(c) { '\u{fffd}' } else { c }).collect()
}
