//! Prepared statements, portals and cursors: what a name may stand for at this moment.
//!
//! A name's meaning is certain only once the server has answered everything that concerns it.
//! Until then a [`Slot`] keeps what it will mean if all goes well (`current`) and what it may still
//! mean if a message in flight fails or is skipped (`prior`). A judgement of a name is the
//! strictest over everything it may mean, so it is never weaker than the truth.

use std::rc::Rc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::sql::Judgement;

/// The statements a name may stand for.
pub type Meanings = SmallVec<[Rc<Judgement>; 1]>;

/// More meanings than this are not told apart any more.
const MEANINGS_LIMIT: usize = 8;

/// A batch: what lies between two points at which the server settles (a string, or a pipeline up
/// to its Sync). Later messages of a batch run only if the earlier ones succeeded.
pub type Batch = u64;

/// What one name may stand for.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    current: Meanings,
    prior: Meanings,
    batch: Batch,
    /// Number of the latest change; an answer to an earlier one settles nothing.
    change: u64,
    settled: bool,
    hold: bool,
    /// `current` has more meanings than are kept.
    current_overflows: bool,
    /// `prior` has.
    prior_overflows: bool,
    /// Besides `current` it may mean what it meant when nothing was known of it.
    current_open: bool,
    /// The same of `prior`.
    prior_open: bool,
}

/// The answer to a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// One of these statements.
    Known(Meanings),
    /// One of these, or what stood behind the name when nothing was known of it: nothing, unless code
    /// that cannot be seen made something.
    Perhaps(Meanings),
    /// Never heard of: the server will say so too, unless code that cannot be seen made it.
    Unknown,
    /// Anything.
    Uncertain,
}

impl Slot {
    /// A change sent to the server: in `batch`, the name will mean `meanings`.
    fn change(&mut self, meanings: Meanings, batch: Batch, change: u64) {
        let open = self.current.is_empty() || self.current_open || self.prior_open;
        let mut prior = std::mem::take(&mut self.current);
        merge(&mut prior, &self.prior);
        let overflows = prior.len() > MEANINGS_LIMIT;
        prior.truncate(MEANINGS_LIMIT);
        *self = Slot {
            current: meanings,
            prior,
            batch,
            change,
            settled: false,
            hold: false,
            current_overflows: false,
            prior_overflows: overflows || self.current_overflows || self.prior_overflows,
            current_open: false,
            prior_open: open,
        };
    }

    fn succeeded(&mut self, change: u64) {
        if self.change == change {
            self.prior.clear();
            self.prior_overflows = false;
            self.prior_open = false;
            self.settled = true;
        }
    }

    fn skipped(&mut self, change: u64) {
        if self.change == change {
            self.current = std::mem::take(&mut self.prior);
            self.current_overflows = std::mem::take(&mut self.prior_overflows);
            self.current_open = std::mem::take(&mut self.prior_open);
            self.settled = true;
            self.change = 0;
        }
    }

    fn lost(&mut self, change: u64) {
        if self.change == change {
            let prior = std::mem::take(&mut self.prior);
            merge(&mut self.current, &prior);
            self.current_overflows |= std::mem::take(&mut self.prior_overflows);
            self.current_open |= std::mem::take(&mut self.prior_open);
            self.settled = true;
            self.change = 0;
        }
    }

    fn look_up(&self, batch: Batch) -> Lookup {
        let certain = self.settled || self.batch == batch;
        if self.current_overflows || (!certain && self.prior_overflows) {
            return Lookup::Uncertain;
        }
        let mut meanings = self.current.clone();
        if !certain {
            merge(&mut meanings, &self.prior);
        }
        let open = self.current_open || !certain && self.prior_open;
        match meanings.is_empty() {
            true => Lookup::Unknown,
            false if open => Lookup::Perhaps(meanings),
            false => Lookup::Known(meanings),
        }
    }

    fn is_void(&self) -> bool {
        self.settled && self.current.is_empty() && !self.current_overflows
    }
}

/// The server knows names by their first 63 bytes (`NAMEDATALEN`).
fn cut(name: &[u8]) -> &[u8] {
    name.get(..63).unwrap_or(name)
}

fn merge(into: &mut Meanings, from: &Meanings) {
    for meaning in from {
        if !into.iter().any(|known| Rc::ptr_eq(known, meaning) || known == meaning) {
            into.push(meaning.clone());
        }
    }
}

/// A name that a message in flight changed, to be settled by its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `None`: the unnamed one.
    name: Option<Rc<[u8]>>,
    change: u64,
}

type Named = HashMap<Rc<[u8]>, Slot, ahash::RandomState>;

/// All names of one kind. The unnamed one has a place of its own: it is every driver's usual one.
#[derive(Debug, Default)]
pub struct Names {
    unnamed: Slot,
    /// `None`: there have been none, which is the rule.
    named: Option<Box<Named>>,
    changes: u64,
}

impl Names {
    /// What `name` may mean to a message of `batch`.
    pub fn look_up(&self, name: &[u8], batch: Batch) -> Lookup {
        let name = cut(name);
        if name.is_empty() {
            return self.unnamed.look_up(batch);
        }
        let slot = self.named.as_ref().and_then(|named| named.get(name));
        slot.map_or(Lookup::Unknown, |slot| slot.look_up(batch))
    }

    /// How many changes have been sent.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether what gave `name` its meaning was sent behind so many changes, and has not failed.
    pub fn is_made_behind(&self, name: &[u8], changes: u64) -> bool {
        let slot = self.named.as_ref().and_then(|named| named.get(cut(name)));
        slot.is_some_and(|slot| slot.change > changes)
    }

    /// A message that gives `name` a meaning (empty: none) is being sent in `batch`.
    pub fn change(&mut self, name: &[u8], meanings: Meanings, batch: Batch) -> Change {
        let name = cut(name);
        self.changes += 1;
        let change = self.changes;
        if name.is_empty() {
            self.unnamed.change(meanings, batch, change);
            // messages alone make it
            self.unnamed.prior_open = false;
            return Change { name: None, change };
        }
        let named = self.named.get_or_insert_default();
        let key: Rc<[u8]> = match named.get_key_value(name) {
            Some((key, _)) => key.clone(),
            None => name.into(),
        };
        named.entry(key.clone()).or_default().change(meanings, batch, change);
        Change { name: Some(key), change }
    }

    /// The message succeeded.
    pub fn succeeded(&mut self, change: &Change) {
        self.settle(change, Slot::succeeded);
    }

    /// The message failed, or was skipped after an earlier error: it gave no meaning.
    pub fn skipped(&mut self, change: &Change) {
        self.settle(change, Slot::skipped);
    }

    /// What became of the message is not known.
    pub fn lost(&mut self, change: &Change) {
        self.settle(change, Slot::lost);
    }

    fn settle(&mut self, change: &Change, settle: fn(&mut Slot, u64)) {
        match &change.name {
            None => settle(&mut self.unnamed, change.change),
            Some(name) => {
                let Some(named) = &mut self.named else { return };
                if let Some(slot) = named.get_mut(name) {
                    settle(slot, change.change);
                    if slot.is_void() {
                        named.remove(name);
                    }
                }
            }
        }
    }

    /// The name survives the end of the transaction (a cursor WITH HOLD).
    pub fn hold(&mut self, name: &[u8]) {
        let name = cut(name);
        if let Some(slot) = self.named.as_mut().and_then(|named| named.get_mut(name)) {
            slot.hold = true;
        }
    }

    /// The transaction of `batch` is over: what was made in it or before is gone, except what is
    /// held (portals and cursors).
    pub fn end_transaction(&mut self, batch: Batch) {
        if self.unnamed.batch <= batch {
            self.unnamed = Slot { settled: true, ..Slot::default() };
        }
        if let Some(named) = &mut self.named
            && !named.is_empty()
        {
            named.retain(|_, slot| slot.hold || slot.batch > batch || !slot.settled);
        }
    }

    /// All names are gone (DEALLOCATE ALL, CLOSE ALL, DISCARD ALL), those of later batches aside.
    pub fn clear(&mut self, batch: Batch) {
        if let Some(named) = &mut self.named {
            named.retain(|_, slot| slot.batch > batch || !slot.settled);
        }
    }

    /// Number of names kept, for tests and memory accounting.
    pub fn len(&self) -> usize {
        self.named.as_ref().map_or(0, |named| named.len())
    }

    /// No name is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Class, Statement};
    use smallvec::smallvec;

    fn judgement(class: Class) -> Rc<Judgement> {
        Rc::new(Judgement::of(Statement::new(class, "")))
    }

    #[test]
    fn a_name_that_was_not_known_may_mean_anything_again_once_what_changes_it_fails() {
        let read = judgement(Class::Read);
        let mut names = Names::default();
        let made = names.change(b"q", smallvec![read.clone()], 1);
        let gone = names.change(b"q", Meanings::new(), 1);
        names.skipped(&made);
        names.skipped(&gone);
        assert_eq!(names.look_up(b"q", 2), Lookup::Perhaps(smallvec![read.clone()]));
        let made = names.change(b"q", smallvec![read.clone()], 2);
        names.succeeded(&made);
        assert_eq!(names.look_up(b"q", 3), Lookup::Known(smallvec![read]));
    }

    #[test]
    fn a_later_message_of_the_batch_sees_the_new_meaning_only() {
        let (read, ddl) = (judgement(Class::Read), judgement(Class::Ddl));
        let mut names = Names::default();
        let first = names.change(b"", smallvec![ddl.clone()], 1);
        names.succeeded(&first);
        names.change(b"", smallvec![read.clone()], 2);
        assert_eq!(names.look_up(b"", 2), Lookup::Known(smallvec![read]));
    }

    #[test]
    fn another_batch_sees_both_until_it_is_answered() {
        let (read, ddl) = (judgement(Class::Read), judgement(Class::Ddl));
        let mut names = Names::default();
        let first = names.change(b"s", smallvec![ddl.clone()], 1);
        names.succeeded(&first);
        let second = names.change(b"s", smallvec![read.clone()], 2);
        assert_eq!(names.look_up(b"s", 3), Lookup::Known(smallvec![read.clone(), ddl.clone()]));
        names.skipped(&second);
        assert_eq!(names.look_up(b"s", 4), Lookup::Known(smallvec![ddl.clone()]));
        let lost = names.change(b"s", smallvec![read.clone()], 4);
        names.lost(&lost);
        assert_eq!(names.look_up(b"s", 5), Lookup::Known(smallvec![read.clone(), ddl]));
        let third = names.change(b"s", smallvec![read.clone()], 5);
        names.succeeded(&third);
        assert_eq!(names.look_up(b"s", 6), Lookup::Known(smallvec![read]));
    }

    #[test]
    fn too_many_meanings_make_the_past_uncertain_and_not_the_present() {
        let mut names = Names::default();
        let many = MEANINGS_LIMIT + 1;
        for index in 0..many {
            let mut statement = Statement::new(Class::Read, "");
            statement.location = u32::try_from(index).unwrap_or_default();
            names.change(b"", smallvec![Rc::new(Judgement::of(statement))], 1);
        }
        let read = judgement(Class::Read);
        let latest = names.change(b"", smallvec![read.clone()], 2);
        assert_eq!(names.look_up(b"", 2), Lookup::Known(smallvec![read.clone()]));
        assert_eq!(names.look_up(b"", 3), Lookup::Uncertain);
        names.succeeded(&latest);
        assert_eq!(names.look_up(b"", 3), Lookup::Known(smallvec![read]));
    }

    #[test]
    fn a_closed_name_is_forgotten() {
        let mut names = Names::default();
        let made = names.change(b"s", smallvec![judgement(Class::Read)], 1);
        names.succeeded(&made);
        let closed = names.change(b"s", Meanings::new(), 2);
        assert_eq!(names.look_up(b"s", 2), Lookup::Unknown);
        names.succeeded(&closed);
        assert!(names.is_empty());
    }

    #[test]
    fn the_end_of_a_transaction_spares_held_cursors_and_later_batches() {
        let read = judgement(Class::Read);
        let mut names = Names::default();
        for (name, batch) in [(b"held", 1), (b"gone", 1), (b"late", 2)] {
            let change = names.change(name, smallvec![read.clone()], batch);
            names.succeeded(&change);
        }
        names.hold(b"held");
        names.end_transaction(1);
        assert_eq!(names.look_up(b"gone", 3), Lookup::Unknown);
        assert_ne!(names.look_up(b"held", 3), Lookup::Unknown);
        assert_ne!(names.look_up(b"late", 3), Lookup::Unknown);
    }
}
