//! The session's task, and where it leads (contract §2, §3).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Gate;
use crate::policy::Policy;
use crate::session::Block;
use crate::sql::{Effect, SetScope, SetValue, Statement};

/// The most parameters that are noted of a session: with as many it cannot move.
pub const MAX_NOTED: usize = 256;

/// Parameters whose value alone does not tell whether the session has set them.
const TOLD_BY_NOTE: [&str; 4] =
    ["client_encoding", "statement_timeout", "lock_timeout", "transaction_timeout"];

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
}

/// What is kept of the task besides its name.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// The task whose row led the session here.
    home: Option<Arc<str>>,
    /// Another one has been set, whose row leads elsewhere.
    pub(super) astray: bool,
    /// See [`Astray::noted`].
    noted: BTreeSet<Box<str>>,
}

impl Task {
    pub(super) fn new(home: Option<Arc<str>>) -> Self {
        Task { home, ..Task::default() }
    }
}

impl Gate {
    /// Replaces the law (a reload, another task): from the next statement on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.follow_task();
    }

    /// The session's task may be another one now: its row's cells apply, unless it leads elsewhere.
    pub(super) fn follow_task(&mut self) {
        if !self.policy.routed {
            return;
        }
        let task = self.state.parameters.task.get();
        let moved = *task != self.task.home;
        self.task.astray =
            moved && task.as_deref().is_some_and(|task| self.policy.leads_elsewhere(task));
        if self.task.astray {
            return;
        }
        self.policy.follow_task(task.as_deref());
        if moved {
            self.task.home.clone_from(task);
        }
    }

    /// The session's task leads elsewhere ([`Answer::Move`](super::Answer::Move)).
    pub fn astray(&self) -> Option<Astray> {
        let task = self.state.parameters.task.get().clone()?;
        let noted = self.task.noted.iter().cloned();
        let home = self.task.home.clone();
        self.task.astray.then(|| Astray { task, home, noted: noted.collect() })
    }

    /// Notes the parameters that a statement has set, up to [`MAX_NOTED`]. `alone`: nothing that
    /// could still fail is with it.
    pub(super) fn note_parameters(&mut self, statement: &Statement, alone: bool) {
        let durable = alone && self.state.block() != Block::Explicit;
        match &statement.effect {
            Effect::Set { name, value: SetValue::Text(_), scope } => self.note(name, *scope),
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
