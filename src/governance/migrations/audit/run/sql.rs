//! SQL: each statement's class by the proxy's own judgement, and what it does to the schema, by
//! PostgreSQL's grammar.

use std::collections::BTreeSet;

use pgauthority_grammar::{Mode, Node, field, tag, value};

use super::alembic;
use super::machine::Machine;
use super::sql_schema::{self as schema, name_of};
use super::text::{HOLE, Text};
use super::value::Verb;
use crate::config::MIGRATION_TABLES;
use crate::governance::migrations::audit::operation::{Action, ColumnChange, Operation};
use crate::sql::{Class, Statement, judge};

impl Machine<'_> {
    /// A text is run as SQL.
    pub(super) fn sql(&mut self, text: &Text, line: u32) {
        let tables: BTreeSet<String> =
            MIGRATION_TABLES.iter().map(|name| (*name).to_owned()).collect();
        let Some(readable) = readable(&text.text) else {
            let action = if text.open { Action::Undecidable } else { Action::Unreadable };
            let line = if text.is_blank() { line } else { text.line_at(0, line) };
            self.emit(statement_operation(line, "SQL", action, Class::Opaque, text.open));
            return;
        };
        let Ok(tree) = pgauthority_grammar::parse(readable.as_bytes()) else { return };
        let judgement = judge(readable.as_bytes(), &tables);
        for (raw, statement) in tree.statements().zip(&judgement.statements) {
            let Some(node) = raw.node(field::stmt) else { continue };
            let from = statement.location as usize;
            let part = readable.get(from..from + statement.length as usize).unwrap_or_default();
            let open = text.open && part.contains(HOLE);
            self.statement_of_sql(node, statement, text.line_at(from, line), open);
        }
    }

    fn statement_of_sql(&mut self, node: Node<'_>, statement: &Statement, line: u32, open: bool) {
        if node.tag() == tag::TransactionStmt {
            // what follows a COMMIT runs by itself
            match node.value(field::kind) {
                value::TRANS_STMT_COMMIT => self.autocommit += 1,
                value::TRANS_STMT_BEGIN | value::TRANS_STMT_START => {
                    self.autocommit = self.autocommit.saturating_sub(1);
                }
                _ => {}
            }
        }
        if statement.class <= Class::Read && !open {
            return;
        }
        let operation = |action| Operation {
            reason: statement.reason.to_string(),
            ..statement_operation(line, statement.tag, action, statement.class, open)
        };
        let actions = actions(node);
        if actions.is_empty() {
            self.emit(operation(Action::Other));
        }
        for action in actions {
            self.emit(operation(action));
        }
        if node.tag() == tag::DoStmt {
            self.block_of_plpgsql(node, statement, line);
        }
    }

    /// The statements of a DO block may run or not.
    fn block_of_plpgsql(&mut self, node: Node<'_>, statement: &Statement, line: u32) {
        let Some(body) = schema::option(node, b"as") else { return };
        for expression in pgauthority_grammar::parse_plpgsql(&body).unwrap_or_default() {
            if expression.mode != Mode::Statements || expression.dynamic {
                continue;
            }
            let Ok(tree) = pgauthority_grammar::parse(&expression.query) else { continue };
            for inner in tree.statements().filter_map(|raw| raw.node(field::stmt)) {
                for action in actions(inner) {
                    self.emit(Operation {
                        conditional: true,
                        ..statement_operation(line, "DO", action, statement.class, false)
                    });
                }
            }
        }
    }
}

fn statement_operation(
    line: u32,
    name: &str,
    action: Action,
    class: Class,
    open: bool,
) -> Operation {
    Operation { class, sql: true, open, ..alembic::operation(line, name, action) }
}

/// A text as PostgreSQL's grammar reads it: with the places for parameters that SQLAlchemy
/// (`:name`) or the driver (`%s`, `%(name)s`) would fill, where they are needed.
fn readable(text: &str) -> Option<String> {
    let reads = |text: &str| pgauthority_grammar::parse(text.as_bytes()).is_ok();
    if text.contains('\0') {
        return None;
    }
    let with_names = named_parameters(text);
    if reads(&with_names) {
        return Some(with_names);
    }
    let with_all = driver_parameters(&with_names);
    reads(&with_all).then_some(with_all)
}

/// `:name` outside literals as `$1`, padded to the same length; `\:` as `:`.
fn named_parameters(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut made = Vec::with_capacity(bytes.len());
    let (mut at, mut quote) = (0, 0u8);
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        if quote != 0 {
            quote = if byte == quote { 0 } else { quote };
        } else if byte == b'\'' || byte == b'"' {
            quote = byte;
        } else if byte == b'\\' && next == b':' {
            made.push(b':');
            at += 2;
            continue;
        } else if byte == b':' && next == b':' {
            made.extend_from_slice(b"::");
            at += 2;
            continue;
        } else if byte == b':' && (next.is_ascii_alphabetic() || next == b'_') {
            let length =
                bytes.get(at + 1..).unwrap_or_default().iter().take_while(|b| word(b)).count();
            // SQLAlchemy writes the list of an expanding parameter
            let list = made.trim_ascii_end().to_ascii_lowercase().ends_with(b" in");
            made.extend_from_slice(if list { &b"($1)"[..] } else { &b"$1"[..] });
            made.resize(made.len() + length.saturating_sub(if list { 3 } else { 1 }), b' ');
            at += 1 + length;
            continue;
        }
        made.push(byte);
        at += 1;
    }
    String::from_utf8(made).unwrap_or_default()
}

/// `%s` and `%(name)s` as `$1`, `%%` as `%`, padded to the same length.
fn driver_parameters(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        made.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('%') {
            made.push_str("% ");
            rest = after;
        } else if let Some(after) = rest.strip_prefix('s') {
            made.push_str("$1");
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(")s"))
        {
            made.push_str("$1");
            made.extend(std::iter::repeat_n(' ', name.len() + 2));
            rest = after;
        } else {
            made.push('%');
        }
    }
    made + rest
}

/// What a statement does.
fn actions(node: Node<'_>) -> Vec<Action> {
    let relation = |name| node.node(name).map(name_of).unwrap_or_default();
    let one = match node.tag() {
        tag::AlterTableStmt if node.value(field::objtype) == value::OBJECT_TABLE => {
            let table = relation(field::relation);
            return node.list(field::cmds).map(|command| altered(&table, command)).collect();
        }
        tag::CreateStmt => create_table(node),
        tag::CreateTableAsStmt => {
            let into = node.node(field::into).and_then(|into| into.node(field::rel));
            let temporary = into.is_some_and(schema::is_temporary);
            let table = into.map(name_of).unwrap_or_default();
            match node.value(field::objtype) {
                value::OBJECT_TABLE => {
                    Action::CreateTable { table, columns: vec![], references: vec![], temporary }
                }
                _ => Action::CreateRelation { relation: table },
            }
        }
        tag::ViewStmt => Action::CreateRelation { relation: relation(field::view) },
        tag::CreateSeqStmt => Action::CreateRelation { relation: relation(field::sequence) },
        tag::CreateForeignTableStmt => {
            let base = node.node(field::base).and_then(|base| base.node(field::relation));
            Action::CreateRelation { relation: base.map(name_of).unwrap_or_default() }
        }
        tag::DropStmt => return dropped(node),
        tag::RenameStmt => return renamed(node).into_iter().collect(),
        tag::IndexStmt => Action::CreateIndex {
            table: relation(field::relation),
            name: schema::string(node, field::idxname),
            unique: node.flag(field::unique),
            concurrently: node.flag(field::concurrent),
        },
        tag::TruncateStmt => Action::Truncate {
            tables: node.list(field::relations).map(name_of).collect(),
            cascade: node.value(field::behavior) == value::DROP_CASCADE,
        },
        tag::InsertStmt | tag::CopyStmt => rows(Verb::Insert, node),
        tag::UpdateStmt => rows(Verb::Update, node),
        tag::DeleteStmt => rows(Verb::Delete, node),
        tag::DropdbStmt => Action::Drop {
            what: "DATABASE",
            name: schema::string(node, field::dbname),
            cascade: false,
            data: true,
        },
        tag::DropOwnedStmt => {
            Action::Drop { what: "OWNED", name: String::new(), cascade: false, data: true }
        }
        tag::CreatedbStmt => Action::OutsideTransaction { what: "CREATE DATABASE" },
        tag::AlterSystemStmt => Action::OutsideTransaction { what: "ALTER SYSTEM" },
        tag::VacuumStmt if node.flag(field::is_vacuumcmd) => {
            Action::OutsideTransaction { what: "VACUUM" }
        }
        tag::ReindexStmt if schema::is_on(node, b"concurrently") => {
            Action::OutsideTransaction { what: "REINDEX CONCURRENTLY" }
        }
        tag::ReindexStmt => Action::Locks {
            table: node.node(field::relation).map(name_of),
            why: "REINDEX keeps writers out, and readers that would use the index",
        },
        tag::ClusterStmt => Action::Locks {
            table: node.node(field::relation).map(name_of),
            why: "CLUSTER writes the table anew and keeps readers out",
        },
        tag::RefreshMatViewStmt if !node.flag(field::concurrent) => Action::Locks {
            table: node.node(field::relation).map(name_of),
            why: "REFRESH MATERIALIZED VIEW without CONCURRENTLY keeps readers out",
        },
        _ => return Vec::new(),
    };
    vec![one]
}

fn rows(verb: Verb, node: Node<'_>) -> Action {
    Action::Rows {
        verb,
        table: node.node(field::relation).map(name_of),
        filtered: node.has(field::whereClause) || node.has(field::usingClause),
    }
}

fn create_table(node: Node<'_>) -> Action {
    let relation = node.node(field::relation);
    let (mut columns, mut references) = (Vec::new(), Vec::new());
    for element in node.list(field::tableElts) {
        match element.tag() {
            tag::ColumnDef => {
                let column = schema::column(element);
                references.extend(column.references.iter().cloned());
                columns.push(column);
            }
            tag::Constraint => {
                references.extend(
                    schema::constraint(element).and_then(|one| one.table().map(str::to_owned)),
                );
            }
            _ => {}
        }
    }
    Action::CreateTable {
        table: relation.map(name_of).unwrap_or_default(),
        columns,
        references,
        temporary: relation.is_some_and(schema::is_temporary),
    }
}

fn altered(table: &str, command: Node<'_>) -> Action {
    let table = table.to_owned();
    let column = || schema::string(command, field::name);
    let definition = command.node(field::def);
    let alter = |table, change| Action::AlterColumn { table, column: column(), change };
    let rewrites = |table, why| Action::AlterTable { table, rewrites: Some(why) };
    match command.value(field::subtype) {
        value::AT_AddColumn => {
            Action::AddColumn { table, column: definition.map(schema::column).unwrap_or_default() }
        }
        value::AT_DropColumn => Action::DropColumn {
            table,
            column: column(),
            cascade: command.value(field::behavior) == value::DROP_CASCADE,
        },
        value::AT_AlterColumnType => {
            let to = definition.and_then(|one| one.node(field::typeName)).map(schema::type_name);
            alter(table, ColumnChange { to_unknown: to.is_none(), to, ..ColumnChange::default() })
        }
        value::AT_SetNotNull => {
            alter(table, ColumnChange { nullable: Some(false), ..ColumnChange::default() })
        }
        value::AT_DropNotNull => {
            alter(table, ColumnChange { nullable: Some(true), ..ColumnChange::default() })
        }
        value::AT_AddConstraint => match definition.and_then(schema::constraint) {
            Some(constraint) => Action::AddConstraint { table, constraint },
            None => Action::AlterTable { table, rewrites: None },
        },
        value::AT_ValidateConstraint => Action::ValidateConstraint { table },
        value::AT_DropConstraint => Action::DropConstraint { table },
        value::AT_SetLogged | value::AT_SetUnLogged => {
            rewrites(table, "SET LOGGED and UNLOGGED write the table anew")
        }
        value::AT_SetTableSpace => rewrites(table, "SET TABLESPACE copies the table"),
        value::AT_SetAccessMethod => rewrites(table, "SET ACCESS METHOD writes the table anew"),
        value::AT_AddIdentity => Action::AlterTable { table, rewrites: None },
        _ => Action::AlterTable { table, rewrites: None },
    }
}

fn dropped(node: Node<'_>) -> Vec<Action> {
    let cascade = node.value(field::behavior) == value::DROP_CASCADE;
    let (what, data) = match node.value(field::removeType) {
        value::OBJECT_TABLE => ("TABLE", true),
        value::OBJECT_INDEX => ("INDEX", false),
        value::OBJECT_SCHEMA => ("SCHEMA", true),
        value::OBJECT_SEQUENCE => ("SEQUENCE", false),
        value::OBJECT_VIEW => ("VIEW", false),
        value::OBJECT_MATVIEW => ("MATERIALIZED VIEW", false),
        value::OBJECT_TYPE => ("TYPE", false),
        value::OBJECT_EXTENSION => ("EXTENSION", false),
        value::OBJECT_FUNCTION | value::OBJECT_PROCEDURE | value::OBJECT_ROUTINE => {
            ("FUNCTION", false)
        }
        value::OBJECT_TRIGGER => ("TRIGGER", false),
        value::OBJECT_POLICY => ("POLICY", false),
        _ => ("OBJECT", false),
    };
    let named = node.list(field::objects).map(schema::object_name);
    named
        .map(|name| match what {
            "TABLE" => {
                let if_exists = node.flag(field::missing_ok);
                Action::DropTable { table: name, cascade, if_exists }
            }
            "INDEX" => {
                let concurrently = node.flag(field::concurrent);
                Action::DropIndex { table: None, name, concurrently }
            }
            _ => Action::Drop { what, name, cascade, data },
        })
        .collect()
}

fn renamed(node: Node<'_>) -> Option<Action> {
    let table = node.node(field::relation).map(name_of)?;
    let to = schema::string(node, field::newname);
    Some(match node.value(field::renameType) {
        value::OBJECT_TABLE => {
            // a renamed table stays in its schema
            let to = match table.rsplit_once('.') {
                Some((schema, _)) => format!("{schema}.{to}"),
                None => to,
            };
            Action::RenameTable { table, to }
        }
        value::OBJECT_COLUMN => {
            Action::RenameColumn { table, column: schema::string(node, field::subname), to }
        }
        value::OBJECT_TABCONSTRAINT => Action::AlterTable { table, rewrites: None },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_put_in_where_they_stand() {
        assert_eq!(
            named_parameters("a = :name AND b::text = ':x'"),
            "a = $1    AND b::text = ':x'"
        );
        assert_eq!(named_parameters("SELECT '12:30'\\:\\:time"), "SELECT '12:30'::time");
        assert_eq!(
            driver_parameters("a = %s AND b LIKE '%%x' OR c = %(c)s"),
            "a = $1 AND b LIKE '% x' OR c = $1   "
        );
        assert_eq!(readable("SELECT :a, %s").as_deref(), Some("SELECT $1, $1"));
        assert_eq!(readable("PRAGMA foreign_keys = OFF"), None);
    }
}
