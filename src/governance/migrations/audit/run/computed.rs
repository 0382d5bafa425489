//! Calls whose callee is worked out: names of the module's functions made at run time (the template
//! `multidb` of Alembic), `getattr`, `map`, classes and their functions.

use std::rc::Rc;

use super::calls::Given;
use super::machine::{Known, Machine};
use super::modules::Modules;
use super::text::HOLE;
use super::value::Value;
use crate::governance::migrations::audit::python::{Expr, ExprKind, Function, Stmt, StmtKind};

impl Machine<'_> {
    /// One of Python's own functions that calls or finds another. `None`: it does neither.
    pub(super) fn computed(&mut self, name: &str, given: &Given) -> Option<Value> {
        match (name, given.arguments.as_slice()) {
            ("globals", []) => Some(Value::Globals),
            ("getattr", [object, attribute, ..]) => {
                let name = attribute.known()?.to_owned();
                let found = self.attribute(object, &name);
                (found != Value::Unknown).then_some(found)
            }
            ("map" | "filter", [callee, lists @ ..]) => self.each(name, callee, lists, given.line),
            _ => None,
        }
    }

    /// `map(callee, …)`: a call for each item.
    fn each(&mut self, name: &str, callee: &Value, lists: &[Value], line: u32) -> Option<Value> {
        let given = |arguments| Given { arguments, named: Vec::new(), line };
        let Some(items) = lists.first().and_then(Value::items).filter(|items| items.len() < 1000)
        else {
            self.conditional += 1;
            let _ = self.apply(callee, given(vec![Value::Unknown]));
            self.conditional -= 1;
            return Some(Value::Unknown);
        };
        let others: Vec<Vec<Value>> =
            lists.iter().skip(1).map(|list| list.items().unwrap_or_default()).collect();
        let mut made = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            let more = others.iter().map(|list| list.get(at).cloned().unwrap_or(Value::Unknown));
            let arguments = std::iter::once(item).chain(more).collect();
            made.push(self.apply(callee, given(arguments)).unwrap_or(Value::Unknown));
        }
        Some(if name == "map" { Value::list(made) } else { Value::Unknown })
    }

    /// `globals()[index]`.
    pub(super) fn global(&self, index: &Value) -> Value {
        match index.known() {
            Some(name) => self.lookup(name).unwrap_or(Value::Unknown),
            None => match fitting(self.known, index) {
                found if found.is_empty() => Value::Unknown,
                found => Value::OneOf(Rc::new(found)),
            },
        }
    }

    /// One of several functions is called: what each would do is done perhaps.
    pub(super) fn one_of(&mut self, functions: &[Rc<Function>], given: Given) -> Value {
        let Given { arguments, named, line } = given;
        self.conditional += 1;
        for function in functions {
            let given = Given { arguments: arguments.clone(), named: named.clone(), line };
            self.enter(function, None, given);
        }
        self.conditional -= 1;
        Value::Unknown
    }

    /// An object of a class is made. Exceptions, enums and kin do nothing.
    pub(super) fn construct(&mut self, class: &Value, given: Given) -> Value {
        if let Value::Function(function, home) = self.attribute(class, "__init__") {
            let Given { mut arguments, named, line } = given;
            arguments.insert(0, class.clone());
            self.enter(&function, home, Given { arguments, named, line });
        }
        class.clone()
    }

    /// The functions that a body dispatches to, where it does nothing but
    /// `globals()["upgrade_%s" % name]()`.
    pub fn dispatched(
        known: &mut Known,
        stmt: &Stmt,
        modules: &dyn Modules,
    ) -> Option<Vec<Rc<Function>>> {
        let StmtKind::Expr(Expr { kind: ExprKind::Call(call), .. }) = &stmt.kind else {
            return None;
        };
        let ExprKind::Subscript(..) = &call.function.kind else { return None };
        match Machine::of(known, modules).eval(&call.function) {
            Value::OneOf(functions) => Some(functions.to_vec()),
            Value::Function(function, None) => Some(vec![function]),
            _ => None,
        }
    }
}

/// The module's functions whose names a text with holes may be, by line. A text of which nothing
/// is known may be any, and so is none.
fn fitting(known: &Known, index: &Value) -> Vec<Rc<Function>> {
    let Value::Str(text) = index else { return Vec::new() };
    if text.is_blank() {
        return Vec::new();
    }
    let parts: Vec<&str> = text.text.split(HOLE).collect();
    let (first, last) = (parts.first().unwrap_or(&""), parts.last().unwrap_or(&""));
    let inner = parts.get(1..parts.len() - 1).unwrap_or_default();
    let fits = |name: &str| {
        name.strip_prefix(first)
            .and_then(|rest| rest.strip_suffix(last))
            .is_some_and(|rest| inner.iter().all(|part| rest.contains(part)))
    };
    let mut found: Vec<Rc<Function>> =
        known.functions().filter(|function| fits(&function.name)).collect();
    found.sort_by_key(|function| function.line);
    found
}

/// Whether a function gets the object that it is called on.
pub(super) fn is_method(function: &Function) -> bool {
    let first = function.parameters.first();
    first.is_some_and(|(name, _)| name == "self" || name == "cls")
}

/// What is called, for people: names, and what they are worked out with.
pub(super) fn callee(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Name(name) => name.clone(),
        ExprKind::Attribute(object, name) => format!("{}.{name}", callee(object)),
        ExprKind::Call(call) => format!("{}(…)", callee(&call.function)),
        ExprKind::Subscript(object, _) => format!("{}[…]", callee(object)),
        _ => "(…)".to_owned(),
    }
}
