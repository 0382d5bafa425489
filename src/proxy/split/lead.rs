//! BEGIN in a pipeline, without waiting: it is prepared on the leg that what follows it is for, and
//! completes in the order of that leg's answers.

use bytes::Bytes;

use super::extended::NAMES;
use super::leg::{Kind, Named, Owed, Pass};
use super::{Block, End, Protocol, Split, text};
use crate::protocol::{HEADER_LENGTH, Header, body, frontend as kind};
use crate::split::{self, Known, Route, Side, Values};
use crate::sql::{Effect, Statement};

/// How far is looked ahead for the statement that a BEGIN is for, in messages and in bytes: each
/// BEGIN of a pipeline looks anew.
const AHEAD: usize = 16;
const AHEAD_BYTES: usize = 8192;

/// Transaction control: the session runs it, whatever leg it is bound on.
pub(super) fn is_control(statement: &Statement) -> bool {
    matches!(
        statement.effect,
        Effect::Begin { .. }
            | Effect::Commit(_)
            | Effect::Rollback(_)
            | Effect::Savepoint(_)
            | Effect::Release(_)
            | Effect::RollbackTo(_)
            | Effect::SetTransaction { .. }
    )
}

/// It ends a failed transaction, or goes back to before it failed.
pub(super) fn ends_failed(statement: &Statement) -> bool {
    matches!(statement.effect, Effect::Commit(_) | Effect::Rollback(_) | Effect::RollbackTo(_))
}

/// The same of what is prepared or bound.
pub(super) fn exits(known: &Known) -> bool {
    let judgement = known.judgement.as_ref();
    judgement.and_then(|judgement| judgement.statements.first()).is_some_and(ends_failed)
}

/// The cursor that a statement uses.
fn cursor(statement: &Statement) -> Option<&str> {
    match &statement.effect {
        Effect::Fetch(name) | Effect::CloseCursor(Some(name)) => Some(name),
        _ => None,
    }
}

pub(super) fn is_of_cursor(statement: &Statement) -> bool {
    cursor(statement).is_some()
}

impl Split {
    /// The leg that what follows a BEGIN in the pipeline is for; `None`: it is no BEGIN of a block,
    /// or nobody knows yet.
    pub(super) fn led(&self, statement: &Statement) -> Option<Side> {
        let begins = matches!(statement.effect, Effect::Begin { .. });
        (begins && matches!(self.block, Block::None)).then(|| self.next_side()).flatten()
    }

    /// A BEGIN prepared earlier, on the other leg than the one that it is for now; or FETCH, MOVE or CLOSE
    /// of a cursor that has been declared on the other leg since.
    pub(super) fn led_elsewhere(&self, portal: &[u8], known: &Known) -> Option<(Side, Known)> {
        let statement = known.judgement.as_ref()?.statements.first()?;
        let failed = matches!(self.block, Block::Failed(..));
        let (side, route) = match cursor(statement) {
            Some(name) => {
                let side = self.portals.get(name.as_bytes()).filter(|_| !failed)?.side;
                (side, Route::To(side))
            }
            None => (self.led(statement).filter(|_| portal.is_empty())?, known.route.clone()),
        };
        (side != known.side).then(|| (side, Known { route, ..known.clone() }))
    }

    /// Binds it there.
    pub(super) async fn bind_elsewhere(
        &mut self,
        side: Side,
        portal: Bytes,
        known: Known,
        length: usize,
    ) -> Result<(), End> {
        let bound = match length > NAMES {
            true => self.skip(length).await.map(|()| None)?,
            false => text::behind_names(&self.whole(length).await?),
        };
        if self.is_open_elsewhere(&portal, side).await? {
            return Ok(());
        }
        self.bind_control(side, portal, known, bound).await
    }

    /// The leg of the first statement that waits in the buffer, up to the pipeline's end, if it is
    /// near.
    fn next_side(&self) -> Option<Side> {
        let mut rest = &self.input[..];
        for _ in 0..AHEAD {
            if self.input.len() - rest.len() > AHEAD_BYTES {
                return None;
            }
            let header = Header::from_frontend(rest).ok()??;
            let message = rest.get(..header.message_length())?;
            rest = &rest[message.len()..];
            let side = match header.kind {
                kind::PARSE => self.side_of(body::parse(&message[HEADER_LENGTH..])?.1),
                kind::BIND => {
                    let (_, name) = body::bind(&message[HEADER_LENGTH..])?;
                    let known = self.statements.get(name).filter(|_| !name.is_empty());
                    known
                        .filter(|known| matches!(known.route, Route::To(_)))
                        .map(|known| known.side)
                }
                kind::SYNC | kind::QUERY | kind::FUNCTION_CALL => return None,
                _ => None,
            };
            if side.is_some() {
                return side;
            }
        }
        None
    }

    /// The leg of a text of one statement, if it has one.
    fn side_of(&self, text: &[u8]) -> Option<Side> {
        let mut judge = self.ground.worker.judge.borrow_mut();
        let judgement = crate::gate::Judging::judge(&mut *judge, text)?;
        let [statement] = &judgement.statements[..] else { return None };
        if self.temporary.is_doubted() && split::goes_by_names(statement, statement.class) {
            return None;
        }
        match self.route(statement, statement.class) {
            Route::To(side) if !statement.writes_by_its_calls() => Some(side),
            _ => None,
        }
    }

    /// A BEGIN that needs no answer before the pipeline goes on: the other leg has no part in it that
    /// would have to begin as well, or that an error here would have to undo.
    pub(super) fn leads(&self, statement: &Statement, side: Side) -> bool {
        matches!(statement.effect, Effect::Begin { .. })
            && matches!(self.block, Block::None)
            && self.is_open(side)
            && !self.has_part(side.other())
    }

    /// Runs it. If what came before it in the pipeline fails it has not been ([`Self::error`]).
    pub(super) async fn begin_in_pipeline(
        &mut self,
        statement: &Statement,
        side: Side,
    ) -> Result<(), End> {
        let Effect::Begin { modes } = statement.effect else { return Ok(()) };
        // an earlier ReadyForQuery says that there is no block
        if self.leg(side)?.owed.iter().any(|owed| owed.kind.is_boundary()) {
            self.quiet(side).await?;
            if self.pipeline_failed {
                return Ok(());
            }
        }
        self.block = Block::Open(modes);
        self.begin_where_ran().await?;
        if self.pipeline_failed {
            // before it, or by itself
            return self.over(false);
        }
        let leg = self.leg(side)?;
        if leg.owed.is_empty() {
            self.complete(statement.tag);
        } else {
            let kind = Kind::Begin(statement.tag);
            leg.owed.push_back(Owed { kind, pass: Pass::Client, named: None });
        }
        Ok(())
    }

    /// A call of a routine has to be the first of its pipeline where the session reads: where it is the
    /// client's first, the block's BEGIN goes ahead in a Query of its own.
    pub(super) async fn begin_ahead(
        &mut self,
        statement: &Statement,
        side: Side,
    ) -> Result<(), End> {
        let is_first = |leg: &super::Leg| !leg.pipeline && !leg.begun;
        let open = matches!(self.block, Block::Open(_)) && side == Side::Read;
        if !open
            || !statement.writes_by_its_calls()
            || !self.turn_to(side).await?
            || !self.legs[side as usize].as_ref().is_some_and(is_first)
            || !matches!(self.block, Block::Open(_))
        {
            return Ok(());
        }
        if !self.informed(side).await? {
            return Ok(());
        }
        let protocol = std::mem::replace(&mut self.protocol, Protocol::Simple);
        let begun = self.begin_on(side).await?;
        self.protocol = protocol;
        self.pipeline_failed |= !begun;
        Ok(())
    }

    /// Transaction control in a portal, which the session has run itself, is executed once more: the
    /// server says so of a portal in its place.
    pub(super) async fn run_again(
        &mut self,
        side: Side,
        portal: &[u8],
        frame: &Bytes,
    ) -> Result<(), End> {
        let frames = [
            (Kind::Close, Pass::Nothing, text::close(b'P', portal)),
            (Kind::Close, Pass::Nothing, text::own_close(b'S')),
            // it does nothing, and fails where the transaction has failed
            (Kind::Parse, Pass::Errors, text::own_parse(b"UNLISTEN \"pgauthority split\"", None)),
            (Kind::Bind, Pass::Errors, text::own_bind(portal, None)),
            (Kind::Execute, Pass::Nothing, text::execute(portal, 0)),
        ];
        for (kind, pass, frame) in frames {
            self.request(side, kind, pass, &frame).await?;
        }
        self.request(side, Kind::Execute, Pass::Client, frame).await
    }

    /// What was prepared on the other leg, bound on this one: COMMIT and ROLLBACK on the leg that has
    /// failed, BEGIN on the one that what follows it is for, FETCH where its cursor is. `bound`: what
    /// follows the names in the client's Bind.
    pub(super) async fn bind_control(
        &mut self,
        side: Side,
        portal: Bytes,
        known: Known,
        bound: Option<Bytes>,
    ) -> Result<(), End> {
        if !self.towards(side).await? {
            return Ok(());
        }
        let close = text::own_close(b'S');
        self.request(side, Kind::Close, Pass::Errors, &close).await?;
        let statement = known.judgement.as_ref().and_then(|known| known.statements.first());
        let shown = statement.map_or(&known.told.text[..], |statement| {
            text::control(&statement.effect, &known.told.text)
        });
        let parse = text::own_parse(shown, None);
        self.request(side, Kind::Parse, Pass::Errors, &parse).await?;
        let values = bound.map(|bound| Values { types: Bytes::from_static(&[0; 2]), bound });
        let bind = text::own_bind(&portal, values.as_ref());
        let before = self.portals.insert(&portal, Known { side, ..known });
        let named = Named { portal: true, name: portal, before };
        self.owe(side, Kind::Bind, Pass::Client, Some(named))?;
        self.send(side, &bind).await
    }
}
