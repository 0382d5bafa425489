//! SAVEPOINT: what is kept of it for a leg that takes part later.

use bytes::Bytes;

use super::leg::Pass;
use super::run::unsupported;
use super::{Block, End, Split};
use crate::split::{Note, Savepoint, Side};
use crate::sql::Statement;

impl Split {
    /// False: it failed, or there are so many that a leg could not be told of this one.
    pub(super) async fn save(
        &mut self,
        name: &str,
        statement: &Statement,
        text: &Bytes,
    ) -> Result<bool, End> {
        let Block::Open(modes) = self.block else { return self.within(text, Pass::Client).await };
        let everywhere = Side::BOTH.into_iter().all(|side| self.is_begun(side));
        let savepoint = Savepoint::new(name, if everywhere { &[] } else { &text[..] }, modes);
        if !self.journal.has_room_for(&savepoint) {
            let denial = unsupported(
                "no more savepoints can be kept in this transaction",
                "RELEASE those that are not needed any more",
            );
            self.refuse(denial, Some((statement, text))).await?;
            return Ok(false);
        }
        let done = self.within(text, Pass::Client).await?;
        if done && matches!(self.block, Block::Open(_)) {
            self.note(Note::Savepoint(savepoint))?;
        }
        Ok(done)
    }
}
