//! What a snapshot said of a text, kept with the text's judgement: asked once, not once a message.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::{Path, Resolved};
use crate::sql::Class;

/// How a text was analysed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// By the snapshot of this number ([`Known::number`]); 0: by none.
    pub number: u64,
    /// With parameters of these types, by OID; `None`: of any.
    pub parameters: Option<Box<[u32]>>,
}

/// What the catalog says of each statement of a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Tells the snapshot asked from every other one of the process; 0: none was there.
    pub number: u64,
    /// The path that it was asked for.
    pub path: Path,
    /// It was asked for a session that may have temporary types of its own.
    pub temporary: bool,
    /// Statement by statement.
    pub each: Box<[Resolved]>,
    /// The same where the backstop is relied on for what routines hide; empty: it is not there.
    pub relying: Box<[Resolved]>,
    /// The strongest class of any.
    pub strongest: Class,
    /// Some statement runs a routine that is not PostgreSQL's own.
    pub runs_routines: bool,
    /// Unseen code runs.
    pub unseen: bool,
    /// Unseen code may do to the session what later statements are judged by.
    pub disturbs: bool,
    /// Some statement calls what the snapshot may not have: worth a newer one.
    pub missing: bool,
}

/// The latest answer. Whatever is in it, judgements are equal: it can be had again.
#[derive(Default)]
pub struct Memo(RefCell<Option<Arc<Known>>>);

impl Memo {
    /// What was said by that snapshot for that path.
    #[inline]
    pub fn get(&self, number: u64, path: &Path, temporary: bool) -> Option<Arc<Known>> {
        let known = self.0.borrow();
        let known = known.as_ref()?;
        let same = known.number == number && known.path == *path && known.temporary == temporary;
        same.then(|| Arc::clone(known))
    }

    /// Keeps an answer instead of the one before.
    pub fn set(&self, known: Arc<Known>) {
        self.0.replace(Some(known));
    }
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Memo(RefCell::new(self.0.borrow().clone()))
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}
