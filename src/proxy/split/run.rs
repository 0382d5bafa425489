//! Statements of the session's own on a leg: opening it, its BEGIN, what it has missed.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::leg::{Kind, Pass};
use super::open::Shut;
use super::told::is_listen;
use super::{Block, End, Protocol, Split, text};
use crate::policy::{Denial, Rule};
use crate::protocol::{ErrorResponse, backend, frontend, message};
use crate::split::{self, Note, Route, Side, Told, Values};
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
    /// `None`: the client has cancelled it, and has been told.
    pub(super) async fn class(
        &mut self,
        statement: &Statement,
        text: &[u8],
    ) -> Result<Option<Class>, End> {
        if !statement.writes_by_its_calls() || matches!(self.block, Block::Failed(..)) {
            return Ok(Some(statement.class));
        }
        self.flush().await?;
        if !self.is_open(Side::Read) {
            match self.open(Side::Read).await? {
                Ok(()) => {}
                Err(Shut::Denied(_)) => return Ok(Some(statement.class)),
                Err(Shut::Cancelled) => return self.cancelled(Side::Read).await.map(|()| None),
            }
        }
        self.settle().await?;
        if self.pipeline_failed {
            return Ok(Some(statement.class));
        }
        if !self.informed(Side::Read).await? {
            return Ok(None);
        }
        let mut question = BytesMut::new();
        message::frame(&mut question, frontend::QUESTION, |out| message::put_cstring(out, text));
        self.send(Side::Read, &question).await?;
        let tidings = self.leg(Side::Read)?.tidings.clone();
        loop {
            tokio::select! {
                biased;
                class = tidings.told() => return Ok(Some(class)),
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
            Protocol::Extended => self.run_in_pipeline(side, text, None, pass).await?,
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
        values: Option<&Values>,
        pass: Pass,
    ) -> Result<(), End> {
        let errors = if pass == Pass::Nothing { Pass::Nothing } else { Pass::Errors };
        for (kind, pass, frame) in [
            (Kind::Close, errors, text::own_close(b'P')),
            (Kind::Close, errors, text::own_close(b'S')),
            (Kind::Parse, errors, text::own_parse(text, values)),
            (Kind::Bind, errors, text::own_bind(&text::OWN, values)),
            (Kind::Execute, pass, text::own_execute()),
        ] {
            self.request(side, kind, pass, &frame).await?;
        }
        Ok(())
    }

    /// A leg is open. False: it is not, and the client has been told why.
    pub(super) async fn reached(&mut self, side: Side) -> Result<bool, End> {
        if self.is_open(side) {
            return Ok(true);
        }
        self.flush().await?;
        match self.open(side).await? {
            Ok(()) => return Ok(true),
            Err(Shut::Denied(denial)) => self.refuse(*denial, None).await?,
            Err(Shut::Cancelled) => self.cancelled(side).await?,
        }
        Ok(false)
    }

    /// The client has cancelled what a leg was being connected for.
    async fn cancelled(&mut self, side: Side) -> Result<(), End> {
        let error = ErrorResponse::error("57014", "canceling statement due to user request");
        let name = self.ground.name(side);
        let detail = format!("upstream \"{name}\" was being connected");
        self.fails_with(&error.with_detail(detail)).await
    }

    /// A leg is open, has been told what it missed, and takes part in the open transaction.
    /// False: it does not, and the client has been told why.
    pub(super) async fn ready_leg(&mut self, side: Side) -> Result<bool, End> {
        if !self.reached(side).await? || !self.informed(side).await? {
            return Ok(false);
        }
        match self.block {
            Block::Open(_) if !self.is_begun(side) => self.begin_on(side).await,
            Block::None if self.protocol == Protocol::Extended => self.join(side).await,
            _ => Ok(true),
        }
    }

    /// A statement was done on a leg: names follow.
    pub(super) fn done(&mut self, statement: &Statement, side: Side) -> Result<(), End> {
        let known = |hold| split::Known {
            side,
            route: Route::To(side),
            judgement: None,
            told: Told::default(),
            hold,
        };
        match &statement.effect {
            Effect::Prepare { name, inner } => {
                let judgement = Some(Rc::new(Judgement::of(Statement::clone(inner))));
                let known = split::Known { judgement, ..known(false) };
                self.statements.insert(name.as_bytes(), known);
            }
            Effect::Deallocate(Some(name)) => drop(self.statements.remove(name.as_bytes())),
            Effect::Deallocate(None) => self.statements.clear_named(),
            Effect::Declare { name, hold } => {
                self.portals.insert(name.as_bytes(), known(*hold));
                if *hold && side == Side::Read {
                    self.note(Note::Held(name.clone()))?;
                }
            }
            Effect::CloseCursor(Some(name)) => drop(self.portals.remove(name.as_bytes())),
            Effect::CloseCursor(None) => self.portals.clear(),
            Effect::DiscardAll => {
                self.statements.clear_named();
                self.portals.clear();
                self.stirs(Some(statement));
                self.journal.discarded();
            }
            _ => {}
        }
        if is_listen(statement) || side == Side::Read && statement.unseen_code {
            self.note(Note::Untold)?;
        }
        Ok(())
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

/// What a split session cannot do.
pub(in crate::proxy) fn unsupported(why: &str, hint: &str) -> Denial {
    Denial::new(
        Rule::TaskSplit,
        format!("{why} in a session that reads from neon and writes to local"),
        hint,
    )
}

pub(super) fn too_much() -> End {
    let why = "the session has set more than can be kept for its other leg".to_owned();
    End::Diverged { why, statement: None }
}
