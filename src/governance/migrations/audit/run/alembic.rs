//! Alembic's operations: `op.…`, and the same of a batch, which knows its table.

use std::rc::Rc;

use super::calls::Given;
use super::machine::Machine;
use super::schema::{Constraint, ConstraintKind};
use super::sql_schema;
use super::sqlalchemy::type_of;
use super::text::{HOLE, Text};
use super::value::{Value, Verb};
use crate::governance::migrations::audit::operation::{Action, ColumnChange, Operation};
use crate::sql::Class;

/// An operation that is written in Python.
pub(super) fn operation(line: u32, name: &str, action: Action) -> Operation {
    let class = match action {
        Action::Rows { .. } => Class::Write,
        _ => Class::Ddl,
    };
    Operation {
        line,
        name: name.to_owned(),
        action,
        class,
        reason: String::new(),
        sql: false,
        open: false,
        conditional: false,
        autocommit: false,
    }
}

/// A name that is given as a string.
fn name(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Sql(text) => text.text.clone(),
        Value::Table(table) => table.name.clone(),
        Value::Column(column) => column.name.clone(),
        _ => HOLE.to_owned(),
    }
}

/// A table's name, with its schema where one is given.
fn qualified(table: &Value, schema: &Value) -> String {
    match schema.known() {
        Some(schema) => format!("{schema}.{}", name(table)),
        None => name(table),
    }
}

impl Machine<'_> {
    /// `op.NAME(…)`, or `batch_op.NAME(…)` of a table.
    pub(super) fn operation(
        &mut self,
        called: &str,
        batch: Option<&Rc<str>>,
        given: &Given,
    ) -> Value {
        // where the table stands among the arguments, and by how much a batch shifts the others
        let table = |place: usize, keyword: &str| match batch {
            Some(table) => table.to_string(),
            None => qualified(given.get(place, keyword), given.keyword("schema")),
        };
        let shift = usize::from(batch.is_none());
        let constraint = |table: String, kind: ConstraintKind| Action::AddConstraint {
            table,
            constraint: Constraint {
                kind,
                not_valid: given.is_on("postgresql_not_valid"),
                using_index: false,
            },
        };
        let action = match called {
            "get_bind" => return Value::Connection,
            "get_context" => return Value::Context,
            "f" | "inline_literal" => {
                return given.arguments.first().cloned().unwrap_or(Value::Unknown);
            }
            "batch_alter_table" => {
                let table = qualified(given.get(0, "table_name"), given.keyword("schema"));
                return Value::Batch(table.into());
            }
            "execute" => {
                self.execute(given);
                return Value::Unknown;
            }
            "create_table" => create_table(given),
            "drop_table" => Action::DropTable {
                table: table(0, "table_name"),
                cascade: false,
                if_exists: given.is_on("if_exists"),
            },
            "rename_table" => Action::RenameTable {
                table: table(0, "old_table_name"),
                to: qualified(given.get(1, "new_table_name"), given.keyword("schema")),
            },
            "add_column" => {
                let Value::Column(column) = given.get(shift, "column") else {
                    return self.altered(given, called, table(0, "table_name"));
                };
                Action::AddColumn { table: table(0, "table_name"), column: (**column).clone() }
            }
            "drop_column" => Action::DropColumn {
                table: table(0, "table_name"),
                column: name(given.get(shift, "column_name")),
                cascade: false,
            },
            "alter_column" => {
                let (table, column) =
                    (table(0, "table_name"), name(given.get(shift, "column_name")));
                if given.has("new_column_name") {
                    let to = name(given.keyword("new_column_name"));
                    let (table, column) = (table.clone(), column.clone());
                    let action = Action::RenameColumn { table, column, to };
                    self.emit(operation(given.line, called, action));
                }
                let change = change(given);
                if given.has("new_column_name") && change == ColumnChange::default() {
                    return Value::Unknown;
                }
                Action::AlterColumn { table, column, change }
            }
            "create_index" => Action::CreateIndex {
                table: table(1, "table_name"),
                name: name(given.get(0, "index_name")),
                unique: given.is_on("unique"),
                concurrently: given.is_on("postgresql_concurrently"),
            },
            "drop_index" => Action::DropIndex {
                table: match (batch, given.get(1, "table_name")) {
                    (Some(table), _) => Some(table.to_string()),
                    (None, Value::Unknown | Value::None) => None,
                    (None, given_table) => Some(qualified(given_table, given.keyword("schema"))),
                },
                name: name(given.get(0, "index_name")),
                concurrently: given.is_on("postgresql_concurrently"),
            },
            "create_foreign_key" => {
                let source = match batch {
                    Some(table) => table.to_string(),
                    None => qualified(given.get(1, "source_table"), given.keyword("source_schema")),
                };
                let referent = given.get(1 + shift, "referent_table");
                let referent = qualified(referent, given.keyword("referent_schema"));
                constraint(source, ConstraintKind::Foreign(Some(referent)))
            }
            "create_check_constraint" => {
                let condition = given.get(1 + shift, "condition");
                let column = match condition {
                    Value::Str(text) | Value::Sql(text) => sql_schema::not_null_check(&text.text),
                    _ => None,
                };
                constraint(table(1, "table_name"), ConstraintKind::Check(column))
            }
            "create_unique_constraint" => {
                constraint(table(1, "table_name"), ConstraintKind::Unique)
            }
            "create_primary_key" => constraint(table(1, "table_name"), ConstraintKind::Primary),
            "create_exclude_constraint" => {
                constraint(table(1, "table_name"), ConstraintKind::Exclude)
            }
            "drop_constraint" => Action::DropConstraint { table: table(1, "table_name") },
            "create_table_comment" | "drop_table_comment" => {
                Action::AlterTable { table: table(0, "table_name"), rewrites: None }
            }
            "bulk_insert" => Action::Rows {
                verb: Verb::Insert,
                table: Some(name(given.get(0, "table"))),
                filtered: false,
            },
            "invoke" | "run_async" | "register_operation" | "implementation_for" => {
                self.unseen(called, given.line);
                return Value::Unknown;
            }
            _ => Action::Other,
        };
        self.emit(operation(given.line, called, action));
        Value::Unknown
    }

    /// A change of a table of which no more is known.
    fn altered(&mut self, given: &Given, called: &str, table: String) -> Value {
        let action = Action::AlterTable { table, rewrites: None };
        self.emit(Operation { open: true, ..operation(given.line, called, action) });
        Value::Unknown
    }

    fn execute(&mut self, given: &Given) {
        match given.get(0, "sqltext").clone() {
            Value::Str(text) | Value::Sql(text) => self.sql(&text, given.line),
            Value::Dml(dml) => self.rows(&dml, given.line),
            Value::None => {}
            _ => self.sql(&Text::hole(given.line), given.line),
        }
    }
}

fn create_table(given: &Given) -> Action {
    let table = qualified(given.get(0, "table_name"), given.keyword("schema"));
    let (mut columns, mut references) = (Vec::new(), Vec::new());
    for argument in given.arguments.iter().skip(1) {
        match argument {
            Value::Column(column) => {
                references.extend(column.references.iter().cloned());
                columns.push((**column).clone());
            }
            Value::Constraint(constraint) => {
                references.extend(constraint.table().map(str::to_owned));
            }
            _ => {}
        }
    }
    let prefixes = given.keyword("prefixes").items().unwrap_or_default();
    let temporary = prefixes.iter().any(|prefix| {
        prefix.known().is_some_and(|prefix| prefix.to_ascii_uppercase().starts_with("TEMP"))
    });
    Action::CreateTable { table, columns, references, temporary }
}

fn change(given: &Given) -> ColumnChange {
    let to = type_of(given.keyword("type_"));
    ColumnChange {
        from: type_of(given.keyword("existing_type")),
        to_unknown: given.has("type_") && to.is_none() && *given.keyword("type_") != Value::None,
        to,
        nullable: given.flag("nullable"),
        was_nullable: given.flag("existing_nullable"),
    }
}
