//! The models against simpler ones, over random histories: the server's own account of a parameter
//! (`guc.c`), of names, and of temporary relations.

use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::contract::parameter::CONFIRM;
use crate::sql::{Chain, Class, Effect, Judgement, SetScope, SetValue, Statement};

// -- parameters -------------------------------------------------------------------------------

/// A value, and whether SET gave it (rather than the start of the session).
type Value = (bool, bool);

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Set,
    Local,
    SetLocal,
}

/// What `guc.c` keeps of a parameter for one level of nesting.
struct Level {
    depth: usize,
    action: Action,
    prior: Value,
    masked: Value,
}

/// One parameter as the server keeps it: a stack of what to go back to.
struct Guc {
    startup: bool,
    value: Value,
    stack: Vec<Level>,
}

impl Guc {
    fn put(&mut self, value: Value, scope: SetScope, depth: usize) {
        match self.stack.last_mut().filter(|level| level.depth == depth) {
            None => {
                let action = if scope == SetScope::Local { Action::Local } else { Action::Set };
                let (prior, masked) = (self.value, self.value);
                self.stack.push(Level { depth, action, prior, masked });
            }
            Some(level) if scope == SetScope::Session => level.action = Action::Set,
            Some(level) if level.action == Action::Set => {
                level.masked = self.value;
                level.action = Action::SetLocal;
            }
            Some(_) => {}
        }
        self.value = value;
    }

    fn reset_all(&mut self, depth: usize) {
        if self.value.1 {
            self.put((self.startup, false), SetScope::Session, depth);
        }
    }

    /// The level `depth` ends.
    fn end(&mut self, depth: usize, commits: bool) {
        let Some(level) = self.stack.pop_if(|level| level.depth >= depth) else { return };
        if !commits {
            self.value = level.prior;
        } else if depth == 1 {
            self.value = match level.action {
                Action::Set => self.value,
                Action::Local => level.prior,
                Action::SetLocal => level.masked,
            };
        } else if let Some(below) = self.stack.last_mut().filter(|one| one.depth == depth - 1) {
            match (level.action, below.action) {
                (Action::Set, _) => below.action = Action::Set,
                (Action::Local, Action::Set) => {
                    below.masked = level.prior;
                    below.action = Action::SetLocal;
                }
                (Action::Local, _) => {}
                (Action::SetLocal, _) => {
                    below.masked = level.masked;
                    below.action = Action::SetLocal;
                }
            }
        } else {
            self.stack.push(Level { depth: depth - 1, ..level });
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(bool, SetScope),
    Reset(SetScope),
    ResetAll,
    Begin,
    Commit(Chain),
    Rollback(Chain),
    Savepoint(usize),
    Release(usize),
    RollbackTo(usize),
    Error,
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop_oneof![Just(SetScope::Session), Just(SetScope::Local)];
    let chain = prop_oneof![3 => Just(Chain::No), 1 => Just(Chain::Yes)];
    prop_oneof![
        4 => (any::<bool>(), scope.clone()).prop_map(|(value, scope)| Step::Set(value, scope)),
        2 => scope.prop_map(Step::Reset),
        1 => Just(Step::ResetAll),
        3 => Just(Step::Begin),
        2 => chain.clone().prop_map(Step::Commit),
        2 => chain.prop_map(Step::Rollback),
        3 => (0..2_usize).prop_map(Step::Savepoint),
        2 => (0..2_usize).prop_map(Step::Release),
        3 => (0..2_usize).prop_map(Step::RollbackTo),
        1 => Just(Step::Error),
    ]
}

impl Step {
    fn effect(&self) -> Effect {
        let savepoint = |index: &usize| Box::from(["a", "b"][*index]);
        match self {
            Step::Set(value, scope) => Effect::Set {
                name: CONFIRM.into(),
                value: SetValue::Text(if *value { "on" } else { "off" }.into()),
                scope: *scope,
            },
            Step::Reset(SetScope::Session) => Effect::Reset(CONFIRM.into()),
            Step::Reset(scope) => {
                Effect::Set { name: CONFIRM.into(), value: SetValue::Default, scope: *scope }
            }
            Step::ResetAll => Effect::ResetAll,
            Step::Begin => Effect::Begin { modes: crate::sql::Modes::default() },
            Step::Commit(chain) => Effect::Commit(*chain),
            Step::Rollback(chain) => Effect::Rollback(*chain),
            Step::Savepoint(name) => Effect::Savepoint(savepoint(name)),
            Step::Release(name) => Effect::Release(savepoint(name)),
            Step::RollbackTo(name) => Effect::RollbackTo(savepoint(name)),
            Step::Error => Effect::None,
        }
    }
}

/// The server: its transaction, and one parameter.
struct Server {
    guc: Guc,
    /// Savepoints of the open block, by name; `None`: no block.
    block: Option<Vec<usize>>,
    failed: bool,
}

impl Server {
    /// Runs a statement by itself: the tag it answers, or `None` for an error.
    fn run(&mut self, step: &Step) -> Option<Tag> {
        let depth = self.block.as_ref().map_or(1, |savepoints| savepoints.len() + 1);
        let allowed = matches!(step, Step::Commit(_) | Step::Rollback(_) | Step::RollbackTo(_));
        let found = match (step, &self.block) {
            (Step::Release(name) | Step::RollbackTo(name), Some(savepoints)) => {
                Some(savepoints.iter().rposition(|one| one == name))
            }
            _ => None,
        };
        let chains = matches!(step, Step::Commit(Chain::Yes) | Step::Rollback(Chain::Yes));
        let outside = self.block.is_none()
            && (chains
                || matches!(step, Step::Savepoint(_) | Step::Release(_) | Step::RollbackTo(_)));
        if matches!(step, Step::Error)
            || found == Some(None)
            || outside
            || (self.failed && !allowed)
        {
            self.failed = self.block.is_some();
            return None;
        }
        let mut tag = Tag::Done;
        match step {
            Step::Set(value, scope) => self.guc.put((*value, true), *scope, depth),
            Step::Reset(scope) => self.guc.put((self.guc.startup, false), *scope, depth),
            Step::ResetAll => self.guc.reset_all(depth),
            Step::Begin => {
                self.block.get_or_insert_default();
            }
            Step::Commit(chain) | Step::Rollback(chain) => {
                let commits = matches!(step, Step::Commit(_)) && !self.failed;
                (1..=depth).rev().for_each(|depth| self.guc.end(depth, commits));
                if !commits {
                    tag = Tag::Rollback;
                }
                self.failed = false;
                self.block = (*chain == Chain::Yes).then(Vec::new);
            }
            Step::Savepoint(name) => self.block.iter_mut().for_each(|all| all.push(*name)),
            Step::Release(_) | Step::RollbackTo(_) => {
                let (Some(Some(at)), Some(all)) = (found, &mut self.block) else { return None };
                let releases = matches!(step, Step::Release(_));
                (at + 2..=depth).rev().for_each(|depth| self.guc.end(depth, releases));
                all.truncate(at + usize::from(!releases));
                self.failed = false;
            }
            Step::Error => return None,
        }
        if self.block.is_none() {
            self.guc.end(1, true);
        }
        Some(tag)
    }

    fn status(&self) -> Status {
        match (&self.block, self.failed) {
            (None, _) => Status::Idle,
            (Some(_), false) => Status::InTransaction,
            (Some(_), true) => Status::Failed,
        }
    }
}

proptest! {
    /// After every statement the view of the confirmation is the server's, and stays so whatever
    /// ends the transaction.
    #[test]
    fn a_parameter_has_the_servers_value(startup: bool, steps in vec(step(), 1..40)) {
        let now = Duration::from_secs(1);
        let guc = Guc { startup, value: (startup, false), stack: Vec::new() };
        let mut server = Server { guc, block: None, failed: false };
        let mut state = State::new(Parameters::new(startup.then_some(now), None, None));
        for step in &steps {
            let statement = Statement { effect: step.effect(), ..Statement::new(Class::Session, "") };
            match server.run(step) {
                Some(tag) => drop(state.completed(&statement, tag, now)),
                None => state.failed(),
            }
            state.ready(server.status());
            if !server.failed {
                let view = state.parameters.confirmation.get().since.is_some();
                prop_assert_eq!(view, server.guc.value.0, "{:?}", step);
            }
        }
    }

    /// What a name stands for when the server comes to a message is among what it was said to
    /// mean when the message was sent. `kind`: a change, a look-up, or a new batch.
    #[test]
    fn a_name_means_what_it_was_said_to(
        events in vec((0..3_usize, 0..3_u8, any::<u8>()), 1..80),
    ) {
        let names_of = |which: usize| ["", "a", "b"][which].as_bytes();
        let mut names = Names::default();
        let mut server = NameServer::default();
        let mut batch = 1;
        for (index, (which, kind, chance)) in events.into_iter().enumerate() {
            let name = names_of(which);
            match kind {
                0 => {
                    let meaning = (chance % 4 > 0).then(|| numbered(index));
                    let meanings = meaning.iter().cloned().collect();
                    let change = names.change(name, meanings, batch);
                    let fails = chance % 5 == 0;
                    server.sent.push_back((batch, which, Sent::Change { change, meaning, fails }));
                }
                1 => {
                    let said = names.look_up(name, batch);
                    server.sent.push_back((batch, which, Sent::LookUp(said)));
                }
                _ => batch += 1,
            }
            for _ in 0..chance % 3 {
                server.answer(&mut names)?;
            }
        }
        while !server.sent.is_empty() {
            server.answer(&mut names)?;
        }
        for which in 0..3 {
            let said = names.look_up(names_of(which), batch + 1);
            server.sent.push_back((batch + 1, which, Sent::LookUp(said)));
            server.answer(&mut names)?;
        }
    }

    /// What is said to be a temporary relation is one.
    #[test]
    fn a_temporary_relation_is_there(
        events in vec((0..2_usize, 0..7_u8, any::<bool>()), 1..60),
    ) {
        let names: [Box<str>; 2] = ["a".into(), "b".into()];
        let mut model = Temporary::default();
        // each relation: whether it goes at COMMIT; and what to go back to
        let mut truth: [Option<bool>; 2] = [None; 2];
        let mut saved: Vec<[Option<bool>; 2]> = Vec::new();
        for (which, kind, flag) in events {
            let one = std::slice::from_ref(&names[which]);
            match kind {
                0 | 1 if truth[which].is_none() => {
                    truth[which] = Some(flag);
                    model.created(one, true, flag);
                }
                2 => {
                    truth[which] = None;
                    model.forget(one);
                }
                3 => saved.push(truth),
                4 if saved.len() > 1 => {
                    truth = saved.pop().unwrap_or(truth);
                    model.rolled_back();
                }
                5 if !saved.is_empty() => {
                    truth = saved[0];
                    saved.clear();
                    model.rolled_back();
                }
                _ => {}
            }
            if kind == 6 || saved.is_empty() {
                saved.clear();
                truth = truth.map(|relation| relation.filter(|goes| !goes));
                model.committed();
            }
            for (which, truth) in truth.iter().enumerate() {
                let said = model.holds_all(std::slice::from_ref(&names[which]));
                prop_assert!(!said || truth.is_some(), "{} after {kind}", names[which]);
            }
        }
    }
}

fn numbered(index: usize) -> Rc<Judgement> {
    let location = u32::try_from(index).unwrap_or_default();
    Rc::new(Judgement::of(Statement { location, ..Statement::new(Class::Read, "") }))
}

/// A message on its way to the server.
enum Sent {
    Change { change: Change, meaning: Option<Rc<Judgement>>, fails: bool },
    LookUp(Lookup),
}

/// What names mean to the server, and what it has not come to.
#[derive(Default)]
struct NameServer {
    truth: [Option<Rc<Judgement>>; 3],
    sent: std::collections::VecDeque<(Batch, usize, Sent)>,
    /// The batch that has failed: the rest of it is skipped.
    failed: Batch,
}

impl NameServer {
    /// Comes to the next message, and answers it.
    fn answer(&mut self, names: &mut Names) -> Result<(), TestCaseError> {
        let Some((batch, which, sent)) = self.sent.pop_front() else { return Ok(()) };
        match sent {
            Sent::Change { change, meaning, fails } => {
                if self.failed == batch || fails {
                    self.failed = batch;
                    names.skipped(&change);
                } else {
                    self.truth[which] = meaning;
                    names.succeeded(&change);
                }
            }
            Sent::LookUp(_) if self.failed == batch => {}
            Sent::LookUp(said) => match (said, &self.truth[which]) {
                (Lookup::Uncertain, _) => {}
                (Lookup::Unknown, truth) => prop_assert_eq!(truth, &None),
                (Lookup::Known(meanings) | Lookup::Perhaps(meanings), Some(truth)) => {
                    prop_assert!(meanings.contains(truth), "{:?} not in {:?}", truth, meanings);
                }
                (Lookup::Known(_) | Lookup::Perhaps(_), None) => {}
            },
        }
        Ok(())
    }
}
