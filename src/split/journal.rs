//! What the session has done to itself, for legs that take part later: settings outside
//! transactions for a leg that is opened later, and settings and savepoints of the open
//! transaction for a leg that it reaches later.

use bytes::Bytes;

use super::Side;

/// The most that is kept for a leg that is not open, in bytes of SQL text.
const LIMIT: usize = 256 * 1024;

/// One thing in the open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// SAVEPOINT, with its name.
    Savepoint(Box<str>, Bytes),
    /// A statement that both legs have to run. `local`: its effect ends with the transaction.
    Session {
        /// The statement.
        text: Bytes,
        /// SET LOCAL.
        local: bool,
    },
}

impl Note {
    fn text(&self) -> &Bytes {
        match self {
            Note::Savepoint(_, text) | Note::Session { text, .. } => text,
        }
    }
}

/// The journal of a session.
#[derive(Debug, Default)]
pub struct Journal {
    pending: [Vec<Bytes>; 2],
    block: Vec<Note>,
}

impl Journal {
    /// A leg has missed a statement that was done outside a transaction. False: too much would
    /// have to be kept.
    #[must_use]
    pub fn missed(&mut self, side: Side, text: &Bytes, resets: bool) -> bool {
        let pending = &mut self.pending[side as usize];
        if resets {
            pending.clear();
        }
        pending.retain(|known| known != text);
        pending.push(text.clone());
        pending.iter().map(Bytes::len).sum::<usize>() <= LIMIT
    }

    /// Something was done in the open transaction.
    #[must_use]
    pub fn noted(&mut self, note: Note) -> bool {
        self.block.push(note);
        self.block.iter().map(|note| note.text().len()).sum::<usize>() <= LIMIT
    }

    /// What a leg has to be told before it is used again outside the transaction's scope.
    pub fn take_pending(&mut self, side: Side) -> Vec<Bytes> {
        std::mem::take(&mut self.pending[side as usize])
    }

    /// What a leg has to be told when the open transaction reaches it, behind BEGIN.
    pub fn block(&self) -> impl Iterator<Item = &Bytes> {
        self.block.iter().map(Note::text)
    }

    /// Savepoints open.
    pub fn depth(&self) -> usize {
        self.block.iter().filter(|note| matches!(note, Note::Savepoint(..))).count()
    }

    /// RELEASE: the savepoint and those above it are no more; what was set stays.
    pub fn released(&mut self, name: &str) {
        if let Some(at) = self.savepoint(name) {
            let above = self.block.split_off(at);
            self.block
                .extend(above.into_iter().filter(|note| matches!(note, Note::Session { .. })));
        }
    }

    /// ROLLBACK TO: what came after the savepoint is undone, it stays itself.
    pub fn rolled_back_to(&mut self, name: &str) {
        if let Some(at) = self.savepoint(name) {
            self.block.truncate(at + 1);
        }
    }

    /// COMMIT: `absent` legs have missed what was set for longer. False: too much to keep.
    #[must_use]
    pub fn committed(&mut self, absent: &[Side]) -> bool {
        let mut fits = true;
        for note in std::mem::take(&mut self.block) {
            if let Note::Session { text, local: false } = note {
                for side in absent {
                    fits &= self.missed(*side, &text, false);
                }
            }
        }
        fits
    }

    /// ROLLBACK.
    pub fn rolled_back(&mut self) {
        self.block.clear();
    }

    /// Whether a savepoint of this name is open.
    pub fn has(&self, name: &str) -> bool {
        self.savepoint(name).is_some()
    }

    fn savepoint(&self, wanted: &str) -> Option<usize> {
        self.block
            .iter()
            .rposition(|note| matches!(note, Note::Savepoint(name, _) if **name == *wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &'static str, local: bool) -> Note {
        Note::Session { text: Bytes::from_static(text.as_bytes()), local }
    }

    fn savepoint(name: &'static str) -> Note {
        Note::Savepoint(name.into(), Bytes::from_static(name.as_bytes()))
    }

    fn block(journal: &Journal) -> Vec<&str> {
        journal.block().map(|text| std::str::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn a_late_leg_is_told_what_the_transaction_did_so_far() {
        let mut journal = Journal::default();
        for note in [set("a", false), savepoint("s"), set("b", false), savepoint("t")] {
            assert!(journal.noted(note));
        }
        assert_eq!(journal.depth(), 2);
        journal.rolled_back_to("s");
        assert_eq!(block(&journal), ["a", "s"]);
        assert!(journal.noted(set("c", true)) && journal.noted(savepoint("s")));
        journal.released("s");
        assert_eq!(block(&journal), ["a", "s", "c"]);
        journal.released("s");
        assert_eq!(block(&journal), ["a", "c"]);
        assert!(journal.committed(&[Side::Write]));
        assert_eq!(journal.take_pending(Side::Write), ["a"]);
        assert!(journal.take_pending(Side::Read).is_empty() && block(&journal).is_empty());
    }

    #[test]
    fn what_is_set_again_is_kept_once() {
        let mut journal = Journal::default();
        let (a, b) = (Bytes::from_static(b"a"), Bytes::from_static(b"b"));
        for text in [&a, &b, &a] {
            assert!(journal.missed(Side::Read, text, false));
        }
        assert_eq!(journal.take_pending(Side::Read), [b.clone(), a]);
        assert!(journal.missed(Side::Read, &b, true));
        assert_eq!(journal.take_pending(Side::Read), [b]);
    }

    #[test]
    fn no_more_is_kept_than_is_reasonable() {
        let mut journal = Journal::default();
        assert!(!journal.missed(Side::Write, &Bytes::from(vec![b' '; LIMIT + 1]), false));
    }
}
