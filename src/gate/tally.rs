//! How many statements were decided, and how, until the relay moves that to metrics.

use crate::sql::Class;

/// How a statement was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It may run.
    Allowed,
    /// It may run because the session has confirmed.
    Confirmed,
    /// It was blocked.
    Blocked,
}

/// Statements of one class that were decided alike.
pub type Alike = (Class, Decided, u32);

/// Counts since they were last taken. Most often all are alike, so a session keeps room for one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    first: Option<Alike>,
    others: Vec<Alike>,
}

impl Tally {
    #[inline]
    pub(super) fn add(&mut self, class: Class, decided: Decided) {
        match &mut self.first {
            Some((of, how, count)) if (*of, *how) == (class, decided) => *count += 1,
            None => self.first = Some((class, decided, 1)),
            Some(_) => self.add_other(class, decided),
        }
    }

    #[cold]
    fn add_other(&mut self, class: Class, decided: Decided) {
        let known = self.others.iter_mut().find(|(of, how, _)| (*of, *how) == (class, decided));
        match known {
            Some((_, _, count)) => *count += 1,
            None => self.others.push((class, decided, 1)),
        }
    }

    /// What has been counted, and from zero again.
    #[inline]
    pub(super) fn take(&mut self) -> impl Iterator<Item = Alike> {
        self.first.take().into_iter().chain(self.others.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_counted_once() {
        let mut tally = Tally::default();
        for (class, decided) in [
            (Class::Read, Decided::Allowed),
            (Class::Ddl, Decided::Blocked),
            (Class::Read, Decided::Allowed),
            (Class::Ddl, Decided::Confirmed),
            (Class::Ddl, Decided::Blocked),
        ] {
            tally.add(class, decided);
        }
        let counted = [
            (Class::Read, Decided::Allowed, 2),
            (Class::Ddl, Decided::Blocked, 2),
            (Class::Ddl, Decided::Confirmed, 1),
        ];
        assert_eq!(tally.take().collect::<Vec<_>>(), counted);
        assert_eq!(tally.take().count(), 0);
    }
}
