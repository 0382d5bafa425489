//! Describe and Close: for the leg where what they name lives.

use bytes::Bytes;

use super::extended::exits;
use super::leg::{Kind, Pass};
use super::{End, Split, text};
use crate::protocol::{HEADER_LENGTH, body};
use crate::split::{Known, Side};

impl Split {
    /// The session has no unnamed statement (or portal); what the leg may have had is gone.
    pub(super) async fn forget_unnamed(&mut self, side: Side, what: u8) -> Result<(), End> {
        self.request(side, Kind::Close, Pass::Nothing, &text::close(what, b"")).await
    }

    pub(super) async fn describe(&mut self, frame: Bytes) -> Result<(), End> {
        let named = self.named(&frame);
        let side = named.map_or(self.last, |known| known.side);
        let exits = named.is_some_and(exits);
        if !self.admits(side, exits).await? {
            return Ok(());
        }
        if let Some((what, b"")) = body::kind_and_name(&frame[HEADER_LENGTH..])
            && self.named(&frame).is_none()
        {
            self.forget_unnamed(side, what).await?;
        }
        self.request(side, Kind::Describe, Pass::Client, &frame).await
    }

    pub(super) async fn close(&mut self, frame: Bytes) -> Result<(), End> {
        let side = self.named(&frame).map_or(self.last, |known| known.side);
        if !self.turn_to(side).await? {
            return Ok(());
        }
        if let Some((what, name)) = body::kind_and_name(&frame[HEADER_LENGTH..]) {
            let names = if what == b'P' { &mut self.portals } else { &mut self.statements };
            names.remove(name);
        }
        if !self.is_open(side) && !self.ready_leg(side).await? {
            return Ok(());
        }
        self.request(side, Kind::Close, Pass::Client, &frame).await
    }

    /// What a Describe or Close names.
    fn named(&self, frame: &Bytes) -> Option<&Known> {
        match body::kind_and_name(&frame[HEADER_LENGTH..])? {
            (b'P', name) => self.portals.get(name),
            (_, name) => self.statements.get(name),
        }
    }
}
