//! The open savepoints, each with the parameters as they were when it was made.
//!
//! A stack whose copies share what lies below: the state of a session is copied for every statement
//! that is foreseen, and a client may open savepoints without end.

use std::rc::Rc;

use super::Parameters;

/// A stack of savepoints; copying it costs one count.
#[derive(Clone, Debug, Default)]
pub(super) struct Savepoints(Option<Rc<Savepoint>>);

#[derive(Debug)]
struct Savepoint {
    name: Box<str>,
    saved: Parameters,
    /// Number of savepoints up to here.
    depth: usize,
    below: Savepoints,
}

impl Savepoints {
    /// Number of savepoints open.
    pub(super) fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |top| top.depth)
    }

    /// SAVEPOINT.
    pub(super) fn push(&mut self, name: &str, saved: Parameters) {
        let below = std::mem::take(self);
        let depth = below.depth() + 1;
        self.0 = Some(Rc::new(Savepoint { name: name.into(), saved, depth, below }));
    }

    /// RELEASE: the latest savepoint of this name goes, with those above it. False: there is none.
    pub(super) fn release(&mut self, name: &str) -> bool {
        let Some(found) = self.find(name) else { return false };
        let below = found.below.clone();
        *self = below;
        true
    }

    /// ROLLBACK TO: those above the latest savepoint of this name go; it stays. Gives what it
    /// saved. `None`: there is none.
    pub(super) fn roll_back_to(&mut self, name: &str) -> Option<Parameters> {
        let found = Rc::clone(self.find(name)?);
        let saved = found.saved.clone();
        self.0 = Some(found);
        Some(saved)
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The end of the transaction.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// What each of them saved, the latest first.
    pub(super) fn saved(&self) -> impl Iterator<Item = &Parameters> {
        std::iter::successors(self.0.as_deref(), |one| one.below.0.as_deref()).map(|one| &one.saved)
    }

    /// Changes what each of them saved, where it is not so already.
    pub(super) fn change(&mut self, so_already: fn(&Parameters) -> bool, to: fn(&mut Parameters)) {
        if self.saved().all(so_already) {
            return;
        }
        let mut all: Vec<(Box<str>, Parameters)> = Vec::with_capacity(self.depth());
        let mut next = self.0.as_deref();
        while let Some(one) = next {
            all.push((one.name.clone(), one.saved.clone()));
            next = one.below.0.as_deref();
        }
        self.clear();
        for (name, mut saved) in all.into_iter().rev() {
            to(&mut saved);
            self.push(&name, saved);
        }
    }

    fn find(&self, name: &str) -> Option<&Rc<Savepoint>> {
        std::iter::successors(self.0.as_ref(), |one| one.below.0.as_ref())
            .find(|one| *one.name == *name)
    }
}

/// One by one: a long stack would overflow the thread's if each dropped the next.
impl Drop for Savepoints {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(one) = next {
            next = Rc::into_inner(one).and_then(|mut one| one.below.0.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn confirmed() -> Parameters {
        Parameters::new(Some(Duration::ZERO), None, None)
    }

    #[test]
    fn the_latest_of_a_name_counts() {
        let mut stack = Savepoints::default();
        stack.push("a", Parameters::default());
        stack.push("b", Parameters::default());
        stack.push("a", confirmed());
        stack.push("c", Parameters::default());
        assert_eq!(stack.roll_back_to("a"), Some(confirmed()));
        assert_eq!(stack.depth(), 3);
        assert!(stack.release("a"));
        assert_eq!(stack.depth(), 2);
        assert_eq!(stack.roll_back_to("a"), Some(Parameters::default()));
        assert_eq!(stack.depth(), 1);
        assert!(!stack.release("b"));
        assert_eq!(stack.roll_back_to("b"), None);
    }

    #[test]
    fn a_copy_goes_its_own_way() {
        let mut stack = Savepoints::default();
        stack.push("a", Parameters::default());
        let copy = stack.clone();
        stack.push("b", Parameters::default());
        stack.change(|_| false, |saved| *saved = confirmed());
        assert_eq!((stack.depth(), copy.depth()), (2, 1));
        assert!(copy.saved().all(|saved| *saved == Parameters::default()));
        assert!(stack.saved().all(|saved| *saved == confirmed()));
    }

    #[test]
    fn a_million_of_them_are_dropped() {
        let mut stack = Savepoints::default();
        for _ in 0..1_000_000 {
            stack.push("s", Parameters::default());
        }
        let copy = stack.clone();
        drop(stack);
        assert_eq!(copy.depth(), 1_000_000);
    }
}
