//! Transaction status, savepoints, and what they do to the parameters.
//!
//! The model follows the server's own answers: [`State::completed`] is called for a statement only
//! when its CommandComplete came, [`State::failed`] when an ErrorResponse came, [`State::ready`] at
//! ReadyForQuery. The same transitions, run over a clone, tell what statements in flight will do.

use std::time::Duration;

use crate::sql::{Chain, Effect, SetScope, SetValue, Statement};

use super::parameters::{Confirmation, Instant, Parameters};
use super::savepoints::Savepoints;

/// Which transaction is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Block {
    /// None.
    #[default]
    None,
    /// An implicit one: a string's, or a pipeline's up to its Sync.
    Implicit,
    /// One that BEGIN started.
    Explicit,
}

/// The transaction status that ReadyForQuery carries (manual, "Message Formats").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `I`: not in a transaction block.
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a failed transaction block.
    Failed,
}

impl Status {
    /// Reads the byte of a ReadyForQuery.
    pub fn from_byte(byte: u8) -> Option<Status> {
        match byte {
            b'I' => Some(Status::Idle),
            b'T' => Some(Status::InTransaction),
            b'E' => Some(Status::Failed),
            _ => None,
        }
    }
}

/// What a CommandComplete says besides that the statement is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nothing of interest.
    Done,
    /// `ROLLBACK`, which COMMIT and PREPARE TRANSACTION of a failed transaction answer, too.
    Rollback,
    /// `SELECT 0`: a portal that had been run to its end before.
    NoRows,
}

impl Tag {
    /// Reads the tag of a CommandComplete.
    pub fn from_body(body: &[u8]) -> Tag {
        match body {
            b"ROLLBACK\0" => Tag::Rollback,
            b"SELECT 0\0" => Tag::NoRows,
            _ => Tag::Done,
        }
    }

    /// The tag that a statement in flight will get if all goes well.
    pub fn foreseen(failed: bool) -> Tag {
        if failed { Tag::Rollback } else { Tag::Done }
    }
}

/// What the end of a transaction, or of a part of it, was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything still open committed.
    Committed,
    /// What was done at savepoint depth `depth` and deeper was rolled back (0: all of it).
    RolledBack {
        /// Number of savepoints that remain.
        depth: usize,
    },
}

/// The settled state of a session's transaction and parameters.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The parameters in force.
    pub parameters: Parameters,
    block: Block,
    /// When the block's transaction began; `None`: none is open, or it was not seen to begin.
    began: Option<Instant>,
    failed: bool,
    at_start: Option<Box<Parameters>>,
    savepoints: Savepoints,
    /// Something happened in this transaction that was not seen: there may be savepoints that are
    /// not known.
    lost: bool,
}

impl State {
    /// A session that has just started.
    pub fn new(parameters: Parameters) -> Self {
        State { parameters, ..State::default() }
    }

    /// Which transaction is open.
    pub fn block(&self) -> Block {
        self.block
    }

    /// A confirmation has to hold at this time: when the open block began, since what began confirmed
    /// may finish, or else now. An implicit transaction is no such beginning: a pipeline without a
    /// Sync begins by itself, and can be held open without end.
    pub fn confirmed_at(&self, now: Instant) -> Instant {
        self.began.unwrap_or(now)
    }

    /// Ends confirmations that are older than `max_age`. True: something was ended.
    pub fn lapse(&mut self, now: Instant, max_age: Duration) -> bool {
        let at = self.confirmed_at(now);
        self.parameters.lapse(at, max_age)
    }

    /// The open transaction has failed.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Something happened in the open transaction that was not seen.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Number of savepoints open.
    pub fn depth(&self) -> usize {
        self.savepoints.depth()
    }

    /// Opens the implicit transaction of a string or pipeline, if none is open.
    fn enter(&mut self) {
        if self.block == Block::None {
            self.block = Block::Implicit;
            self.at_start = Some(Box::new(self.parameters.clone()));
        }
    }

    fn commit(&mut self) -> Ended {
        self.block = Block::None;
        self.began = None;
        self.failed = false;
        self.lost = false;
        self.at_start = None;
        self.savepoints.clear();
        self.parameters.end_transaction();
        Ended::Committed
    }

    fn roll_back(&mut self) -> Ended {
        self.block = Block::None;
        self.began = None;
        self.failed = false;
        self.lost = false;
        self.savepoints.clear();
        if let Some(parameters) = self.at_start.take() {
            self.parameters = *parameters;
        }
        Ended::RolledBack { depth: 0 }
    }

    /// AND CHAIN: another transaction begins.
    fn chain(&mut self, chain: Chain, now: Instant) {
        if chain == Chain::Yes {
            self.block = Block::Explicit;
            self.began = Some(now);
            self.at_start = Some(Box::new(self.parameters.clone()));
        }
    }

    /// The statement is on its way: the state once it is done, if all goes well. Where it is
    /// certain to fail, what follows it in its string or pipeline does not run.
    pub fn foresee(&mut self, statement: &Statement, now: Instant) {
        if let Effect::Release(name) | Effect::RollbackTo(name) = &statement.effect
            && !self.lost
            && !self.savepoints.has(name)
        {
            self.failed = false;
            self.parameters.trust();
            return;
        }
        self.completed(statement, Tag::foreseen(self.failed), now);
    }

    /// The server reported the statement done, with this tag.
    pub fn completed(&mut self, statement: &Statement, tag: Tag, now: Instant) -> Option<Ended> {
        let rolled_back = tag == Tag::Rollback;
        self.enter();
        let mut ended = None;
        match &statement.effect {
            Effect::Begin { .. } => {
                if self.block != Block::Explicit {
                    self.began = Some(now);
                }
                self.block = Block::Explicit;
            }
            Effect::Commit(chain) => {
                ended = Some(if rolled_back { self.roll_back() } else { self.commit() });
                self.chain(*chain, now);
            }
            Effect::Rollback(chain) => {
                ended = Some(self.roll_back());
                self.chain(*chain, now);
            }
            Effect::PrepareTransaction if rolled_back && self.block != Block::Explicit => {
                // outside a block it says ROLLBACK and commits what the pipeline did before
                ended = Some(self.commit());
            }
            Effect::DiscardAll => {
                // it runs in no block, and ends the implicit transaction that it is in
                self.parameters.discard_all();
                if self.block == Block::Implicit {
                    ended = Some(self.commit());
                }
            }
            Effect::PrepareTransaction => {
                ended = Some(if rolled_back { self.roll_back() } else { self.commit() });
            }
            Effect::Savepoint(name) => self.savepoints.push(name, self.parameters.clone()),
            Effect::Release(name) => {
                if !self.savepoints.release(name) {
                    self.distrust();
                }
            }
            Effect::RollbackTo(name) => {
                if let Some(saved) = self.savepoints.roll_back_to(name) {
                    self.parameters = saved;
                    ended = Some(Ended::RolledBack { depth: self.savepoints.depth() });
                } else {
                    self.distrust();
                }
                self.failed = false;
            }
            effect => self.set_parameters(effect, now),
        }
        for call in &statement.set_config {
            // a call that is not bare never confirms, but what it withdraws counts; one with a
            // computed name or value may withdraw
            let (Some(name), Some(value)) = (&call.name, &call.value) else {
                self.distrust();
                continue;
            };
            let local =
                if call.is_local == Some(true) { SetScope::Local } else { SetScope::Session };
            let confirms = call.bare && call.is_local.is_some() && tag != Tag::NoRows;
            self.assign(name, value, local, now, confirms);
        }
        // DO and CALL can end a transaction, but not one that BEGIN opened
        if statement.do_or_call && self.block != Block::Explicit {
            self.after_unseen_code();
        }
        if statement.is_unreadable() {
            self.distrust();
        }
        ended
    }

    /// Code that cannot be seen has run: it may have withdrawn the confirmation. `ends`: it may
    /// have ended the transaction too, one that BEGIN opened aside.
    pub fn unseen(&mut self, ends: bool) {
        if !self.parameters.is_confirmed_anywhere() {
            return;
        }
        self.enter();
        self.parameters.unseen();
        if ends
            && self.block != Block::Explicit
            && let Some(start) = &mut self.at_start
        {
            start.unseen_before();
        }
    }

    /// The server reported an error in a statement. DO and CALL may have committed before.
    pub fn failed_in(&mut self, statement: Option<&Statement>) {
        if statement.is_some_and(|statement| statement.do_or_call) && self.block != Block::Explicit
        {
            self.after_unseen_code();
            self.unseen(true);
        }
        self.failed();
    }

    /// Code that cannot be seen may have committed or rolled back: what is confirmed in every
    /// scope and at every savepoint stays confirmed, anything else is not.
    fn after_unseen_code(&mut self) {
        let certain = self.parameters.is_confirmed_throughout()
            && self.at_start.as_ref().is_none_or(|start| start.is_confirmed_throughout())
            && self.savepoints.saved().all(Parameters::is_confirmed_throughout);
        if !certain {
            self.distrust();
        }
    }

    /// Something happened that was not seen: nothing is confirmed any more, now or after a
    /// rollback.
    pub fn distrust(&mut self) {
        self.lost = true;
        self.parameters.distrust();
        if let Some(start) = &mut self.at_start {
            start.distrust();
        }
        self.savepoints.distrust();
    }

    fn set_parameters(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::Set { name, value: SetValue::Text(value), scope } => {
                self.assign(name, value, *scope, now, true);
            }
            Effect::Set { name, value: SetValue::Default, scope } => self.reset(name, *scope),
            Effect::Reset(name) => self.reset(name, SetScope::Session),
            Effect::ResetAll => self.parameters.reset_all(),
            _ => {}
        }
    }

    fn assign(
        &mut self,
        name: &str,
        value: &str,
        scope: SetScope,
        now: Instant,
        may_confirm: bool,
    ) {
        use crate::contract::parameter;
        if name.eq_ignore_ascii_case(parameter::CONFIRM) {
            match parameter::boolean(value) {
                Some(true) if may_confirm => {
                    self.parameters.set_confirmation(Confirmation::at(now), scope);
                }
                Some(true) => {}
                _ => self.parameters.set_confirmation(Confirmation::default(), scope),
            }
        } else if name.eq_ignore_ascii_case(parameter::TICKET) {
            let ticket = (!value.is_empty()).then(|| value.into());
            self.parameters.ticket.set(ticket, scope);
        } else if name.eq_ignore_ascii_case(parameter::TASK) && may_confirm {
            let task = (!value.is_empty()).then(|| value.into());
            self.parameters.task.set(task, scope);
        }
    }

    fn reset(&mut self, name: &str, scope: SetScope) {
        use crate::contract::parameter;
        if name.eq_ignore_ascii_case(parameter::CONFIRM) {
            self.parameters.reset_confirmation(scope);
        } else if name.eq_ignore_ascii_case(parameter::TICKET) {
            self.parameters.ticket.reset(scope);
        } else if name.eq_ignore_ascii_case(parameter::TASK) {
            self.parameters.task.reset(scope);
        }
    }

    /// The server reported an error: the open transaction is over but for its ending.
    pub fn failed(&mut self) {
        self.enter();
        self.failed = true;
    }

    /// ReadyForQuery. Gives how the transaction ended, if it did.
    ///
    /// A status that the model did not expect means that something happened which it did not see;
    /// then nothing is confirmed any more.
    pub fn ready(&mut self, status: Status) -> Option<Ended> {
        match (status, self.block) {
            (Status::Idle, Block::None) => None,
            (Status::Idle, Block::Implicit) => {
                Some(if self.failed { self.roll_back() } else { self.commit() })
            }
            (Status::Idle, Block::Explicit) if self.failed => Some(self.roll_back()),
            (Status::InTransaction, Block::Explicit) if !self.failed => None,
            (Status::Failed, Block::Explicit) if self.failed => None,
            (Status::Idle, Block::Explicit) => {
                let ended = self.roll_back();
                self.distrust();
                Some(ended)
            }
            (Status::InTransaction | Status::Failed, _) => {
                if self.block == Block::None {
                    self.at_start = Some(Box::new(self.parameters.clone()));
                }
                self.distrust();
                self.block = Block::Explicit;
                self.failed = status == Status::Failed;
                None
            }
        }
    }
}
