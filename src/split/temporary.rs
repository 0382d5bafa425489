//! The session's temporary relations, which live on the write leg, so that statements which name
//! one go there. Not a matter of soundness: the read leg writes nothing whatever it is sent.

use std::collections::HashMap;

/// Names of temporary relations, as created on the write leg.
#[derive(Debug, Default)]
pub struct Temporary {
    names: HashMap<Box<str>, Made>,
}

#[derive(Debug, Clone, Copy)]
struct Made {
    /// Number of savepoints that were open, where its transaction is still open.
    depth: Option<usize>,
    on_commit_drop: bool,
}

impl Temporary {
    /// The creation of these was reported done. `depth`: the savepoints open in the transaction
    /// block, if one is open.
    pub fn created(&mut self, names: &[Box<str>], depth: Option<usize>, on_commit_drop: bool) {
        for name in names {
            self.names.insert(name.clone(), Made { depth, on_commit_drop });
        }
    }

    /// These were dropped or renamed.
    pub fn forget(&mut self, names: &[Box<str>]) {
        for name in names {
            self.names.remove(name);
        }
    }

    /// DISCARD TEMP, DISCARD ALL.
    pub fn forget_all(&mut self) {
        self.names.clear();
    }

    /// The transaction committed.
    pub fn committed(&mut self) {
        self.names.retain(|_, made| !made.on_commit_drop);
        self.names.values_mut().for_each(|made| made.depth = None);
    }

    /// It was rolled back, to where `depth` savepoints remain (`None`: all of it).
    pub fn rolled_back(&mut self, depth: Option<usize>) {
        self.names.retain(|_, made| match (made.depth, depth) {
            (None, _) => true,
            (Some(made), Some(remain)) => made < remain,
            (Some(_), None) => false,
        });
    }

    /// Whether an unqualified name is one.
    pub fn holds(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// None is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rolled_back_is_gone() {
        let names = |name: &str| [Box::from(name)];
        let mut temporary = Temporary::default();
        temporary.created(&names("kept"), None, false);
        temporary.created(&names("outer"), Some(0), false);
        temporary.created(&names("inner"), Some(1), false);
        temporary.rolled_back(Some(1));
        assert!(temporary.holds("outer") && !temporary.holds("inner"));
        temporary.rolled_back(None);
        assert!(temporary.holds("kept") && !temporary.holds("outer"));
        temporary.created(&names("dropped"), Some(0), true);
        temporary.committed();
        assert!(temporary.holds("kept") && !temporary.holds("dropped"));
    }
}
