//! The end of a pipeline.

use super::leg::{Kind, Pass};
use super::{Block, End, Split, text};
use crate::protocol::message;
use crate::split::Side;

impl Split {
    /// Sync: the end of the pipeline, on the legs that have seen something of it.
    pub(super) async fn sync(&mut self) -> Result<(), End> {
        self.bound = false;
        let open = self.in_pipeline();
        match open[..] {
            _ if self.pipeline_failed => {}
            [] => {
                self.settle().await?;
                self.end_pipeline(true)?;
                self.ready_for_query();
                return Ok(());
            }
            [side] if self.takes_back(side) => drop(self.turn_to(side).await?),
            [side] => {
                self.turn_to(side).await?;
                let matters = std::mem::take(&mut self.stirred) || self.journal.is_open();
                if !matters {
                    self.end_pipeline(true)?;
                }
                self.request(side, Kind::Sync, Pass::Client, message::SYNC).await?;
                if matters {
                    self.quiet(side).await?;
                    let done = !self.leg(side)?.failed;
                    self.end_pipeline(done)?;
                }
                return Ok(());
            }
            _ => self.settle().await?,
        }
        self.sync_unready(open).await?;
        self.ready_everywhere().await
    }

    fn in_pipeline(&self) -> Vec<Side> {
        let open = |side: &Side| self.legs[*side as usize].as_ref().is_some_and(|leg| leg.pipeline);
        Side::BOTH.into_iter().filter(open).collect()
    }

    /// A Query comes behind what has only been prepared, as asyncpg's does, or in a block: that a Sync
    /// commits nothing of, so one of the proxy's own may end its pipeline. False: it has failed, and what follows is skipped.
    pub(super) async fn end_prepared(&mut self) -> Result<bool, End> {
        self.settle().await?;
        if self.pipeline_failed {
            return Ok(false);
        }
        self.bound = false;
        let done = self.sync_unready(self.in_pipeline()).await?;
        if !done {
            self.ready_for_query();
        }
        Ok(done)
    }

    /// Sync on legs that have answered, without ReadyForQuery for the client. True: nothing failed.
    async fn sync_unready(&mut self, legs: Vec<Side>) -> Result<bool, End> {
        let done = self.sync_legs(legs).await?;
        let stands = done || self.has_committed_inside().await?;
        self.end_pipeline(stands)?;
        self.committed = false;
        Ok(done)
    }

    /// Sync on legs that have answered what came before it; outside a block it commits all of them or,
    /// if something has failed, none. The order is that of COMMIT ([`Split::commit_legs`]).
    async fn sync_legs(&mut self, mut legs: Vec<Side>) -> Result<bool, End> {
        let mut failed = self.pipeline_failed;
        let read_first = self.journal.read_commits_first();
        if !read_first {
            legs.reverse();
        }
        for side in legs {
            if !matches!(self.block, Block::None) {
                self.request(side, Kind::Sync, Pass::Nothing, message::SYNC).await?;
                self.quiet(side).await?;
                continue;
            }
            let leg = self.leg(side)?;
            if failed && leg.ran && !leg.skipping {
                self.spoil(side).await?;
            }
            let commits = !failed && self.leg(side)?.ran;
            let pass = if failed || self.committed { Pass::Nothing } else { Pass::Errors };
            self.request(side, Kind::Sync, pass, message::SYNC).await?;
            self.quiet(side).await?;
            match (side, self.leg(side)?.failed) {
                (_, false) => self.committed |= side == Side::Write && commits,
                // the write leg has committed: this one has missed what was set
                (Side::Read, true) if self.committed => self.leg(side)?.joined = false,
                (Side::Write, true) if read_first && commits => {
                    self.take_back().await?;
                    failed = true;
                }
                (_, true) => failed = true,
            }
        }
        Ok(!failed)
    }

    /// What a leg has done in the open pipeline is undone with its Sync.
    pub(super) async fn spoil(&mut self, side: Side) -> Result<(), End> {
        let frame = text::own_parse(b"SELECT \"pgauthority undo\"", None);
        self.request(side, Kind::Parse, Pass::Nothing, &frame).await?;
        self.quiet(side).await
    }

    /// `done`: what ran in it, outside a block, stands.
    pub(super) fn end_pipeline(&mut self, done: bool) -> Result<(), End> {
        self.pipeline_failed = false;
        if !matches!(self.block, Block::None) {
            return Ok(());
        }
        self.temporary.ended();
        self.portals.end_transaction();
        self.transaction_over(done)
    }
}
