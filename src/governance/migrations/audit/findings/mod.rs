//! What is to be said of a set of migrations.

mod locks;
mod loss;
mod memory;
mod names;
mod set;
mod tables;

use std::collections::{BTreeSet, HashMap};

pub(super) use tables::uncreated;

use super::families::Families;
use super::finding::{Finding, Severity, rule_named};
use super::graph::Graph;
use super::operation::{Action, Operation};
use super::run::schema::Type;
use super::run::text::shown;
use super::script::{Effort, Script};
use crate::sql::Class;

/// What findings depend on besides the files.
#[derive(Clone, Debug)]
pub struct Options {
    /// The naming families.
    pub families: Families,
    /// How many characters the version column holds.
    pub version_length: usize,
    /// The connection of `env.py` is in AUTOCOMMIT: nothing stands in a transaction.
    pub autocommit: bool,
    /// Tables that the application makes, in lower case. Empty: it is not known.
    pub orm_tables: BTreeSet<String>,
}

/// What earlier migrations have left, as far as it bears on later ones.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Types of columns, by table and column.
    types: HashMap<(String, String), Type>,
    /// Columns with a check against NULL.
    checked: BTreeSet<(String, String)>,
    /// Columns that are NOT NULL already.
    not_null: BTreeSet<(String, String)>,
}

/// What the migration at hand has done so far.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Tables that it made, which nobody else sees yet, or emptied.
    fresh: BTreeSet<String>,
    /// Tables to which it added a constraint that is not valid yet.
    not_valid: BTreeSet<String>,
    /// Columns that it added.
    added: BTreeSet<(String, String)>,
    /// Operations that were said already: rule, and what it was said of.
    said: BTreeSet<(&'static str, String)>,
}

/// Names are compared without case and without the schema `public`.
pub(super) fn key(table: &str) -> String {
    let name = table.to_lowercase();
    name.strip_prefix("public.").map(str::to_owned).unwrap_or(name)
}

/// Collects findings of one migration.
pub(super) struct Say<'s> {
    script: &'s Script,
    found: &'s mut Vec<Finding>,
}

impl Say<'_> {
    /// A finding at a line.
    pub fn at(&mut self, id: &str, line: u32, message: String) {
        self.with(id, rule_named(id).severity, line, message);
    }

    /// A finding of a severity of its own.
    pub fn with(&mut self, id: &str, severity: Severity, line: u32, message: String) {
        let message = shown(&message);
        let same = |known: &Finding| {
            known.rule.id == id
                && known.line == line
                && known.message == message
                && known.path.as_ref() == Some(&self.script.path)
        };
        // two branches of the program may do the same
        if self.found.iter().rev().take(64).any(same) {
            return;
        }
        self.found.push(Finding {
            rule: rule_named(id),
            severity,
            path: Some(self.script.path.clone()),
            line,
            revision: self.script.revision.clone(),
            message,
        });
    }
}

/// Everything that there is to say, file by file in the order of the graph, the whole set last.
pub fn findings(scripts: &[Script], graph: &Graph, options: &Options) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut past = Past::default();
    for &number in &graph.order {
        let script = &scripts[number];
        let mut say = Say { script, found: &mut found };
        if let Some(line) = script.broken {
            let message = "what stands here is no Python; the rest is read all the same".to_owned();
            say.at("file.unreadable", line, message);
        }
        if let Some((line, message)) = &script.trouble {
            say.at("file.unreadable", *line, message.clone());
        }
        // of a file that cannot be read at all no more is said
        if script.trouble.is_some() && script.lines == 0 {
            continue;
        }
        if script.revision.is_none() {
            say.at("file.no-revision", 1, "revision is not given, or cannot be told".to_owned());
        }
        upgrade(script, options, &mut past, &mut say);
        downgrade(script, options, &mut say);
    }
    tables::check(scripts, graph, options, &mut found);
    set::check(scripts, graph, options, &mut found);
    names::check(scripts, graph, options, &mut found);
    found
}

fn upgrade(script: &Script, options: &Options, past: &mut Past, say: &mut Say<'_>) {
    if script.upgrade.effort == Effort::Empty && !script.is_merge() && script.revision.is_some() {
        say.at("file.empty", script.upgrade.line, "upgrade() does nothing".to_owned());
    }
    unseen(script, say);
    let mut present = Present::default();
    for operation in &script.upgrade.body.operations {
        loss::check(operation, past, &present, say);
        locks::check(operation, past, &mut present, say);
        transaction(operation, options, say);
        text(operation, &mut present, say);
        memory::remember(operation, past, &mut present);
    }
}

/// Calls that are not followed, all of a migration in one.
fn unseen(script: &Script, say: &mut Say<'_>) {
    let calls = &script.upgrade.body.unseen;
    let Some(line) = calls.iter().map(|(_, line)| *line).min() else { return };
    let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
    let more = match names.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = names.get(..5).unwrap_or(&names).join(", ");
    say.at("code.unseen", line, format!("not followed: {names}{more}"));
}

/// What cannot stand in a transaction.
fn transaction(operation: &Operation, options: &Options, say: &mut Say<'_>) {
    if operation.autocommit || options.autocommit {
        return;
    }
    match &operation.action {
        Action::CreateIndex { concurrently: true, name, .. }
        | Action::DropIndex { concurrently: true, name, .. } => {
            let message = format!("index {name}: CONCURRENTLY is not within autocommit_block()");
            say.at("transaction.concurrently", operation.line, message);
        }
        Action::OutsideTransaction { what } => {
            let message = format!("{what} is not within autocommit_block()");
            say.at("transaction.forbidden", operation.line, message);
        }
        _ => {}
    }
}

/// What the text of a statement says, or does not.
fn text(operation: &Operation, present: &mut Present, say: &mut Say<'_>) {
    let line = operation.line;
    let mut once = |id: &'static str, message: String, say: &mut Say<'_>| {
        if present.said.insert((id, line.to_string())) {
            say.at(id, line, message);
        }
    };
    match &operation.action {
        Action::Unreadable => {
            let message = "this SQL cannot be read by PostgreSQL's grammar".to_owned();
            once("sql.unreadable", message, say);
        }
        Action::Undecidable => {
            let message = "what is executed here is made at run time".to_owned();
            once("sql.undecidable", message, say);
        }
        _ if operation.open && operation.sql => {
            let message = format!("parts of this {} are made at run time", operation.name);
            once("sql.undecidable", message, say);
        }
        _ if operation.class == Class::Admin => {
            let reason = match operation.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            once("sql.admin", format!("{} is of class admin{reason}", operation.name), say);
        }
        _ if operation.class == Class::Privilege => {
            let message = format!("{} is of class privilege", operation.name);
            once("sql.privilege", message, say);
        }
        _ => {}
    }
}

fn downgrade(script: &Script, options: &Options, say: &mut Say<'_>) {
    for operation in &script.downgrade.body.operations {
        transaction(operation, options, say);
    }
    if script.upgrade.effort != Effort::Works || script.is_merge() {
        return;
    }
    let changes = |operation: &Operation| {
        !matches!(operation.action, Action::Rows { .. }) && operation.class >= Class::Ddl
    };
    let of_schema = script.upgrade.body.operations.iter().any(changes);
    let severity = |id| if of_schema { rule_named(id).severity } else { Severity::Note };
    let line = script.downgrade.line;
    match script.downgrade.effort {
        Effort::Missing => {
            let (id, message) = ("irreversible.missing", "there is no downgrade()".to_owned());
            say.with(id, severity(id), 1, message);
        }
        Effort::Empty => {
            let (id, message) = ("irreversible.empty", "downgrade() does nothing".to_owned());
            say.with(id, severity(id), line, message);
        }
        Effort::Raises => {
            say.at("irreversible.raises", line, "downgrade() only raises".to_owned());
        }
        Effort::Works => {}
    }
}
