//! What operations leave behind, for those that come after them.

use super::{Past, Present, key};
use crate::governance::migrations::audit::operation::{Action, Operation};
use crate::governance::migrations::audit::run::schema::{Column, ConstraintKind};
use crate::governance::migrations::audit::run::value::Verb;

/// Keeps what later operations need to know.
pub(super) fn remember(operation: &Operation, past: &mut Past, present: &mut Present) {
    match &operation.action {
        Action::CreateTable { table, columns, .. } => {
            present.fresh.insert(key(table));
            columns.iter().for_each(|column| past.column(table, column));
        }
        Action::CreateRelation { relation } => {
            present.fresh.insert(key(relation));
        }
        Action::RenameTable { table, to } => {
            if present.fresh.contains(&key(table)) {
                present.fresh.insert(key(to));
            }
            past.moved(|(of, column)| (of == key(table)).then(|| (key(to), column)));
        }
        Action::RenameColumn { table, column, to } => {
            let is = |(of, name): &(String, String)| *of == key(table) && *name == key(column);
            past.moved(|place| is(&place).then(|| (place.0, key(to))));
        }
        Action::AddColumn { table, column } => {
            present.added.insert((key(table), key(&column.name)));
            past.column(table, column);
        }
        Action::AlterColumn { table, column, change } => {
            let place = (key(table), key(column));
            match &change.to {
                Some(known) => past.types.insert(place.clone(), known.clone()),
                None if change.to_unknown => past.types.remove(&place),
                None => None,
            };
            match change.nullable {
                Some(false) => past.not_null.insert(place),
                Some(true) => past.not_null.remove(&place),
                None => false,
            };
        }
        Action::AddConstraint { table, constraint } => {
            if let ConstraintKind::Check(Some(column)) = &constraint.kind {
                past.checked.insert((key(table), key(column)));
            }
            if constraint.not_valid {
                present.not_valid.insert(key(table));
            }
        }
        // an empty table is quickly written, read and checked
        Action::Truncate { tables, .. } if !operation.conditional => {
            present.fresh.extend(tables.iter().map(|table| key(table)));
        }
        Action::Rows { verb: Verb::Delete, table: Some(table), filtered: false }
            if !operation.conditional =>
        {
            present.fresh.insert(key(table));
        }
        _ => {}
    }
}

impl Past {
    fn column(&mut self, table: &str, column: &Column) {
        let place = (key(table), key(&column.name));
        match column.nullable == Some(false) || column.primary_key {
            true => self.not_null.insert(place.clone()),
            false => self.not_null.remove(&place),
        };
        if let Some(known) = &column.type_ {
            self.types.insert(place, known.clone());
        }
    }

    /// What is known of a place is known of another one too.
    fn moved(&mut self, to: impl Fn((String, String)) -> Option<(String, String)>) {
        let types: Vec<_> = self
            .types
            .iter()
            .filter_map(|(place, known)| Some((to(place.clone())?, known.clone())))
            .collect();
        self.types.extend(types);
        let not_null: Vec<_> = self.not_null.iter().cloned().filter_map(&to).collect();
        self.not_null.extend(not_null);
    }
}
