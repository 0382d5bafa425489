//! The session's task, and where it leads (contract §2, §3).
//!
//! Code that cannot be seen may set `authority.task` on the server. That declares nothing: the law
//! stays that of the session's own task, and the server is told that one again, before anything else
//! where such code is known to have run, and otherwise (a trigger may have) before what would show
//! it. `SHOW` and `SET` take no snapshot; they are sent when all is answered, ahead of the client's
//! message, whose answer nobody waits for in between. Inside a block that may be undone, so the doubt
//! stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::backend::Heard;
use super::frontend::NAMES_LIMIT;
use super::look::{close, run};
use super::owed::{Owed, Own};
use super::{CopyIn, Gate, Next};
use crate::contract::parameter;
use crate::policy::{Denial, Policy, Rule};
use crate::protocol::message::sync;
use crate::protocol::{ErrorResponse, HEADER_LENGTH, body, frontend as kind};
use crate::session::{self, Block, Instant};
use crate::sql::{Class, Effect, Judgement, SetScope, SetValue, Statement, quote};

/// The most parameters that are noted of a session: with as many it cannot move.
pub const MAX_NOTED: usize = 256;

/// What SET SESSION CHARACTERISTICS sets, where it says whether transactions write.
const READ_ONLY: &str = "default_transaction_read_only";

/// Parameters whose value alone does not tell whether the session has set them.
const TOLD_BY_NOTE: [&str; 5] =
    ["client_encoding", "statement_timeout", "lock_timeout", "transaction_timeout", READ_ONLY];

/// A task that leads elsewhere.
#[derive(Clone, Debug)]
pub struct Astray {
    /// The task.
    pub task: Arc<str>,
    /// The one whose row led the session to where it is.
    pub home: Option<Arc<str>>,
    /// Names of parameters that have been set in the session and that no server lists as such:
    /// custom ones (`authority.ticket` is one), and some others.
    pub noted: Vec<Box<str>>,
    /// What has declared it.
    pub by: Option<Box<Declaring>>,
    /// Nothing has: a reload has changed its row ([`Next::Move`]).
    pub unasked: bool,
}

/// The statement that has declared a task.
#[derive(Clone, Debug)]
pub struct Declaring {
    /// The text that it stands in.
    pub text: Arc<[u8]>,
    /// Byte offset there.
    pub location: u32,
    /// Its command tag.
    pub tag: &'static str,
    /// Its class.
    pub class: Class,
}

/// Whether the server may have another task than the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Doubt {
    #[default]
    No,
    /// A trigger may have set it, or a rollback brought it back.
    Possible,
    /// Code that cannot be seen has run.
    Likely,
}

/// What is kept of the task besides its name.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// The task whose row led the session here.
    home: Option<Arc<str>>,
    /// Another one has been set, whose row leads elsewhere.
    pub(super) astray: bool,
    /// The one of old has been set again, since a reload has changed where it leads.
    declared: bool,
    /// What has set the one that leads elsewhere.
    by: Option<Box<Declaring>>,
    /// It is to go where a reload has made its row lead, before the message at the front.
    unasked: bool,
    /// That has been tried for it.
    tried: bool,
    /// What kept the session from going there.
    kept_by: Option<Box<str>>,
    /// See [`Astray::noted`].
    noted: BTreeSet<Box<str>>,
    doubt: Doubt,
    /// It was put back for the message at the front.
    put_back: bool,
}

impl Task {
    pub(super) fn new(home: Option<Arc<str>>) -> Self {
        Task { home, ..Task::default() }
    }

    /// The message at the front is dealt with.
    #[inline]
    pub(super) fn front_is_done(&mut self) {
        self.put_back = false;
        self.tried = false;
    }
}

impl Gate {
    /// Replaces the law (a reload, another task): from the next statement on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.task.declared = false;
        self.task.kept_by = None;
        if self.policy.routed {
            self.policy.follow_task(self.task.home.as_deref());
            self.follow_task();
        }
    }

    /// The session's task may be another one now: its row's cells apply, unless it leads elsewhere.
    pub(super) fn follow_task(&mut self) {
        if !self.policy.routed {
            return;
        }
        let task = self.state.parameters.task.get();
        let moved = *task != self.task.home;
        // a reload may have changed where the task of old leads: declared again, it is another one
        let declared = moved || self.task.declared;
        self.task.astray =
            declared && task.as_deref().is_some_and(|task| self.policy.leads_elsewhere(task));
        if self.task.astray || !moved {
            return;
        }
        self.policy.follow_task(task.as_deref());
        self.task.home.clone_from(task);
        self.task.declared = false;
    }

    /// A statement of a text is done: it may have declared a task.
    pub(super) fn follow_declared(&mut self, statement: &Statement, text: Option<&Arc<[u8]>>) {
        let declares = self.policy.routed && declares_task(statement);
        self.task.declared |= self.policy.displaced && declares;
        self.follow_task();
        if declares && self.task.astray {
            let &Statement { location, tag, class, .. } = statement;
            let declaring =
                |text: &Arc<[u8]>| Box::new(Declaring { text: text.clone(), location, tag, class });
            self.task.by = text.map(declaring);
        }
    }

    /// A transaction has ended: a task declared in it may be undone.
    pub(super) fn follow_end(&mut self) {
        let moved = self.policy.routed && *self.state.parameters.task.get() != self.task.home;
        if self.task.astray || moved {
            self.follow_task();
        }
    }

    /// The session's task leads elsewhere.
    pub fn is_astray(&self) -> bool {
        self.task.astray
    }

    /// The session stays where it is: the declaration of the task came to nothing.
    pub fn stay(&mut self) {
        self.task.declared = false;
        self.task.unasked = false;
        self.task.by = None;
        self.follow_task();
    }

    /// The session cannot go where a reload has made its row lead.
    pub fn keep_from_moving(&mut self, why: &str) {
        self.task.kept_by = Some(why.into());
    }

    /// Why a session whose row leads elsewhere since a reload is still here.
    pub(super) fn kept_by(&self, denial: &Denial) -> Option<&str> {
        let displaced = self.policy.displaced && denial.rule == Rule::TaskDenied;
        self.task.kept_by.as_deref().filter(|_| displaced)
    }

    /// What is to be done before a message that starts something.
    #[inline]
    pub(super) fn first(&mut self, message: u8, rest: &[u8], now: Instant) -> Option<Next> {
        let moves = if self.policy.displaced { self.moves_first(message, rest) } else { None };
        moves.or_else(|| self.look_first(now)).or_else(|| self.task_first())
    }

    /// Where a reload has made the session's row lead elsewhere it goes there by itself, outside a
    /// transaction; tried for each message, as what keeps it here may end. The unnamed statement
    /// does not come along, so not ahead of a Bind of that one.
    fn moves_first(&mut self, message: u8, rest: &[u8]) -> Option<Next> {
        let may = self.policy.movable && self.policy.split.is_none();
        let idle = self.is_quiet() && self.state.block() == Block::None;
        if !may || !idle || self.task.tried {
            return None;
        }
        if message == kind::BIND {
            let names = &rest[HEADER_LENGTH..];
            let portal = names.iter().take(NAMES_LIMIT).position(|byte| *byte == 0);
            match portal.and_then(|end| names.get(end + 1)) {
                None if names.len() < NAMES_LIMIT => return Some(Next::Need(rest.len() + 1)),
                None | Some(0) => return None,
                Some(_) => {}
            }
        }
        self.task.tried = true;
        self.task.declared = true;
        self.follow_task();
        self.task.unasked = self.task.astray;
        self.task.astray.then_some(Next::Move)
    }

    /// The session's task leads elsewhere ([`Answer::Move`](super::Answer::Move)).
    pub fn astray(&self) -> Option<Astray> {
        let task = self.state.parameters.task.get().clone()?;
        let noted = self.task.noted.iter().cloned();
        let home = self.task.home.clone();
        let (by, unasked) = (self.task.by.clone(), self.task.unasked);
        self.task.astray.then(|| Astray { task, home, noted: noted.collect(), by, unasked })
    }

    /// A text is being sent. `unseen`: it runs code that cannot be seen.
    pub(super) fn doubt_task(&mut self, judgement: &Judgement, unseen: bool) {
        let computed = |one: &Statement| one.set_config.iter().any(|call| call.name.is_none());
        let mut statements = judgement.statements.iter();
        if unseen || statements.any(|one| one.do_or_call || computed(one)) {
            self.task.doubt = Doubt::Likely;
        } else if judgement.strongest >= Class::Write {
            self.doubt_task_somewhat();
        }
    }

    fn doubt_task_somewhat(&mut self) {
        self.task.doubt = self.task.doubt.max(Doubt::Possible);
    }

    /// A plain text is being sent, which may run a trigger.
    #[inline]
    pub(super) fn doubt_task_behind(&mut self, owed: &Owed) {
        if let Owed::PlainQuery { writes: true } | Owed::PlainExecute { writes: true } = owed {
            self.doubt_task_somewhat();
        }
    }

    /// `set_config` has run, and nobody can say what of it.
    pub(super) fn doubt_task_much(&mut self) {
        self.task.doubt = Doubt::Likely;
    }

    /// What is to be done before any message that starts something.
    #[inline]
    pub(super) fn task_first(&mut self) -> Option<Next> {
        if self.task.doubt == Doubt::Likely { self.settle_task() } else { None }
    }

    /// What is to be done before a text that may show the task.
    #[inline]
    pub(super) fn task_before(&mut self, judgement: &Judgement) -> Option<Next> {
        if self.task.doubt == Doubt::No {
            return None;
        }
        let by_name = |one: &Statement| matches!(one.effect, Effect::Execute(_) | Effect::Fetch(_));
        let shows = |one: &Statement| one.shows_custom || one.unseen_code || by_name(one);
        judgement.statements.iter().any(shows).then(|| self.settle_task()).flatten()
    }

    fn settle_task(&mut self) -> Option<Next> {
        if !self.policy.routed || self.task.put_back {
            return None;
        }
        if self.is_quiet() {
            return Some(Next::Own(self.put_task_back()));
        }
        let copying = matches!(self.copy, CopyIn::Open { .. });
        let can_wait = self.boundaries > 0 && !self.open && !self.skipping && !copying;
        can_wait.then_some(Next::Wait)
    }

    fn put_task_back(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        run(&mut out, format!("SHOW {}", parameter::TASK));
        if let Some(task) = self.state.parameters.task.get() {
            run(&mut out, quote::set(parameter::TASK, task.as_bytes()));
        }
        close(&mut out);
        sync(&mut out);
        self.task.put_back = true;
        self.task.doubt = match self.state.block() {
            Block::None => Doubt::No,
            Block::Implicit | Block::Explicit => Doubt::Possible,
        };
        self.owe_boundary(Owed::Own(Own::Task));
        out.freeze()
    }

    /// No ReadyForQuery is to come but that of it: no guard depends on it.
    pub(super) fn owes_task_alone(&self) -> bool {
        let mut owed = self.owed.iter();
        owed.all(|owed| !owed.is_boundary() || matches!(owed, Owed::Own(Own::Task)))
    }

    /// What the server has had: the client is told where that is another task.
    pub(super) fn task_shown(&self, row: &[u8]) -> Heard {
        let columns = body::row(row).unwrap_or_default();
        let found = columns.first().copied().flatten().unwrap_or_default();
        let task = self.state.parameters.task.get().as_deref().unwrap_or_default();
        if found == task.as_bytes() {
            return Heard::Absorb;
        }
        let found = String::from_utf8_lossy(found);
        let warning = ErrorResponse::warning(format!(
            "{} was \"{found}\" on the server, and is \"{task}\" again",
            parameter::TASK
        ))
        .with_detail(
            "code that the proxy does not see (a routine, a trigger, DO) has set it, which declares \
             no task",
        )
        .with_hint(format!(
            "outside a transaction: SET {} = '{}'",
            parameter::TASK,
            found.replace('\'', "''")
        ));
        Heard::Replace(warning.to_bytes().freeze())
    }

    /// The server could not be told: an open transaction has failed with it.
    pub(super) fn task_not_put_back(&mut self) {
        self.doubt_task_somewhat();
        self.state.failed();
        self.foreseen = None;
    }

    /// Notes the parameters that a statement has set, up to [`MAX_NOTED`]. `alone`: nothing that
    /// could still fail is with it.
    pub(super) fn note_parameters(&mut self, statement: &Statement, alone: bool) {
        let durable = alone && self.state.block() != Block::Explicit;
        match &statement.effect {
            Effect::Set { name, value: SetValue::Text(_), scope } => self.note(name, *scope),
            Effect::SetSessionCharacteristics { modes } if modes.read_write.is_some() => {
                self.note(READ_ONLY, SetScope::Session);
            }
            Effect::Set { name, value: SetValue::Default, .. } | Effect::Reset(name)
                if durable && !name.contains('.') =>
            {
                self.task.noted.remove(&*name.to_ascii_lowercase());
            }
            Effect::ResetAll | Effect::DiscardAll if durable => self.task.noted.clear(),
            _ => {}
        }
        for call in &statement.set_config {
            let local = call.is_local == Some(true);
            if let Some(name) = &call.name {
                self.note(name, if local { SetScope::Local } else { SetScope::Session });
            }
        }
    }

    fn note(&mut self, name: &str, scope: SetScope) {
        let told_by_note = name.contains('.')
            || (scope == SetScope::Session
                && TOLD_BY_NOTE.iter().any(|one| one.eq_ignore_ascii_case(name)));
        if told_by_note && self.task.noted.len() < MAX_NOTED {
            self.task.noted.insert(name.to_ascii_lowercase().into());
        }
    }
}

/// It sets the task, or sets it back.
fn declares_task(statement: &Statement) -> bool {
    matches!(statement.effect, Effect::ResetAll | Effect::DiscardAll)
        || session::declares_task(statement)
}
