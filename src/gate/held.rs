//! The look that a session goes by: its own, or one that it shares with others.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Gate;
use super::lookups::{Look, Lookups, Snapshot};

/// A look that the sessions of one thread have in common: whichever of them finds a newer one, none
/// keeps the older.
pub type CommonLook = Rc<RefCell<Look>>;

/// What a session goes by.
#[derive(Debug)]
pub(super) enum Held {
    /// A look of its own.
    Own(Look),
    /// What others know as well.
    Common(CommonLook),
}

impl Held {
    pub(super) fn get<T>(&self, get: impl FnOnce(&Look) -> T) -> T {
        match self {
            Held::Own(look) => get(look),
            Held::Common(look) => get(&look.borrow()),
        }
    }
}

impl Default for Held {
    fn default() -> Self {
        Held::Own(Look::default())
    }
}

impl Gate {
    /// The catalog in force from the next statement on.
    pub fn set_catalog(&mut self, look: Look, private: bool) {
        if let Some(lookups) = &mut self.lookups {
            lookups.anew &= private || look.snapshot.is_none();
            lookups.set(Held::Own(look), private);
        }
    }

    /// As [`Gate::set_catalog`], of a look that this session has taken for all.
    pub fn set_common_catalog(&mut self, look: &CommonLook) {
        if let Some(lookups) = &mut self.lookups {
            lookups.anew = false;
            lookups.set(Held::Common(Rc::clone(look)), false);
        }
    }

    /// As [`Gate::set_catalog`], of another session's look. It need not show what came to be before
    /// the message at the front did and since that look set out.
    pub fn join_catalog(&mut self, look: &CommonLook) {
        self.adopt_catalog(look);
        if let Some(lookups) = &mut self.lookups {
            lookups.touched = false;
            lookups.joined = true;
        }
    }

    /// As [`Gate::set_catalog`], in a transaction that reads the catalog as it was at its beginning:
    /// `look` is what other sessions know, and has nothing of what this one has changed since.
    pub fn set_frozen_catalog(&mut self, mut look: Look) {
        if let Some(lookups) = &mut self.lookups {
            look.frozen |= lookups.uncommitted;
            lookups.look = Held::Own(look);
            lookups.private = true;
            lookups.touched = false;
            lookups.looked = true;
            lookups.borrowed = true;
        }
    }

    /// The look was not enough: another is due, whatever other sessions find meanwhile.
    pub fn look_again(&mut self) {
        if let Some(lookups) = &mut self.lookups {
            lookups.touched = true;
            lookups.joined = false;
        }
    }

    /// What other sessions have found: as [`Gate::set_catalog`], but no look of this session's own.
    pub fn adopt_catalog(&mut self, look: &CommonLook) {
        if let Some(lookups) = &mut self.lookups {
            lookups.look = Held::Common(Rc::clone(look));
        }
    }

    /// The catalog in force may show what only this session sees: another one would not do.
    pub fn has_private_catalog(&self) -> bool {
        self.lookups.as_ref().is_some_and(|lookups| lookups.private)
    }

    /// It goes by nothing: what it had was one transaction's.
    #[inline]
    pub fn has_no_catalog(&self) -> bool {
        self.lookups.as_ref().is_some_and(Lookups::has_none)
    }

    /// The snapshot in force.
    pub fn catalog(&self) -> Option<Arc<Snapshot>> {
        self.lookups.as_ref()?.latest()
    }
}
