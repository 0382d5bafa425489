//! What statements leave to run later: the query of a cursor WITH HOLD runs at the end of the
//! transaction, deferred triggers there or at SET CONSTRAINTS. By then the catalog may say something
//! else of it than it did when the statement was let through: what the session replaced since, or
//! others did. So such statements are listed until their transaction has ended, and what runs what
//! they left is judged as them too, where the catalog is not the one that they were judged by, or
//! unqualified names lead elsewhere: those in routines are looked up when they run.
//!
//! Only what is stronger by now than what the statement was let run as counts; and all of what was let
//! run since the session had confirmed, once it no longer has: it runs now, as what FETCH runs of a
//! cursor does. That is told of cursors and of what changes rows itself; what a routine leaves, which
//! was confirmed as a whole, is not.

use std::rc::Rc;

use super::Gate;
use super::before::{Before, moves_path};
use super::lookups::unseen;
use super::opened::Opened;
use super::plan::Plan;
use super::text::{Stop, class_of};
use crate::policy::Decision;
use crate::session::{Batch, Block, Instant, State};
use crate::sql::catalog::{Known, Path, Resolved};
use crate::sql::{Class, Effect, How, Judgement, Statement};

/// At most this many statements of a transaction are told apart.
const LISTED: usize = 64;

/// Statements that have left something to run, each once.
#[derive(Debug, Default)]
pub(super) struct Left {
    listed: Vec<One>,
    /// There are others.
    beyond: Option<When>,
    /// Code among it that may have opened cursors.
    pub(super) opened: Option<Opened>,
}

#[derive(Debug)]
struct One {
    /// The text that it is of; `None`: the one that is being decided.
    judgement: Option<Rc<Judgement>>,
    index: usize,
    /// The weakest class that it was let run as.
    class: Class,
    /// As [`super::lookups::Lookups::path`], when it was.
    path: Path,
    when: When,
}

#[derive(Clone, Copy, Debug)]
struct When {
    /// The first snapshot that it was judged by.
    number: u64,
    /// The last batch that it was sent in.
    batch: Batch,
    /// What ends its transaction has been sent behind it.
    over: bool,
    /// The path was known by which its names were looked up.
    by_path: bool,
    /// It was let run since the session had confirmed.
    needs: bool,
}

impl Left {
    #[inline]
    fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.beyond.is_none()
    }

    fn each(&mut self) -> impl Iterator<Item = &mut When> {
        self.listed.iter_mut().map(|one| &mut one.when).chain(&mut self.beyond)
    }

    fn push(&mut self, new: One) {
        let text = |one: &One| one.judgement.as_ref().map(Rc::as_ptr);
        let same = |one: &&mut One| {
            text(one) == text(&new) && one.index == new.index && one.path == new.path
        };
        if let Some(known) = self.listed.iter_mut().find(same) {
            known.class = known.class.min(new.class);
            let needs = known.when.needs || new.when.needs;
            known.when = When { number: known.when.number, needs, ..new.when };
        } else if self.listed.len() < LISTED {
            self.listed.push(new);
        } else {
            self.lose(new.when);
        }
    }

    /// One of which nothing can be said later.
    fn lose(&mut self, when: When) {
        let number = self.beyond.map_or(when.number, |beyond| beyond.number);
        let by_path = when.by_path || self.beyond.is_some_and(|beyond| beyond.by_path);
        let needs = when.needs || self.beyond.is_some_and(|beyond| beyond.needs);
        self.beyond = Some(When { number, by_path, needs, ..when });
    }

    /// What ends the transaction is being sent. It may be skipped yet, behind an error.
    fn ends(&mut self) {
        self.each().for_each(|when| when.over = true);
    }

    /// The transaction ended of what was sent before `batch`.
    pub(super) fn settle(&mut self, batch: Batch) {
        self.listed.retain(|one| one.when.batch >= batch);
        self.beyond = self.beyond.filter(|when| when.batch >= batch);
        self.opened = self.opened.filter(|opened| opened.is_since(batch));
    }
}

impl Gate {
    /// A statement of a text that is being decided, or of one that it runs by name, is let run as one
    /// of `class`.
    pub(super) fn leaves(
        &self,
        (judgement, index): (Option<&Rc<Judgement>>, usize),
        statement: &Statement,
        resolved: &Resolved,
        class: Class,
        plan: &mut Plan,
        now: Instant,
    ) {
        if resolved.cursors {
            let number = self.lookups().map_or(0, |lookups| lookups.number(now));
            let opened = Opened::new(number, self.policy.needs_confirmation(class), self.batch);
            plan.left.opened = Some(opened.behind(plan.left.opened));
        }
        let Some(lookups) = self.lookups() else { return };
        let number = lookups.number(now);
        let path = lookups.path_behind(plan.before);
        let by_path = *path != Path::Unknown;
        let runs = resolved.runs_routines || resolved.missing || number == 0;
        let runs = runs && class >= Class::Write || resolved.cursors;
        let needs =
            (holds(statement) || changes(statement)) && self.policy.needs_confirmation(class);
        let when = When { number, batch: self.batch, over: false, by_path, needs };
        if holds(statement) && needs || statement.uses.is_some() && (runs || holds(statement)) {
            let path = path.clone();
            plan.left.push(One { judgement: judgement.cloned(), index, class, path, when });
        } else if statement.tag == "FUNCTION CALL" && statement.unseen_code {
            // it was resolved by no path
            plan.left.lose(When { by_path: false, ..when });
        }
        if ends(statement) {
            plan.ends = true;
            plan.left.ends();
        }
    }

    /// Notes what a text that is being sent leaves.
    pub(super) fn leave(&mut self, left: Left, ends: bool, text: &Rc<Judgement>) {
        if ends {
            self.left.ends();
        }
        for one in left.listed {
            let judgement = Some(one.judgement.unwrap_or_else(|| Rc::clone(text)));
            self.left.push(One { judgement, ..one });
        }
        if let Some(when) = left.beyond {
            self.left.lose(when);
        }
        if let Some(opened) = left.opened {
            self.left.opened = Some(opened.behind(self.left.opened));
        }
    }

    /// As [`Gate::leave`], of a text on the short path.
    #[inline]
    pub(super) fn leave_plain(&mut self, text: &Rc<Judgement>, known: &Known, now: Instant) {
        let missing = known.strongest >= Class::Write && known.each.iter().any(|one| one.missing);
        if !known.runs_routines && !missing && known.number != 0 {
            return;
        }
        let mut plan = Plan::default();
        for (index, (one, resolved)) in text.statements.iter().zip(&known.each).enumerate() {
            let class = one.class.max(resolved.class);
            self.leaves((None, index), one, resolved, class, &mut plan, now);
        }
        self.leave(plan.left, false, text);
    }

    /// A statement runs what others have left, for all that its text says: the catalog may be needed.
    pub(super) fn runs_left(&self, statement: &Statement) -> bool {
        runs_all(statement) && !self.left.is_empty()
    }

    /// A text is not on the short path, since what others have left may run in it.
    #[inline]
    pub(super) fn may_run_left(&self, text: &Judgement, now: Instant) -> bool {
        if self.left.is_empty() {
            return false;
        }
        let Some(lookups) = self.lookups() else { return false };
        let number = lookups.number(now);
        let old =
            self.left.beyond.is_some()
                || lookups.is_overdue(now)
                || self.left.listed.iter().any(|one| {
                    one.when.needs || one.when.number != number || one.path != lookups.path
                });
        old && (text.statements.iter().any(|one| self.runs_left(one))
            || self.known(text, now).is_some_and(|known| known.runs_routines))
    }

    /// What a statement is with what it runs that others have left.
    pub(super) fn with_left(
        &self,
        resolved: Resolved,
        statement: &Statement,
        text: &Judgement,
        (state, confirmed): (&State, bool),
        plan: &mut Plan,
        now: Instant,
    ) -> Resolved {
        let runs = runs_all(statement)
            || matches!(statement.effect, Effect::Fetch(_))
            || statement.prepared().is_some()
            || statement.do_or_call
            || resolved.unseen_code
            || resolved.runs_routines;
        // a failed transaction runs nothing at its end
        if !runs || (state.is_failed() && self.has_failed()) {
            return resolved;
        }
        let lost = plan.before.lost || moves_path(statement) || resolved.unseen_code;
        let before = Before { lost, ..plan.before };
        let needed = !confirmed || state.parameters.is_doubted();
        let fetches = matches!(statement.effect, Effect::Fetch(_));
        if fetches && self.has_stale_cursors(&plan.left, plan.before, needed, now) {
            let reason = "a cursor may be one that code opened while the catalog, or the session's \
                          confirmation, was another";
            return Resolved { runs_routines: resolved.runs_routines, ..unseen(statement, reason) };
        }
        match self.strongest_left(text, (false, confirmed, needed), before, plan, now) {
            Some(left) if left.class > resolved.class => Resolved {
                runs_routines: resolved.runs_routines,
                missing: resolved.missing,
                ..left
            },
            _ => resolved,
        }
    }

    /// A statement behind which an implicit transaction may end: what was left then runs without one.
    pub(super) fn left_to_the_end(
        &self,
        statement: &Statement,
        text: &Judgement,
        state: &State,
        plan: &mut Plan,
        now: Instant,
    ) -> Result<(), Stop> {
        if state.block() == Block::Explicit || (self.left.is_empty() && plan.left.is_empty()) {
            return Ok(());
        }
        let view = self.view(state, now);
        if view.confirmed {
            return Ok(());
        }
        let left = self.strongest_left(text, (true, false, true), plan.before, plan, now);
        let Some(left) = left else { return Ok(()) };
        self.settled_enough(statement, left.class)?;
        match self.policy.decide(statement, left.class, view) {
            Decision::Block(mut denial) => {
                denial.location = Some(statement.location);
                denial.reason = left.reason.to_string();
                Err(Stop::Block(denial))
            }
            _ => Ok(()),
        }
    }

    /// The strongest of what was left that is stronger by now than it was let run as. `implicit`: of
    /// what the end of the open implicit transaction runs. `needed`: the session may not have confirmed, so
    /// what was let run since it had counts too.
    fn strongest_left(
        &self,
        text: &Judgement,
        (implicit, confirmed, needed): (bool, bool, bool),
        before: Before,
        plan: &mut Plan,
        now: Instant,
    ) -> Option<Resolved> {
        if self.left.is_empty() && plan.left.is_empty() {
            return None;
        }
        let lookups = self.lookups()?;
        let number = lookups.number(now);
        let path = lookups.path_behind(before);
        let old = lookups.is_overdue(now) || (before.replaced && !confirmed) || lookups.lacks_own();
        let here =
            |when: &When| !implicit || (!plan.ends && !when.over && when.batch == self.batch);
        let own = |when: &When| !implicit || !when.over;
        let earlier = self.left.listed.iter().filter(|one| here(&one.when));
        let all = earlier.chain(plan.left.listed.iter().filter(|one| own(&one.when)));
        let mut strongest: Option<Resolved> = None;
        let mut relies = false;
        for one in all {
            let judgement = one.judgement.as_deref().unwrap_or(text);
            let Some(statement) = judgement.statements.get(one.index) else { continue };
            let holds = holds(statement);
            let changed = holds && before.changed;
            let frozen = holds && lookups.is_frozen();
            let moved = one.path != *path;
            let again = needed && one.when.needs;
            if !old && !changed && !frozen && !moved && !again && one.when.number == number {
                continue;
            }
            // every schema counts: those of the path in force, and of the one by then
            let path = if moved { &Path::Unknown } else { path };
            let known = lookups.known_by(judgement, path, now);
            let before = Before { changed, lost: false, ..before };
            let resolved =
                self.resolved(Some(&known), one.index, statement, now, before, confirmed);
            relies |= self.relies(Some(&known), one.index, &resolved);
            let resolved = resolved.at_least(judgement.floor);
            let class = class_of(statement, &resolved, &self.temporary);
            let counts = class > one.class || again && self.policy.needs_confirmation(class);
            if counts && strongest.as_ref().is_none_or(|known| class > known.class) {
                strongest = Some(Resolved { class, found: class, ..resolved });
            }
        }
        let lost = self.left.beyond.iter().filter(|when| here(when));
        let mut lost = lost.chain(plan.left.beyond.iter().filter(|when| own(when)));
        let moved = |when: &When| when.by_path && *path == Path::Unknown;
        let again = |when: &When| needed && when.needs;
        if lost.any(|when| old || moved(when) || again(when) || when.number != number) {
            let statement = Statement::new(Class::Session, "");
            strongest =
                Some(unseen(&statement, "runs what more statements left than are told apart"));
        }
        plan.relies |= relies;
        strongest
    }
}

/// A cursor whose query runs to its end when the transaction commits.
fn holds(statement: &Statement) -> bool {
    matches!(statement.effect, Effect::Declare { hold: true, .. })
}

/// It changes rows itself: the triggers of those may be deferred.
fn changes(statement: &Statement) -> bool {
    let uses = statement.uses.as_ref();
    uses.is_some_and(|uses| uses.relations.iter().any(|one| one.how.any(How::CHANGE)))
}

/// A statement that runs what was left whatever else it does.
fn runs_all(statement: &Statement) -> bool {
    matches!(statement.effect, Effect::Commit(_) | Effect::PrepareTransaction)
        || statement.tag == "SET CONSTRAINTS"
}

/// A statement that ends the transaction.
fn ends(statement: &Statement) -> bool {
    matches!(statement.effect, Effect::Commit(_) | Effect::Rollback(_) | Effect::PrepareTransaction)
}
