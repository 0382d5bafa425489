//! Expressions: what is known of their values. Calls may do something on the way.

use std::rc::Rc;

use super::machine::Machine;
use super::text::Text;
use super::value::{Dml, Value, Verb};
use crate::governance::migrations::audit::python::{Expr, ExprKind, Part};

impl Machine<'_> {
    /// What an expression is.
    pub(super) fn eval(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            ExprKind::Str(parts) => Value::Str(self.text(parts, expr.line)),
            ExprKind::Int(number) => Value::Int(*number),
            ExprKind::Bool(value) => Value::Bool(*value),
            ExprKind::None => Value::None,
            ExprKind::Name(name) => {
                let value = self.name(name);
                self.told(value)
            }
            ExprKind::Attribute(object, name) => {
                let object = self.eval(object);
                let value = self.attribute(&object, name);
                self.told(value)
            }
            ExprKind::Subscript(object, index) => {
                let (object, index) = (self.eval(object), self.eval(index));
                match object {
                    Value::Globals => self.global(&index),
                    _ => item(&object, &index),
                }
            }
            ExprKind::Call(call) => self.call(call, expr.line),
            ExprKind::Sequence(items) => Value::list(self.all(items)),
            ExprKind::Dict(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| (self.eval(key), self.eval(value)));
                Value::Dict(Rc::new(pairs.collect()))
            }
            ExprKind::Binary(left, operator, right) => {
                let (left, right) = (self.eval(left), self.eval(right));
                binary(&left, operator, &right, expr.line)
            }
            ExprKind::Compare(left, operator, right) => {
                let (left, right) = (self.eval(left), self.eval(right));
                compare(&left, operator, &right).map_or(Value::Unknown, Value::Bool)
            }
            ExprKind::Logical(left, and, right) => {
                let left = self.eval(left);
                match left.truth() {
                    Some(truth) if truth != *and => left,
                    Some(_) => self.eval(right),
                    None => match self.eval(right).truth() {
                        Some(truth) if truth != *and => Value::Bool(truth),
                        _ => Value::Unknown,
                    },
                }
            }
            ExprKind::Not(value) => {
                self.eval(value).truth().map_or(Value::Unknown, |truth| Value::Bool(!truth))
            }
            ExprKind::Choice(parts) => {
                let [condition, value, otherwise] = &**parts;
                match self.eval(condition).truth() {
                    Some(true) => self.eval(value),
                    Some(false) => self.eval(otherwise),
                    None => {
                        let (value, otherwise) = (self.eval(value), self.eval(otherwise));
                        if value == otherwise { value } else { Value::Unknown }
                    }
                }
            }
            ExprKind::Comprehension(parts) => {
                let [element, target, items] = &**parts;
                let Some(items) = self.eval(items).items().filter(|items| items.len() < 1000)
                else {
                    self.assign(target, Value::Unknown);
                    self.eval(element);
                    return Value::Unknown;
                };
                let mut made = Vec::new();
                for item in items {
                    self.assign(target, item);
                    made.push(self.eval(element));
                }
                Value::list(made)
            }
            ExprKind::Splat(value) => self.eval(value),
            ExprKind::Other(parts) => {
                self.all(parts);
                Value::Unknown
            }
        }
    }

    /// Several, `*items` spread out.
    pub(super) fn all(&mut self, exprs: &[Expr]) -> Vec<Value> {
        let mut values = Vec::new();
        for expr in exprs {
            let value = self.eval(expr);
            match (&expr.kind, value.items()) {
                (ExprKind::Splat(_), Some(items)) => values.extend(items),
                _ => values.push(value),
            }
        }
        values
    }

    fn text(&mut self, parts: &[Part], line: u32) -> Text {
        let mut text = Text::default();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_literal(literal),
                Part::Hole { expr, formatted } => {
                    let value = self.eval(expr);
                    let written = match formatted {
                        true => Text::hole(expr.line),
                        false => value.written(expr.line),
                    };
                    text.put(&written, expr.line);
                }
            }
        }
        if text.text.is_empty() { Text::new("", line) } else { text }
    }

    /// An imported constant or table for its name; anything else imported stays its path.
    fn told(&mut self, value: Value) -> Value {
        let Value::Path(path) = &value else { return value };
        let path = path.clone();
        match self.imported(&path) {
            Some(Value::Str(text)) => Value::Str(text.elsewhere()),
            Some(
                known @ (Value::Int(_)
                | Value::Bool(_)
                | Value::List(_)
                | Value::Table(_)
                | Value::Sql(_)
                | Value::None),
            ) => known,
            _ => value,
        }
    }

    fn name(&self, name: &str) -> Value {
        self.lookup(name).unwrap_or_else(|| match super::builtins::is_builtin(name) {
            true => Value::path(format!("builtins.{name}")),
            false => Value::Unknown,
        })
    }

    /// `object.name`.
    pub(super) fn attribute(&self, object: &Value, name: &str) -> Value {
        match (object, name) {
            (_, "dialect") => Value::Dialect,
            (Value::Dialect | Value::Connection, "name") => Value::text("postgresql", 0),
            (Value::Dialect, "driver") => Value::text("psycopg", 0),
            (Value::Path(path), _) => Value::path(format!("{path}.{name}")),
            // of an enum's member
            (Value::Str(_) | Value::Int(_), "value") => object.clone(),
            (Value::Connection, "engine" | "bind" | "connection") => Value::Connection,
            (Value::Context, "bind" | "connection") => Value::Connection,
            (Value::Table(table), "__table__") => Value::Table(table.clone()),
            (Value::Table(table), "name" | "__tablename__" | "fullname") => {
                Value::text(&table.name, 0)
            }
            (Value::Class(pairs), _) => bound(pairs, name),
            // a class elsewhere, whose functions are not followed
            (Value::Dict(pairs), _) => match bound(pairs, name) {
                Value::Function(..) => Value::Unknown,
                found => found,
            },
            _ => Value::Unknown,
        }
    }
}

/// What a class binds to a name.
fn bound(pairs: &[(Value, Value)], name: &str) -> Value {
    let found = pairs.iter().find(|(key, _)| key.known() == Some(name));
    found.map_or(Value::Unknown, |(_, value)| value.clone())
}

/// `object[index]`.
fn item(object: &Value, index: &Value) -> Value {
    let found = match (object, index) {
        (Value::List(items), Value::Int(at)) => {
            let at = if *at < 0 { *at + items.len() as i64 } else { *at };
            usize::try_from(at).ok().and_then(|at| items.get(at)).cloned()
        }
        (Value::Dict(pairs), index) => {
            pairs.iter().find(|(key, _)| same(key, index)).map(|(_, value)| value.clone())
        }
        _ => None,
    };
    found.unwrap_or(Value::Unknown)
}

/// Whether two known values are the same.
fn same(left: &Value, right: &Value) -> bool {
    equal(left, right) == Some(true)
}

fn equal(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Str(left), Value::Str(right)) => {
            (!left.open && !right.open).then(|| left.text == right.text)
        }
        (Value::Int(left), Value::Int(right)) => Some(left == right),
        (Value::Bool(left), Value::Bool(right)) => Some(left == right),
        (Value::None, Value::None) => Some(true),
        (Value::Unknown | Value::Dml(_), _) | (_, Value::Unknown | Value::Dml(_)) => None,
        (Value::None, _) | (_, Value::None) => Some(false),
        _ => None,
    }
}

fn compare(left: &Value, operator: &str, right: &Value) -> Option<bool> {
    match operator {
        "==" | "is" => equal(left, right),
        "!=" | "is not" => equal(left, right).map(|equal| !equal),
        "in" | "not in" => {
            let inside = match right {
                Value::Str(text) => text_has(text, left)?,
                _ => {
                    let items = right.items()?;
                    let answers: Vec<Option<bool>> =
                        items.iter().map(|item| equal(left, item)).collect();
                    match answers.contains(&Some(true)) {
                        true => true,
                        false if answers.contains(&None) => return None,
                        false => false,
                    }
                }
            };
            Some(inside == (operator == "in"))
        }
        "<" | ">" | "<=" | ">=" => match (left, right) {
            (Value::Int(left), Value::Int(right)) => Some(match operator {
                "<" => left < right,
                ">" => left > right,
                "<=" => left <= right,
                _ => left >= right,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn text_has(text: &Text, value: &Value) -> Option<bool> {
    let part = value.known()?;
    (!text.open).then(|| text.text.contains(part))
}

fn binary(left: &Value, operator: &str, right: &Value, line: u32) -> Value {
    match (left, operator, right) {
        (Value::Str(left), "+", Value::Str(right)) => {
            let mut text = left.clone();
            text.push(right);
            Value::Str(text)
        }
        (Value::Str(left), "+", other) | (other, "+", Value::Str(left))
            if !matches!(other, Value::List(_) | Value::Int(_)) =>
        {
            let mut text = match std::ptr::eq(other, right) {
                true => left.clone(),
                false => other.written(line),
            };
            match std::ptr::eq(other, right) {
                true => text.put(&right.written(line), line),
                false => text.push(left),
            }
            Value::Str(text)
        }
        (Value::Str(format), "%", value) => Value::Str(percent(format, value, line)),
        (Value::List(left), "+", Value::List(right)) => {
            Value::list(left.iter().chain(right.iter()).cloned().collect())
        }
        (Value::Int(left), "+", Value::Int(right)) => {
            left.checked_add(*right).map_or(Value::Unknown, Value::Int)
        }
        (Value::Int(left), "-", Value::Int(right)) => {
            left.checked_sub(*right).map_or(Value::Unknown, Value::Int)
        }
        // a condition of SQLAlchemy's
        (Value::Dml(dml), _, _) if dml.verb == Verb::Select => Value::Dml(Dml::clone(dml)),
        _ => Value::Unknown,
    }
}

/// `format % value`.
fn percent(format: &Text, value: &Value, line: u32) -> Text {
    let mut items = match value {
        Value::List(items) => items.to_vec(),
        one => vec![one.clone()],
    }
    .into_iter();
    let mut text = Text::default();
    let (mut from, bytes) = (0, format.text.as_bytes());
    while let Some(at) = bytes.get(from..).and_then(|rest| memchr::memchr(b'%', rest)) {
        let at = from + at;
        text.push(&format.part(from, at));
        let rest = format.text.get(at + 1..).unwrap_or_default();
        if rest.starts_with('%') {
            text.push(&Text::new("%", format.line_at(at, line)));
            from = at + 2;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        {
            let named = item(value, &Value::text(name, line));
            text.put(&written_as(&named, after, line), format.line_at(at, line));
            from = at + 1 + name.len() + 3;
        } else {
            let next = items.next().unwrap_or(Value::Unknown);
            text.put(&written_as(&next, rest, line), format.line_at(at, line));
            from = at + 2;
        }
    }
    text.push(&format.part(from.min(bytes.len()), bytes.len()));
    text
}

/// A value for `%s` or `%d`; other conversions are not followed.
fn written_as(value: &Value, conversion: &str, line: u32) -> Text {
    match conversion.starts_with(['s', 'd', 'i']) {
        true => value.written(line),
        false => Text::hole(line),
    }
}
