//! Cursors that code may have opened. A text that says FETCH runs the query of a cursor, and who opened
//! that need not have been seen: a routine, a trigger, DO. What its query runs was judged with what
//! opened it, by the catalog of then and the confirmation of then. It counts no longer where either is
//! another by now: any cursor may be one that such code has opened, under the name of one that it has
//! closed too. Where unqualified names lead elsewhere, what opened it is judged again: see
//! [`super::left`].

use super::before::Before;
use super::left::Left;
use super::lookups::Lookups;
use super::{Gate, Next};
use crate::session::{Batch, Instant, Lookup};

/// Code that has run in the transaction and may have opened cursors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    /// The snapshot that it was judged by.
    number: u64,
    /// There were several.
    mixed: bool,
    /// Some was let run since the session had confirmed.
    needs: bool,
    /// The last batch that it was sent in.
    batch: Batch,
    /// The changes of portals before the first that was bound behind it.
    bound: Option<u64>,
}

impl Opened {
    pub(super) fn new(number: u64, needs: bool, batch: Batch) -> Self {
        Opened { number, mixed: false, needs, batch, bound: None }
    }

    /// A portal is about to be bound.
    pub(super) fn binds(&mut self, changes: u64) {
        self.bound.get_or_insert(changes);
    }

    /// Sent in this batch or later: its transaction may go on.
    pub(super) fn is_since(&self, batch: Batch) -> bool {
        self.batch >= batch
    }

    /// `known`, and this behind it.
    pub(super) fn behind(self, known: Option<Opened>) -> Opened {
        let Some(known) = known else { return self };
        Opened {
            mixed: known.mixed || self.mixed || known.number != self.number,
            needs: known.needs || self.needs,
            ..self
        }
    }

    /// What it has opened is not what it was judged as. `needed`: the session may not have confirmed.
    fn is_stale(
        &self,
        lookups: Option<&Lookups>,
        changed: bool,
        needed: bool,
        now: Instant,
    ) -> bool {
        let by_another = |lookups: &Lookups| {
            let overdue = lookups.is_overdue(now);
            let number = lookups.number(now);
            let other = self.mixed || number == 0 || number != self.number;
            other || overdue || changed || lookups.is_frozen()
        };
        self.needs && needed || lookups.is_some_and(by_another)
    }
}

impl Gate {
    /// A cursor may be one that runs something else than what it was judged as. `left`: what the text
    /// leaves that is being decided.
    pub(super) fn has_stale_cursors(
        &self,
        left: &Left,
        before: Before,
        needed: bool,
        now: Instant,
    ) -> bool {
        let mut all = self.left.opened.iter().chain(&left.opened);
        all.any(|one| one.is_stale(self.lookups(), before.changed, needed, now))
    }

    /// What is to be done before a portal is run that may be a cursor which code has opened: nothing, or
    /// a look at the catalog.
    pub(super) fn look_for_cursor(&mut self, portal: &[u8], now: Instant) -> Option<Next> {
        if self.may_be_opened(portal) { self.look_for_own(false, now) } else { None }
    }

    /// Whether a portal may be a cursor that code has opened: it is none that a message has bound since.
    fn may_be_opened(&self, portal: &[u8]) -> bool {
        let Some(opened) = self.left.opened.filter(|_| !portal.is_empty()) else { return false };
        let known = matches!(self.portals.look_up(portal, self.batch), Lookup::Known(_));
        let bound = opened.bound.is_some_and(|bound| self.portals.is_made_behind(portal, bound));
        !(known && bound)
    }

    /// Whether such a portal counts as one of which nothing is known: what it runs may have needed a
    /// confirmation, too. The unnamed one is no cursor.
    pub(super) fn may_be_stale(&self, portal: &[u8], now: Instant) -> bool {
        self.may_be_opened(portal)
            && self.has_stale_cursors(&Left::default(), self.before(), true, now)
    }
}
