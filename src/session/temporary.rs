//! Which unqualified names are certainly temporary relations of this session (contract §4, `temp`).
//!
//! Every doubt ends the knowledge: a rollback forgets what the transaction made, `pg_temp` in a
//! search path or code that cannot be seen forgets everything.

use std::collections::HashMap;
use std::rc::Rc;

/// Names of this session's temporary relations.
#[derive(Debug, Default, Clone)]
pub struct Temporary {
    /// Shared with copies until one of them changes: every statement foreseen takes a copy.
    /// `None`: there are none, which is the rule.
    names: Option<Rc<HashMap<Box<str>, Made>>>,
    search_path_doubtful: bool,
    /// The session may have temporary relations, known or not.
    may_be_some: bool,
    /// DDL ran while it may have had some: what it made may depend on them.
    may_have_dependants: bool,
}

#[derive(Debug, Clone, Copy)]
struct Made {
    in_transaction: bool,
    on_commit_drop: bool,
    /// Not reported yet: it is there for what follows in the same string, which would not run
    /// otherwise.
    foreseen: bool,
}

impl Temporary {
    /// A statement is let run. `makes`: it may make temporary relations; `ddl`: it may make what is
    /// permanent.
    pub fn ran(&mut self, makes: bool, ddl: bool) {
        self.may_be_some |= makes || self.search_path_doubtful;
        self.may_have_dependants |= ddl && self.may_be_some;
    }

    /// Dropping the temporary relations may drop what is permanent with them: a column of a row type of
    /// theirs, a default by a sequence.
    pub fn may_have_dependants(&self) -> bool {
        self.may_have_dependants
    }

    /// DISCARD ALL has dropped all that there was.
    pub fn discarded(&mut self) {
        (self.may_be_some, self.may_have_dependants) = (false, false);
    }

    /// The server reported the creation done.
    pub fn created(&mut self, names: &[Box<str>], in_transaction: bool, on_commit_drop: bool) {
        let made = Made { in_transaction, on_commit_drop, foreseen: false };
        self.insert(names, made);
    }

    /// An earlier statement of the string creates them.
    pub fn foreseen(&mut self, names: &[Box<str>], on_commit_drop: bool) {
        let made = Made { in_transaction: true, on_commit_drop, foreseen: true };
        self.insert(names, made);
    }

    fn insert(&mut self, names: &[Box<str>], made: Made) {
        if self.search_path_doubtful {
            return;
        }
        for name in names {
            Rc::make_mut(self.names.get_or_insert_default()).insert(name.clone(), made);
        }
    }

    /// The end of the string: what was foreseen counts only once it is reported.
    pub fn forget_foreseen(&mut self) {
        self.drop_any(|made| made.foreseen);
    }

    /// Every one of `names` is certainly a temporary relation of this session.
    pub fn holds_all(&self, names: &[Box<str>]) -> bool {
        !names.is_empty() && names.iter().all(|name| self.contains(name))
    }

    /// These are no longer known.
    pub fn forget(&mut self, names: &[Box<str>]) {
        for name in names {
            if self.contains(name)
                && let Some(names) = &mut self.names
            {
                Rc::make_mut(names).remove(name);
            }
        }
    }

    /// Nothing is known any more.
    pub fn forget_all(&mut self) {
        self.names = None;
    }

    /// The search path may mention `pg_temp` from now on: an unqualified name proves nothing.
    pub fn doubt_search_path(&mut self) {
        self.search_path_doubtful = true;
        self.names = None;
    }

    /// The transaction, or a part of it, was rolled back: what it made is gone.
    pub fn rolled_back(&mut self) {
        self.drop_any(|made| made.in_transaction);
    }

    /// The transaction committed.
    pub fn committed(&mut self) {
        if let Some(names) = &mut self.names
            && names.values().any(|made| made.on_commit_drop || made.in_transaction)
        {
            let names = Rc::make_mut(names);
            names.retain(|_, made| !made.on_commit_drop);
            for made in names.values_mut() {
                made.in_transaction = false;
            }
        }
    }

    /// No name is known.
    pub fn is_empty(&self) -> bool {
        self.names.as_ref().is_none_or(|names| names.is_empty())
    }

    fn contains(&self, name: &str) -> bool {
        self.names.as_ref().is_some_and(|names| names.contains_key(name))
    }

    /// Those are no longer known; nothing is copied where there are none.
    fn drop_any(&mut self, which: fn(&Made) -> bool) {
        if let Some(names) = &mut self.names
            && names.values().any(which)
        {
            Rc::make_mut(names).retain(|_, made| !which(made));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<Box<str>> {
        list.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn a_rolled_back_creation_is_unknown() {
        let mut temporary = Temporary::default();
        temporary.created(&names(&["kept"]), false, false);
        temporary.created(&names(&["lost"]), true, false);
        temporary.rolled_back();
        assert!(temporary.holds_all(&names(&["kept"])));
        assert!(!temporary.holds_all(&names(&["kept", "lost"])));
    }

    #[test]
    fn on_commit_drop_ends_at_commit() {
        let mut temporary = Temporary::default();
        temporary.created(&names(&["a"]), true, true);
        temporary.created(&names(&["b"]), true, false);
        temporary.committed();
        assert!(!temporary.holds_all(&names(&["a"])));
        temporary.rolled_back();
        assert!(temporary.holds_all(&names(&["b"])));
    }

    #[test]
    fn what_is_foreseen_ends_with_its_string() {
        let mut temporary = Temporary::default();
        temporary.created(&names(&["a"]), false, false);
        temporary.foreseen(&names(&["b"]), false);
        assert!(temporary.holds_all(&names(&["a", "b"])));
        temporary.forget_foreseen();
        assert!(temporary.holds_all(&names(&["a"])) && !temporary.holds_all(&names(&["b"])));
        temporary.foreseen(&names(&["b"]), false);
        temporary.rolled_back();
        assert!(!temporary.holds_all(&names(&["b"])));
    }

    #[test]
    fn a_doubtful_search_path_ends_all_knowledge() {
        let mut temporary = Temporary::default();
        temporary.created(&names(&["a"]), false, false);
        temporary.doubt_search_path();
        temporary.created(&names(&["b"]), false, false);
        assert!(temporary.is_empty());
    }
}
