//! What is known of a value of the program without running it.

use std::rc::Rc;

use super::machine::Scope;
use super::schema::{Column, Constraint, Type};
use super::text::Text;
use crate::governance::migrations::audit::python::Function;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing is known.
    Unknown,
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string.
    Str(Text),
    /// `sa.text("…")` and kin: SQL.
    Sql(Text),
    /// A list, tuple or set.
    List(Rc<Vec<Value>>),
    /// A dictionary.
    Dict(Rc<Vec<(Value, Value)>>),
    /// Something imported, by its dotted path.
    Path(Rc<str>),
    /// A function of the module, or of another one with what that binds.
    Function(Rc<Function>, Option<Rc<Scope>>),
    /// A class that describes no table, or one of its objects: what its body binds, by name.
    Class(Rc<Vec<(Value, Value)>>),
    /// What is called, and the first arguments that it will get: `functools.partial`.
    Partial(Rc<Partial>),
    /// `globals()`: the module's names.
    Globals,
    /// One of the module's functions, their names being made at run time: those that it may be.
    OneOf(Rc<Vec<Rc<Function>>>),
    /// What runs SQL: a connection, an engine, a session.
    Connection,
    /// A dialect: PostgreSQL's.
    Dialect,
    /// `op.get_context()`.
    Context,
    /// `autocommit_block()`.
    Autocommit,
    /// What `op.batch_alter_table` gives: the table.
    Batch(Rc<str>),
    /// A table, or a mapped class.
    Table(Rc<Table>),
    /// A column.
    Column(Rc<Column>),
    /// A constraint or an index of a table.
    Constraint(Rc<Constraint>),
    /// A type.
    Type(Type),
    /// A statement that SQLAlchemy will write.
    Dml(Dml),
}

/// A call that lacks its last arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// What is called.
    pub callee: Value,
    /// The arguments that it gets first.
    pub first: Vec<Value>,
    /// Those that it gets by name.
    pub named: Vec<(String, Value)>,
}

/// A table as the program describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name, with its schema where one is given.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// INSERT, UPDATE, DELETE or SELECT by way of SQLAlchemy.
#[derive(Clone, Debug, PartialEq)]
pub struct Dml {
    /// Which.
    pub verb: Verb,
    /// Of what.
    pub table: Option<Rc<str>>,
    /// Whether it has a condition.
    pub filtered: bool,
    /// It is a query of a session, whose `delete()` and `update()` run at once.
    pub query: bool,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Rows are read.
    Select,
    /// Rows are added.
    Insert,
    /// Rows are changed.
    Update,
    /// Rows are removed.
    Delete,
}

impl Value {
    /// A plain text.
    pub fn text(text: &str, line: u32) -> Value {
        Value::Str(Text::new(text, line))
    }

    /// Something imported.
    pub fn path(path: impl Into<Rc<str>>) -> Value {
        Value::Path(path.into())
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Rc::new(items))
    }

    /// The string, if all of it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Value::Str(text) if !text.open => Some(&text.text),
            _ => None,
        }
    }

    /// What it is as a condition, if that is known.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Value::Unknown | Value::Dml(_) => None,
            Value::None => Some(false),
            Value::Bool(value) => Some(*value),
            Value::Int(value) => Some(*value != 0),
            Value::Str(text) => (!text.open).then_some(!text.text.is_empty()),
            Value::List(items) => Some(!items.is_empty()),
            Value::Dict(pairs) => Some(!pairs.is_empty()),
            _ => Some(true),
        }
    }

    /// What iterating over it gives, if that is known.
    pub fn items(&self) -> Option<Vec<Value>> {
        match self {
            Value::List(items) => Some(items.to_vec()),
            Value::Dict(pairs) => Some(pairs.iter().map(|(key, _)| key.clone()).collect()),
            // an enum's members
            Value::Class(pairs) => {
                let values = pairs.iter().map(|(_, value)| value);
                let constant = |value: &&Value| !matches!(value, Value::Function(..));
                Some(values.filter(constant).cloned().collect())
            }
            _ => None,
        }
    }

    /// It as it would be written into a text.
    pub fn written(&self, line: u32) -> Text {
        match self {
            Value::Str(text) | Value::Sql(text) => text.clone(),
            Value::Int(number) => Text::new(&number.to_string(), line),
            Value::Bool(true) => Text::new("True", line),
            Value::Bool(false) => Text::new("False", line),
            Value::None => Text::new("None", line),
            Value::Table(table) => Text::new(&table.name, line),
            Value::Column(column) => Text::new(&column.name, line),
            _ => Text::hole(line),
        }
    }
}
