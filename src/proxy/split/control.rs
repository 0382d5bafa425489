//! Transaction control: the session's own affair, since its transaction spans both legs.
//!
//! The read leg writes nothing, so no two-phase commit is needed: until the write leg has committed,
//! nothing has. The read leg commits first: a failure there leaves nothing. Where it would keep what
//! the transaction has set, the write leg commits first, and a read leg that fails then has missed
//! it like one that took no part; with a cursor WITH HOLD, which can fail on the read leg, that
//! commits first in any case ([`crate::split::Journal::read_commits_first`]).

use bytes::Bytes;

use super::leg::{Kind, Pass};
use super::run::unsupported;
use super::{Block, End, Protocol, Split};
use crate::protocol::{ErrorResponse, message};
use crate::split::{self, Lasts, Note, Side};
use crate::sql::{Effect, Modes, Statement};

const ROLLBACK: &[u8] = b"ROLLBACK";

impl Split {
    /// Runs a statement of transaction control; the client gets its answer, ReadyForQuery aside.
    /// False: it failed.
    pub(super) async fn control(
        &mut self,
        statement: &Statement,
        text: &Bytes,
    ) -> Result<bool, End> {
        self.settle().await?;
        if let Some((why, hint)) = split::control_refused(&statement.effect) {
            self.refuse(unsupported(why, hint), Some((statement, text))).await?;
            return Ok(false);
        }
        match &statement.effect {
            Effect::Begin { modes } => self.begin(statement, *modes, text).await,
            Effect::Commit(_) | Effect::Rollback(_) if matches!(self.block, Block::None) => {
                let commits = matches!(statement.effect, Effect::Commit(_));
                self.end_nothing(text, commits).await
            }
            Effect::Commit(_) if matches!(self.block, Block::Open(_)) => self.commit(text).await,
            Effect::Commit(_) | Effect::Rollback(_) => self.roll_back(text).await,
            Effect::Savepoint(name) => self.save(name, statement, text).await,
            Effect::Release(name) => {
                let done = self.within(text, Pass::Client).await?;
                if done {
                    self.journal.released(name);
                }
                Ok(done)
            }
            Effect::RollbackTo(name) => self.roll_back_to(name, text).await,
            Effect::SetTransaction { modes } => self.set_transaction(*modes, text).await,
            _ => self.within(text, Pass::Client).await,
        }
    }

    async fn begin(
        &mut self,
        statement: &Statement,
        modes: Modes,
        text: &Bytes,
    ) -> Result<bool, End> {
        if let Block::Open(open) = self.block {
            // a warning, and what SET TRANSACTION does
            let plain = Bytes::from_static(statement.tag.as_bytes());
            let set = Bytes::from(split::set_transaction(Side::Write, modes, false));
            let done = self.within(&plain, Pass::Errors).await?
                && (modes == Modes::default() || self.set_modes(open, modes, &set).await?);
            if done {
                self.complete(statement.tag);
            }
            return Ok(done);
        }
        if !matches!(self.block, Block::None) {
            return self.within(text, Pass::Client).await;
        }
        self.block = Block::Open(modes);
        if self.protocol == Protocol::Extended && !self.has_begun_where_ran().await? {
            return Ok(false);
        }
        self.leave_out();
        self.complete(statement.tag);
        Ok(true)
    }

    /// What ran in the open pipeline before BEGIN is in its transaction, where it can begin there.
    /// False: it cannot on one leg, and there is no block.
    async fn has_begun_where_ran(&mut self) -> Result<bool, End> {
        for side in Side::BOTH {
            if self.has_part(side) {
                self.begin_on(side).await?;
                self.quiet(side).await?;
            }
            if self.pipeline_failed {
                break;
            }
        }
        if !self.pipeline_failed {
            return Ok(true);
        }
        for side in Side::BOTH {
            let begun = |leg: &super::Leg| leg.begun && !leg.skipping;
            if self.legs[side as usize].as_ref().is_some_and(begun) {
                self.run_on(side, ROLLBACK, Pass::Nothing).await?;
            }
        }
        self.over(false)?;
        Ok(false)
    }

    /// On the legs that take part, one at least; outside a transaction on one, for its warning
    /// or error.
    pub(super) async fn within(&mut self, text: &Bytes, pass: Pass) -> Result<bool, End> {
        let first = match self.block {
            Block::Failed(None, _) => {
                self.aborted();
                return Ok(false);
            }
            Block::Failed(Some(side), _) => side,
            Block::Open(_) => self.primary(),
            Block::None => self.executing().unwrap_or(self.primary()),
        };
        if !self.ready_leg(first).await? || !self.run_on(first, text, pass).await? {
            return Ok(false);
        }
        if matches!(self.block, Block::Open(_)) {
            self.follow(first.other(), text).await?;
        }
        Ok(true)
    }

    /// A leg on which something has run in the open pipeline, or been planned.
    fn executing(&self) -> Option<Side> {
        let planned =
            |side: &Side| self.legs[*side as usize].as_ref().is_some_and(|leg| leg.planned);
        let mut sides = Side::BOTH.into_iter().rev();
        let executed = sides.clone().find(|side| self.executed(*side) > 0);
        executed.or_else(|| sides.find(planned))
    }

    /// A leg takes part in the implicit transaction of the open pipeline.
    fn has_joined(&self, side: Side) -> bool {
        let pipeline = |leg: &super::Leg| leg.pipeline && leg.joined;
        matches!(self.block, Block::None)
            && self.protocol == Protocol::Extended
            && self.legs[side as usize].as_ref().is_some_and(pipeline)
    }

    /// The other leg does what the first has done.
    async fn follow(&mut self, side: Side, text: &[u8]) -> Result<(), End> {
        if self.is_begun(side) && !self.run_on(side, text, Pass::Nothing).await? {
            return Err(self.diverged(side, "the transaction could not follow on", text));
        }
        Ok(())
    }

    /// COMMIT or ROLLBACK outside a block: of an implicit transaction, or a warning.
    async fn end_nothing(&mut self, text: &Bytes, commits: bool) -> Result<bool, End> {
        let ran = |split: &Split, side: Side| {
            split.legs[side as usize].as_ref().is_some_and(|leg| leg.ran)
        };
        let both = ran(self, Side::Read) && ran(self, Side::Write);
        let side = match both || ran(self, Side::Write) {
            true => Side::Write,
            false => self.primary(),
        };
        if !self.ready_leg(side).await? || !self.run_on(side, text, Pass::Client).await? {
            return Ok(false);
        }
        if both {
            self.follow_over(text).await?;
        }
        self.portals.end_transaction();
        self.transaction_over(commits)?;
        Ok(true)
    }

    /// Commits the block.
    pub(super) async fn commit(&mut self, text: &[u8]) -> Result<bool, End> {
        let done = self.commit_legs(text, Pass::Client).await?;
        if !self.is_begun(Side::Read) && !self.is_begun(Side::Write) {
            self.complete("COMMIT");
        }
        self.over(done)?;
        Ok(done)
    }

    /// The legs that take part in the block commit, or else none of them does. `pass`: what the client
    /// gets of it.
    pub(super) async fn commit_legs(&mut self, text: &[u8], pass: Pass) -> Result<bool, End> {
        let begun = Side::BOTH.map(|side| self.is_begun(side));
        self.committing = begun[Side::Write as usize];
        let read_first = self.journal.read_commits_first();
        match begun {
            [true, true] if read_first => {
                if !self.commits(Side::Read, text, Pass::Errors).await? {
                    match self.leg(Side::Read)?.rolled_back {
                        true => drop(self.run_on(Side::Write, ROLLBACK, pass).await?),
                        false => self.follow(Side::Write, ROLLBACK).await?,
                    }
                    return Ok(false);
                }
                let done = self.commits(Side::Write, text, pass).await?;
                if !done {
                    self.take_back().await?;
                }
                Ok(done)
            }
            [true, true] => {
                if !self.commits(Side::Write, text, pass).await? {
                    self.follow(Side::Read, ROLLBACK).await?;
                    return Ok(false);
                }
                // told before the read leg can be lost
                self.release();
                self.follow_over(text).await?;
                Ok(true)
            }
            [true, false] => self.commits(Side::Read, text, pass).await,
            [false, true] => self.commits(Side::Write, text, pass).await,
            [false, false] => Ok(true),
        }
    }

    /// COMMIT on a leg. A transaction that has failed it rolls back, without an error.
    async fn commits(&mut self, side: Side, text: &[u8], pass: Pass) -> Result<bool, End> {
        let done = self.run_on(side, text, pass).await?;
        let rolled_back = self.leg(side)?.rolled_back;
        if rolled_back && self.holding {
            // of a string the client gets no completion of COMMIT
            self.aborted();
        }
        Ok(done && !rolled_back)
    }

    /// The read leg ends a transaction that the write leg has ended. If it cannot, it has missed what
    /// that has set.
    async fn follow_over(&mut self, text: &[u8]) -> Result<(), End> {
        if self.run_on(Side::Read, text, Pass::Nothing).await? && !self.leg(Side::Read)?.rolled_back
        {
            return Ok(());
        }
        self.leg(Side::Read)?.joined = false;
        if self.leg(Side::Read)?.skipping {
            self.request(Side::Read, Kind::Sync, Pass::Nothing, message::SYNC).await?;
            self.quiet(Side::Read).await?;
        }
        Ok(())
    }

    /// The answer that waits for the end of a string's transaction.
    pub(super) fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.out.extend_from_slice(&held);
    }

    /// Rolls the block back.
    pub(super) async fn roll_back(&mut self, text: &[u8]) -> Result<bool, End> {
        let failed = match self.block {
            Block::Failed(side, _) => side,
            _ => None,
        };
        let first = failed.or_else(|| Side::BOTH.into_iter().rev().find(|one| self.is_begun(*one)));
        let mut done = true;
        match first {
            None => self.complete("ROLLBACK"),
            Some(first) => {
                self.follow(first.other(), ROLLBACK).await?;
                done = self.run_on(first, text, Pass::Client).await?;
            }
        }
        if done {
            self.over(false)?;
        }
        Ok(done)
    }

    /// The block is over. Legs that took no part have missed what it set, if it committed.
    pub(super) fn over(&mut self, committed: bool) -> Result<(), End> {
        self.committing = false;
        self.fallen = false;
        for leg in self.legs.iter_mut().flatten() {
            leg.begun = false;
        }
        self.block = Block::None;
        self.portals.end_transaction();
        self.temporary.ended();
        self.transaction_over(committed)
    }

    async fn roll_back_to(&mut self, name: &str, text: &Bytes) -> Result<bool, End> {
        let (first, modes) = match self.block {
            Block::None => return self.within(text, Pass::Client).await,
            Block::Failed(None, modes) => {
                if !self.journal.has(name) {
                    let message = format!("savepoint \"{name}\" does not exist");
                    self.error_of_own(&ErrorResponse::error("3B001", message));
                    return Ok(false);
                }
                self.complete("ROLLBACK");
                let before = self.journal.rolled_back_to(name);
                self.block = Block::Open(before.unwrap_or(modes));
                return Ok(true);
            }
            Block::Failed(Some(side), modes) => (side, modes),
            Block::Open(modes) => (self.primary(), modes),
        };
        if !self.ready_leg(first).await? || !self.run_on(first, text, Pass::Client).await? {
            return Ok(false);
        }
        self.follow(first.other(), text).await?;
        let before = self.journal.rolled_back_to(name);
        self.temporary.rolled_back_to();
        self.fallen = false;
        self.block = Block::Open(before.unwrap_or(modes));
        Ok(true)
    }

    async fn set_transaction(&mut self, modes: Modes, text: &Bytes) -> Result<bool, End> {
        let on = match self.block {
            Block::Open(open) => {
                let done = self.set_modes(open, modes, text).await?;
                if done {
                    self.complete("SET");
                }
                return Ok(done);
            }
            Block::Failed(None, _) => {
                self.aborted();
                return Ok(false);
            }
            Block::Failed(Some(side), _) => side,
            _ => self.executing().unwrap_or(self.primary()),
        };
        let recovering = self.legs.iter().flatten().any(|leg| leg.recovering);
        let set =
            |side: Side, modes: Modes| Bytes::from(split::set_transaction(side, modes, recovering));
        // in an implicit transaction that the other leg has joined as well
        let other = on.other();
        if self.has_joined(other) {
            let text = if other == Side::Read { set(other, modes) } else { text.clone() };
            if !self.run_on(other, &text, Pass::ErrorsAlone).await? {
                return Ok(false);
            }
        }
        let shown = match modes.read_write == Some(true) && on == Side::Read {
            true => set(Side::Read, modes),
            false => text.clone(),
        };
        let done = self.ready_leg(on).await? && self.run_on(on, &shown, Pass::Client).await?;
        // for what comes later in the open pipeline
        let modes = Modes { read_write: modes.read_write.filter(|write| !write), ..modes };
        if done && modes != Modes::default() {
            self.note(Note::Session(set(Side::Write, modes).into(), Lasts::Locally))?;
        }
        Ok(done)
    }

    /// Modes of the open block: legs that come later get them with their BEGIN, or behind the savepoint
    /// that undoes them. `text`: for the write leg.
    async fn set_modes(&mut self, open: Modes, modes: Modes, text: &Bytes) -> Result<bool, End> {
        let begun = Side::BOTH.map(|side| self.is_begun(side));
        let fixed = self.journal.depth() > 0 || begun[0] && self.leg(Side::Read)?.queried;
        if begun[0] && fixed && modes.read_write == Some(true) && self.is_read_only(open) {
            // the read leg is READ ONLY in any case, so no server can be asked
            let message = match self.journal.depth() {
                0 => "transaction read-write mode must be set before any query",
                _ => "cannot set transaction read-write mode inside a read-only transaction",
            };
            self.fails_by_itself().await?;
            self.error_of_own(&ErrorResponse::error("25001", message));
            return Ok(false);
        }
        let concerns_read = modes.isolation.is_some() || modes.deferrable.is_some();
        if begun[0] && concerns_read {
            let recovering = self.leg(Side::Read)?.recovering;
            let set = split::set_transaction(Side::Read, modes, recovering);
            if !self.run_on(Side::Read, set.as_bytes(), Pass::Errors).await? {
                return Ok(false);
            }
        }
        if begun[1] && !self.run_on(Side::Write, text, Pass::Errors).await? {
            return Ok(false);
        }
        // the other modes cannot be changed within a savepoint
        if self.journal.depth() > 0 && modes.read_write == Some(false) {
            let text = Bytes::from_static(b"SET TRANSACTION READ ONLY");
            self.note(Note::Session(text.into(), Lasts::Locally))?;
        }
        self.block = Block::Open(Modes {
            read_write: modes.read_write.or(open.read_write),
            isolation: modes.isolation.or(open.isolation),
            deferrable: modes.deferrable.or(open.deferrable),
        });
        Ok(true)
    }

    /// The block is READ ONLY for the client.
    fn is_read_only(&self, modes: Modes) -> bool {
        let default = self.told.get(&b"default_transaction_read_only"[..]);
        modes.read_write.map_or(default.is_some_and(|value| **value == *b"on"), |writes| !writes)
    }

    /// The transaction has failed, and no leg is there to say so.
    pub(super) fn aborted(&mut self) {
        let message =
            "current transaction is aborted, commands ignored until end of transaction block";
        self.error_of_own(&ErrorResponse::error("25P02", message));
    }
}
