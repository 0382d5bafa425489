//! Statements of the session's own on a leg: opening it, its BEGIN, what it has missed.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::leg::{Kind, Pass};
use super::{Block, End, Protocol, Split, text};
use crate::policy::{Denial, Rule};
use crate::protocol::{ErrorResponse, backend, frontend, message};
use crate::session::declares_task;
use crate::split::{self, Note, Route, Side};
use crate::sql::{Class, Effect, Judgement, Statement};

impl Split {
    /// The judgement of a text. The leg's own gate judges again what is sent there.
    pub(super) async fn judge(&mut self, text: &Bytes) -> Result<Rc<Judgement>, End> {
        let worker = self.ground.worker.clone();
        let known = crate::gate::Judging::judge(&mut *worker.judge.borrow_mut(), text);
        if let Some(judgement) = known {
            return Ok(judgement);
        }
        self.flush().await?;
        let judged = worker.judge_long(BytesMut::from(&text[..]), 0..text.len()).await;
        let judged = judged.map_err(|_| End::Broken("a text could not be judged".to_owned()))?;
        Ok(Rc::new(judged.judgement))
    }

    /// Where a statement belongs, whose class is known ([`Split::class`]).
    pub(super) fn route(&self, statement: &Statement, class: Class) -> Route {
        let route = split::route(statement, class, &self.temporary);
        if let (Effect::Execute(name), Route::To(Side::Write)) = (&statement.effect, &route)
            && self.statements.get(name.as_bytes()).is_some_and(|known| known.side == Side::Read)
        {
            return Route::Refused(
                "what is prepared where the session reads cannot run where it writes",
                "write the query itself in the place of EXECUTE",
            );
        }
        self.resolved(route)
    }

    /// What a statement is: where its text alone cannot tell, for the routines that it calls, the
    /// gate of the read leg is asked, which knows their catalog.
    pub(super) async fn class(&mut self, statement: &Statement, text: &[u8]) -> Result<Class, End> {
        if !by_its_calls(statement) || matches!(self.block, Block::Failed(..)) {
            return Ok(statement.class);
        }
        self.flush().await?;
        let reachable = self.is_open(Side::Read) || self.open(Side::Read).await.is_ok();
        if !reachable {
            return Ok(statement.class);
        }
        self.settle().await?;
        if self.pipeline_failed {
            return Ok(statement.class);
        }
        self.informed(Side::Read).await?;
        let mut question = BytesMut::new();
        message::frame(&mut question, frontend::QUESTION, |out| message::put_cstring(out, text));
        self.send(Side::Read, &question).await?;
        let tidings = self.leg(Side::Read)?.tidings.clone();
        loop {
            tokio::select! {
                biased;
                class = tidings.told() => return Ok(class),
                heard = self.await_leg(Side::Read) => heard?,
            }
        }
    }

    /// The leg that answers for the session where either could.
    pub(super) fn primary(&self) -> Side {
        let is = |side: Side, begun: bool| {
            self.legs[side as usize].as_ref().is_some_and(|leg| leg.begun || !begun)
        };
        let first = |begun| Side::BOTH.into_iter().find(|side| is(*side, begun));
        let in_block = !matches!(self.block, Block::None);
        in_block.then(|| first(true)).flatten().or_else(|| first(false)).unwrap_or(Side::Read)
    }

    pub(super) fn is_begun(&self, side: Side) -> bool {
        self.legs[side as usize].as_ref().is_some_and(|leg| leg.begun)
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        self.legs[side as usize].is_some()
    }

    /// The block has failed.
    pub(super) fn fail(&mut self, side: Option<Side>) {
        if let Block::Open(modes) = self.block {
            self.block = Block::Failed(side, modes);
        }
    }

    /// Runs a statement on a leg in the protocol that the client speaks at the moment, and waits.
    /// True: it is done. `pass`: what the client gets of the answer, ReadyForQuery aside.
    pub(super) async fn run_on(
        &mut self,
        side: Side,
        text: &[u8],
        pass: Pass,
    ) -> Result<bool, End> {
        match self.protocol {
            Protocol::Simple => {
                let pass = if pass == Pass::Client { Pass::Unready(0) } else { pass };
                self.request(side, Kind::Query, pass, &message::query(text)).await?;
            }
            Protocol::Extended => self.run_in_pipeline(side, text, pass).await?,
        }
        self.quiet(side).await?;
        Ok(!self.leg(side)?.failed)
    }

    /// The same in the leg's pipeline, without waiting. What an earlier one left is closed first:
    /// behind RESET ALL nothing may come in a pipeline.
    pub(super) async fn run_in_pipeline(
        &mut self,
        side: Side,
        text: &[u8],
        pass: Pass,
    ) -> Result<(), End> {
        let errors = if pass == Pass::Nothing { Pass::Nothing } else { Pass::Errors };
        for (kind, pass, frame) in [
            (Kind::Close, errors, text::own_close(b'P')),
            (Kind::Close, errors, text::own_close(b'S')),
            (Kind::Parse, errors, text::own_parse(text)),
            (Kind::Bind, errors, text::own_bind(text::OWN_PORTAL)),
            (Kind::Execute, pass, text::own_execute()),
        ] {
            self.request(side, kind, pass, &frame).await?;
        }
        Ok(())
    }

    /// A leg is open, has been told what it missed, and takes part in the open transaction.
    /// False: it does not, and the client has been told why.
    pub(super) async fn ready_leg(&mut self, side: Side) -> Result<bool, End> {
        if !self.is_open(side) {
            self.flush().await?;
            if let Err(denial) = self.open(side).await {
                self.refuse(*denial, None).await?;
                return Ok(false);
            }
        }
        self.informed(side).await?;
        match self.block {
            Block::Open(_) if !self.is_begun(side) => self.begin_on(side).await,
            _ => Ok(true),
        }
    }

    /// A leg that is open has been told what it missed.
    async fn informed(&mut self, side: Side) -> Result<(), End> {
        let pending = self.journal.take_pending(side);
        let protocol = self.protocol;
        if !self.leg(side)?.pipeline {
            self.protocol = Protocol::Simple;
        }
        let tidings = self.leg(side)?.tidings.clone();
        let changed = tidings.has_changed();
        let mut pending = pending.into_iter();
        loop {
            let Some(missed) = pending.next().or_else(|| self.task_for(side).map(Bytes::from))
            else {
                break;
            };
            if self.skips(side, &missed) {
                continue;
            }
            if !self.run_on(side, &missed, Pass::Nothing).await? {
                return Err(End::Diverged(format!(
                    "what the session had set could not be set on upstream \"{}\"",
                    self.ground.name(side)
                )));
            }
            if !changed {
                // RESET ALL: what the leg's task becomes of it is not the session's
                tidings.settle();
            }
        }
        self.protocol = protocol;
        Ok(())
    }

    /// LISTEN is not to be had on a standby.
    pub(super) fn skips(&self, side: Side, text: &[u8]) -> bool {
        let recovering = self.legs[side as usize].as_ref().is_some_and(|leg| leg.recovering);
        let text = text.trim_ascii_start();
        recovering && text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"LISTEN"))
    }

    /// The open transaction reaches a leg: BEGIN, and what has been done in it so far.
    pub(super) async fn begin_on(&mut self, side: Side) -> Result<bool, End> {
        let Block::Open(modes) = self.block else { return Ok(true) };
        let in_pipeline = self.protocol == Protocol::Extended;
        let leg = self.leg(side)?;
        leg.begun = true;
        let begin = split::begin(side, modes, leg.recovering);
        let mut texts = vec![Bytes::from(begin)];
        texts.extend(self.journal.block().filter(|text| !self.skips(side, text)).cloned());
        if !in_pipeline {
            return self.run_on(side, &texts.join(&b";\n"[..]), Pass::Errors).await;
        }
        for text in texts {
            self.run_in_pipeline(side, &text, Pass::Errors).await?;
        }
        Ok(true)
    }

    /// What ran in the open pipeline before BEGIN is part of its transaction.
    pub(super) async fn begin_where_ran(&mut self) -> Result<(), End> {
        for side in Side::BOTH {
            if self.legs[side as usize].as_ref().is_some_and(|leg| leg.ran && !leg.begun) {
                self.begin_on(side).await?;
            }
        }
        Ok(())
    }

    /// A statement that both legs run; `on` answers, and has answered if `done`.
    pub(super) async fn on_both(
        &mut self,
        statement: &Statement,
        text: &Bytes,
        keep: bool,
        done: Option<Side>,
    ) -> Result<bool, End> {
        let in_block = !matches!(self.block, Block::None);
        let mut sides: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| if in_block { self.is_begun(*side) } else { self.is_open(*side) })
            .collect();
        if sides.is_empty() {
            let side = self.primary();
            if !self.ready_leg(side).await? {
                return Ok(false);
            }
            sides.push(side);
        }
        if sides.len() > 1 {
            sides.retain(|side| !self.skips(*side, text));
        }
        let mut done = done;
        for side in sides {
            if done == Some(side) {
                continue;
            }
            let first = done.is_none();
            if first && !self.ready_leg(side).await? {
                return Ok(false);
            }
            let pass = if first { Pass::Client } else { Pass::Nothing };
            if !self.run_on(side, text, pass).await? {
                if first {
                    return Ok(false);
                }
                return Err(End::Diverged(format!(
                    "{} succeeded on one leg and failed on upstream \"{}\"",
                    statement.tag,
                    self.ground.name(side)
                )));
            }
            done = Some(done.unwrap_or(side));
        }
        if keep {
            self.keep(statement, text)?;
        }
        self.done(statement, done.unwrap_or(Side::Read));
        Ok(true)
    }

    /// Legs that take part later will have to be told.
    fn keep(&mut self, statement: &Statement, text: &Bytes) -> Result<(), End> {
        if declares_task(statement) {
            return Ok(());
        }
        let mut fits = true;
        if matches!(self.block, Block::None) {
            let resets = matches!(statement.effect, Effect::ResetAll);
            for side in Side::BOTH {
                if !self.is_open(side) {
                    fits &= self.journal.missed(side, text, resets);
                }
            }
        } else {
            let local =
                matches!(statement.effect, Effect::Set { scope: crate::sql::SetScope::Local, .. })
                    || statement.set_config.iter().any(|call| call.is_local == Some(true));
            fits = self.journal.noted(Note::Session { text: text.clone(), local });
        }
        if fits { Ok(()) } else { Err(too_much()) }
    }

    /// A statement was done on a leg: names follow.
    pub(super) fn done(&mut self, statement: &Statement, side: Side) {
        let known = |hold| split::Known {
            side,
            route: Route::To(side),
            judgement: None,
            text: Bytes::new(),
            hold,
        };
        match &statement.effect {
            Effect::Prepare { name, inner } => {
                let judgement = Some(Rc::new(Judgement::of(Statement::clone(inner))));
                let known = split::Known { judgement, ..known(false) };
                self.statements.insert(name.as_bytes(), known);
            }
            Effect::Deallocate(Some(name)) => drop(self.statements.remove(name.as_bytes())),
            Effect::Deallocate(None) => self.statements.clear(),
            Effect::Declare { name, hold } => {
                self.portals.insert(name.as_bytes(), known(*hold));
            }
            Effect::CloseCursor(Some(name)) => drop(self.portals.remove(name.as_bytes())),
            Effect::CloseCursor(None) => self.portals.clear(),
            Effect::DiscardAll => {
                self.statements.clear();
                self.portals.clear();
                self.stirs(Some(statement));
                for side in Side::BOTH {
                    drop(self.journal.take_pending(side));
                }
            }
            _ => {}
        }
    }

    /// Says once that reads do not see local writes, and that writes read locally.
    pub(super) fn warn(&mut self, statement: &Statement, side: Side) {
        match side {
            Side::Write => {
                if !self.warned_write && split::reads_besides(statement) {
                    self.warned_write = true;
                    self.warning(
                        "the tables that this statement reads are the local ones",
                        "in this session a statement that writes reads and writes locally",
                    );
                }
                if !self.warned_read && self.written.len() < 256 {
                    self.written.extend(split::written(statement).map(Box::from));
                }
            }
            Side::Read if !self.warned_read => {
                if split::read(statement).any(|name| self.written.contains(name)) {
                    self.warned_read = true;
                    self.written.clear();
                    self.warning(
                        "this reads from neon: what the session has written locally is not seen",
                        "to read it back, use RETURNING, a temporary table, or a session whose \
                         task works locally",
                    );
                }
            }
            Side::Read => {}
        }
    }

    fn warning(&mut self, message: &str, hint: &str) {
        let mut warning = ErrorResponse::warning(message);
        warning.hint = Some(hint.to_owned());
        warning.encode(self.aside());
    }

    /// CommandComplete, where no leg has anything to do.
    pub(super) fn complete(&mut self, tag: &str) {
        message::frame(&mut self.out, backend::COMMAND_COMPLETE, |out| {
            message::put_cstring(out, tag.as_bytes());
        });
    }
}

/// A statement that writes for all its text tells, because of the routines that it calls.
pub(super) fn by_its_calls(statement: &Statement) -> bool {
    statement.class == Class::Write
        && !statement.do_or_call
        && statement.uses.as_deref().is_some_and(|uses| uses.class <= Class::Read && !uses.too_many)
}

/// What a split session cannot do.
pub(in crate::proxy) fn unsupported(why: &str, hint: &str) -> Denial {
    Denial::new(
        Rule::TaskSplit,
        format!("{why} in a session that reads from neon and writes to local"),
        hint,
    )
}

pub(super) fn too_much() -> End {
    End::Diverged("the session has set more than can be kept for its other leg".to_owned())
}
