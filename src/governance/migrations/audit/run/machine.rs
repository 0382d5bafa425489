//! Following statements: branches, loops, calls of the module's own functions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::calls::Given;
use super::flow::Flow;
use super::modules::{Modules, absolute, at_home};
use super::value::{Table, Value};
use crate::governance::migrations::audit::operation::{Action, Operation};
use crate::governance::migrations::audit::python::{
    Expr, ExprKind, Function, Module, Stmt, StmtKind,
};

/// How many statements are followed.
const MAX_STEPS: usize = 100_000;
/// How deep functions may call each other.
const MAX_CALLS: usize = 10;

/// What was found in a function.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// What it does, in order.
    pub operations: Vec<Operation>,
    /// Calls of code that stands elsewhere, with their lines.
    pub unseen: Vec<(String, u32)>,
}

/// The names of a scope and what is known of them.
pub type Scope = HashMap<String, Value>;

/// What a module's own names are bound to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub(super) globals: Scope,
    /// What other modules of the project bind; `None` for what is no such module.
    pub(super) modules: HashMap<String, Option<Rc<Scope>>>,
    /// The module's own file.
    pub(super) file: PathBuf,
    /// Tables that the module's classes describe.
    pub(super) models: Vec<Rc<Table>>,
}

impl Known {
    /// A name's value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.globals.get(name)
    }

    /// A function of the module.
    pub fn function(&self, name: &str) -> Option<Rc<Function>> {
        match self.globals.get(name)? {
            Value::Function(function, _) => Some(function.clone()),
            _ => None,
        }
    }

    /// The functions of the module.
    pub(super) fn functions(&self) -> impl Iterator<Item = Rc<Function>> {
        self.globals.values().filter_map(|value| match value {
            Value::Function(function, None) => Some(function.clone()),
            _ => None,
        })
    }
}

/// Follows code and keeps what it finds.
pub struct Machine<'m> {
    pub(super) known: &'m mut Known,
    pub(super) body: Body,
    pub(super) modules: &'m dyn Modules,
    locals: Vec<Scope>,
    /// For each function being followed what its module binds, if that is another one.
    homes: Vec<Option<Rc<Scope>>>,
    /// What the function being followed returns, if one thing only.
    returned: Vec<Option<Value>>,
    /// The line of the migration where code of another module was called.
    site: Option<u32>,
    /// How many branches that may not run are open.
    pub(super) conditional: usize,
    /// How many `autocommit_block()` are open.
    pub(super) autocommit: usize,
    pub(super) rounds: usize,
    steps: usize,
}

impl Machine<'_> {
    /// Binds what a module binds.
    pub fn module(module: &Module, file: &Path, modules: &dyn Modules) -> Known {
        let mut known = Known::default();
        Machine::bind_module(&mut known, module, file, modules);
        known
    }

    /// Binds what a module binds, where some modules are known already.
    pub(super) fn bind_module(
        known: &mut Known,
        module: &Module,
        file: &Path,
        modules: &dyn Modules,
    ) {
        known.file = file.to_owned();
        Machine::of(known, modules).block(&module.body);
    }

    /// What a function of the module does.
    pub fn follow(known: &mut Known, name: &str, modules: &dyn Modules) -> Option<Body> {
        let function = known.function(name)?;
        let mut machine = Machine::of(known, modules);
        let given = Given { arguments: Vec::new(), named: Vec::new(), line: function.line };
        machine.enter(&function, None, given);
        Some(machine.body)
    }

    pub(super) fn of<'m>(known: &'m mut Known, modules: &'m dyn Modules) -> Machine<'m> {
        Machine {
            known,
            body: Body::default(),
            modules,
            locals: Vec::new(),
            homes: Vec::new(),
            returned: Vec::new(),
            site: None,
            conditional: 0,
            autocommit: 0,
            rounds: 0,
            steps: 0,
        }
    }

    /// Notes something that is done.
    pub(super) fn emit(&mut self, operation: Operation) {
        let conditional = operation.conditional || self.conditional > 0;
        let autocommit = operation.autocommit || self.autocommit > 0;
        let line = self.site.unwrap_or(operation.line);
        self.body.operations.push(Operation { line, conditional, autocommit, ..operation });
    }

    /// Notes a call of code that stands elsewhere.
    pub(super) fn unseen(&mut self, name: &str, line: u32) {
        let line = self.site.unwrap_or(line);
        if !self.body.unseen.iter().any(|(known, _)| known == name) {
            self.body.unseen.push((name.to_owned(), line));
        }
    }

    /// A name's value.
    pub(super) fn lookup(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.locals.last().and_then(|scope| scope.get(name)) {
            return Some(value.clone());
        }
        match self.homes.last() {
            Some(Some(home)) => home.get(name).map(|value| at_home(value.clone(), home)),
            _ => self.known.globals.get(name).cloned(),
        }
    }

    /// Binds a name.
    pub(super) fn bind(&mut self, name: &str, value: Value) {
        self.scope().insert(name.to_owned(), value);
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        self.locals.last_mut().unwrap_or(&mut self.known.globals)
    }

    /// Binds what a target names.
    pub(super) fn assign(&mut self, target: &Expr, value: Value) {
        match &target.kind {
            ExprKind::Name(name) => self.bind(name, value),
            ExprKind::Sequence(targets) => {
                let items = value.items().filter(|items| items.len() == targets.len());
                for (number, target) in targets.iter().enumerate() {
                    let item = items.as_ref().and_then(|items| items.get(number).cloned());
                    self.assign(target, item.unwrap_or(Value::Unknown));
                }
            }
            ExprKind::Splat(target) => self.assign(target, Value::Unknown),
            _ => {}
        }
    }

    /// Calls a function, whose own module binds `home` if that is another one.
    pub(super) fn enter(
        &mut self,
        function: &Rc<Function>,
        home: Option<Rc<Scope>>,
        given: Given,
    ) -> Value {
        let Given { arguments, named, line } = given;
        if self.returned.len() >= MAX_CALLS {
            self.unseen(&function.name, line);
            return Value::Unknown;
        }
        let mut scope = Scope::new();
        let mut arguments = arguments.into_iter();
        for (name, default) in &function.parameters {
            let given =
                named.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            let value = arguments.next().or(given).unwrap_or_else(|| match default {
                Some(default) => self.eval(default),
                None => Value::Unknown,
            });
            scope.insert(name.clone(), value);
        }
        self.locals.push(scope);
        self.returned.push(None);
        let before = (self.conditional, self.autocommit, self.site);
        if home.is_some() {
            self.site = self.site.or(Some(line));
        }
        self.homes.push(home);
        self.block(&function.body);
        (self.conditional, self.autocommit, self.site) = before;
        self.locals.pop();
        self.homes.pop();
        self.returned.pop().flatten().unwrap_or(Value::None)
    }

    /// Follows statements. What comes behind one that may leave is conditional.
    pub(super) fn block(&mut self, body: &[Stmt]) -> Flow {
        let conditional = self.conditional;
        let mut whole = Flow::Next;
        for stmt in body {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return Flow::Leave;
            }
            match self.statement(stmt) {
                Flow::Next => {}
                Flow::Leave if whole == Flow::Next => {
                    whole = Flow::Leave;
                    break;
                }
                Flow::Leave => break,
                Flow::Perhaps => {
                    if whole == Flow::Next {
                        self.conditional += 1;
                    }
                    whole = Flow::Perhaps;
                }
            }
        }
        self.conditional = conditional;
        whole
    }

    fn statement(&mut self, stmt: &Stmt) -> Flow {
        match &stmt.kind {
            StmtKind::Expr(expr) => {
                self.eval(expr);
            }
            StmtKind::Assign { targets, value } => {
                let value = self.eval(value);
                targets.iter().for_each(|target| self.assign(target, value.clone()));
            }
            StmtKind::If(arms) => return self.arms(arms),
            StmtKind::For { target, items, body, otherwise } => {
                return self.repeat(target, items, body, otherwise);
            }
            StmtKind::While(condition, body) => {
                return match self.eval(condition).truth() {
                    Some(false) => Flow::Next,
                    _ => self.perhaps(body),
                };
            }
            StmtKind::With { items, body } => return self.with(items, body),
            StmtKind::Try { body, handlers, after } => {
                let flow = self.block(body);
                for handler in handlers {
                    self.perhaps(handler);
                }
                let after = self.block(after);
                // what is tried may leave, and a handler may go on
                return match (flow, after) {
                    (Flow::Next, after) => after,
                    (Flow::Leave, Flow::Next) if !handlers.is_empty() => Flow::Perhaps,
                    (flow, _) => flow,
                };
            }
            StmtKind::Function(function) => {
                self.bind(&function.name, Value::Function(Rc::new(function.clone()), None));
            }
            StmtKind::Class { name, body } => self.class(name, body),
            StmtKind::Return(value) => {
                let value = value.as_ref().map_or(Value::None, |value| self.eval(value));
                if let Some(returned) = self.returned.last_mut() {
                    *returned = Some(match returned.take() {
                        Some(before) if before != value => Value::Unknown,
                        _ => value,
                    });
                }
                return Flow::Leave;
            }
            StmtKind::Raise | StmtKind::Leave => return Flow::Leave,
            StmtKind::Import(names) => {
                for (name, path) in names {
                    let path = absolute(path, &self.known.file);
                    self.bind(name, Value::path(path));
                }
            }
            StmtKind::Nothing => {}
        }
        Flow::Next
    }

    /// A class with `__tablename__` describes a table; others may hold constants and functions.
    fn class(&mut self, name: &str, body: &[Stmt]) {
        let mut table = Table { name: String::new(), columns: Vec::new() };
        let mut constants = Vec::new();
        for stmt in body {
            if let StmtKind::Function(function) = &stmt.kind {
                let method = Value::Function(Rc::new(function.clone()), None);
                constants.push((Value::text(&function.name, stmt.line), method));
            }
            let StmtKind::Assign { targets, value } = &stmt.kind else { continue };
            let [Expr { kind: ExprKind::Name(target), .. }] = targets.as_slice() else { continue };
            let value = self.eval(value);
            match (&value, target.as_str()) {
                (_, "__tablename__") => {
                    table.name = value.known().unwrap_or_default().to_owned();
                }
                (Value::Table(described), "__table__") => table = (**described).clone(),
                (Value::Column(column), _) => {
                    let mut column = (**column).clone();
                    if column.name.is_empty() {
                        column.name.clone_from(target);
                    }
                    table.columns.push(column);
                }
                _ => constants.push((Value::text(target, stmt.line), value)),
            }
        }
        if table.name.is_empty() {
            self.bind(name, Value::Class(Rc::new(constants)));
        } else {
            let table = Rc::new(table);
            self.known.models.push(table.clone());
            self.bind(name, Value::Table(table));
        }
    }

    /// The operations that make the tables which the module's own classes describe.
    pub(super) fn create_models(&mut self, line: u32) {
        for table in self.known.models.clone() {
            let action = Action::CreateTable {
                table: table.name.clone(),
                columns: table.columns.clone(),
                references: Vec::new(),
                temporary: false,
            };
            self.emit(super::alembic::operation(line, "create_all", action));
        }
    }
}
