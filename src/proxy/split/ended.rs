//! DO and CALL in a pipeline, which before version 18 may end its transaction on the leg where they
//! run: the other leg's ends with it, in the same way.
//!
//! Two parameters are set right before, one of them for the transaction alone: where that one is gone
//! a transaction has ended, and the other tells whether it was committed. What ended it first decides
//! about all that was set before; what is set behind it is of another transaction.

use bytes::{Bytes, BytesMut};

use super::leg::{Kind, Pass};
use super::temporary::names;
use super::{Block, End, Split};
use crate::protocol::message;
use crate::split::Side;
use crate::sql::Statement;

/// What both parameters are, with a slash between them.
const QUESTION: &[u8] = b"SELECT pg_catalog.concat(\
    pg_catalog.current_setting('pgauthority_split.within', true), '/', \
    pg_catalog.current_setting('pgauthority_split.beyond', true))";

impl Split {
    /// It may end the transaction of the open pipeline, in which something has been set.
    pub(super) fn may_end(&self, statement: &Statement) -> bool {
        statement.do_or_call
            && matches!(self.block, Block::None)
            && (self.journal.is_open() || self.journal.sets())
    }

    /// Executes it.
    pub(super) async fn run_to_an_end(&mut self, side: Side, frame: &Bytes) -> Result<(), End> {
        self.marks += 1;
        let mark = self.marks.to_string();
        let text = format!(
            "SELECT pg_catalog.set_config('pgauthority_split.within', '{mark}', true), \
             pg_catalog.set_config('pgauthority_split.beyond', '{mark}', false)"
        );
        self.run_in_pipeline(side, text.as_bytes(), None, Pass::Errors).await?;
        self.request(side, Kind::Execute, Pass::Client, frame).await?;
        self.quiet(side).await?;
        if self.pipeline_failed {
            // it may have committed before; the server says so behind the Sync
            self.marked = true;
            return Ok(());
        }
        let marks = self.ask_marks(side, Pass::ErrorsAlone).await?;
        if self.pipeline_failed || marks == format!("{mark}/{mark}") {
            return Ok(());
        }
        let committed = marks.ends_with(&format!("/{mark}"));
        let other = side.other();
        if self.legs[other as usize].as_ref().is_some_and(|leg| leg.pipeline) {
            if !committed {
                self.spoil(other).await?;
            }
            self.request(other, Kind::Sync, Pass::Nothing, message::SYNC).await?;
            self.quiet(other).await?;
            if committed && self.leg(other)?.failed {
                self.leg(other)?.joined = false;
            }
        }
        self.end_pipeline(committed)?;
        // what has run still makes a pipeline of what follows
        self.leg(side)?.executed = 1;
        Ok(())
    }

    /// Behind the Sync of a pipeline that has failed: DO or CALL has committed in it nonetheless what had
    /// been set. The other leg, where that is undone, has missed it.
    pub(super) async fn has_committed_inside(&mut self) -> Result<bool, End> {
        if !std::mem::take(&mut self.marked) {
            return Ok(false);
        }
        let marks = self.ask_marks(Side::Write, Pass::Nothing).await?;
        self.request(Side::Write, Kind::Sync, Pass::Nothing, message::SYNC).await?;
        self.quiet(Side::Write).await?;
        let committed = marks.ends_with(&format!("/{}", self.marks));
        if committed && let Some(leg) = &mut self.legs[Side::Read as usize] {
            leg.joined = false;
        }
        Ok(committed)
    }

    async fn ask_marks(&mut self, side: Side, pass: Pass) -> Result<String, End> {
        self.leg(side)?.kept = Some(BytesMut::new());
        self.run_in_pipeline(side, QUESTION, None, pass).await?;
        self.quiet(side).await?;
        let rows = self.leg(side)?.kept.take().unwrap_or_default();
        Ok(names(rows.freeze()).next().map(String::from).unwrap_or_default())
    }
}
