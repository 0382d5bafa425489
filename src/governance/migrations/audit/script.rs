//! What a migration says of itself: its id, its parents, its name, its date.

use std::path::PathBuf;

use super::python::{Expr, ExprKind, Module, Part, StmtKind, ast};

/// A migration.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its file.
    pub path: PathBuf,
    /// How many lines the file has.
    pub lines: usize,
    /// `revision`, with its line.
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
    /// `Create Date:` of the docstring.
    pub created: Option<String>,
    /// The first line that is no Python.
    pub broken: Option<u32>,
}

impl Script {
    /// Reads what a module says of itself.
    pub fn read(path: PathBuf, text: &str, module: &Module) -> Script {
        let mut script = Script {
            path,
            lines: text.lines().count(),
            revision: None,
            line: 1,
            parents: Vec::new(),
            depends_on: Vec::new(),
            labels: Vec::new(),
            message: String::new(),
            created: None,
            broken: module.broken,
        };
        if let Some(docstring) = module.docstring() {
            script.message = docstring.trim().lines().next().unwrap_or_default().trim().to_owned();
            let date = docstring.lines().find_map(|line| line.trim().strip_prefix("Create Date:"));
            script.created = date.map(|date| date.trim().to_owned());
        }
        for stmt in &module.body {
            let StmtKind::Assign { targets, value } = &stmt.kind else { continue };
            for target in targets {
                let ExprKind::Name(name) = &target.kind else { continue };
                match name.as_str() {
                    "revision" => {
                        script.revision = strings(value).into_iter().next();
                        script.line = stmt.line;
                    }
                    "down_revision" => script.parents = strings(value),
                    "depends_on" => script.depends_on = strings(value),
                    "branch_labels" => script.labels = strings(value),
                    _ => {}
                }
            }
        }
        script
    }

    /// The file's name without `.py`.
    pub fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The strings of a literal: one, several, none.
fn strings(value: &Expr) -> Vec<String> {
    match &value.kind {
        ExprKind::Str(parts) => match parts.as_slice() {
            [Part::Literal(ast::Literal { text, .. })] => vec![text.clone()],
            _ => Vec::new(),
        },
        ExprKind::Sequence(items) => items.iter().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}
