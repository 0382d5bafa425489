//! Settling what is owed, answer by answer.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::before::changes_catalog;
use super::inside::Progress;
use super::owed::{Owed, Run, take_at};
use super::{CopyIn, Fate, Gate, Undecided};
use crate::protocol::message;
use crate::session::{Block, Change, Ended, Instant, Status, Tag};
use crate::sql::{Effect, Statement};

impl Gate {
    pub(super) fn pop(&mut self) -> Option<Owed> {
        let owed = self.owed.pop_front()?;
        self.stirring -= u32::from(owed.stirs());
        if owed.is_boundary() {
            self.boundaries -= 1;
            self.answering += 1;
        }
        Some(owed)
    }

    /// An answer came that is not owed: the model has lost the thread, so nothing is trusted.
    pub(super) fn distrust(&mut self) {
        self.state.distrust();
        self.foreseen = None;
        self.temporary.doubt_search_path();
        self.unseen_ran = true;
    }

    // -- extended protocol --------------------------------------------------------------------

    pub(super) fn parse_complete(&mut self) {
        match self.owed.front() {
            Some(Owed::Parse(change)) => self.statements.succeeded(change),
            _ => return self.distrust(),
        }
        self.pop();
    }

    pub(super) fn bind_complete(&mut self) {
        match self.owed.front() {
            Some(Owed::Bind(change)) => self.portals.succeeded(change),
            _ => return self.distrust(),
        }
        self.pop();
    }

    pub(super) fn close_complete(&mut self) {
        match self.owed.front() {
            Some(Owed::CloseStatement(change)) => self.statements.succeeded(change),
            Some(Owed::ClosePortal(change)) => self.portals.succeeded(change),
            _ => return self.distrust(),
        }
        self.pop();
    }

    /// EmptyQueryResponse: an Execute of nothing is done; in a Query it says nothing.
    pub(super) fn finished_execute(&mut self) {
        match self.owed.front() {
            Some(Owed::PlainExecute { writes }) => self.executed(*writes),
            Some(Owed::Execute(run)) if run.unseen => self.unseen(false),
            Some(Owed::Execute(_)) => {}
            _ => return,
        }
        self.pop();
    }

    /// A plain portal has run, perhaps with triggers.
    fn executed(&mut self, writes: bool) {
        if writes {
            self.unseen(false);
        }
    }

    /// The portal is not done, and may have run its `set_config` all the same: that confirms
    /// nothing, and withdraws.
    pub(super) fn portal_suspended(&mut self) {
        if let Some(Owed::Execute(run)) = self.owed.front()
            && run.judgement.statements.iter().any(|one| !one.set_config.is_empty())
        {
            self.doubt_task_much();
            self.state.distrust();
            self.foreseen = None;
        }
        self.progress = self.progress.max(Progress::Ran);
        self.finished_execute();
    }

    // -- statements ---------------------------------------------------------------------------

    pub(super) fn command_complete(&mut self, body: &[u8], now: Instant) {
        if matches!(self.owed.front(), Some(Owed::PlainQuery { .. })) {
            return;
        }
        let tag = Tag::from_body(body);
        if self.lookups.is_some() && !matches!(self.owed.front(), Some(Owed::Query(_))) {
            self.progress = self.progress.after(body);
        }
        match self.owed.pop_front() {
            Some(Owed::Query(mut run)) => {
                self.stirring -= 1;
                self.statement_done(&mut run, tag, now);
                self.stirring += 1;
                self.owed.push_front(Owed::Query(run));
            }
            Some(Owed::Execute(mut run)) => {
                self.stirring -= 1;
                self.copy_answered();
                self.statement_done(&mut run, tag, now);
            }
            Some(Owed::PlainExecute { writes }) => self.executed(writes),
            Some(other) => {
                self.owed.push_front(other);
                self.distrust();
            }
            None => self.distrust(),
        }
    }

    fn statement_done(&mut self, run: &mut Run, tag: Tag, now: Instant) {
        let at = run.done;
        run.done += 1;
        let judgement = run.judgement.clone();
        let Some(statement) = judgement.statements.get(at) else { return self.distrust() };
        if run.changes || changes_catalog(statement) {
            self.touch_catalog(false);
        }
        // while a boundary is owed, what depends on the foreseen state waits for it
        if self.boundaries == 0 && tag != Tag::foreseen(self.state.is_failed()) {
            self.foreseen = None;
        }
        let unseen_end = self.may_end_unseen(statement)
            || (statement.effect == Effect::PrepareTransaction && tag != Tag::Rollback);
        let ended = self.state.completed(statement, tag, now);
        if ended == Some(Ended::Committed) {
            self.left.settle(self.answering);
        }
        if run.uncertain || run.indirect {
            self.distrust();
        }
        if run.unseen || statement.may_run_unseen_code() {
            self.unseen(statement.do_or_call);
        }
        while let Some(change) = take_at(&mut run.statements, at) {
            self.statements.succeeded(&change);
        }
        while let Some(change) = take_at(&mut run.portals, at) {
            self.portals.succeeded(&change);
        }
        if matches!(statement.effect, Effect::Release(_)) {
            self.released();
        }
        let depth = self.state.depth();
        while let Some(id) = take_at(&mut run.confirmed, at) {
            self.undecided.push(Undecided { id, depth });
        }
        if unseen_end {
            self.lose_outcomes();
        }
        // something in flight behind it may undo it again: then it is not known
        let last = self.stirring == 0 && run.done == judgement.statements.len();
        let alone = last && judgement.statements.len() == 1;
        self.made(statement, last, alone);
        self.follow_declared(statement, judgement.text.as_ref());
        self.end(ended);
    }

    /// DO and CALL can end a transaction, but not one that BEGIN opened.
    fn may_end_unseen(&self, statement: &Statement) -> bool {
        statement.do_or_call && self.state.block() != Block::Explicit
    }

    /// What has become of the statements whose transaction is open cannot be told.
    fn lose_outcomes(&mut self) {
        self.fates.extend(self.undecided.drain(..).map(|one| (one.id, Fate::Unknown)));
    }

    /// What a statement made, now that it is known to be there.
    fn made(&mut self, statement: &Statement, last: bool, alone: bool) {
        if self.policy.routed && self.policy.movable {
            self.note_parameters(statement, alone);
        }
        match &statement.effect {
            Effect::CreateTemp { names, on_commit_drop } if last => {
                self.temporary.created(names, true, *on_commit_drop);
            }
            Effect::Declare { name, hold: true } => self.portals.hold(name.as_bytes()),
            Effect::Deallocate(None) => self.statements.clear(self.answering),
            Effect::CloseCursor(None) => self.portals.clear(self.answering),
            Effect::DiscardAll => {
                if last {
                    self.temporary.discarded();
                }
                self.statements.clear(self.answering);
                self.portals.clear(self.answering);
            }
            _ => {}
        }
    }

    /// What asked for COPY data is the last that went: nothing is owed once it is answered. What
    /// was sent before it may be answered meanwhile.
    pub(super) fn copy_answered(&mut self) {
        if self.owed.is_empty() {
            self.copy = CopyIn::No;
        }
    }

    pub(super) fn copy_in_response(&mut self) {
        if let Some(run) = self.owed.front_mut().and_then(Owed::run) {
            run.copies = run.copies.saturating_sub(1);
        }
        self.copy = CopyIn::Open { data_sent: false, syncs: 0 };
    }

    // -- errors -------------------------------------------------------------------------------

    /// ErrorResponse: the transaction has failed; in a pipeline everything up to Sync is skipped.
    /// Gives the Syncs that are to be sent after all (see [`CopyIn::Open`]).
    pub(super) fn error_came(&mut self) -> Bytes {
        if self.owed.is_empty() {
            return Bytes::new(); // unsolicited: a FATAL on its way out
        }
        let at_fault = match self.owed.front() {
            Some(Owed::Query(run) | Owed::Execute(run)) => Some((run.judgement.clone(), run.done)),
            _ => None,
        };
        let statement = at_fault.as_ref().and_then(|(all, at)| all.statements.get(*at));
        if statement.is_some_and(|statement| self.may_end_unseen(statement)) {
            // it may have committed, or rolled back, before it failed
            if let Some(run) = self.owed.front_mut().and_then(Owed::run) {
                let depth = self.state.depth();
                let own = std::mem::take(&mut run.confirmed);
                self.undecided.extend(own.into_iter().map(|(_, id)| Undecided { id, depth }));
            }
            self.lose_outcomes();
        }
        self.state.failed_in(statement);
        self.foreseen = None;
        let last = self.owed.len() == 1;
        match self.owed.front_mut() {
            Some(Owed::Query(run)) => {
                // while data is taken, what takes it is at the front
                if last || matches!(self.copy, CopyIn::Open { .. }) {
                    self.copy = CopyIn::No;
                }
                let failed = std::mem::take(&mut run.confirmed);
                let (statements, portals) =
                    (std::mem::take(&mut run.statements), std::mem::take(&mut run.portals));
                self.fail(failed);
                self.skip_changes(statements, portals);
                Bytes::new()
            }
            Some(front) if front.is_boundary() => Bytes::new(),
            _ => self.skip_to_sync(),
        }
    }

    fn skip_to_sync(&mut self) -> Bytes {
        while let Some(front) = self.owed.front() {
            if matches!(front, Owed::Sync) {
                return Bytes::new();
            }
            let swallowed = self.pop();
            self.skipped(swallowed);
        }
        let syncs = match std::mem::take(&mut self.copy) {
            CopyIn::Open { data_sent: false, syncs } => syncs,
            _ => 0,
        };
        self.skipping = syncs == 0;
        let mut out = BytesMut::new();
        for _ in 0..syncs {
            message::sync(&mut out);
            self.owe_boundary(Owed::Sync);
        }
        out.freeze()
    }

    fn skipped(&mut self, owed: Option<Owed>) {
        match owed {
            Some(Owed::Parse(change) | Owed::CloseStatement(change)) => {
                self.statements.skipped(&change);
            }
            Some(Owed::Bind(change) | Owed::ClosePortal(change)) => self.portals.skipped(&change),
            Some(Owed::Execute(run) | Owed::Query(run)) => {
                self.fail(run.confirmed);
                self.skip_changes(run.statements, run.portals);
            }
            _ => {}
        }
    }

    fn lost(&mut self, owed: Option<Owed>) {
        match owed {
            Some(Owed::Parse(change) | Owed::CloseStatement(change)) => {
                self.statements.lost(&change);
            }
            Some(Owed::Bind(change) | Owed::ClosePortal(change)) => self.portals.lost(&change),
            Some(Owed::Execute(run) | Owed::Query(run)) => {
                self.fail(run.confirmed);
                run.statements.iter().for_each(|(_, change)| self.statements.lost(change));
                run.portals.iter().for_each(|(_, change)| self.portals.lost(change));
            }
            _ => {}
        }
    }

    fn fail(&mut self, confirmed: VecDeque<(usize, super::EventId)>) {
        self.fates.extend(confirmed.into_iter().map(|(_, id)| (id, Fate::Failed)));
    }

    fn skip_changes(
        &mut self,
        statements: VecDeque<(usize, Change)>,
        portals: VecDeque<(usize, Change)>,
    ) {
        for (_, change) in &statements {
            self.statements.skipped(change);
        }
        for (_, change) in &portals {
            self.portals.skipped(change);
        }
    }

    // -- ReadyForQuery ------------------------------------------------------------------------

    pub(super) fn settle_boundary(&mut self, status: Status) {
        while let Some(front) = self.owed.front() {
            if front.is_boundary() {
                break;
            }
            // its answer never came
            let lost = self.pop();
            self.lost(lost);
            self.distrust();
        }
        let batch = self.answering;
        match self.pop() {
            None => self.distrust(),
            // an error has taken what it skipped: of the rest nobody has said a word
            lost @ Some(Owed::Query(_)) => self.lost(lost),
            Some(Owed::PlainQuery { writes: true } | Owed::FunctionCall) => self.unseen(false),
            Some(_) => {}
        }
        self.foreseen = None;
        let ended = self.state.ready(status);
        self.end(ended);
        if let Some(lookups) = &mut self.lookups {
            lookups.barred = false;
        }
        self.follow_end();
        if status == Status::Idle {
            self.end_of_transaction();
            self.left.settle(batch + 1);
            self.portals.end_transaction(batch);
        }
    }

    /// A transaction, or a part of it, has ended.
    pub(super) fn end(&mut self, ended: Option<Ended>) {
        let Some(ended) = ended else { return };
        if matches!(ended, Ended::RolledBack { .. }) {
            self.catalog_came_back();
        }
        if self.state.depth() == 0 {
            self.progress = Progress::Nothing; // of another one perhaps, AND CHAIN
        }
        if self.state.block() == Block::None {
            self.end_of_transaction();
        }
        match ended {
            Ended::Committed => {
                self.temporary.committed();
                let fates = self.undecided.drain(..).map(|one| (one.id, Fate::Committed));
                self.fates.extend(fates);
            }
            Ended::RolledBack { depth } => {
                self.temporary.rolled_back();
                let kept = self.undecided.partition_point(|one| one.depth < depth);
                let gone = self.undecided.drain(if depth == 0 { 0 } else { kept }..);
                self.fates.extend(gone.map(|one| (one.id, Fate::RolledBack)));
            }
        }
    }

    /// RELEASE: what was done above the savepoints that remain belongs to the last of them now.
    fn released(&mut self) {
        let depth = self.state.depth();
        let above = self.undecided.partition_point(|one| one.depth <= depth);
        for one in self.undecided.iter_mut().skip(above) {
            one.depth = depth;
        }
    }
}
