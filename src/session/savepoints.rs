//! The open savepoints, each with the parameters as they were when it was made.
//!
//! A stack whose copies share what lies below: the state of a session is copied for every statement
//! that is foreseen, and a client may open savepoints without end.

use std::rc::Rc;

use rpds::HashTrieMap;

use super::Parameters;

/// A stack of savepoints; copying it costs little, whatever its depth.
#[derive(Clone, Debug, Default)]
pub(super) struct Savepoints {
    top: Option<Rc<Savepoint>>,
    /// The depth of the latest savepoint of each name; `None`: there is none.
    latest: Option<Box<HashTrieMap<Rc<str>, usize>>>,
}

#[derive(Debug)]
struct Savepoint {
    name: Rc<str>,
    saved: Parameters,
    /// Nothing is trusted that was saved here or below.
    distrusted: bool,
    /// Number of savepoints up to here.
    depth: usize,
    /// The depth of the one of the same name that it hides; 0: none.
    hides: usize,
    below: Option<Rc<Savepoint>>,
}

impl Savepoints {
    /// Number of savepoints open.
    pub(super) fn depth(&self) -> usize {
        self.top.as_ref().map_or(0, |top| top.depth)
    }

    /// SAVEPOINT.
    pub(super) fn push(&mut self, name: &str, saved: Parameters) {
        let name: Rc<str> = name.into();
        let (hides, depth) = (self.depth_of(&name).unwrap_or(0), self.depth() + 1);
        self.latest.get_or_insert_default().insert_mut(Rc::clone(&name), depth);
        self.put(name, saved, depth, hides);
    }

    fn put(&mut self, name: Rc<str>, saved: Parameters, depth: usize, hides: usize) {
        let below = self.top.take();
        let distrusted = saved.is_distrusted() && below.as_ref().is_none_or(|one| one.distrusted);
        self.top = Some(Rc::new(Savepoint { name, saved, distrusted, depth, hides, below }));
    }

    /// RELEASE: the latest savepoint of this name goes, with those above it. False: there is none.
    pub(super) fn release(&mut self, name: &str) -> bool {
        let Some(depth) = self.depth_of(name) else { return false };
        self.cut(depth - 1);
        true
    }

    /// ROLLBACK TO: those above the latest savepoint of this name go; it stays. Gives what it
    /// saved. `None`: there is none.
    pub(super) fn roll_back_to(&mut self, name: &str) -> Option<Parameters> {
        let depth = self.depth_of(name)?;
        self.cut(depth);
        self.top.as_ref().map(|top| top.saved.clone())
    }

    /// Those above a depth go.
    fn cut(&mut self, depth: usize) {
        while let Some(top) = self.top.take_if(|top| top.depth > depth) {
            let latest = self.latest.get_or_insert_default();
            match top.hides {
                0 => drop(latest.remove_mut(&top.name)),
                hides => latest.insert_mut(Rc::clone(&top.name), hides),
            }
            self.top.clone_from(&top.below);
        }
    }

    fn depth_of(&self, name: &str) -> Option<usize> {
        self.latest.as_ref()?.get(name).copied()
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.depth_of(name).is_some()
    }

    /// The end of the transaction.
    pub(super) fn clear(&mut self) {
        *self = Savepoints::default();
    }

    /// What each of them saved, the latest first.
    pub(super) fn saved(&self) -> impl Iterator<Item = &Parameters> {
        self.downwards().map(|one| &one.saved)
    }

    fn downwards(&self) -> impl Iterator<Item = &Rc<Savepoint>> {
        std::iter::successors(self.top.as_ref(), |one| one.below.as_ref())
    }

    /// Nothing of what they saved is trusted any more.
    pub(super) fn distrust(&mut self) {
        let trusted: Vec<Rc<Savepoint>> =
            self.downwards().take_while(|one| !one.distrusted).cloned().collect();
        if let Some(last) = trusted.last() {
            self.top.clone_from(&last.below);
        }
        for one in trusted.into_iter().rev() {
            let mut saved = one.saved.clone();
            saved.distrust();
            self.put(Rc::clone(&one.name), saved, one.depth, one.hides);
        }
    }
}

/// One by one: a long stack would overflow the thread's if each dropped the next.
impl Drop for Savepoints {
    fn drop(&mut self) {
        let mut next = self.top.take();
        while let Some(one) = next {
            next = Rc::into_inner(one).and_then(|mut one| one.below.take());
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
        stack.push("a", confirmed());
        let copy = stack.clone();
        stack.push("b", confirmed());
        stack.distrust();
        assert_eq!((stack.depth(), copy.depth()), (2, 1));
        assert!(copy.saved().all(|saved| *saved == confirmed()));
        assert!(stack.saved().all(Parameters::is_distrusted));
        assert!(stack.has("b") && !copy.has("b"));
        stack.push("a", confirmed());
        assert_eq!(stack.roll_back_to("a"), Some(confirmed()));
        stack.distrust();
        assert!(stack.release("a") && stack.release("a") && !stack.release("b"));
    }

    #[test]
    fn many_cost_no_more_for_each() {
        let mut stack = Savepoints::default();
        for number in 0..200_000 {
            stack.push(&format!("s{number}"), confirmed());
            stack.distrust();
            assert!(!stack.clone().release("t"));
        }
        assert_eq!(stack.depth(), 200_000);
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
