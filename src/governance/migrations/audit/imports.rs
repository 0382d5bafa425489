//! The project's own modules that migrations import: found beside the migrations, read like them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::python::{Module, Reader};
use super::run::Modules;

/// Larger files are not read: what migrations take from others is small.
const MAX_BYTES: u64 = 1 << 20;
/// So many modules are read at most.
const MAX_MODULES: usize = 500;

/// A module, and the file where it stands.
type Found = (PathBuf, Rc<Module>);

/// Finds modules in the folders above a project's migrations.
pub struct Files {
    roots: Vec<PathBuf>,
    found: RefCell<HashMap<String, Option<Found>>>,
    reader: RefCell<Reader>,
}

impl Files {
    /// Looks in the folders that `versions` stand in, and those above.
    pub fn new(versions: &[PathBuf], reader: Reader) -> Files {
        let mut roots: Vec<PathBuf> = Vec::new();
        for folder in versions {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            for above in folder.ancestors().take(9) {
                if !roots.iter().any(|known| known == above) {
                    roots.push(above.to_owned());
                }
            }
        }
        Files { roots, found: RefCell::default(), reader: RefCell::new(reader) }
    }

    fn find(&self, path: &str) -> Option<Found> {
        let (roots, name) = match path.split_once("//") {
            Some((folder, name)) => (vec![PathBuf::from(folder)], name),
            None => (self.roots.clone(), path),
        };
        if name.is_empty() || name.split('.').any(str::is_empty) {
            return None;
        }
        let relative: PathBuf = name.split('.').collect();
        let file = roots.iter().find_map(|root| {
            let module = root.join(&relative);
            [module.with_extension("py"), module.join("__init__.py")].into_iter().find(|file| {
                fs::metadata(file).is_ok_and(|about| about.is_file() && about.len() <= MAX_BYTES)
            })
        })?;
        let text = String::from_utf8_lossy(&fs::read(&file).ok()?).into_owned();
        let module = self.reader.try_borrow_mut().ok()?.module(&text);
        Some((file, Rc::new(module)))
    }
}

impl Modules for Files {
    fn module(&self, path: &str) -> Option<Found> {
        if let Some(known) = self.found.borrow().get(path) {
            return known.clone();
        }
        if self.found.borrow().values().flatten().count() >= MAX_MODULES {
            return None;
        }
        let found = self.find(path);
        self.found.borrow_mut().insert(path.to_owned(), found.clone());
        found
    }
}

/// The folder that a relative import starts from: `dots` levels up from a file.
pub(super) fn relative(file: &Path, dots: usize) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    file.ancestors().nth(dots).unwrap_or(Path::new("/")).to_owned()
}
