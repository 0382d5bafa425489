//! What a migration does to a database, one thing at a time.

use super::run::schema::{Column, Constraint, Type};
use super::run::value::Verb;
use crate::sql::Class;

/// One thing that a migration does.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its line in the migration.
    pub line: u32,
    /// What it is called: `create_table`, or PostgreSQL's command tag for SQL.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Its class, by the same judgement as the proxy's.
    pub class: Class,
    /// What made the class what it is; may be empty.
    pub reason: String,
    /// It was written as SQL.
    pub sql: bool,
    /// Parts of it are made when the migration runs.
    pub open: bool,
    /// It may not run: it stands in a branch of the program.
    pub conditional: bool,
    /// It runs outside a transaction.
    pub autocommit: bool,
}

/// What an operation does. Tables are named with their schema where one is given.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Action {
    CreateTable {
        table: String,
        columns: Vec<Column>,
        references: Vec<String>,
        temporary: bool,
    },
    /// A view, a materialized view, a sequence, a foreign table.
    CreateRelation {
        relation: String,
    },
    /// What the application's models say, which is not seen here.
    CreateAll,
    DropAll,
    DropTable {
        table: String,
        cascade: bool,
        if_exists: bool,
    },
    /// Something else; `what` as in SQL.
    Drop {
        what: &'static str,
        name: String,
        cascade: bool,
        data: bool,
    },
    RenameTable {
        table: String,
        to: String,
    },
    RenameColumn {
        table: String,
        column: String,
        to: String,
    },
    AddColumn {
        table: String,
        column: Column,
    },
    DropColumn {
        table: String,
        column: String,
        cascade: bool,
    },
    AlterColumn {
        table: String,
        column: String,
        change: ColumnChange,
    },
    CreateIndex {
        table: String,
        name: String,
        unique: bool,
        concurrently: bool,
    },
    DropIndex {
        table: Option<String>,
        name: String,
        concurrently: bool,
    },
    AddConstraint {
        table: String,
        constraint: Constraint,
    },
    DropConstraint {
        table: String,
    },
    ValidateConstraint {
        table: String,
    },
    /// Another ALTER of a table: `rewrites` says what makes it write the table anew.
    AlterTable {
        table: String,
        rewrites: Option<&'static str>,
    },
    Truncate {
        tables: Vec<String>,
        cascade: bool,
    },
    Rows {
        verb: Verb,
        table: Option<String>,
        filtered: bool,
    },
    /// Something that keeps others out for long, for a reason.
    Locks {
        table: Option<String>,
        why: &'static str,
    },
    /// A statement that must not stand in a transaction.
    OutsideTransaction {
        what: &'static str,
    },
    /// SQL of which too little is known.
    Undecidable,
    /// SQL that PostgreSQL's grammar does not read.
    Unreadable,
    /// Anything else: its class says it.
    Other,
}

/// What ALTER COLUMN changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnChange {
    /// The type before, where it is said.
    pub from: Option<Type>,
    /// The new type.
    pub to: Option<Type>,
    /// A new type is given which cannot be told.
    pub to_unknown: bool,
    /// NULL is forbidden (`Some(false)`) or allowed.
    pub nullable: Option<bool>,
    /// Whether NULL was allowed before, where it is said.
    pub was_nullable: Option<bool>,
}

impl Action {
    /// The tables whose definition it changes.
    pub fn altered(&self) -> Vec<&str> {
        match self {
            Action::AddColumn { table, .. }
            | Action::DropColumn { table, .. }
            | Action::AlterColumn { table, .. }
            | Action::RenameTable { table, .. }
            | Action::RenameColumn { table, .. }
            | Action::CreateIndex { table, .. }
            | Action::AddConstraint { table, .. }
            | Action::DropConstraint { table }
            | Action::ValidateConstraint { table }
            | Action::AlterTable { table, .. }
            | Action::DropTable { table, if_exists: false, .. } => vec![table],
            _ => Vec::new(),
        }
    }

    /// Every table that it names.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables = self.altered();
        match self {
            Action::CreateTable { table, .. } => tables.push(table),
            Action::CreateRelation { relation } => tables.push(relation),
            Action::DropTable { table, if_exists: true, .. } => tables.push(table),
            Action::DropIndex { table: Some(table), .. }
            | Action::Locks { table: Some(table), .. } => tables.push(table),
            _ => {}
        }
        tables.extend(self.used());
        tables
    }

    /// The tables that it needs besides.
    pub fn used(&self) -> Vec<&str> {
        match self {
            Action::Rows { table: Some(table), .. } => vec![table],
            Action::Truncate { tables, .. } => tables.iter().map(String::as_str).collect(),
            Action::CreateTable { references, .. } => {
                references.iter().map(String::as_str).collect()
            }
            Action::AddColumn { column, .. } => {
                column.references.iter().map(String::as_str).collect()
            }
            Action::AddConstraint { constraint, .. } => constraint.table().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl Constraint {
    /// The table that a foreign key refers to.
    pub fn table(&self) -> Option<&str> {
        match &self.kind {
            super::run::schema::ConstraintKind::Foreign(table) => table.as_deref(),
            _ => None,
        }
    }
}
