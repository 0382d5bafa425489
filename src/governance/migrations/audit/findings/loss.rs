//! What loses data.

use super::{Past, Present, Say, key};
use crate::governance::migrations::audit::operation::{Action, Operation};
use crate::governance::migrations::audit::run::value::Verb;

/// Says what an operation of `upgrade()` loses.
pub(super) fn check(operation: &Operation, past: &Past, present: &Present, say: &mut Say<'_>) {
    let line = operation.line;
    let fresh = |table: &str| present.fresh.contains(&key(table));
    match &operation.action {
        Action::DropTable { table, cascade, .. } => {
            if !fresh(table) {
                say.at("destructive.drop-table", line, format!("drops table {table}"));
            }
            if *cascade {
                cascades(line, &format!("table {table}"), say);
            }
        }
        Action::DropAll => {
            say.at("destructive.drop-table", line, "drops every table of the models".to_owned());
        }
        Action::DropColumn { table, column, cascade } => {
            let added = present.added.contains(&(key(table), key(column)));
            if !fresh(table) && !added {
                let message = format!("drops column {table}.{column}");
                say.at("destructive.drop-column", line, message);
            }
            if *cascade {
                cascades(line, &format!("column {table}.{column}"), say);
            }
        }
        Action::Drop { what, name, cascade, data } => {
            if *data {
                say.at("destructive.drop", line, format!("drops {} {name}", what.to_lowercase()));
            }
            if *cascade && *what != "FUNCTION" {
                cascades(line, &format!("{} {name}", what.to_lowercase()), say);
            }
        }
        Action::Truncate { tables, .. } => {
            let tables: Vec<&str> =
                tables.iter().map(String::as_str).filter(|table| !fresh(table)).collect();
            if !tables.is_empty() {
                say.at("destructive.truncate", line, format!("empties {}", tables.join(", ")));
            }
        }
        Action::Rows { verb: Verb::Delete, table: Some(table), filtered: false }
            if !fresh(table) =>
        {
            say.at("destructive.delete-all", line, format!("deletes every row of {table}"));
        }
        Action::AlterColumn { table, column, change } if !fresh(table) => {
            let before = past.types.get(&(key(table), key(column))).or(change.from.as_ref());
            if let (Some(from), Some(to)) = (before, &change.to)
                && from.change(to).narrows
            {
                let message = format!("{table}.{column} goes from {from} to {to}");
                say.at("destructive.narrow-type", line, message);
            }
        }
        _ => {}
    }
}

fn cascades(line: u32, what: &str, say: &mut Say<'_>) {
    say.at("destructive.drop-cascade", line, format!("drops {what} and what depends on it"));
}
