//! Names that are taken on the other leg: what has them there is the session's, and that leg's
//! server says so.

use bytes::Bytes;

use super::leg::{Kind, Pass};
use super::{Block, End, Split, text};
use crate::split::{Known, Side, Values};
use crate::sql::quote::identifier;
use crate::sql::{Effect, Statement};

impl Split {
    /// PREPARE or DECLARE of a name that the session has on the other leg.
    pub(super) fn names_what_is_elsewhere(&self, statement: &Statement, side: Side) -> bool {
        let known = match &statement.effect {
            Effect::Prepare { name, .. } => self.statements.get(name.as_bytes()),
            Effect::Declare { name, .. } => self.portals.get(name.as_bytes()),
            _ => None,
        };
        is_elsewhere(known, side)
    }

    /// The same, if the other leg's server says so too. True: the statement is not to run, and the
    /// client has been told why.
    pub(super) async fn names_what_is_taken(
        &mut self,
        statement: &Statement,
        side: Side,
    ) -> Result<bool, End> {
        match &statement.effect {
            Effect::Prepare { name, .. } => self.is_taken(name.as_bytes(), side, false, None).await,
            Effect::Declare { name, .. } => self.is_cursor_taken(name.as_bytes(), side).await,
            _ => Ok(false),
        }
    }

    /// A prepared statement's name is taken on the other leg. In a failed transaction only what
    /// ends it (`exits`) can be prepared, so nothing else takes a name. `checked`: what is wrong with this
    /// text is told first.
    pub(super) async fn is_taken(
        &mut self,
        name: &[u8],
        side: Side,
        exits: bool,
        checked: Option<(&Bytes, &Values)>,
    ) -> Result<bool, End> {
        let is_elsewhere = is_elsewhere(self.statements.get(name), side);
        let failed = matches!(self.block, Block::Failed(..));
        if name.is_empty() || !is_elsewhere || failed && !exits {
            return Ok(false);
        }
        if let Some((text, values)) = checked {
            let close = text::own_close(b'S');
            self.request(side, Kind::Close, Pass::Errors, &close).await?;
            let parse = text::own_parse(text, Some(values));
            self.request(side, Kind::Parse, Pass::Errors, &parse).await?;
            self.quiet(side).await?;
            if self.pipeline_failed {
                return Ok(true);
            }
        }
        let quoted = identifier(name);
        let make = [b"PREPARE ", &quoted[..], b" AS SELECT 1"].concat();
        let taken = self.is_made(side, &make, &[b"DEALLOCATE ", &quoted[..]].concat()).await?;
        if !taken {
            // code that nobody sees has deallocated it meanwhile
            self.statements.remove(name);
        }
        Ok(taken)
    }

    async fn is_cursor_taken(&mut self, name: &[u8], side: Side) -> Result<bool, End> {
        let failed = matches!(self.block, Block::Failed(..));
        if failed || !is_elsewhere(self.portals.get(name), side) {
            return Ok(false);
        }
        let quoted = identifier(name);
        // WITH HOLD: outside a block there is no other
        let make = [b"DECLARE ", &quoted[..], b" CURSOR WITH HOLD FOR SELECT 1"].concat();
        let taken = self.is_made(side, &make, &[b"CLOSE ", &quoted[..]].concat()).await?;
        if !taken {
            self.portals.remove(name);
        }
        Ok(taken)
    }

    /// A portal's name is taken on the other leg: its server has said so.
    pub(super) async fn is_open_elsewhere(
        &mut self,
        portal: &[u8],
        side: Side,
    ) -> Result<bool, End> {
        let other = side.other();
        let known = self.portals.get(portal).map(|known| known.side);
        if portal.is_empty() || known != Some(other) {
            return Ok(false);
        }
        if !self.towards(other).await? {
            return Ok(true);
        }
        for (kind, frame) in [
            (Kind::Close, text::own_close(b'S')),
            (Kind::Parse, text::own_parse(b"SELECT 1", None)),
            (Kind::Bind, text::own_bind(portal, None)),
            (Kind::Close, text::close(b'P', portal)),
        ] {
            self.request(other, kind, Pass::Errors, &frame).await?;
        }
        self.quiet(other).await?;
        // code that nobody sees may have closed it meanwhile
        self.portals.remove(portal);
        Ok(self.leg(other)?.failed)
    }

    /// Makes something on the leg that is not `side`, and removes it again. True: it could not, and
    /// the client has been told why.
    async fn is_made(&mut self, side: Side, make: &[u8], remove: &[u8]) -> Result<bool, End> {
        let other = side.other();
        let told = !self.turn_to(other).await?
            || !self.ready_leg(other).await?
            || !self.run_on(other, make, Pass::Errors).await?
            || !self.run_on(other, remove, Pass::Errors).await?;
        Ok(told || !self.turn_to(side).await?)
    }
}

fn is_elsewhere(known: Option<&Known>, side: Side) -> bool {
    known.is_some_and(|known| known.side == side.other())
}
