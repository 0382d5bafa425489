//! Calls: whose function it is decides what is known of it.

use std::rc::Rc;

use super::alembic::operation;
use super::computed::{callee, is_method};
use super::machine::Machine;
use super::text::Text;
use super::value::{Dml, Partial, Value, Verb};
use crate::governance::migrations::audit::operation::Action;
use crate::governance::migrations::audit::python::{Call, ExprKind};

/// Libraries whose functions change no database by themselves.
const HARMLESS: &[&str] = &[
    "logging",
    "os",
    "sys",
    "json",
    "re",
    "uuid",
    "datetime",
    "time",
    "typing",
    "collections",
    "itertools",
    "functools",
    "textwrap",
    "warnings",
    "contextlib",
    "enum",
    "pathlib",
    "hashlib",
    "random",
    "secrets",
    "string",
    "copy",
    "math",
    "base64",
    "builtins",
    "dataclasses",
    "inspect",
    "importlib",
    "packaging",
    "click",
    "rich",
    "structlog",
    "loguru",
    "tqdm",
    "oslo_log",
    "oslo_utils",
    "pendulum",
    "dateutil",
    "decimal",
    "pickle",
    "yaml",
    "ast",
    "operator",
    "zlib",
    "alembic.context",
    "alembic.util",
    "alembic.migration",
    "alembic.runtime",
    "dill",
    "cryptography",
    "passlib",
    "bcrypt",
    "croniter",
    "pytz",
    "simplejson",
    "gettext",
    "urllib",
    "codecs",
    "numpy",
    "isodate",
];

/// Arguments of a call.
pub(super) struct Given {
    pub arguments: Vec<Value>,
    pub named: Vec<(String, Value)>,
    pub line: u32,
}

impl Given {
    /// An argument by place or name.
    pub fn get(&self, place: usize, name: &str) -> &Value {
        self.arguments.get(place).unwrap_or_else(|| self.keyword(name))
    }

    /// An argument by name.
    pub fn keyword(&self, name: &str) -> &Value {
        let given = self.named.iter().find(|(given, _)| given == name);
        given.map_or(&Value::Unknown, |(_, value)| value)
    }

    /// Whether an argument is given by name.
    pub fn has(&self, name: &str) -> bool {
        self.named.iter().any(|(given, _)| given == name)
    }

    /// An argument by name that is true or false.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.keyword(name) {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether an argument by name is `True`.
    pub fn is_on(&self, name: &str) -> bool {
        self.flag(name) == Some(true)
    }
}

impl Machine<'_> {
    /// A call: its value; what it does is noted.
    pub(super) fn call(&mut self, call: &Call, line: u32) -> Value {
        if let ExprKind::Attribute(object, name) = &call.function.kind {
            let object = self.eval(object);
            let mut given = self.given(call, line);
            let callee = self.attribute(&object, name);
            if let (Value::Class(_), Value::Function(function, _)) = (&object, &callee)
                && is_method(function)
            {
                given.arguments.insert(0, object.clone());
            }
            return match self.apply(&callee, given) {
                Ok(value) => value,
                Err(given) => self.call_method(&object, name, given),
            };
        }
        let function = self.eval(&call.function);
        let given = self.given(call, line);
        self.apply(&function, given).unwrap_or_else(|_| {
            self.unseen(&callee(&call.function), line);
            Value::Unknown
        })
    }

    /// A call of a value; gives the arguments back where nothing is known of it.
    pub(super) fn apply(&mut self, callee: &Value, given: Given) -> Result<Value, Given> {
        Ok(match callee {
            Value::Path(path) => self.call_path(path, given),
            Value::Function(function, home) => self.enter(function, home.clone(), given),
            Value::Connection => Value::Connection,
            Value::Table(_) => Value::Unknown,
            Value::Class(_) => self.construct(callee, given),
            Value::Partial(partial) => {
                let mut arguments = partial.first.clone();
                arguments.extend(given.arguments);
                let named = partial.named.iter().cloned().chain(given.named).collect();
                return self.apply(&partial.callee, Given { arguments, named, line: given.line });
            }
            Value::OneOf(functions) => self.one_of(functions, given),
            _ => return Err(given),
        })
    }

    fn given(&mut self, call: &Call, line: u32) -> Given {
        let arguments = self.all(&call.arguments);
        let named = call.named.iter().map(|(name, value)| (name.clone(), self.eval(value)));
        Given { arguments, named: named.collect(), line }
    }

    /// A call of something imported.
    fn call_path(&mut self, path: &str, given: Given) -> Value {
        if let Some(name) = path.strip_prefix("alembic.op.") {
            return self.operation(name, None, &given);
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        match path {
            "alembic.context.is_offline_mode" => return Value::Bool(false),
            "alembic.context.get_context" | "alembic.migration.MigrationContext.configure" => {
                return Value::Context;
            }
            "alembic.context.get_bind" => return Value::Connection,
            "textwrap.dedent" | "inspect.cleandoc" | "typing.cast" => {
                return given.arguments.last().cloned().unwrap_or(Value::Unknown);
            }
            _ => {}
        }
        if let Some(name) = path.strip_prefix("builtins.") {
            return match self.computed(name, &given) {
                Some(value) => value,
                None => self.builtin(name, &given.arguments, given.line),
            };
        }
        if path == "functools.partial"
            && let Some((callee, first)) = given.arguments.split_first()
        {
            let (callee, first) = (callee.clone(), first.to_vec());
            return Value::Partial(Rc::new(Partial { callee, first, named: given.named }));
        }
        if let Some(value) = self.sqlalchemy(path, last, &given) {
            return value;
        }
        if last == "create_all" || last == "drop_all" {
            return self.all_models(last, given.line);
        }
        match self.imported(path) {
            Some(Value::Function(function, home)) => {
                return self.enter(&function, home, given);
            }
            Some(Value::Path(_) | Value::Unknown) | None => {}
            Some(_) => return Value::Unknown,
        }
        // a method of an imported table
        if let Some((object, name)) = path.rsplit_once('.')
            && let Some(
                object @ (Value::Table(_)
                | Value::Str(_)
                | Value::Dict(_)
                | Value::Class(_)
                | Value::List(_)),
            ) = self.imported(object)
        {
            return self.call_method(&object, name, given);
        }
        let is_of = |known: &&str| {
            path.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let of_a_type = last.starts_with(char::is_uppercase) && !last.contains('_');
        let about_logs =
            path.split('.').any(|part| part.eq_ignore_ascii_case("logger") || part == "log");
        if !HARMLESS.iter().any(is_of)
            && !of_a_type
            && !about_logs
            && !path.starts_with("sqlalchemy.")
            && !path.starts_with("sqlmodel.")
        {
            self.unseen(path.trim_start_matches('.'), given.line);
        }
        Value::Unknown
    }

    /// `metadata.create_all()`, `drop_all()`.
    fn all_models(&mut self, name: &str, line: u32) -> Value {
        match name {
            "create_all" => {
                self.create_models(line);
                self.emit(operation(line, name, Action::CreateAll));
            }
            _ => self.emit(operation(line, name, Action::DropAll)),
        }
        Value::Unknown
    }

    /// A call of a method of a value.
    fn call_method(&mut self, object: &Value, name: &str, given: Given) -> Value {
        if let Some(value) = self.method(object, name, &given.arguments, &given.named, given.line) {
            return value;
        }
        match (object, name) {
            (Value::Batch(table), _) => {
                let table = table.clone();
                self.operation(name, Some(&table), &given)
            }
            (Value::Context, "autocommit_block") => Value::Autocommit,
            (
                Value::Context | Value::Connection,
                "begin_transaction" | "begin" | "begin_nested" | "connect" | "connection"
                | "get_bind" | "no_autoflush",
            ) => Value::Connection,
            (Value::Connection, "execution_options") => {
                if given.keyword("isolation_level").known() == Some("AUTOCOMMIT") {
                    self.autocommit += 1;
                }
                Value::Connection
            }
            (_, "create_all" | "drop_all") => self.all_models(name, given.line),
            (_, "execute" | "exec_driver_sql" | "scalar" | "scalars" | "exec" | "executemany") => {
                self.executed(object, &given)
            }
            (Value::Connection, "query") => Value::Dml(Dml {
                verb: Verb::Select,
                table: given.arguments.first().and_then(table_of),
                filtered: false,
                query: true,
            }),
            (Value::Connection, _) => Value::Unknown,
            (
                Value::Sql(_),
                "bindparams" | "params" | "columns" | "execution_options" | "label",
            ) => object.clone(),
            (Value::Table(table), "insert" | "update" | "delete" | "select") => Value::Dml(Dml {
                verb: verb(name),
                table: Some(table.name.as_str().into()),
                filtered: matches!(given.arguments.first(), Some(argument) if *argument != Value::None)
                    || given.has("whereclause"),
                query: false,
            }),
            (Value::Table(table), "create") => {
                let (table, columns) = (table.name.clone(), table.columns.clone());
                let action =
                    Action::CreateTable { table, columns, references: vec![], temporary: false };
                self.emit(operation(given.line, "create", action));
                Value::Unknown
            }
            (Value::Table(table), "drop") => {
                let table = table.name.clone();
                let action = Action::DropTable { table, cascade: false, if_exists: false };
                self.emit(operation(given.line, "drop", action));
                Value::Unknown
            }
            (Value::Dml(dml), _) => self.built(dml, name, &given),
            (Value::Type(_) | Value::Column(_), _) => object.clone(),
            // of a class that this one is made of
            (Value::Class(pairs), _)
                if pairs.iter().any(|(_, v)| matches!(v, Value::Function(..))) =>
            {
                self.unseen(name, given.line);
                Value::Unknown
            }
            _ => Value::Unknown,
        }
    }

    /// A method of a statement that SQLAlchemy builds.
    fn built(&mut self, dml: &Dml, name: &str, given: &Given) -> Value {
        let mut dml = dml.clone();
        match name {
            "where" | "filter" | "filter_by" | "limit" => {
                dml.filtered = true;
                Value::Dml(dml)
            }
            "delete" | "update" if dml.query => {
                dml.verb = verb(name);
                self.rows(&dml, given.line);
                Value::Unknown
            }
            "all" | "first" | "one" | "one_or_none" | "count" | "scalar" | "yield_per"
            | "fetchall" | "get" | "scalar_subquery" | "subquery" | "cte" => Value::Unknown,
            _ => Value::Dml(dml),
        }
    }

    /// What a connection is told to run.
    fn executed(&mut self, object: &Value, given: &Given) -> Value {
        let first = given.arguments.first().or_else(|| given.named.first().map(|(_, value)| value));
        match first {
            Some(Value::Str(text) | Value::Sql(text)) => self.sql(&text.clone(), given.line),
            Some(Value::Dml(dml)) => self.rows(&dml.clone(), given.line),
            Some(Value::Unknown) if *object == Value::Connection => {
                // may well be a query
                self.sql(&Text::hole(given.line), given.line);
            }
            _ => {}
        }
        Value::Unknown
    }

    /// A statement that SQLAlchemy builds is run.
    pub(super) fn rows(&mut self, dml: &Dml, line: u32) {
        if dml.verb == Verb::Select {
            return;
        }
        let name = match dml.verb {
            Verb::Insert => "insert",
            Verb::Update => "update",
            Verb::Select | Verb::Delete => "delete",
        };
        let action = Action::Rows {
            verb: dml.verb,
            table: dml.table.as_ref().map(|table| table.to_string()),
            filtered: dml.filtered,
        };
        self.emit(operation(line, name, action));
    }
}

fn verb(name: &str) -> Verb {
    match name {
        "insert" => Verb::Insert,
        "update" => Verb::Update,
        "delete" => Verb::Delete,
        _ => Verb::Select,
    }
}

/// The table that a value is.
pub(super) fn table_of(value: &Value) -> Option<Rc<str>> {
    match value {
        Value::Table(table) => Some(table.name.as_str().into()),
        Value::Dml(dml) => dml.table.clone(),
        _ => None,
    }
}
