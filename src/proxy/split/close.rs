//! Describe and Close, for the leg where what they name lives, and the rest of a portal.

use bytes::{Bytes, BytesMut};

use super::lead::exits;
use super::leg::{Kind, Named, Pass};
use super::{Block, End, Split, text};
use crate::protocol::{HEADER_LENGTH, body};
use crate::split::{Known, Names, Side};

/// The message, which is also the end of no row description.
const NO_DATA: &[u8] = b"n\0\0\0\x04";

impl Split {
    /// The session has no unnamed statement (or portal); what the leg may have had is gone.
    pub(super) async fn forget_unnamed(&mut self, side: Side, what: u8) -> Result<(), End> {
        self.request(side, Kind::Close, Pass::Nothing, &text::close(what, b"")).await
    }

    pub(super) async fn describe(&mut self, frame: Bytes) -> Result<(), End> {
        let named = self.named(&frame);
        let side = named.map_or(self.last, |known| known.side);
        let exits = named.is_some_and(exits);
        if !self.turn_to(side).await? {
            return Ok(());
        }
        let failed = matches!(self.block, Block::Failed(failed, _) if failed != Some(side));
        let withheld = failed && self.is_open(side);
        if !withheld && !self.admits(side, exits).await? {
            return Ok(());
        }
        if let Some((what, b"")) = body::kind_and_name(&frame[HEADER_LENGTH..])
            && self.named(&frame).is_none()
        {
            self.forget_unnamed(side, what).await?;
        }
        if !withheld {
            return self.request(side, Kind::Describe, Pass::Client, &frame).await;
        }
        self.request(side, Kind::Describe, Pass::Withheld, &frame).await?;
        self.quiet(side).await?;
        let told = std::mem::take(&mut self.held);
        match self.leg(side)?.failed {
            // it is not there
            true => Ok(()),
            // a failed transaction tells of what has no rows
            false if told.ends_with(NO_DATA) => {
                self.out.unsplit(told);
                Ok(())
            }
            false => self.misplaced(side, exits).await.map(drop),
        }
    }

    pub(super) async fn close(&mut self, frame: Bytes) -> Result<(), End> {
        let side = self.named(&frame).map_or(self.last, |known| known.side);
        if !self.turn_to(side).await? {
            return Ok(());
        }
        if !self.is_open(side) && !self.ready_leg(side).await? {
            return Ok(());
        }
        self.is_there(side)?;
        let named = body::kind_and_name(&frame[HEADER_LENGTH..]).map(|(what, name)| {
            let portal = what == b'P';
            let before = self.names(portal).remove(name);
            Named { portal, name: frame.slice_ref(name), before }
        });
        // it is skipped where something before it has failed
        self.owe(side, Kind::Close, Pass::Client, named)?;
        self.send(side, &frame).await
    }

    /// The names of portals, or of prepared statements.
    pub(super) const fn names(&mut self, portal: bool) -> &mut Names {
        if portal { &mut self.portals } else { &mut self.statements }
    }

    /// What a Describe or Close names.
    fn named(&self, frame: &Bytes) -> Option<&Known> {
        match body::kind_and_name(&frame[HEADER_LENGTH..])? {
            (b'P', name) => self.portals.get(name),
            (_, name) => self.statements.get(name),
        }
    }

    /// Takes another row of a portal, for nobody. True: there was one.
    pub(super) async fn has_more(&mut self, side: Side, portal: &[u8]) -> Result<bool, End> {
        self.leg(side)?.kept = Some(BytesMut::new());
        let rest = text::execute(portal, 1);
        self.request(side, Kind::Execute, Pass::ErrorsAlone, &rest).await?;
        self.quiet(side).await?;
        Ok(self.leg(side)?.kept.take().is_some_and(|rows| !rows.is_empty()))
    }
}
