//! What keeps others waiting on a table with many rows. Locks by PostgreSQL's documentation of
//! ALTER TABLE, CREATE INDEX and explicit locking.

use super::{Past, Present, Say, key};
use crate::governance::migrations::audit::finding::Severity;
use crate::governance::migrations::audit::operation::{Action, ColumnChange, Operation};
use crate::governance::migrations::audit::run::schema::{
    Column, Constraint, ConstraintKind, Default_, Type,
};
use crate::governance::migrations::audit::run::value::Verb;

/// Says what an operation of `upgrade()` locks for long.
pub(super) fn check(operation: &Operation, past: &Past, present: &mut Present, say: &mut Say<'_>) {
    let line = operation.line;
    // a table that this migration made is nobody else's yet
    let fresh = |table: &str| present.fresh.contains(&key(table));
    match &operation.action {
        Action::AddColumn { table, column } if !fresh(table) => {
            add_column(line, table, column, say)
        }
        Action::AlterColumn { table, column, change } if !fresh(table) => {
            let place = (key(table), key(column));
            let before = past.types.get(&place).or(change.from.as_ref());
            alter_type(line, table, column, before, change, say);
            let was_null = change.was_nullable != Some(false) && !past.not_null.contains(&place);
            if change.nullable == Some(false) && was_null && !past.checked.contains(&place) {
                let message =
                    format!("{table}.{column} is set NOT NULL without a checked constraint");
                say.at("lock.set-not-null", line, message);
            }
        }
        Action::CreateIndex { table, name, concurrently: false, .. } if !fresh(table) => {
            say.at("lock.create-index", line, format!("index {name} on {table} is built"));
        }
        Action::DropIndex { table, name, concurrently: false } => {
            let on_fresh = table.as_deref().is_some_and(fresh);
            if !on_fresh && present.said.insert(("lock.drop-index", name.clone())) {
                say.at("lock.drop-index", line, format!("index {name} is dropped"));
            }
        }
        Action::AddConstraint { table, constraint } if !fresh(table) => {
            add_constraint(line, table, constraint, say);
        }
        Action::ValidateConstraint { table }
            if present.not_valid.contains(&key(table)) && !operation.autocommit =>
        {
            say.at("lock.validate", line, format!("a constraint of {table} is validated"));
        }
        Action::AlterTable { table, rewrites: Some(why) } if !fresh(table) => {
            say.at("lock.rewrite", line, format!("{table}: {why}"));
        }
        Action::Locks { table, why } if !table.as_deref().is_some_and(fresh) => {
            let of = table.as_ref().map(|table| format!("{table}: ")).unwrap_or_default();
            say.at("lock.rewrite", line, format!("{of}{why}"));
        }
        Action::Rows { verb: Verb::Update, table: Some(table), filtered: false }
            if !fresh(table) =>
        {
            let message = format!("every row of {table} is written");
            if present.said.insert(("lock.update-all", key(table))) {
                say.at("lock.update-all", line, message);
            }
        }
        _ => {}
    }
}

fn add_column(line: u32, table: &str, column: &Column, say: &mut Say<'_>) {
    let name = &column.name;
    match &column.default {
        Default_::Volatile(what) => {
            let message = format!("{table}.{name} has a value of its own in each row ({what})");
            say.at("lock.add-column", line, message);
        }
        Default_::Perhaps(what) => {
            let message =
                format!("{table}.{name} has the default {what}, which may differ in each row");
            say.with("lock.add-column", Severity::Note, line, message);
        }
        Default_::None if column.nullable == Some(false) && !column.primary_key => {
            let message = format!("{table}.{name} is NOT NULL and has no server_default");
            say.at("fails.not-null", line, message);
        }
        _ => {}
    }
    if column.unique || column.primary_key {
        let message = format!("{table}.{name} comes with a unique constraint");
        say.at("lock.unique", line, message);
    } else if column.index {
        // `index=True` in op.add_column makes the index too
        say.at("lock.create-index", line, format!("an index on {table}.{name} is built"));
    }
    // a foreign key of a new column is checked only where the column has a value
    if !column.references.is_empty() && column.default != Default_::None {
        let message = format!("{table}.{name} refers to {}", column.references.join(", "));
        say.at("lock.foreign-key", line, message);
    }
}

fn alter_type(
    line: u32,
    table: &str,
    column: &str,
    before: Option<&Type>,
    change: &ColumnChange,
    say: &mut Say<'_>,
) {
    match (before, &change.to) {
        (Some(from), Some(to)) if from.change(to).rewrites => {
            let message = format!("{table}.{column} goes from {from} to {to}");
            say.at("lock.alter-type", line, message);
        }
        (None, Some(to)) => {
            let message = format!("{table}.{column} becomes {to}; what it was is not said");
            say.at("lock.alter-type", line, message);
        }
        (_, None) if change.to_unknown => {
            let message = format!("{table}.{column} gets a type that cannot be told");
            say.with("lock.alter-type", Severity::Note, line, message);
        }
        _ => {}
    }
}

fn add_constraint(line: u32, table: &str, constraint: &Constraint, say: &mut Say<'_>) {
    if constraint.not_valid || constraint.using_index {
        return;
    }
    let (id, what) = match &constraint.kind {
        ConstraintKind::Primary => ("lock.unique", "a primary key".to_owned()),
        ConstraintKind::Unique => ("lock.unique", "a unique constraint".to_owned()),
        ConstraintKind::Exclude => ("lock.unique", "an exclusion constraint".to_owned()),
        ConstraintKind::Check(_) => ("lock.check", "a check".to_owned()),
        ConstraintKind::Foreign(Some(to)) => ("lock.foreign-key", format!("a foreign key to {to}")),
        ConstraintKind::Foreign(None) => ("lock.foreign-key", "a foreign key".to_owned()),
        ConstraintKind::Index => return,
    };
    say.at(id, line, format!("{table} gets {what}"));
}
