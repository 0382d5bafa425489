//! A migration: what it says of itself, and what its two functions do.

use std::path::PathBuf;

use super::families::{Families, Naming};
use super::locate::SourceFile;
use super::python::{ExprKind, Module, StmtKind, ast};
use super::run::value::Value;
use super::run::{Body, Known, Machine, Modules};

/// A migration.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its file.
    pub path: PathBuf,
    /// How many lines the file has.
    pub lines: usize,
    /// `revision`.
    pub revision: Option<String>,
    /// The line of `revision`, else 1.
    pub line: u32,
    /// `down_revision`.
    pub parents: Vec<String>,
    /// `depends_on`, as written: ids or labels.
    pub depends_on: Vec<String>,
    /// `branch_labels`.
    pub labels: Vec<String>,
    /// The first line of the docstring.
    pub message: String,
    /// The day of `Create Date:` in the docstring, else the day on which the file changed last.
    pub date: Option<String>,
    /// The day is the docstring's.
    pub dated: bool,
    /// The first line that is no Python.
    pub broken: Option<u32>,
    /// Why Python would not read the file, and at which line.
    pub trouble: Option<(u32, String)>,
    /// Where its name belongs.
    pub naming: Option<Naming>,
    /// `upgrade()`.
    pub upgrade: Direction,
    /// `downgrade()`.
    pub downgrade: Direction,
}

/// One of a migration's two functions.
#[derive(Clone, Debug)]
pub struct Direction {
    /// How it is written.
    pub effort: Effort,
    /// Its line.
    pub line: u32,
    /// What it does.
    pub body: Body,
}

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// There is none.
    Missing,
    /// It has no statement that does anything.
    Empty,
    /// It raises, and does nothing else.
    Raises,
    /// It does something.
    Works,
}

impl Script {
    /// Reads a migration.
    pub fn read(
        file: &SourceFile,
        module: &Module,
        families: &Families,
        modules: &dyn Modules,
    ) -> Script {
        let mut known = Machine::module(module, &file.path, modules);
        let (message, created) = described(module);
        let dated = created.is_some();
        let mut script = Script {
            path: file.path.clone(),
            lines: file.text.lines().count(),
            revision: strings(known.get("revision")).into_iter().next(),
            line: line_of(module, "revision"),
            parents: strings(known.get("down_revision")),
            depends_on: strings(known.get("depends_on")),
            labels: strings(known.get("branch_labels")),
            message,
            date: created.or_else(|| file.modified.and_then(day)),
            dated,
            broken: module.broken,
            trouble: file.trouble.clone(),
            naming: None,
            upgrade: Direction::read(&mut known, "upgrade", modules),
            downgrade: Direction::read(&mut known, "downgrade", modules),
        };
        if script.revision.is_none() && known.get("revision").is_none() {
            script.revision = legacy(&script.stem());
        }
        script.naming = families.of(&script.stem());
        script
    }

    /// The file's name without `.py`.
    pub fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The id, or the file's name where it has none.
    pub fn id(&self) -> String {
        self.revision.clone().unwrap_or_else(|| self.stem())
    }

    /// Whether it joins several and is there for that alone.
    pub fn is_merge(&self) -> bool {
        self.parents.len() > 1
    }
}

impl Direction {
    fn read(known: &mut Known, name: &str, modules: &dyn Modules) -> Direction {
        let Some(function) = known.function(name) else {
            // an assigned or imported function cannot be seen
            let mut body = Body::default();
            let effort = match known.get(name) {
                Some(Value::Class(_)) | None => Effort::Missing,
                Some(_) => {
                    body.unseen.push((name.to_owned(), 1));
                    Effort::Works
                }
            };
            return Direction { effort, line: 1, body };
        };
        let effort = match single(&function.body) {
            Some(stmt) => match Machine::dispatched(known, stmt, modules) {
                // the least idle of those that it may call
                Some(all) => {
                    let efforts = all.iter().map(|one| effort(&one.body));
                    efforts.max().unwrap_or(Effort::Works)
                }
                None => effort(&function.body),
            },
            None => effort(&function.body),
        };
        let body = Machine::follow(known, name, modules).unwrap_or_default();
        Direction { effort, line: function.line, body }
    }
}

/// How a body is written.
fn effort(body: &[ast::Stmt]) -> Effort {
    match body.iter().find(|stmt| !is_idle(stmt)) {
        None => Effort::Empty,
        Some(stmt) if matches!(stmt.kind, StmtKind::Raise) => Effort::Raises,
        Some(_) => Effort::Works,
    }
}

/// The one statement of a body that does something.
fn single(body: &[ast::Stmt]) -> Option<&ast::Stmt> {
    let mut rest = body.iter().filter(|stmt| !is_idle(stmt));
    let first = rest.next();
    first.filter(|_| rest.next().is_none())
}

/// Whether a statement does nothing that matters.
fn is_idle(stmt: &ast::Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Nothing | StmtKind::Return(None) | StmtKind::Import(_) => true,
        StmtKind::Return(Some(value)) => matches!(value.kind, ExprKind::None),
        StmtKind::Expr(expr) => match &expr.kind {
            ExprKind::Str(_) | ExprKind::None => true,
            // `...`
            ExprKind::Other(parts) => parts.is_empty(),
            ExprKind::Call(call) => matches!(
                &call.function.kind, ExprKind::Name(name) if name == "print"
            ),
            _ => false,
        },
        _ => false,
    }
}

/// The first line of the docstring, and the day of its `Create Date:`.
fn described(module: &Module) -> (String, Option<String>) {
    let Some(docstring) = module.docstring() else { return (String::new(), None) };
    let message = docstring.trim().lines().next().unwrap_or_default().trim().to_owned();
    let date = docstring.lines().find_map(|line| line.trim().strip_prefix("Create Date:"));
    let date = date.and_then(|date| date.trim().get(..10)).map(str::to_owned);
    (message, date.filter(|date| date.parse::<jiff::civil::Date>().is_ok()))
}

/// The day of a time, in UTC.
fn day(time: std::time::SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%d").to_string())
}

/// The strings of a value: one, several, none.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::List(items)) => items.iter().flat_map(|item| strings(Some(item))).collect(),
        Some(value) => value.known().map(str::to_owned).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The line where a module binds a name last.
fn line_of(module: &Module, wanted: &str) -> u32 {
    let binds = |stmt: &&ast::Stmt| match &stmt.kind {
        StmtKind::Assign { targets, .. } => targets
            .iter()
            .any(|target| matches!(&target.kind, ExprKind::Name(name) if name == wanted)),
        _ => false,
    };
    module.body.iter().rev().find(binds).map_or(1, |stmt| stmt.line)
}

/// The id that Alembic takes from a file's name where the file gives none.
fn legacy(stem: &str) -> Option<String> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (!stem.is_empty() && stem.chars().all(hex)).then(|| stem.to_owned())
}
