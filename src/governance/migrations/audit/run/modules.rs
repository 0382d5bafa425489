//! Names that come from other modules of the same project.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::machine::{Known, Machine, Scope};
use super::value::Value;
use crate::governance::migrations::audit::python::Module;

/// How often a name may be handed on from module to module.
const MAX_HOPS: usize = 6;

/// Libraries that are never looked for among the project's own files.
const FOREIGN: &[&str] = &["alembic", "sqlalchemy", "sqlmodel", "builtins", "column"];

/// Where modules come from.
pub trait Modules {
    /// The file and the code of a module: `a.b`, or `FOLDER//a.b` for a relative import.
    fn module(&self, path: &str) -> Option<(PathBuf, Rc<Module>)>;
}

impl Machine<'_> {
    /// What an imported name stands for, where it comes from the project's own files.
    pub(super) fn imported(&mut self, path: &str) -> Option<Value> {
        let mut path = path.to_owned();
        for _ in 0..MAX_HOPS {
            match self.one_hop(&path)? {
                Value::Path(next) if *next != *path => path = next.to_string(),
                found => return Some(found),
            }
        }
        None
    }

    fn one_hop(&mut self, path: &str) -> Option<Value> {
        let name = path.rsplit("//").next().unwrap_or(path);
        if FOREIGN.contains(&name.split('.').next().unwrap_or(name)) {
            return None;
        }
        let mut cut = path.len();
        while let Some(at) = path.get(..cut).and_then(|part| part.rfind('.')) {
            cut = at;
            if cut < path.len() - name.len() {
                break;
            }
            let Some(globals) = self.globals_of(path.get(..cut)?) else { continue };
            let mut names = path.get(cut + 1..)?.split('.');
            let mut value = at_home(globals.get(names.next()?)?.clone(), &globals);
            for name in names {
                value = self.attribute(&value, name);
            }
            return Some(value);
        }
        None
    }

    /// What a module binds.
    fn globals_of(&mut self, path: &str) -> Option<Rc<Scope>> {
        if let Some(known) = self.known.modules.get(path) {
            return known.clone();
        }
        // a module that imports itself in a circle finds nothing there
        self.known.modules.insert(path.to_owned(), None);
        let (file, module) = self.modules.module(path)?;
        let mut known =
            Known { modules: std::mem::take(&mut self.known.modules), ..Known::default() };
        Machine::bind_module(&mut known, &module, &file, self.modules);
        self.known.modules = known.modules;
        let globals = Rc::new(known.globals);
        self.known.modules.insert(path.to_owned(), Some(globals.clone()));
        Some(globals)
    }
}

/// A function of another module knows the names of that module.
pub(super) fn at_home(value: Value, home: &Rc<Scope>) -> Value {
    match value {
        Value::Function(function, None) => Value::Function(function, Some(home.clone())),
        // of a class elsewhere the constants are known; what its functions name is not
        Value::Class(pairs) => Value::Dict(pairs),
        other => other,
    }
}

/// The dotted path of an import that may be relative.
pub(super) fn absolute(path: &str, file: &Path) -> String {
    let dots = path.chars().take_while(|c| *c == '.').count();
    if dots == 0 {
        return path.to_owned();
    }
    let name = path.get(dots..).unwrap_or_default().trim_start_matches('.');
    let folder = crate::governance::migrations::audit::imports::relative(file, dots);
    format!("{}//{name}", folder.display())
}
