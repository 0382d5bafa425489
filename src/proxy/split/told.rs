//! What both legs are told: a setting reaches a leg once, in order, and before anything newer.
//!
//! What stands is told to a leg before anything else goes to it ([`Split::informed`]). What has been
//! set in the open transaction is told within it, to each leg that takes part ([`Split::begin_on`],
//! [`Split::join`]), and stands only once that has committed ([`Split::transaction_over`]).

use bytes::Bytes;

use super::lagging::sets;
use super::leg::{Kind, Pass};
use super::run::too_much;
use super::{Block, End, Protocol, Split};
use crate::protocol::message;
use crate::session::declares_task;
use crate::split::{self, Lasts, Note, Side, Told};
use crate::sql::{Effect, SetScope, Statement};

impl Split {
    /// A leg that is open has been told what it missed. False: it does not take that, and the client
    /// has been told why.
    pub(super) async fn informed(&mut self, side: Side) -> Result<bool, End> {
        let leg = self.leg(side)?;
        let in_pipeline = leg.pipeline;
        if leg.has_own && !in_pipeline {
            // a pipeline that failed has left it
            self.request(side, Kind::Sync, Pass::Nothing, message::SYNC).await?;
        }
        let kept = self.journal.pending(side);
        let pending = self.journal.take_pending(side, in_pipeline);
        let protocol = self.protocol;
        if !in_pipeline {
            self.protocol = Protocol::Simple;
        }
        let tidings = self.leg(side)?.tidings.clone();
        let changed = tidings.has_changed();
        let mut pending = pending.into_iter();
        let task = |split: &Split| split.task_for(side).map(|text| Told::from(Bytes::from(text)));
        loop {
            let next = pending.next();
            let is_missed = next.is_some();
            let Some(missed) = next.or_else(|| task(self)) else { break };
            let done = self.run_told(side, &missed, Pass::Nothing).await?;
            // where it failed, a later one of the same makes up for it
            let later = pending.as_slice().iter().any(|later| later.sets.replaces(&missed.sets));
            match is_missed && !in_pipeline {
                true if !done && !later && !self.is_void(side, &missed) => {
                    self.protocol = protocol;
                    self.journal.pends(side, kept);
                    return self.lags_behind(side, &missed).await.map(|()| false);
                }
                false if !done => {
                    let what = "what the session had set could not be set on";
                    return Err(self.diverged(side, what, &missed.text));
                }
                _ => {}
            }
            if !changed {
                // RESET ALL: what the leg's task becomes of it is not the session's
                tidings.settle();
            }
        }
        self.protocol = protocol;
        self.leg(side)?.lags = false;
        Ok(true)
    }

    /// Runs a statement with its parameters, as [`Split::run_on`] does.
    pub(super) async fn run_told(
        &mut self,
        side: Side,
        told: &Told,
        pass: Pass,
    ) -> Result<bool, End> {
        let done = self.run_with_values(side, told, pass).await?;
        if done {
            self.has_told(side, told).await?;
        }
        Ok(done)
    }

    /// A statement has run that a standby cannot take as it is: what that leg is told behind it.
    async fn has_told(&mut self, side: Side, told: &Told) -> Result<(), End> {
        if let Some(text) = self.behind(side, told)
            && !self.run_on(side, text.as_bytes(), Pass::Nothing).await?
        {
            return Err(self.diverged(side, "the isolation level could not be set on", &told.text));
        }
        Ok(())
    }

    fn behind(&self, side: Side, told: &Told) -> Option<&'static str> {
        let leg = self.legs[side as usize].as_ref().filter(|leg| leg.recovering)?;
        told.isolates.on_standby(leg.serializable)
    }

    /// What has been done in the open transaction, as a leg is told it.
    fn noted_for(&self, side: Side) -> Vec<Told> {
        let with_behind = |told: Told| {
            let behind = self.behind(side, &told);
            let behind = behind.map(|text| Told::from(Bytes::from_static(text.as_bytes())));
            std::iter::once(told).chain(behind)
        };
        self.journal.open().flat_map(with_behind).collect()
    }

    async fn run_with_values(&mut self, side: Side, told: &Told, pass: Pass) -> Result<bool, End> {
        let Some(values) = &told.values else { return self.run_on(side, &told.text, pass).await };
        self.run_in_pipeline(side, &told.text, Some(values), pass).await?;
        self.quiet(side).await?;
        let done = !self.leg(side)?.failed;
        if self.protocol == Protocol::Simple {
            self.request(side, Kind::Sync, Pass::Nothing, message::SYNC).await?;
            self.quiet(side).await?;
            // no pipeline of the client's
            self.pipeline_failed = false;
            return Ok(done && !self.leg(side)?.failed);
        }
        Ok(done)
    }

    /// A leg takes part in the transaction of the open pipeline: it is told what that has set.
    pub(super) async fn join(&mut self, side: Side) -> Result<bool, End> {
        if std::mem::replace(&mut self.leg(side)?.joined, true) {
            return Ok(true);
        }
        for told in self.noted_for(side) {
            let values = told.values.as_ref();
            self.run_in_pipeline(side, &told.text, values, Pass::ErrorsAlone).await?;
        }
        Ok(true)
    }

    /// How many Executes have made a pipeline of what is open on a leg.
    pub(super) fn executed(&self, side: Side) -> usize {
        self.legs[side as usize].as_ref().map_or(0, |leg| leg.executed)
    }

    /// What has run in the open pipeline on the other leg makes a pipeline of this one's as well, where
    /// that matters to a statement: the server counts its own Executes.
    pub(super) async fn pipelines(&mut self, statement: &Statement, side: Side) -> Result<(), End> {
        let follows = self.executed(side) == 0 && self.executed(side.other()) > 0;
        if matches!(self.block, Block::None) && follows && split::minds_blocks(statement) {
            self.run_in_pipeline(side, b"SHOW server_version", None, Pass::Nothing).await?;
        }
        Ok(())
    }

    /// The open transaction reaches a leg: BEGIN, and what has been done in it so far.
    pub(super) async fn begin_on(&mut self, side: Side) -> Result<bool, End> {
        let Block::Open(modes) = self.block else { return Ok(true) };
        let in_pipeline = self.protocol == Protocol::Extended;
        let leg = self.leg(side)?;
        leg.begun = true;
        leg.queried = leg.ran;
        let joined = std::mem::replace(&mut leg.joined, true);
        let recovering = leg.recovering;
        // what was set behind a savepoint is told behind it
        let modes = self.journal.modes().unwrap_or(modes);
        let begin = split::begin(side, modes, recovering);
        let mut texts = vec![Told::from(Bytes::from(begin))];
        if !joined {
            texts.extend(self.noted_for(side));
        }
        if in_pipeline {
            for told in texts {
                self.run_in_pipeline(side, &told.text, told.values.as_ref(), Pass::Errors).await?;
            }
            return Ok(true);
        }
        // one message for what has no parameters
        for part in texts.chunk_by(|one, other| one.values.is_none() && other.values.is_none()) {
            let plain: Vec<&[u8]> = part.iter().map(|told| &told.text[..]).collect();
            let text = Bytes::from(plain.join(&b"\n;\n"[..]));
            let values = part.first().and_then(|told| told.values.clone());
            if !self.run_told(side, &Told { text, values, ..Told::default() }, Pass::Errors).await?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What ran in the open pipeline before BEGIN is part of its transaction.
    pub(super) async fn begin_where_ran(&mut self) -> Result<(), End> {
        for side in Side::BOTH {
            if self.has_part(side) {
                self.begin_on(side).await?;
            }
        }
        self.leave_out();
        Ok(())
    }

    /// A leg has a part in the open pipeline that BEGIN makes a block of: something has run there, or
    /// has taken the transaction's snapshot.
    pub(super) fn has_part(&self, side: Side) -> bool {
        let leg = self.legs[side as usize].as_ref();
        leg.is_some_and(|leg| (leg.ran || leg.planned) && !leg.begun)
    }

    /// BEGIN in a pipeline: a leg in which nothing has run has no part in the block yet.
    pub(super) fn leave_out(&mut self) {
        for leg in self.legs.iter_mut().flatten().filter(|leg| !leg.begun) {
            leg.joined = false;
        }
    }

    /// A statement that both legs run; `done` has answered.
    pub(super) async fn on_both(
        &mut self,
        statement: &Statement,
        told: &Told,
        keep: bool,
        done: Option<Side>,
    ) -> Result<bool, End> {
        let in_block = !matches!(self.block, Block::None);
        // no transaction undoes these, and they concern what is there
        let at_once =
            matches!(statement.effect, Effect::Deallocate(None) | Effect::CloseCursor(None));
        self.may_report(statement);
        self.catches_up(statement);
        // the read leg's report is the client's
        let reports = self.reports(statement);
        let takes_part = |side: &Side| match in_block && !at_once {
            _ if self.lags(*side) && !at_once => false,
            true => self.is_begun(*side) || reports && *side == Side::Read && self.is_open(*side),
            false => self.is_open(*side),
        };
        let mut sides: Vec<Side> = Side::BOTH.into_iter().filter(takes_part).collect();
        if is_listen(statement) {
            let Some(listening) = self.listening().await? else { return Ok(false) };
            sides = listening;
        } else if sides.is_empty() {
            sides.push(self.primary());
        }
        let answers = done.or(sides.first().copied()).unwrap_or(Side::Read);
        if done.is_none() && self.refused_elsewhere(statement, &told.text, answers).await? {
            return Ok(false);
        }
        for side in &sides {
            let at_once = at_once && (in_block || self.lags(*side));
            let is_there = done == Some(*side) || at_once && self.is_open(*side);
            if !is_there && !self.ready_leg(*side).await? {
                return Ok(false);
            }
        }
        let undone = in_block || self.protocol == Protocol::Extended;
        if done.is_none() && sets(statement) {
            let others: Vec<Side> = sides.iter().copied().filter(|side| *side != answers).collect();
            if !self.others_take(told, &others).await? {
                return Ok(false);
            }
            if in_block {
                // the client hears of it last
                sides.reverse();
            }
        }
        for side in sides {
            if done == Some(side) {
                self.has_told(side, told).await?;
                continue;
            }
            let first = done.is_none() && side == answers;
            let pass = match first {
                true => Pass::Client,
                // where it fails, so does the transaction
                false if undone => Pass::ErrorsAlone,
                false => Pass::Nothing,
            };
            if !self.run_told(side, told, pass).await? {
                if first || undone {
                    return Ok(false);
                }
                let what = format!("{} succeeded on one leg and failed on", statement.tag);
                return Err(self.diverged(side, &what, &told.text));
            }
        }
        if keep {
            self.keep(statement, told)?;
        }
        self.done(statement, answers)?;
        Ok(true)
    }

    /// Whether the server will report what a statement sets.
    pub(super) fn reports(&self, statement: &Statement) -> bool {
        let is_told = |name: &str| {
            let mut told = self.told.keys();
            // what is_superuser follows
            name.eq_ignore_ascii_case("role")
                || told.any(|told| told.eq_ignore_ascii_case(name.as_bytes()))
        };
        match &statement.effect {
            Effect::Set { name, .. } | Effect::Reset(name) => is_told(name),
            Effect::ResetAll => true,
            _ => statement.set_config.iter().any(|call| call.name.as_deref().is_none_or(is_told)),
        }
    }

    /// The legs that LISTEN: each can be notified, so both, but for a standby. `None`: one cannot be
    /// reached, and the client has been told why.
    pub(super) async fn listening(&mut self) -> Result<Option<Vec<Side>>, End> {
        let mut sides = Vec::new();
        for side in Side::BOTH {
            if !self.reached(side).await? {
                return Ok(None);
            }
            if !self.leg(side)?.recovering {
                sides.push(side);
            }
        }
        Ok(Some(sides))
    }

    /// Every leg that can be notified takes part in the pipeline.
    pub(super) async fn listens(&mut self, answers: Side) -> Result<bool, End> {
        let Some(sides) = self.listening().await? else { return Ok(false) };
        for side in sides.into_iter().filter(|side| *side != answers) {
            if !self.towards(side).await? {
                return Ok(false);
            }
        }
        self.turn_to(answers).await
    }

    /// Legs that take part later will have to be told.
    fn keep(&mut self, statement: &Statement, told: &Told) -> Result<(), End> {
        if declares_task(statement) {
            return Ok(());
        }
        let lasts = lasts(statement);
        let everywhere = Side::BOTH.into_iter().all(|side| self.is_begun(side));
        if lasts == Lasts::Locally && everywhere {
            // nobody will ask for it
            return Ok(());
        }
        let mut fits = true;
        if matches!(self.block, Block::None) && self.protocol == Protocol::Simple {
            for side in Side::BOTH {
                if !self.is_open(side) || self.lags(side) {
                    fits &= self.journal.missed(side, told, lasts);
                }
            }
        } else {
            fits = self.journal.noted(Note::Session(told.clone(), lasts));
        }
        if fits { Ok(()) } else { Err(too_much()) }
    }

    /// Something was done in the open transaction, if there is one, that its end decides about.
    pub(super) fn note(&mut self, note: Note) -> Result<(), End> {
        let alone = matches!(self.block, Block::None) && self.protocol == Protocol::Simple;
        let fits = alone || self.journal.noted(note);
        if fits { Ok(()) } else { Err(too_much()) }
    }

    /// The open transaction, a block or a pipeline's, is over: what it set stands, or does not.
    pub(super) fn transaction_over(&mut self, committed: bool) -> Result<(), End> {
        let joined = |side: Side| self.legs[side as usize].as_ref().is_some_and(|leg| leg.joined);
        let absent: Vec<Side> = Side::BOTH.into_iter().filter(|side| !joined(*side)).collect();
        for leg in self.legs.iter_mut().flatten() {
            leg.joined = false;
            leg.executed = 0;
        }
        self.reported = false;
        if committed {
            return if self.journal.committed(&absent) { Ok(()) } else { Err(too_much()) };
        }
        for name in self.journal.held() {
            self.portals.remove(name.as_bytes());
        }
        self.journal.rolled_back();
        Ok(())
    }
}

/// A statement that both legs have to be there for.
pub(super) fn is_listen(statement: &Statement) -> bool {
    statement.tag == "LISTEN"
}

/// How long what a statement sets lasts.
fn lasts(statement: &Statement) -> Lasts {
    // RESET ALL leaves these alone
    let own = |name: &str| {
        ["role", "session_authorization"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let calls = &statement.set_config;
    match &statement.effect {
        Effect::Set { scope: SetScope::Local, .. } => Lasts::Locally,
        Effect::Set { name, .. } | Effect::Reset(name) if !own(name) => Lasts::Resettable,
        Effect::SetSessionCharacteristics { .. } => Lasts::Resettable,
        Effect::ResetAll => Lasts::ResetAll,
        Effect::None if !calls.is_empty() => {
            let resettable =
                |name: &Option<Box<str>>| name.as_deref().is_some_and(|name| !own(name));
            match () {
                () if calls.iter().all(|call| call.is_local == Some(true)) => Lasts::Locally,
                () if calls.iter().all(|call| resettable(&call.name)) => Lasts::Resettable,
                () => Lasts::On,
            }
        }
        _ => Lasts::On,
    }
}
