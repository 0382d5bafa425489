//! What SQLAlchemy's constructors make: columns, types, constraints, tables, statements.

use std::rc::Rc;

use super::calls::{Given, table_of};
use super::machine::Machine;
use super::schema::{Column, Constraint, ConstraintKind, Default_, Type};
use super::sql_schema;
use super::text::Text;
use super::value::{Dml, Table, Value, Verb};

impl Machine<'_> {
    /// What a constructor makes. `None`: it is none that is known.
    pub(super) fn sqlalchemy(&mut self, path: &str, last: &str, given: &Given) -> Option<Value> {
        let ours = path.starts_with("sqlalchemy") || path.starts_with("sqlmodel");
        if let Some(function) = path.split_once(".func.").map(|(_, name)| name) {
            return Some(Value::Sql(Text::new(&format!("{function}()"), given.line)));
        }
        Some(match last {
            "text" | "literal_column" | "TextClause" | "DDL" if ours => {
                match given.get(0, "text") {
                    Value::Str(text) => Value::Sql(text.clone()),
                    _ => Value::Sql(Text::hole(given.line)),
                }
            }
            "quoted_name" | "conv" if ours => given.get(0, "name").clone(),
            "false" | "true" | "null" if ours => Value::Sql(Text::new(last, given.line)),
            "Column" | "column" | "Field" | "mapped_column" => {
                Value::Column(Rc::new(column(given)))
            }
            "FetchedValue" => Value::Unknown,
            "Computed" => constraint_marker("generated"),
            "Identity" | "Sequence" => constraint_marker("identity"),
            "ForeignKey" => match given.get(0, "column") {
                Value::Str(text) => Value::Constraint(Rc::new(Constraint {
                    kind: ConstraintKind::Foreign(referred(&text.text)),
                    not_valid: false,
                    using_index: false,
                })),
                _ => foreign(None),
            },
            "ForeignKeyConstraint" => {
                let first = given.get(1, "refcolumns").items();
                let first = first.as_ref().and_then(|columns| columns.first());
                foreign(first.and_then(Value::known).and_then(referred))
            }
            "UniqueConstraint" => constraint(ConstraintKind::Unique),
            "PrimaryKeyConstraint" => constraint(ConstraintKind::Primary),
            "CheckConstraint" => constraint(ConstraintKind::Check(None)),
            "ExcludeConstraint" => constraint(ConstraintKind::Exclude),
            "Index" => constraint(ConstraintKind::Index),
            "Table" | "table" | "TableClause" => Value::Table(Rc::new(table(given))),
            "delete" | "insert" | "update" | "select" if ours => Value::Dml(Dml {
                verb: match last {
                    "delete" => Verb::Delete,
                    "insert" => Verb::Insert,
                    "update" => Verb::Update,
                    _ => Verb::Select,
                },
                table: given.arguments.first().and_then(table_of),
                filtered: false,
                query: false,
            }),
            "Session" | "scoped_session" | "sessionmaker" | "create_engine" => Value::Connection,
            "inspect" if ours => Value::Unknown,
            "ARRAY" => Value::Type(Type::Other("array".to_owned())),
            _ if last.starts_with(char::is_uppercase) => {
                let sizes: Vec<u32> = given
                    .arguments
                    .iter()
                    .chain(
                        given
                            .named
                            .iter()
                            .filter(|(name, _)| {
                                matches!(name.as_str(), "length" | "precision" | "scale")
                            })
                            .map(|(_, value)| value),
                    )
                    .filter_map(number)
                    .collect();
                let timezone = given.is_on("timezone")
                    || matches!(given.arguments.first(), Some(Value::Bool(true)));
                match Type::of_class(last, &sizes, timezone) {
                    Some(Type::Enum(_)) => Value::Type(Type::Enum(
                        given.keyword("name").known().unwrap_or_default().to_owned(),
                    )),
                    Some(known) => Value::Type(known),
                    None if ours => Value::Type(Type::Other(last.to_owned())),
                    None => return None,
                }
            }
            _ => return None,
        })
    }
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::Int(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}

/// What `Computed` and `Identity` leave for the column that they are given to.
fn constraint_marker(word: &str) -> Value {
    Value::path(format!("column.{word}"))
}

fn constraint(kind: ConstraintKind) -> Value {
    Value::Constraint(Rc::new(Constraint { kind, not_valid: false, using_index: false }))
}

fn foreign(table: Option<String>) -> Value {
    constraint(ConstraintKind::Foreign(table))
}

/// The table of `table.column` or `schema.table.column`.
fn referred(target: &str) -> Option<String> {
    target.rsplit_once('.').map(|(table, _)| table.to_owned())
}

/// A type from what stands in its place: a type, or the class of one.
pub(super) fn type_of(value: &Value) -> Option<Type> {
    match value {
        Value::Type(known) => Some(known.clone()),
        Value::Path(path) => {
            let last = path.rsplit('.').next().unwrap_or(path);
            let named =
                || last.starts_with(char::is_uppercase).then(|| Type::Other(last.to_owned()));
            Type::of_class(last, &[], false).or_else(named)
        }
        _ => None,
    }
}

/// `server_default=…`.
pub(super) fn default_of(value: &Value) -> Default_ {
    match value {
        Value::None => Default_::None,
        Value::Bool(_) | Value::Str(_) | Value::Int(_) => Default_::Constant,
        Value::Sql(text) if text.open => Default_::Unknown,
        Value::Sql(text) => sql_schema::default(&text.text),
        Value::Path(path) if path.starts_with("column.") => {
            Default_::Volatile(path.trim_start_matches("column.").to_owned())
        }
        _ => Default_::Unknown,
    }
}

fn column(given: &Given) -> Column {
    let mut column = Column {
        nullable: given.flag("nullable"),
        primary_key: given.is_on("primary_key"),
        unique: given.is_on("unique"),
        index: given.is_on("index"),
        ..Column::default()
    };
    if given.has("server_default") {
        column.default = default_of(given.keyword("server_default"));
    }
    let mut arguments = given.arguments.iter();
    if let Some(Value::Str(name)) = given.arguments.first() {
        column.name = name.text.clone();
        arguments.next();
    } else if let Value::Str(name) = given.keyword("name") {
        column.name = name.text.clone();
    }
    for argument in arguments.chain([given.keyword("type_")]) {
        match argument {
            Value::Constraint(constraint) => {
                if let ConstraintKind::Foreign(Some(table)) = &constraint.kind {
                    column.references.push(table.clone());
                }
            }
            Value::Path(path) if path.starts_with("column.") => {
                column.default = default_of(argument);
            }
            other => {
                if column.type_.is_none() {
                    column.type_ = type_of(other);
                }
            }
        }
    }
    if column.type_ == Some(Type::Serial) {
        column.default = Default_::Volatile("a sequence".to_owned());
    }
    column
}

fn table(given: &Given) -> Table {
    let mut name = match given.get(0, "name") {
        Value::Str(text) => text.text.clone(),
        _ => super::text::HOLE.to_owned(),
    };
    if let Some(schema) = given.keyword("schema").known() {
        name = format!("{schema}.{name}");
    }
    let columns = given.arguments.iter().filter_map(|argument| match argument {
        Value::Column(column) => Some((**column).clone()),
        _ => None,
    });
    Table { name, columns: columns.collect() }
}
