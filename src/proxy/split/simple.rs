//! The simple protocol: a Query goes to its leg as it is; a string whose statements need both is
//! parted.

use std::collections::HashMap;

use bytes::Bytes;

use super::leg::{Kind, Pass};
use super::refuse::refused_in_string;
use super::run::unsupported;
use super::{Block, End, Protocol, Split, text};
use crate::protocol::{Header, message};
use crate::split::{self, Route, Side, Told};
use crate::sql::{Class, Effect, Modes, Statement};

impl Split {
    pub(super) async fn query(&mut self, frame: Bytes) -> Result<(), End> {
        if self.legs.iter().flatten().any(|leg| leg.pipeline) {
            if self.bound && !self.is_in_block().await? {
                return self.query_in_pipeline().await;
            }
            if !self.end_prepared().await? {
                return Ok(());
            }
        }
        let Some(text) = text::query(&frame) else { return self.forward(&frame).await };
        // a Query ends the unnamed ones
        self.statements.remove(b"");
        self.portals.remove(b"");
        let judgement = self.judge(&text).await?;
        match &judgement.statements[..] {
            [] => self.forward(&frame).await,
            [statement] => self.single(statement, &text, &frame).await,
            statements => self.string(statements, &text, &frame).await,
        }
    }

    /// To the leg that would answer for the session.
    async fn forward(&mut self, frame: &Bytes) -> Result<(), End> {
        let side = match self.block {
            Block::Failed(Some(side), _) => side,
            Block::Failed(None, _) => {
                self.settle().await?;
                self.aborted();
                return self.ready_everywhere().await;
            }
            _ => self.primary(),
        };
        self.turn_to(side).await?;
        if !self.ready_leg(side).await? {
            return self.ready_everywhere().await;
        }
        self.asks(side, frame).await
    }

    /// In a failed transaction what is for the other leg goes nowhere: the failed one says so of
    /// a statement of the session's own.
    async fn forward_in_place(&mut self) -> Result<(), End> {
        self.settle().await?;
        let failed = match self.block {
            Block::Failed(side, _) => side,
            _ => None,
        };
        let told = match failed {
            Some(side) if self.ready_leg(side).await? => {
                let query = message::query(b"SELECT 1");
                self.request(side, Kind::Query, Pass::Errors, &query).await?;
                self.quiet(side).await?;
                self.leg(side)?.failed
            }
            // it has been told why it is not there
            Some(_) => true,
            None => false,
        };
        if !told {
            self.aborted();
        }
        self.ready_everywhere().await
    }

    async fn single(
        &mut self,
        statement: &Statement,
        text: &Bytes,
        frame: &Bytes,
    ) -> Result<(), End> {
        let Some((_, route)) = self.routed(statement, text).await? else {
            return self.ready_everywhere().await;
        };
        let side = match route {
            Route::Transaction => {
                // what comes with an earlier answer is told with that
                self.settle().await?;
                // reports come behind the answer, whichever leg has been first
                self.late = Some(HashMap::new());
                self.control(statement, text).await?;
                return self.ready_everywhere().await;
            }
            Route::To(side) => {
                self.turn_to(side).await?;
                side
            }
            _ => {
                self.settle().await?;
                self.primary()
            }
        };
        // only once the leg it turns from has answered is it known whether the block has failed
        if let Block::Failed(failed, _) = self.block {
            return match failed == Some(side) {
                true => self.forward(frame).await,
                false => self.forward_in_place().await,
            };
        }
        match route {
            Route::Both { keep } => {
                let told = Told::of(statement, text.clone());
                self.on_both(statement, &told, keep, None).await?;
                return self.ready_everywhere().await;
            }
            Route::Refused(why, hint) => {
                self.refuse(unsupported(why, hint), Some((statement, text))).await?;
                return self.ready_everywhere().await;
            }
            _ => {}
        }
        if !self.ready_leg(side).await? {
            return self.ready_everywhere().await;
        }
        if self.names_what_is_taken(statement, side).await? {
            return self.ready_everywhere().await;
        }
        self.goes(statement, side);
        self.asks(side, frame).await?;
        if statement.effect != Effect::None || statement.copy_in {
            self.quiet(side).await?;
            if !self.leg(side)?.failed {
                self.done(statement, side)?;
            }
        }
        Ok(())
    }

    /// A name's leg. What nobody knows: cursors may be a routine's, on the write leg.
    pub(super) fn resolved(&self, route: Route) -> Route {
        match route {
            Route::Prepared(name) => {
                let known = self.statements.get(name.as_bytes());
                Route::To(known.map_or(self.primary(), |known| known.side))
            }
            Route::Cursor(name) => {
                let known = self.portals.get(name.as_bytes());
                Route::To(known.map_or(Side::Write, |known| known.side))
            }
            other => other,
        }
    }

    async fn string(
        &mut self,
        statements: &[Statement],
        text: &Bytes,
        frame: &Bytes,
    ) -> Result<(), End> {
        self.settle().await?;
        let mut legs = Vec::new();
        let mut classes = Vec::new();
        // a statement's leg may depend on what an earlier one does
        let (mut stirred, mut uncertain) = (false, false);
        for statement in statements {
            let Some((class, route)) = self.routed(statement, part(statement, text)).await? else {
                return self.ready_everywhere().await;
            };
            classes.push(class);
            uncertain |= stirred && self.goes_by_names(statement, class);
            stirred |= self.temporary.may_change_with(statement);
            let side = match split::within_string(&route) {
                Ok(side) => side,
                Err((why, hint)) => {
                    self.refuse(unsupported(why, hint), Some((statement, text))).await?;
                    return self.ready_everywhere().await;
                }
            };
            uncertain |= side.is_some_and(|side| self.names_what_is_elsewhere(statement, side));
            legs.push(side);
        }
        if matches!(self.block, Block::Failed(..)) {
            return self.forward_in_place().await;
        }
        let first = legs.first().copied().flatten();
        let one = first.filter(|side| !uncertain && legs.iter().all(|leg| *leg == Some(*side)));
        let Some(side) = one else {
            let view = self.view();
            let all = statements.iter().zip(&classes).zip(&legs);
            let all = all.map(|((statement, class), side)| (statement, *class, *side));
            let task = self.task.clone();
            let law = self.ground.law(task.as_deref());
            if let Some((statement, _, denial)) = refused_in_string(law, all, view) {
                self.refuse(*denial, Some((statement, text))).await?;
                return self.ready_everywhere().await;
            }
            return self.parts(statements, &classes, text).await;
        };
        if !self.ready_leg(side).await? {
            return self.ready_everywhere().await;
        }
        for statement in statements {
            self.goes(statement, side);
        }
        self.asks(side, frame).await?;
        let waits = |statement: &Statement| statement.effect != Effect::None || statement.copy_in;
        if statements.iter().any(waits) {
            self.quiet(side).await?;
            if !self.leg(side)?.failed {
                for statement in statements {
                    self.done(statement, side)?;
                }
            }
        }
        Ok(())
    }

    /// The statements of a string one by one, in a transaction of their own as PostgreSQL's
    /// implicit one, unless one is open (manual, "Multiple Statements in a Simple Query").
    async fn parts(
        &mut self,
        statements: &[Statement],
        classes: &[Class],
        text: &Bytes,
    ) -> Result<(), End> {
        let mut implicit = matches!(self.block, Block::None);
        self.late = Some(HashMap::new());
        if implicit {
            self.block = Block::Open(Modes::default());
        }
        let mut done = true;
        // bytes of the text, and their characters
        let (mut counted, mut shift) = (0, 0);
        let last = statements.len().saturating_sub(1);
        for (index, statement) in statements.iter().enumerate() {
            if implicit && index == last && self.resets_task(statement) {
                // outside a transaction: what stands before it commits first
                implicit = false;
                let writes = self.is_begun(Side::Write);
                done = self.commit_parts().await?;
                if !done {
                    break;
                }
                self.behind_commit = writes;
            }
            // the last one is complete once its transaction has committed
            self.holding = implicit && index == last;
            let start = (statement.location as usize).min(text.len());
            let part = text.slice_ref(part(statement, text));
            shift += text::characters(&text[counted.min(start)..start]);
            counted = start;
            let class = classes.get(index).copied().unwrap_or(statement.class);
            done = self.is_placed(statement, class).await?;
            if !done {
                break;
            }
            done = match self.route(statement, class) {
                Route::Both { keep } => {
                    self.on_both(statement, &Told::of(statement, part), keep, None).await?
                }
                Route::To(side) => self.part(statement, &part, side, shift).await?,
                Route::Refused(why, hint) => {
                    self.refuse(unsupported(why, hint), Some((statement, text))).await?;
                    false
                }
                Route::Transaction | Route::Prepared(_) | Route::Cursor(_) => false,
            };
            if !done {
                break;
            }
        }
        self.holding = false;
        if std::mem::take(&mut self.behind_commit) && !done {
            let why =
                "RESET ALL failed, and what stands before it in its string has been committed";
            return Err(End::Diverged { why: why.to_owned(), statement: None });
        }
        if implicit {
            match done {
                true => drop(self.commit_parts().await?),
                false => {
                    for side in Side::BOTH {
                        if self.is_begun(side) {
                            self.run_on(side, b"ROLLBACK", Pass::Nothing).await?;
                        }
                    }
                    self.over(false)?;
                }
            }
        }
        self.ready_everywhere().await
    }

    async fn part(
        &mut self,
        statement: &Statement,
        part: &Bytes,
        side: Side,
        shift: u32,
    ) -> Result<bool, End> {
        if !self.ready_leg(side).await? || self.names_what_is_taken(statement, side).await? {
            return Ok(false);
        }
        self.goes(statement, side);
        let done = self.run_on(side, part, Pass::Unready(shift)).await?;
        if done {
            self.done(statement, side)?;
        }
        Ok(done)
    }

    /// The end of a string's transaction: its errors are told, not its completion.
    async fn commit_parts(&mut self) -> Result<bool, End> {
        self.holding = true;
        let done = self.commit_legs(b"COMMIT", Pass::Errors).await?;
        self.holding = false;
        if done {
            self.release();
        }
        self.held.clear();
        self.over(done)?;
        Ok(done)
    }

    /// Once all has been answered, in a transaction block: there a Sync commits nothing.
    async fn is_in_block(&mut self) -> Result<bool, End> {
        self.settle().await?;
        Ok(!matches!(self.block, Block::None))
    }

    /// A Query behind Bind or Execute without their Sync: what it would share a transaction with may
    /// be on either leg.
    async fn query_in_pipeline(&mut self) -> Result<(), End> {
        self.settle().await?;
        if self.pipeline_failed {
            // skipped like everything up to the Sync, without an answer of its own
            return Ok(());
        }
        self.protocol = Protocol::Extended;
        let denial = unsupported(
            "a Query in a pipeline without its Sync is not possible",
            "send Sync before it",
        );
        self.refuse(denial, None).await?;
        self.sync().await
    }

    /// A FunctionCall writes.
    pub(super) async fn function_call(&mut self, header: Header) -> Result<(), End> {
        if self.legs.iter().flatten().any(|leg| leg.pipeline) {
            self.skip(header.message_length()).await?;
            return self.query_in_pipeline().await;
        }
        // only once the leg it turns from has answered is it known whether the block has failed
        let side = Side::Write;
        self.turn_to(side).await?;
        if matches!(self.block, Block::Failed(failed, _) if failed != Some(side)) {
            self.skip(header.message_length()).await?;
            return self.forward_in_place().await;
        }
        if !self.ready_leg(side).await? {
            self.skip(header.message_length()).await?;
            return self.ready_everywhere().await;
        }
        self.runs_unknown(side);
        let pass = self.pass_of_query(side);
        self.owe(side, Kind::Query, pass, None)?;
        self.pass(side, header.message_length()).await?;
        self.asked(side, pass).await
    }
}

/// The text of one statement of a string.
fn part<'a>(statement: &Statement, text: &'a [u8]) -> &'a [u8] {
    let start = (statement.location as usize).min(text.len());
    let end = start.saturating_add(statement.length as usize).min(text.len());
    &text[start..end]
}
