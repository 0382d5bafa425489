//! Deciding a text in its session: names resolved, confirmation followed statement by statement.

use std::rc::Rc;

use super::owed::{Owed, Run};
use super::plan::Plan;
use super::{CopyIn, Encoding, EventId, Fence, Gate};
use crate::contract::parameter;
use crate::policy::{Decision, Denial, Rule, View};
use crate::session::{Block, Instant, Meanings, State, Temporary};
use crate::sql::catalog::Resolved;
use crate::sql::{Class, Effect, Judgement, Lexing, SetValue, Statement};

/// A statement that an event is written about before it may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedStatement {
    /// Its index in the text.
    pub index: usize,
    /// Its class.
    pub class: Class,
    /// Its command tag.
    pub tag: &'static str,
    /// Byte offset in the text.
    pub location: u32,
    /// Byte length from there.
    pub length: u32,
}

/// Why a text may not run now.
pub(super) enum Stop {
    /// It depends on statements that the server has not answered.
    Wait,
    /// It depends on a confirmation that code which cannot be seen may have withdrawn.
    Ask,
    Block(Box<Denial>),
}

impl Gate {
    /// Whether the lexing of a text is certain: `None` if it is.
    pub(super) fn lexing(&self, lexing: Lexing) -> Option<Stop> {
        let encoding = lexing.high_bytes && self.reports.client_encoding != Encoding::Utf8;
        // while the report says UTF8, what has not been answered may be about to change it
        if !(lexing.backslash || encoding || lexing.half) || self.policy.allows_everything() {
            return None;
        }
        if self.boundaries > 0 {
            return Some(Stop::Wait);
        }
        let why = if self.stirred {
            "it depends on settings that an unanswered statement of the pipeline may change"
        } else if lexing.backslash && !self.reports.standard_conforming_strings {
            "standard_conforming_strings is off, which changes what its backslashes mean"
        } else if encoding && self.reports.client_encoding == Encoding::Unsafe {
            "in the session's client encoding a byte of a character can look like a quote"
        } else {
            return None;
        };
        Some(Stop::Block(Box::new(Denial::new(
            Rule::LexingUnsafe,
            format!("statement blocked: {why}"),
            "set standard_conforming_strings = on and a client encoding such as UTF8, or send a \
             Sync before it",
        ))))
    }

    /// The state once everything of the open batch is done.
    fn speculate(&mut self, now: Instant) -> State {
        if let Some(foreseen) = &self.foreseen {
            return State::clone(foreseen);
        }
        let state = self.replay(now);
        self.foreseen = Some(Box::new(state.clone()));
        state
    }

    fn replay(&self, now: Instant) -> State {
        let mut state = self.state.clone();
        let open = self.owed.iter().rposition(Owed::is_boundary).map_or(0, |at| at + 1);
        for owed in self.owed.iter().skip(open) {
            let Owed::Execute(run) = owed else { continue };
            for statement in run.judgement.statements.iter().skip(run.done) {
                state.foresee(statement, now);
            }
            if run.uncertain || run.indirect {
                state.distrust();
            }
        }
        state
    }

    pub(super) fn view(&self, state: &State, now: Instant) -> View {
        let confirmation = *state.parameters.confirmation.get();
        let since = confirmation.since;
        let in_transaction = state.block() == Block::Explicit;
        let at = state.confirmed_at(now);
        let fresh = |since: Instant| {
            let max_age = self.policy.confirm_max_age;
            max_age.is_none_or(|max_age| at.saturating_sub(since) <= max_age)
        };
        // what will be in force after a COMMIT or ROLLBACK to come, the server cannot be asked
        let answerable = self.state.parameters.is_doubted() && !self.state.is_failed();
        let unanswerable = state.parameters.is_doubted() && !answerable;
        View {
            confirmed: !state.is_failed() && !unanswerable && since.is_some_and(fresh),
            lapsed: confirmation.lapsed || since.is_some_and(|since| !fresh(since)),
            in_transaction,
            task_is_set: state.parameters.task.is_set(),
            ..View::default()
        }
    }

    /// Decides a text. `running`: it is about to run (a Query, an Execute), rather than a Parse
    /// or Bind.
    pub(super) fn decide(
        &mut self,
        judgement: &Judgement,
        running: bool,
        now: Instant,
    ) -> Result<Plan, Stop> {
        if let Some(stop) = self.lexing(judgement.lexing) {
            return Err(stop);
        }
        let foreign = judgement.lexing.high_bytes && !self.reads_names_as_written(judgement);
        if foreign && self.boundaries > 0 {
            return Err(Stop::Wait); // for what may change the encoding
        }
        let mut plan = Plan::default();
        let mut state = self.speculate(now);
        let mut temporary = self.temporary.clone();
        let known = self.known(judgement, now);
        plan.before = self.before();
        plan.analysing = self.analysing(now);
        let (in_string, in_pipeline) = (judgement.statements.len() > 1, running && self.ran);
        for (index, statement) in judgement.statements.iter().enumerate() {
            let ends_string = index + 1 == judgement.statements.len();
            let view = View { in_string, ends_string, in_pipeline, ..self.view(&state, now) };
            let before = plan.before;
            let resolved =
                self.resolved(known.as_deref(), index, statement, now, before, view.confirmed);
            plan.relies |= self.relies(known.as_deref(), index, &resolved);
            if resolved.runs_routines {
                self.routine_is_guarded(statement, &judgement.statements[..index])?;
            }
            let standing = (&state, view.confirmed);
            let resolved = self.with_left(resolved, statement, judgement, standing, &mut plan, now);
            let about = (index, statement, &resolved.at_least(judgement.floor));
            let confirmed = plan.confirmed.len();
            self.decide_statement(about, view, &temporary, now, &mut plan)?;
            if plan.confirmed.len() > confirmed && state.parameters.is_doubted() {
                return Err(Stop::Ask);
            }
            let brings_back = self.brings_back(statement, state.is_failed());
            state.foresee(statement, now);
            if plan.indirect {
                state.distrust();
            }
            if running {
                plan.unseen |= resolved.unseen_code;
                plan.relate(&resolved, (index, statement), &mut temporary);
                self.foresee(statement, index, &mut plan, &mut temporary);
            }
            plan.before.then(statement, &resolved);
            if brings_back {
                plan.before.brought_back();
            }
            if running {
                self.left_to_the_end(statement, judgement, &state, &mut plan, now)?;
            }
        }
        plan.confirms = state.parameters.confirmation.get().since.is_some();
        if running {
            temporary.forget_foreseen();
            plan.temporary = Some(temporary);
            plan.after = Some(Box::new(state));
        }
        Ok(plan)
    }

    fn decide_statement(
        &self,
        (index, statement, resolved): (usize, &Statement, &Resolved),
        view: View,
        temporary: &Temporary,
        now: Instant,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let (meanings, floor) = self.meanings(statement, plan);
        let meanings = self.with_their_parameters(meanings, now);
        let class = class_of(statement, resolved, temporary).max(floor);
        self.settled_enough(statement, class)?;
        self.certain_names(statement)?;
        let mut strongest = class;
        let mut decision = self.policy.decide(statement, class, view);
        for (judgement, at, meaning) in each_meaning(&meanings) {
            if matches!(decision, Decision::Block(_)) {
                break;
            }
            let known = self.known(judgement, now);
            let before = plan.before;
            let resolved =
                self.resolved(known.as_deref(), at, meaning, now, before, view.confirmed);
            plan.relies |= self.relies(known.as_deref(), at, &resolved);
            let resolved = self.as_made(statement, meaning, resolved, before, now);
            let resolved = resolved.at_least(judgement.floor);
            let mut class = class_of(meaning, &resolved, temporary);
            let needed = !view.confirmed || self.state.parameters.is_doubted();
            let fetches = matches!(meaning.effect, Effect::Fetch(_));
            if fetches && self.has_stale_cursors(&plan.left, before, needed, now) {
                class = Class::Opaque;
            }
            self.settled_enough(meaning, class)?;
            strongest = strongest.max(class);
            match self.policy.decide(meaning, class, view) {
                Decision::Forward => {}
                stronger => decision = stronger,
            }
            self.followable(statement, meaning)?;
            self.leaves((Some(judgement), at), meaning, &resolved, class, plan, now);
            plan.indirect |= meaning.effect != Effect::None || !meaning.set_config.is_empty();
            plan.unseen |= resolved.unseen_code;
            plan.before.then(meaning, &resolved);
            plan.triggers |= meaning.may_run_unseen_code();
            plan.copies += usize::from(meaning.copy_in);
        }
        plan.decided(index, statement, strongest);
        self.leaves((None, index), statement, resolved, class, plan, now);
        let makes = plan.before.types || statement.makes_types || resolved.changes;
        plan.before.decided(strongest, makes);
        let about = || ConfirmedStatement {
            index,
            class: strongest,
            tag: statement.tag,
            location: statement.location,
            length: statement.length,
        };
        match decision {
            Decision::Forward => {}
            Decision::ForwardConfirmed => plan.confirmed.push(about()),
            Decision::ForwardConfirming => plan.confirming = Some(about()),
            Decision::Block(mut denial) => {
                denial.location = Some(statement.location);
                if class > statement.class {
                    denial.reason = resolved.reason.to_string();
                    denial.fault = None;
                }
                return Err(Stop::Block(denial));
            }
        }
        Ok(())
    }

    /// A decision that depends on the session's state waits until earlier batches are answered.
    pub(super) fn settled_enough(&self, statement: &Statement, class: Class) -> Result<(), Stop> {
        let depends = self.policy.needs_confirmation(class)
            || self.policy.needs_confirmation(statement.class)
            || matches!(&statement.effect, Effect::Set { name, .. } | Effect::Reset(name)
                if name.eq_ignore_ascii_case(parameter::TASK));
        if depends && self.boundaries > 0 { Err(Stop::Wait) } else { Ok(()) }
    }

    /// Notes what a statement will do to names and temporary relations when it runs. What is made
    /// of temporary relations counts for the rest of the string, and then when the server says so.
    fn foresee(
        &self,
        statement: &Statement,
        index: usize,
        plan: &mut Plan,
        temporary: &mut Temporary,
    ) {
        match &statement.effect {
            Effect::Prepare { name, inner } => {
                plan.statements.push(index, name, plan.meaning(inner));
            }
            Effect::Deallocate(Some(name)) => {
                plan.statements.push(index, name, Meanings::new());
            }
            Effect::Declare { name, .. } => {
                let query = Statement { effect: Effect::None, ..statement.clone() };
                plan.portals.push(index, name, plan.meaning(&query));
            }
            Effect::CloseCursor(Some(name)) => {
                plan.portals.push(index, name, Meanings::new());
            }
            Effect::CreateTemp { names, on_commit_drop } => {
                temporary.foreseen(names, *on_commit_drop);
            }
            Effect::Forget { names } => temporary.forget(names),
            Effect::Rollback(_) | Effect::RollbackTo(_) => temporary.rolled_back(),
            Effect::Commit(_) => temporary.committed(),
            Effect::PrepareTransaction | Effect::DiscardTemp | Effect::DiscardAll => {
                temporary.forget_all();
            }
            Effect::Set { name, value: SetValue::Text(path), .. }
                if name.eq_ignore_ascii_case("search_path") && mentions_pg_temp(path) =>
            {
                temporary.doubt_search_path();
            }
            _ => {}
        }
        for call in &statement.set_config {
            let path = call.name.as_deref().is_none_or(|n| n.eq_ignore_ascii_case("search_path"));
            if path && call.value.as_deref().is_none_or(mentions_pg_temp) {
                temporary.doubt_search_path();
            }
        }
        plan.fence = self.fence_for(statement).or(plan.fence);
        if statement.copy_in {
            plan.copies += 1;
        }
        if plan.unseen || plan.indirect {
            temporary.doubt_search_path();
        }
        plan.stirs_reports |= statement.class >= Class::Write
            || !matches!(statement.effect, Effect::None)
            || !statement.set_config.is_empty()
            || plan.unseen;
    }

    /// A statement that changes what later ones are judged by.
    fn fence_for(&self, statement: &Statement) -> Option<Fence> {
        let task = |name: &str| name.eq_ignore_ascii_case(parameter::TASK);
        let sets_task = || {
            let mut names = statement.set_config.iter().filter_map(|call| call.name.as_deref());
            self.policy.routed && names.any(task)
        };
        match &statement.effect {
            Effect::ResetAll | Effect::DiscardAll
                if self.policy.set_by_statement
                    || (self.policy.routed && self.state.parameters.task.is_set()) =>
            {
                Some(Fence::Up { restore: self.policy.set_by_statement })
            }
            Effect::Set { name, .. } | Effect::Reset(name) if self.policy.routed && task(name) => {
                Some(Fence::Up { restore: false })
            }
            _ if sets_task() => Some(Fence::Up { restore: false }),
            _ => None,
        }
    }

    /// Notes that a text which may run is being sent.
    pub(super) fn begin_run(
        &mut self,
        judgement: Rc<Judgement>,
        plan: Plan,
        uncertain: bool,
        ids: Vec<EventId>,
    ) -> Box<Run> {
        let batch = self.batch;
        let statements = plan.statements.send(&mut self.statements, batch);
        let portals = plan.portals.send(&mut self.portals, batch);
        self.foreseen = plan.after.map(|mut after| {
            if uncertain {
                after.distrust();
            }
            after
        });
        if let Some(temporary) = plan.temporary {
            self.temporary = temporary;
        }
        self.unseen_ran |= plan.unseen;
        self.leave(plan.left, plan.ends, &judgement);
        self.doubt_task(&judgement, plan.unseen || plan.indirect);
        if plan.before.changed {
            self.touch_catalog(plan.before.replaced);
        }
        if plan.before.lost || plan.indirect {
            self.lose_path();
        }
        self.may_have_types(plan.before.types);
        self.stirred |= plan.stirs_reports || plan.unseen;
        if plan.copies > 0 {
            self.copy = CopyIn::Awaited;
        }
        if let Some(fence) = plan.fence {
            self.fence = fence;
        }
        let confirmed = plan.confirmed.iter().map(|statement| statement.index).zip(ids).collect();
        Box::new(Run {
            judgement,
            uncertain,
            done: 0,
            confirmed,
            statements,
            portals,
            copies: plan.copies,
            indirect: plan.indirect,
            changes: plan.before.changed,
            unseen: plan.unseen || plan.triggers,
        })
    }
}

/// A statement's class given which names are certainly temporary.
pub(super) fn class_of(statement: &Statement, resolved: &Resolved, temporary: &Temporary) -> Class {
    if matches!(statement.effect, Effect::DiscardTemp | Effect::DiscardAll)
        && temporary.may_have_dependants()
    {
        return resolved.class.max(Class::Ddl);
    }
    match &statement.temp {
        Some(temp) if temporary.holds_all(&temp.names) => temp.class.max(resolved.found),
        _ => resolved.class,
    }
}

/// Every statement that a name may stand for, with the text that it is of.
fn each_meaning(meanings: &Meanings) -> impl Iterator<Item = (&Rc<Judgement>, usize, &Statement)> {
    meanings.iter().flat_map(|judgement| {
        judgement.statements.iter().enumerate().map(move |(at, one)| (judgement, at, one))
    })
}

fn mentions_pg_temp(path: &str) -> bool {
    path.to_ascii_lowercase().contains("pg_temp")
}
