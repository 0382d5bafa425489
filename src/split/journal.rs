//! What the session has done to itself, for legs that take part later: what stands, for a leg that
//! is opened later or took no part, and settings and savepoints of the open transaction (a block, or
//! a pipeline's up to its Sync) for a leg that it reaches later.

use bytes::Bytes;

use super::{ISOLATION, Isolates, Sets, Side};
use crate::sql::{Effect, Modes, SetValue, Statement};

/// The most that is kept for a leg that is not open, in bytes of SQL text.
const LIMIT: usize = 256 * 1024;

/// The most that is kept of savepoints, in bytes: some drivers set one before each statement.
const SAVEPOINTS: usize = 4 * 1024 * 1024;

/// A statement that both legs run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Its text.
    pub text: Bytes,
    /// What its parameters stand for, where it has some.
    pub values: Option<Values>,
    /// What it makes of the isolation level.
    pub isolates: Isolates,
    /// What it sets, if it does so whatever else is set.
    pub sets: Sets,
    /// It is RESET of a parameter.
    pub resets: bool,
}

/// Parameters, as the client sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Their types: what follows the text in Parse.
    pub types: Bytes,
    /// What follows the names in Bind.
    pub bound: Bytes,
}

impl Told {
    /// A statement that has no parameters.
    pub fn of(statement: &Statement, text: Bytes) -> Told {
        let sets = Sets::of(statement, &text);
        let resets = matches!(
            statement.effect,
            Effect::Reset(_) | Effect::Set { value: SetValue::Default, .. }
        );
        Told { text, values: None, isolates: Isolates::of(statement), sets, resets }
    }

    fn len(&self) -> usize {
        let values = self.values.as_ref();
        self.text.len() + values.map_or(0, |values| values.types.len() + values.bound.len())
    }
}

impl From<Bytes> for Told {
    fn from(text: Bytes) -> Told {
        Told { text, ..Told::default() }
    }
}

/// How long what a statement does lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// To the end of its transaction: SET LOCAL.
    Locally,
    /// It is a setting that RESET ALL undoes.
    Resettable,
    /// It is RESET ALL.
    ResetAll,
    /// For longer: SET ROLE, UNLISTEN.
    On,
}

/// One thing in the open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// SAVEPOINT.
    Savepoint(Savepoint),
    /// A statement that both legs have to run.
    Session(Told, Lasts),
    /// A cursor WITH HOLD was declared where the session reads.
    Held(Box<str>),
    /// Something that no leg is told, and that stands once this one has committed: LISTEN, what a
    /// routine may have set where the session reads.
    Untold,
}

/// A savepoint, or several of one name with nothing to be told in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Savepoint {
    name: Box<str>,
    /// For a leg that takes part later; empty where none can.
    text: Bytes,
    /// What the block had then.
    modes: Modes,
    count: usize,
}

impl Savepoint {
    /// One savepoint. `text`: for a leg that takes part later; empty where none can.
    pub fn new(name: &str, text: &[u8], modes: Modes) -> Self {
        // a copy: the text is a slice of all that the client has sent with it
        Savepoint { name: name.into(), text: Bytes::copy_from_slice(text), modes, count: 1 }
    }

    /// Another one right behind this one. False: it is not one of the same.
    fn takes(&mut self, other: &Savepoint) -> bool {
        let same = self.name == other.name && self.modes == other.modes;
        if same {
            self.count += other.count;
            if other.text.is_empty() {
                self.text = Bytes::new();
            }
        }
        same
    }

    fn len(&self) -> usize {
        size_of::<Note>() + self.name.len() + self.count * self.text.len()
    }
}

impl Note {
    fn modes(&self) -> Option<Modes> {
        match self {
            Note::Savepoint(savepoint) => Some(savepoint.modes),
            _ => None,
        }
    }

    const fn is_savepoint(&self) -> bool {
        matches!(self, Note::Savepoint(_))
    }

    fn len(&self) -> usize {
        match self {
            Note::Savepoint(savepoint) => savepoint.len(),
            Note::Session(told, _) => told.len(),
            Note::Held(name) => name.len(),
            Note::Untold => 0,
        }
    }
}

/// The journal of a session. What is not known to stand is a note: only the end of its transaction
/// makes it something that a leg has missed.
#[derive(Debug, Default)]
pub struct Journal {
    pending: [Vec<(Told, Lasts)>; 2],
    /// What a leg was told of it within a transaction that may still be rolled back.
    telling: [Vec<(Told, Lasts)>; 2],
    open: Vec<Note>,
    /// What of that is savepoints, and the rest, in bytes.
    savepoints: usize,
    rest: usize,
}

impl Journal {
    /// A leg has missed a statement that was done outside a transaction. False: too much would
    /// have to be kept.
    #[must_use]
    pub fn missed(&mut self, side: Side, told: &Told, lasts: Lasts) -> bool {
        let pending = &mut self.pending[side as usize];
        if lasts == Lasts::Locally {
            return true;
        }
        if lasts == Lasts::ResetAll {
            // what may have depended on them comes before them
            let depends =
                |(told, lasts): &(Told, Lasts)| *lasts == Lasts::On && !told.sets.is_known();
            let kept = pending.iter().rposition(depends).map_or(0, |at| at + 1);
            let mut later = pending.split_off(kept);
            later.retain(|(_, lasts)| *lasts == Lasts::On);
            pending.append(&mut later);
        }
        let made_up = |pending: &[(Told, Lasts)], sets: &Sets| {
            sets.make_up_for(pending.iter().rev().map(|(told, lasts)| (*lasts, &told.sets)), lasts)
        };
        if let Some(back) = made_up(pending, &told.sets) {
            let at = pending.len() - 1 - back;
            pending.remove(at);
            // those around it may have come to stand side by side
            let lasts = |at: usize| pending.get(at).map(|(_, lasts)| *lasts);
            if at > 0
                && lasts(at) == lasts(at - 1)
                && pending[at].0.sets.replaces(&pending[at - 1].0.sets)
            {
                pending.remove(at - 1);
            }
        }
        pending.push((told.clone(), lasts));
        pending.iter().map(|(told, _)| told.len()).sum::<usize>() <= LIMIT
    }

    /// A leg is told something before all that it has missed.
    pub fn opened(&mut self, side: Side, first: Bytes) {
        self.pending[side as usize].insert(0, (first.into(), Lasts::On));
    }

    /// Something was done in the open transaction. False: too much would have to be kept.
    #[must_use]
    pub fn noted(&mut self, note: Note) -> bool {
        let is_untold = |note: &Note| matches!(note, Note::Untold);
        let mut latest = self.open.iter().rev().take_while(|note| !note.is_savepoint());
        if is_untold(&note) && latest.any(is_untold) {
            return true;
        }
        if let Note::Session(told, lasts) = &note {
            let latest = self.open.iter().rev().map_while(|note| match note {
                Note::Session(told, lasts) => Some((*lasts, &told.sets)),
                _ => None,
            });
            if let Some(back) = told.sets.make_up_for(latest, *lasts) {
                let undone = self.open.remove(self.open.len() - 1 - back);
                self.rest -= undone.len();
            }
        }
        if let (Note::Savepoint(savepoint), Some(Note::Savepoint(last))) =
            (&note, self.open.last_mut())
        {
            let before = last.len();
            if last.takes(savepoint) {
                self.savepoints = self.savepoints - before + last.len();
                return self.savepoints <= SAVEPOINTS;
            }
        }
        self.push(note);
        self.savepoints <= SAVEPOINTS && self.rest <= LIMIT
    }

    /// A savepoint is not too much to keep.
    pub fn has_room_for(&self, savepoint: &Savepoint) -> bool {
        self.savepoints + savepoint.len() <= SAVEPOINTS
    }

    fn push(&mut self, note: Note) {
        *self.part(&note) += note.len();
        self.open.push(note);
    }

    /// The notes from this one on are no more.
    fn split_off(&mut self, at: usize) -> Vec<Note> {
        let gone = self.open.split_off(at);
        for note in &gone {
            *self.part(note) -= note.len();
        }
        gone
    }

    /// The sum that a note is counted in.
    const fn part(&mut self, note: &Note) -> &mut usize {
        if note.is_savepoint() { &mut self.savepoints } else { &mut self.rest }
    }

    /// What a leg has to be told before it does anything else. `within`: it is told in a
    /// transaction that may still be rolled back.
    pub fn take_pending(&mut self, side: Side, within: bool) -> Vec<Told> {
        let pending = std::mem::take(&mut self.pending[side as usize]);
        let told = pending.iter().map(|(told, _)| told.clone()).collect();
        if within {
            self.telling[side as usize].extend(pending);
        }
        told
    }

    /// What a leg has missed.
    pub fn pending(&self, side: Side) -> Vec<(Told, Lasts)> {
        self.pending[side as usize].clone()
    }

    /// It has missed this, and nothing else: it could not be told.
    pub fn pends(&mut self, side: Side, missed: Vec<(Told, Lasts)>) {
        self.pending[side as usize] = missed;
    }

    /// What a leg has missed that concerns the isolation level, the last of it.
    pub fn isolates(&self, side: Side) -> Option<Isolates> {
        let concerns = |told: &Told| told.isolates != Isolates::As || told.sets.is_of(ISOLATION);
        let missed = self.pending[side as usize].iter().map(|(told, _)| told);
        missed.rev().find(|told| concerns(told)).map(|told| told.isolates)
    }

    /// Nothing of what a leg has missed is left: DISCARD ALL.
    pub fn discarded(&mut self) {
        *self = Journal::default();
    }

    /// What a leg has to be told when the open transaction reaches it.
    pub fn open(&self) -> impl Iterator<Item = Told> {
        self.open.iter().flat_map(|note| {
            let (told, count) = match note {
                Note::Savepoint(Savepoint { text, count, .. }) => {
                    (Told::from(text.clone()), *count)
                }
                Note::Session(told, _) => (told.clone(), 1),
                Note::Held(_) | Note::Untold => (Told::default(), 0),
            };
            std::iter::repeat_n(told, count)
        })
    }

    /// How the open transaction ends matters.
    pub fn is_open(&self) -> bool {
        self.open.iter().any(|note| !matches!(note, Note::Untold))
            || self.telling.iter().any(|telling| !telling.is_empty())
    }

    /// Cursors WITH HOLD of the open transaction, where the session reads.
    pub fn held(&self) -> impl Iterator<Item = &str> {
        self.open.iter().filter_map(|note| match note {
            Note::Held(name) => Some(&**name),
            _ => None,
        })
    }

    /// The open transaction has set something for longer than itself.
    pub fn sets(&self) -> bool {
        self.open.iter().any(|note| match note {
            Note::Session(_, lasts) => *lasts != Lasts::Locally,
            Note::Untold => true,
            Note::Savepoint(..) | Note::Held(_) => false,
        })
    }

    /// The leg where the session reads commits before the one where it writes: whether it is still
    /// there is known then. Not where it would keep what the other one could still take back; a
    /// cursor WITH HOLD, which may fail at COMMIT, is closed again.
    pub fn read_commits_first(&self) -> bool {
        !self.sets() || self.held().next().is_some()
    }

    /// Savepoints open.
    pub fn depth(&self) -> usize {
        let count = |note: &Note| match note {
            Note::Savepoint(savepoint) => savepoint.count,
            _ => 0,
        };
        self.open.iter().map(count).sum()
    }

    /// RELEASE: the savepoint and those above it are no more; what was set stays.
    pub fn released(&mut self, name: &str) {
        let Some(at) = self.savepoint(name) else { return };
        let mut above = self.split_off(at);
        if let Some(Note::Savepoint(savepoint)) = above.first_mut()
            && savepoint.count > 1
        {
            savepoint.count -= 1;
            let savepoint = above.remove(0);
            self.push(savepoint);
        }
        above.into_iter().filter(|note| !note.is_savepoint()).for_each(|note| self.push(note));
    }

    /// ROLLBACK TO: what came after the savepoint is undone, it stays itself. Gives the modes that
    /// the block had then.
    pub fn rolled_back_to(&mut self, name: &str) -> Option<Modes> {
        let at = self.savepoint(name)?;
        self.split_off(at + 1);
        self.open.last().and_then(Note::modes)
    }

    /// The modes that the block had before its first savepoint that is still open.
    pub fn modes(&self) -> Option<Modes> {
        self.open.iter().find_map(Note::modes)
    }

    /// COMMIT: `absent` legs have missed what was set for longer. False: too much to keep.
    #[must_use]
    pub fn committed(&mut self, absent: &[Side]) -> bool {
        let mut fits = true;
        for side in Side::BOTH {
            match absent.contains(&side) {
                true => self.untold(side),
                false => self.telling[side as usize].clear(),
            }
        }
        for note in self.split_off(0) {
            if let Note::Session(told, lasts) = note {
                for side in absent {
                    fits &= self.missed(*side, &told, lasts);
                }
            }
        }
        fits
    }

    /// ROLLBACK.
    pub fn rolled_back(&mut self) {
        self.split_off(0);
        Side::BOTH.into_iter().for_each(|side| self.untold(side));
    }

    /// What a leg was told has been undone with its transaction.
    fn untold(&mut self, side: Side) {
        let mut telling = std::mem::take(&mut self.telling[side as usize]);
        let pending = &mut self.pending[side as usize];
        telling.append(pending);
        *pending = telling;
    }

    /// Whether a savepoint of this name is open.
    pub fn has(&self, name: &str) -> bool {
        self.savepoint(name).is_some()
    }

    fn savepoint(&self, wanted: &str) -> Option<usize> {
        self.open
            .iter()
            .rposition(|note| matches!(note, Note::Savepoint(one) if *one.name == *wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &'static str) -> Told {
        Bytes::from_static(text.as_bytes()).into()
    }

    fn set(text: &'static str, lasts: Lasts) -> Note {
        Note::Session(told(text), lasts)
    }

    fn savepoint(name: &'static str) -> Note {
        Note::Savepoint(Savepoint::new(name, name.as_bytes(), Modes::default()))
    }

    fn texts(told: impl IntoIterator<Item = Told>) -> Vec<String> {
        let text = |told: Told| String::from_utf8(told.text.to_vec()).unwrap();
        told.into_iter().map(text).collect()
    }

    use Lasts::{Locally, On, ResetAll, Resettable};

    #[test]
    fn a_late_leg_is_told_what_the_transaction_did_so_far() {
        let mut journal = Journal::default();
        for note in [set("a", On), savepoint("s"), set("b", On), savepoint("t")] {
            assert!(journal.noted(note));
        }
        assert_eq!(journal.depth(), 2);
        journal.rolled_back_to("s");
        assert_eq!(texts(journal.open()), ["a", "s"]);
        assert!(journal.noted(set("c", Locally)) && journal.noted(savepoint("s")));
        journal.released("s");
        assert_eq!(texts(journal.open()), ["a", "s", "c"]);
        journal.released("s");
        assert_eq!(texts(journal.open()), ["a", "c"]);
        assert!(journal.committed(&[Side::Write]));
        assert_eq!(texts(journal.take_pending(Side::Write, false)), ["a"]);
        assert!(journal.take_pending(Side::Read, false).is_empty() && !journal.is_open());
    }

    #[test]
    fn savepoints_of_one_name_are_counted() {
        let mut journal = Journal::default();
        for note in [savepoint("s"), savepoint("s"), set("a", On), savepoint("s"), savepoint("t")] {
            assert!(journal.noted(note));
        }
        assert_eq!((journal.depth(), journal.open.len()), (4, 4));
        assert_eq!(texts(journal.open()), ["s", "s", "a", "s", "t"]);
        journal.released("s");
        assert_eq!(texts(journal.open()), ["s", "s", "a"]);
        journal.released("s");
        assert_eq!(texts(journal.open()), ["s", "a"]);
        journal.rolled_back_to("s");
        assert_eq!(texts(journal.open()), ["s"]);
        journal.released("s");
        assert_eq!((journal.savepoints, journal.rest, journal.depth()), (0, 0, 0));
        // other modes of the block are another savepoint
        let read_only = Modes { read_write: Some(false), ..Modes::default() };
        assert!(journal.noted(savepoint("s")));
        assert!(journal.noted(Note::Savepoint(Savepoint::new("s", b"", read_only))));
        assert_eq!(journal.rolled_back_to("s"), Some(read_only));
        journal.released("s");
        assert_eq!(journal.rolled_back_to("s"), Some(Modes::default()));
        journal.rolled_back();
        assert_eq!((journal.savepoints, journal.rest, journal.open.len()), (0, 0, 0));
    }

    #[test]
    fn many_savepoints_are_kept_apart_from_what_is_set() {
        let mut journal = Journal::default();
        let long = vec![b' '; LIMIT / 2];
        for _ in 0..4 {
            assert!(journal.noted(Note::Savepoint(Savepoint::new("s", &long, Modes::default()))));
        }
        // where every leg takes part no text is kept
        for _ in 0..1_000_000 {
            assert!(journal.noted(Note::Savepoint(Savepoint::new("s", b"", Modes::default()))));
        }
        assert_eq!((journal.depth(), journal.open.len()), (1_000_004, 1));
        assert!(journal.noted(set("a", On)));
        let name = "n".repeat(SAVEPOINTS);
        let last = Savepoint::new(&name, b"", Modes::default());
        assert!(!journal.has_room_for(&last) && !journal.noted(Note::Savepoint(last)));
    }

    #[test]
    fn what_is_set_again_is_kept_once() {
        let of = |text: &'static str| {
            let judgement = crate::sql::judge(text.as_bytes(), &std::collections::BTreeSet::new());
            Told::of(&judgement.statements[0], Bytes::from_static(text.as_bytes()))
        };
        let computed = "SELECT set_config('b', current_setting('a.a'), false)";
        for (missed, kept) in [
            (
                &["SET a.a = '1'", "SET b.b = '1'", "SET a.a = '1'"][..],
                &["SET b.b = '1'", "SET a.a = '1'"][..],
            ),
            (
                &["SET a.a = '1'", computed, "SET a.a = '1'"],
                &["SET a.a = '1'", computed, "SET a.a = '1'"],
            ),
            (&[computed, computed], &[computed, computed]),
            (
                &[
                    "SET ROLE a",
                    "SET a.a = '1'",
                    "RESET ROLE",
                    "SET ROLE a",
                    "SET a.a = '2'",
                    "RESET ROLE",
                ],
                &["SET ROLE a", "SET a.a = '2'", "RESET ROLE"],
            ),
        ] {
            let (mut journal, mut block) = (Journal::default(), Journal::default());
            for text in missed {
                assert!(journal.missed(Side::Read, &of(text), Resettable));
                assert!(block.noted(Note::Session(of(text), Resettable)));
            }
            assert_eq!(texts(journal.take_pending(Side::Read, false)), kept);
            assert!(block.open.len() <= missed.len() && block.open.len() >= kept.len());
        }
        let mut block = Journal::default();
        for note in [
            Note::Session(of("SET a.a = '1'"), Resettable),
            Note::Session(of("SET LOCAL a.a = '2'"), Locally),
            Note::Session(of("SET a.a = '3'"), Resettable),
            savepoint("s"),
            Note::Session(of("SET a.a = '4'"), Resettable),
        ] {
            assert!(block.noted(note));
        }
        let open = ["SET LOCAL a.a = '2'", "SET a.a = '3'", "s", "SET a.a = '4'"];
        assert_eq!(texts(block.open()), open);
    }

    #[test]
    fn reset_all_leaves_what_it_does_not_undo() {
        let mut journal = Journal::default();
        for (text, lasts) in [("role", On), ("a", Resettable), ("all", ResetAll)] {
            assert!(journal.missed(Side::Read, &told(text), lasts));
        }
        assert_eq!(texts(journal.take_pending(Side::Read, false)), ["role", "all"]);
    }

    #[test]
    fn the_read_leg_commits_first_where_it_would_keep_nothing() {
        let mut journal = Journal::default();
        assert!(journal.read_commits_first());
        assert!(journal.noted(savepoint("s")) && journal.noted(set("a", Locally)));
        assert!(journal.read_commits_first());
        for _ in 0..3 {
            assert!(journal.noted(Note::Untold));
        }
        assert!(!journal.read_commits_first());
        assert_eq!(journal.open.len(), 3);
        journal.rolled_back_to("s");
        assert!(journal.read_commits_first());
        assert!(journal.noted(set("b", On)));
        assert!(!journal.read_commits_first());
        assert!(journal.noted(Note::Held("c".into())));
        assert!(journal.read_commits_first() && journal.sets());
    }

    #[test]
    fn what_was_told_in_a_transaction_is_told_again_where_that_is_rolled_back() {
        let mut journal = Journal::default();
        assert!(journal.missed(Side::Write, &told("a"), On));
        assert_eq!(texts(journal.take_pending(Side::Write, true)), ["a"]);
        assert!(journal.noted(set("b", On)) && journal.is_open());
        journal.rolled_back();
        assert_eq!(texts(journal.take_pending(Side::Write, true)), ["a"]);
        assert!(journal.committed(&[]));
        assert!(journal.take_pending(Side::Write, false).is_empty() && !journal.is_open());
    }

    #[test]
    fn no_more_is_kept_than_is_reasonable() {
        let mut journal = Journal::default();
        let long = Told::from(Bytes::from(vec![b' '; LIMIT + 1]));
        assert!(!journal.missed(Side::Write, &long, On));
    }
}
