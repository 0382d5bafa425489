//! What a program's names hold, as far as it can be told without running it: which carry a
//! database's address, and which are constants. By function, so that one function's `host` is not
//! another's.

use std::collections::{HashMap, HashSet};

/// The function that a name belongs to: its node's id, 0 for the module.
pub type Scope = usize;

/// Names of a file.
#[derive(Default)]
pub struct Names {
    carriers: HashSet<(Scope, String)>,
    bound: HashSet<(Scope, String)>,
    constants: HashMap<String, Vec<String>>,
}

impl Names {
    /// This name carries an address in this scope. Whether that is news.
    pub fn carry(&mut self, scope: Scope, name: &str) -> bool {
        self.carriers.insert((scope, name.to_owned()))
    }

    /// This name is bound in this scope, whatever to: an outer one of the same name is hidden.
    pub fn bind(&mut self, scope: Scope, name: &str) {
        self.bound.insert((scope, name.to_owned()));
    }

    /// Whether it carries an address, seen from these scopes, the innermost first.
    pub fn carries(&self, scopes: &[Scope], name: &str) -> bool {
        for scope in scopes {
            let key = (*scope, name.to_owned());
            if self.carriers.contains(&key) {
                return true;
            }
            if self.bound.contains(&key) {
                return false;
            }
        }
        false
    }

    /// A constant of these words.
    pub fn constant(&mut self, name: &str, words: Vec<String>) {
        self.constants.entry(name.to_owned()).or_default().extend(words);
    }

    /// The words of a constant.
    pub fn words(&self, name: &str) -> &[String] {
        self.constants.get(name).map_or(&[], Vec::as_slice)
    }
}
