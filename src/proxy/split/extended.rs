//! The extended protocol: a prepared statement lives on the leg of its class, and portals on their
//! statement's; a pipeline may change leg.

use bytes::Bytes;

use super::lead::{ends_failed, exits, is_control, is_of_cursor};
use super::leg::{Kind, Named, Pass};
use super::run::unsupported;
use super::temporary::looks_up_late;
use super::told::is_listen;
use super::{Block, End, Split, text};
use crate::protocol::{HEADER_LENGTH, Header, body, frontend as kind, message};
use crate::split::{self, Known, Route, Side, Told, Values};
use crate::sql::Effect;

/// The most that the names at the front of a Bind may take, in bytes.
pub(super) const NAMES: usize = 64 * 1024;

impl Split {
    pub(super) async fn extended(&mut self, header: Header) -> Result<(), End> {
        let length = header.message_length();
        match header.kind {
            kind::PARSE => {
                let frame = self.whole(length).await?;
                self.parse(frame).await
            }
            kind::BIND => self.bind(length).await,
            kind::EXECUTE => {
                let frame = self.whole(length).await?;
                self.execute(frame).await
            }
            kind::DESCRIBE => {
                let frame = self.whole(length).await?;
                self.describe(frame).await
            }
            kind::CLOSE => {
                let frame = self.whole(length).await?;
                self.close(frame).await
            }
            kind::FLUSH => {
                self.skip(length).await?;
                for side in Side::BOTH {
                    let waits = |leg: &super::Leg| leg.pipeline && !leg.is_quiet();
                    if self.legs[side as usize].as_ref().is_some_and(waits) {
                        self.send(side, message::FLUSH).await?;
                    }
                }
                Ok(())
            }
            other => Err(End::Broken(format!("invalid frontend message type {other}"))),
        }
    }

    /// The other leg has answered, and this one takes part. False: nothing may go.
    pub(super) async fn towards(&mut self, side: Side) -> Result<bool, End> {
        Ok(self.turn_to(side).await? && self.ready_leg(side).await? && !self.pipeline_failed)
    }

    /// A message for this leg may go: the other has answered, the transaction has not failed
    /// elsewhere, and the leg takes part.
    /// `exits`: it is for a statement that ends a failed transaction.
    pub(super) async fn admits(&mut self, side: Side, exits: bool) -> Result<bool, End> {
        Ok(self.turn_to(side).await?
            && !self.misplaced(side, exits).await?
            && self.towards(side).await?)
    }

    /// In a failed transaction only its leg can say what it thinks of a message for the other.
    /// Where none takes part any leg can be told how it ends. True: the message is not to go.
    pub(super) async fn misplaced(&mut self, side: Side, exits: bool) -> Result<bool, End> {
        match self.block {
            Block::Failed(None, _) if exits => Ok(false),
            Block::Failed(None, _) => {
                self.settle().await?;
                if !self.pipeline_failed {
                    self.aborted();
                }
                Ok(true)
            }
            Block::Failed(Some(failed), _) if failed != side => {
                if self.turn_to(failed).await? {
                    let frame = text::own_parse(b"SELECT 1", None);
                    self.request(failed, Kind::Parse, Pass::Errors, &frame).await?;
                    self.quiet(failed).await?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn parse(&mut self, frame: Bytes) -> Result<(), End> {
        let Some((name, text, types)) = text::parse(&frame) else {
            let side = self.primary();
            if self.towards(side).await? {
                self.request(side, Kind::Parse, Pass::Client, &frame).await?;
            }
            return Ok(());
        };
        let judgement = self.judge(&text).await?;
        let route = match &judgement.statements[..] {
            [statement] => match self.routed(statement, &text).await? {
                Some((_, route)) => route.given(&types),
                None => return Ok(()),
            },
            [] => Route::To(self.primary()),
            // an error, whose words are its server's
            _ => Route::To(Side::Write),
        };
        let led = judgement.statements.first().and_then(|statement| self.led(statement));
        let listens = judgement.statements.first().is_some_and(is_listen);
        // only once the leg it turns from has answered is it known whether the block has failed
        let before = match &route {
            Route::To(side) => *side,
            _ => led.unwrap_or(self.primary()),
        };
        if !self.turn_to(before).await? {
            return Ok(());
        }
        let about = judgement.statements.first().map(|statement| (statement, &text));
        if let [statement] = &judgement.statements[..]
            && let Some((why, hint)) = split::control_refused(&statement.effect)
        {
            return self.refuse(unsupported(why, hint), about).await;
        }
        let failed = match self.block {
            Block::Failed(side, _) => side,
            _ => None,
        };
        let side = match (&route, failed) {
            (Route::Both { .. }, None) if listens => match self.listening().await? {
                Some(sides) => sides.first().copied().unwrap_or(Side::Write),
                None => return Ok(()),
            },
            // nothing at all can be prepared even then
            (_, Some(failed)) if judgement.statements.is_empty() => failed,
            // what is for the other leg is refused in its place
            (Route::To(side), _) => *side,
            (_, Some(failed)) => failed,
            (Route::Refused(why, hint), None) if !matches!(self.block, Block::Failed(..)) => {
                return self.refuse(unsupported(why, hint), about).await;
            }
            _ => led.unwrap_or(self.primary()),
        };
        let exits = judgement.statements.first().is_some_and(ends_failed);
        if let ([statement], Route::To(_)) = (&judgement.statements[..], &route) {
            self.begin_ahead(statement, side).await?;
        }
        let values = Values { types, bound: Bytes::new() };
        let checked = matches!(route, Route::To(_)).then_some((&text, &values));
        if !self.admits(side, exits).await? || self.is_taken(&name, side, exits, checked).await? {
            return Ok(());
        }
        let told = match route {
            Route::To(_) => {
                self.leg(side)?.planned = true;
                // it may have to be prepared anew where its cursor is by then
                let of_cursor = judgement.statements.first().is_some_and(is_of_cursor);
                if of_cursor { Told::from(text) } else { Told::default() }
            }
            _ => {
                let statement = judgement.statements.first();
                let told = statement.map(|statement| Told::of(statement, text.clone()));
                let mut told = told.unwrap_or_default();
                told.sets = told.sets.with_types(&values.types);
                Told { text, values: Some(values), ..told }
            }
        };
        let frame = match judgement.statements.first() {
            Some(statement) if split::lets_write(&statement.effect) => {
                let types = told.values.as_ref().map_or(&[0; 2][..], |values| &values.types);
                text::parse_of(&name, text::control(&statement.effect, &told.text), types).freeze()
            }
            _ => frame,
        };
        let known = Known { side, route, judgement: Some(judgement), told, hold: false };
        let before = self.statements.insert(&name, known);
        let named = Named { portal: false, name, before };
        self.owe(side, Kind::Parse, Pass::Client, Some(named))?;
        self.send(side, &frame).await
    }

    async fn bind(&mut self, length: usize) -> Result<(), End> {
        let (portal, statement) = loop {
            let here = &self.input[HEADER_LENGTH..self.input.len().min(length)];
            match body::bind(here) {
                Some((portal, statement)) => {
                    break (Bytes::copy_from_slice(portal), Bytes::copy_from_slice(statement));
                }
                None if self.input.len() >= length.min(NAMES) => {
                    self.skip(length).await?;
                    return self.malformed("invalid string in message").await;
                }
                None => self.await_client().await?,
            }
        };
        let known = self.statements.get(&statement).cloned();
        if let Some(known) = &known
            && !self.is_in_place(known).await?
        {
            return self.skip(length).await;
        }
        let side = known.as_ref().map_or(self.last, |known| known.side);
        let elsewhere = known.as_ref().and_then(|known| self.led_elsewhere(&portal, known));
        if let Some((led, known)) = elsewhere {
            return self.bind_elsewhere(led, portal, known, length).await;
        }
        if !self.turn_to(side).await? {
            return self.skip(length).await;
        }
        if let (Some(known), Block::Failed(Some(failed), _)) = (&known, &self.block)
            && known.route == Route::Transaction
            && known.side != *failed
        {
            let (known, failed) = (known.clone(), *failed);
            self.skip(length).await?;
            return self.bind_control(failed, portal, known, None).await;
        }
        if self.misplaced(side, known.as_ref().is_some_and(exits)).await? {
            return self.skip(length).await;
        }
        let judgement = known.as_ref().and_then(|known| known.judgement.clone());
        if let Some(statement) = judgement.as_ref().and_then(|known| known.statements.first()) {
            self.begin_ahead(statement, side).await?;
        }
        // that there is no such statement would be said first
        let taken = known.is_some() && self.is_open_elsewhere(&portal, side).await?;
        if taken || !self.towards(side).await? {
            return self.skip(length).await;
        }
        if known.is_none() && statement.is_empty() {
            self.forget_unnamed(side, b'S').await?;
        }
        let mut known = known.map_or(
            Known {
                side,
                route: Route::To(side),
                judgement: None,
                told: Told::default(),
                hold: false,
            },
            |known| Known { side, ..known },
        );
        let whole = match known.route {
            Route::Both { .. } if length > NAMES => {
                self.skip(length).await?;
                let denial = unsupported("a parameter of this length cannot be set", "shorten it");
                return self.refuse(denial, None).await;
            }
            Route::Both { .. } => {
                let frame = self.whole(length).await?;
                let bound = text::bound(&frame);
                let types = known.told.values.take().map(|values| values.types);
                known.told.values = bound.zip(types).map(|(bound, types)| Values { types, bound });
                Some(frame)
            }
            _ => None,
        };
        self.leg(side)?.planned |= matches!(known.route, Route::To(_));
        let before = self.portals.insert(&portal, known);
        let named = Named { portal: true, name: portal, before };
        self.owe(side, Kind::Bind, Pass::Client, Some(named))?;
        match whole {
            Some(frame) => self.send(side, &frame).await,
            None => self.pass(side, length).await,
        }
    }

    async fn execute(&mut self, frame: Bytes) -> Result<(), End> {
        let portal = body::execute(&frame[HEADER_LENGTH..]);
        let Some((portal, known)) =
            portal.and_then(|portal| Some((portal, self.portals.get(portal)?.clone())))
        else {
            let side = self.last;
            if self.admits(side, false).await? {
                if frame.get(HEADER_LENGTH) == Some(&0) {
                    self.forget_unnamed(side, b'P').await?;
                }
                self.runs_unknown(side);
                self.request(side, Kind::Execute, Pass::Client, &frame).await?;
            }
            return Ok(());
        };
        if !self.turn_to(known.side).await? {
            return Ok(());
        }
        let judgement = known.judgement.clone();
        let statement = judgement.as_ref().and_then(|judgement| judgement.statements.first());
        match (&known.route, statement) {
            (Route::Transaction, Some(statement)) => {
                // BEGIN leaves its portal to the block
                let begins = matches!(statement.effect, Effect::Begin { .. });
                self.leg(known.side)?.planned |= begins && !portal.is_empty();
                if self.leads(statement, known.side) {
                    let spent = Known { route: Route::To(known.side), ..known.clone() };
                    self.portals.insert(portal, spent);
                    self.begin_in_pipeline(statement, known.side).await?;
                    // it has been run, and cannot be again
                    if self.pipeline_failed || !portal.is_empty() {
                        return Ok(());
                    }
                    let close = text::close(b'P', portal);
                    return self.request(known.side, Kind::Close, Pass::Nothing, &close).await;
                }
                if ends_failed(statement) {
                    // the session runs it itself: what is bound must not be open at its end
                    let close = text::close(b'P', portal);
                    self.request(known.side, Kind::Close, Pass::Nothing, &close).await?;
                }
                self.settle().await?;
                if !self.pipeline_failed {
                    let spent = Known { route: Route::To(known.side), ..known.clone() };
                    self.portals.insert(portal, spent);
                    if self.control(statement, &known.told.text).await? && ends_failed(statement) {
                        self.portals.remove(portal);
                    }
                }
                return Ok(());
            }
            (Route::Both { keep }, Some(statement)) if !matches!(self.block, Block::Failed(..)) => {
                if !self.towards(known.side).await? {
                    return Ok(());
                }
                // one leg's gate would not know of what the other has run
                if let Some(denial) = self.task_behind_others(statement) {
                    return self.refuse(denial, Some((statement, &known.told.text))).await;
                }
                if is_listen(statement) && !self.listens(known.side).await?
                    || self.refused_elsewhere(statement, &known.told.text, known.side).await?
                {
                    return Ok(());
                }
                self.pipelines(statement, known.side).await?;
                self.stirred = true;
                let spent = Known { route: Route::To(known.side), ..known.clone() };
                self.portals.insert(portal, spent);
                self.request(known.side, Kind::Execute, Pass::Client, &frame).await?;
                self.quiet(known.side).await?;
                let leg = self.leg(known.side)?;
                if leg.suspended && !leg.failed && self.has_more(known.side, portal).await? {
                    let why = "what is set for some of the rows cannot be set on both legs";
                    let about = Some((statement, &known.told.text));
                    return self.refuse(unsupported(why, "take all rows at once"), about).await;
                }
                if !self.leg(known.side)?.failed {
                    self.on_both(statement, &known.told, *keep, Some(known.side)).await?;
                }
                return Ok(());
            }
            _ => {}
        }
        let side = known.side;
        if statement.is_some_and(looks_up_late) && !self.is_in_place(&known).await? {
            return Ok(());
        }
        if !self.admits(side, false).await? {
            return Ok(());
        }
        if statement.is_some_and(is_control) {
            return self.run_again(side, portal, &frame).await;
        }
        match statement {
            Some(statement) => {
                if self.names_what_is_taken(statement, side).await? {
                    return Ok(());
                }
                self.pipelines(statement, side).await?;
                self.goes(statement, side);
                if self.may_end(statement) {
                    return self.run_to_an_end(side, &frame).await;
                }
            }
            None => self.runs_unknown(side),
        }
        self.request(side, Kind::Execute, Pass::Client, &frame).await?;
        match statement {
            Some(statement) if statement.effect != Effect::None => {
                self.quiet(side).await?;
                if !self.leg(side)?.failed {
                    self.done(statement, side)?;
                }
                Ok(())
            }
            Some(statement) if statement.copy_in => self.quiet(side).await,
            _ => Ok(()),
        }
    }

    /// A statement beyond `max_statement_bytes`: the leg's gate refuses it as it streams by.
    pub(super) async fn too_large(&mut self, header: Header) -> Result<(), End> {
        let side = self.primary();
        let (kind, ready) = match header.kind {
            kind::QUERY => {
                self.turn_to(side).await?;
                (Kind::Query, self.ready_leg(side).await?)
            }
            _ => (Kind::Parse, self.towards(side).await?),
        };
        if !ready {
            self.skip(header.message_length()).await?;
            if kind == Kind::Query {
                self.ready_for_query();
            }
            return Ok(());
        }
        let pass = self.pass_of_query(side);
        let pass = if kind == Kind::Query { pass } else { Pass::Client };
        self.owe(side, kind, pass, None)?;
        self.pass(side, header.message_length()).await?;
        self.asked(side, pass).await
    }
}
