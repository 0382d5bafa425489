//! Which leg a prepared statement or a portal lives on. SQL's PREPARE and the protocol's Parse
//! share one namespace, and so do DECLAREd cursors and Bind's portals (on each leg).

use std::collections::HashMap;
use std::rc::Rc;

use super::{Route, Side, Told};
use crate::sql::Judgement;

/// What is known of a name.
#[derive(Clone, Debug)]
pub struct Known {
    /// The leg it lives on.
    pub side: Side,
    /// Where what it runs belongs.
    pub route: Route,
    /// What it runs; `None` where a statement made it (PREPARE, DECLARE).
    pub judgement: Option<Rc<Judgement>>,
    /// What both legs or the session itself have to run.
    pub told: Told,
    /// A cursor WITH HOLD: it outlives its transaction.
    pub hold: bool,
}

/// Names of one kind.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<Box<[u8]>, Known>,
}

impl Names {
    /// What a name stands for.
    pub fn get(&self, name: &[u8]) -> Option<&Known> {
        self.known.get(name)
    }

    /// A name stands for something from now on. Gives what it stood for.
    pub fn insert(&mut self, name: &[u8], known: Known) -> Option<Known> {
        self.known.insert(name.into(), known)
    }

    /// A name stands for nothing any more.
    pub fn remove(&mut self, name: &[u8]) -> Option<Known> {
        self.known.remove(name)
    }

    /// Puts back what a name stood for before an insertion that came to nothing.
    pub fn restore(&mut self, name: &[u8], before: Option<Known>) {
        match before {
            Some(known) => drop(self.known.insert(name.into(), known)),
            None => drop(self.known.remove(name)),
        }
    }

    /// Something on this leg has a name, and ends with its transaction.
    pub fn is_any_on(&self, side: Side) -> bool {
        self.known.values().any(|known| known.side == side && !known.hold)
    }

    /// The end of a transaction: portals end, but those WITH HOLD.
    pub fn end_transaction(&mut self) {
        self.known.retain(|_, known| known.hold);
    }

    /// DEALLOCATE ALL, which leaves the unnamed statement.
    pub fn clear_named(&mut self) {
        self.known.retain(|name, _| name.is_empty());
    }

    /// CLOSE ALL.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}
