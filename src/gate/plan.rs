//! What a text that may run is going to do, noted when it is sent.

use std::collections::VecDeque;
use std::rc::Rc;

use hashbrown::HashMap;

use super::before::Before;
use super::left::Left;
use super::text::ConfirmedStatement;
use super::{Alike, Decided, Fence, Gate};
use crate::session::{Batch, Change, Instant, Meanings, Names, State, Temporary};
use crate::sql::catalog::Resolved;
use crate::sql::{Class, Judgement, Statement};

/// What is to be noted when a text that may run is sent.
#[derive(Default)]
pub(super) struct Plan {
    /// Classes decided otherwise than the text alone has them, by statement.
    decided: Vec<(usize, Class)>,
    pub(super) confirmed: Vec<ConfirmedStatement>,
    pub(super) confirming: Option<ConfirmedStatement>,
    /// Confirmed once everything is done.
    pub(super) confirms: bool,
    pub(super) statements: Overlay,
    pub(super) portals: Overlay,
    /// The state once it is all done.
    pub(super) after: Option<Box<State>>,
    pub(super) temporary: Option<Temporary>,
    pub(super) copies: usize,
    pub(super) indirect: bool,
    pub(super) unseen: bool,
    /// What EXECUTE or FETCH runs may write.
    pub(super) triggers: bool,
    /// Something hides what the backstop is relied on to refuse.
    pub(super) relies: bool,
    /// What the text will have done once it is done.
    pub(super) before: Before,
    pub(super) stirs_reports: bool,
    /// What its statements leave to run later, and whether one of them ends the transaction.
    pub(super) left: Left,
    pub(super) ends: bool,
    /// The number of the snapshot by which what PREPARE names is analysed; 0: by none.
    pub(super) analysing: u64,
    pub(super) fence: Option<Fence>,
}

impl Plan {
    /// Some statement runs because the session has confirmed.
    pub(super) fn is_confirmed(&self) -> bool {
        !self.confirmed.is_empty()
    }

    /// Needs an event before it goes.
    pub(super) fn needs_record(&self) -> bool {
        !self.confirmed.is_empty() || self.confirming.is_some()
    }

    /// The next statement was decided as one of this class.
    pub(super) fn decided(&mut self, index: usize, statement: &Statement, class: Class) {
        if class != statement.class {
            self.decided.push((index, class));
        }
    }

    /// Notes what may come to depend on temporary relations, of the statement decided last.
    pub(super) fn relate(
        &self,
        resolved: &Resolved,
        (index, statement): (usize, &Statement),
        temporary: &mut Temporary,
    ) {
        let last = self.decided.last().filter(|(at, _)| *at == index);
        let class = last.map_or(statement.class, |(_, class)| *class);
        let by_name = statement.prepared().is_some() && self.before.changed;
        let makes = statement.makes_types && class < Class::Ddl || class == Class::Temp;
        let unseen = resolved.changes || statement.do_or_call || by_name;
        temporary.ran(makes || unseen, class >= Class::Ddl);
    }

    /// The class that each statement of the text was decided by.
    pub(super) fn classes(&self, judgement: &Judgement) -> impl Iterator<Item = Class> {
        let mut decided = self.decided.iter().peekable();
        judgement.statements.iter().enumerate().map(move |(index, statement)| {
            let class = decided.next_if(|(at, _)| *at == index).map(|(_, class)| *class);
            class.unwrap_or(statement.class)
        })
    }
}

impl Gate {
    /// Statements decided since the last call.
    #[inline]
    pub fn take_tally(&mut self) -> impl Iterator<Item = Alike> {
        self.tally.take()
    }

    /// Notes that a plain text runs. Whether it may run code of users.
    #[inline]
    pub(super) fn runs_plain(&mut self, judgement: &Rc<Judgement>, now: Instant) -> bool {
        self.count_plain(judgement);
        self.may_run_code(judgement, now)
    }

    /// Whether a plain text may run code of users: triggers, or what the catalog shows to be behind a
    /// view. Notes what is not seen, and what is left to run later.
    #[inline]
    pub(super) fn may_run_code(&mut self, judgement: &Rc<Judgement>, now: Instant) -> bool {
        let writes = judgement.strongest >= Class::Write;
        let Some(known) = self.known(judgement, now) else { return writes };
        self.leave_plain(judgement, &known, now);
        self.unseen_ran |= known.unseen;
        writes || known.strongest >= Class::Write
    }

    /// Statements that may run, by the class each was decided by.
    pub(super) fn count(&mut self, classes: impl Iterator<Item = Class>, confirmed: bool) {
        let decided = if confirmed { Decided::Confirmed } else { Decided::Allowed };
        for class in classes {
            self.tally.add(class, decided);
        }
    }

    /// As `count`, of statements that nothing but the text decides.
    pub(super) fn count_plain(&mut self, judgement: &Judgement) {
        self.count(judgement.statements.iter().map(|statement| statement.class), false);
    }
}

/// Names that earlier statements of the same string will have given a meaning.
#[derive(Default)]
pub(super) struct Overlay {
    /// By the statement that gives it.
    changes: Vec<(usize, Box<str>, Meanings)>,
    /// Where in `changes` the latest one of a name is.
    pub(super) latest: HashMap<Box<str>, usize, ahash::RandomState>,
}

impl Overlay {
    pub(super) fn get(&self, name: &str) -> Option<Meanings> {
        let at = self.latest.get(name)?;
        self.changes.get(*at).map(|(_, _, meanings)| meanings.clone())
    }

    pub(super) fn push(&mut self, index: usize, name: &str, meanings: Meanings) {
        self.latest.insert(name.into(), self.changes.len());
        self.changes.push((index, name.into(), meanings));
    }

    /// Notes all of them as sent in `batch`.
    pub(super) fn send(self, names: &mut Names, batch: Batch) -> VecDeque<(usize, Change)> {
        let changes = self.changes.into_iter();
        changes.map(|(at, name, to)| (at, names.change(name.as_bytes(), to, batch))).collect()
    }
}
