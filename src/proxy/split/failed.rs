//! A block that has failed on one leg, where the client would hear of it from the other: what the
//! transaction had set is reported as taken back at once, so that leg has to fail before ReadyForQuery.

use bytes::Bytes;

use super::leg::{Kind, Pass};
use super::{Block, End, Protocol, Split};
use crate::split::Side;
use crate::sql::Statement;

/// How much of a statement an error shows, in characters.
const SHOWN: usize = 200;

/// Fails on any leg.
const FAILING: &[u8] = b"SELECT \"pgauthority refused\"";

impl Split {
    /// A statement of the client's is about to run: it may set something.
    pub(super) fn may_report(&mut self, statement: &Statement) {
        let alone = self.protocol == Protocol::Simple && matches!(self.block, Block::None);
        self.reported |= !alone && self.reports(statement);
    }

    /// An error on this leg takes back what the other one has reported.
    pub(super) fn takes_back(&self, side: Side) -> bool {
        self.reported && matches!(self.block, Block::Open(_)) && self.is_begun(side.other())
    }

    /// A Query of the client's on a leg.
    pub(super) async fn asks(&mut self, side: Side, frame: &Bytes) -> Result<(), End> {
        let pass = self.pass_of_query(side);
        self.request(side, Kind::Query, pass, frame).await?;
        self.asked(side, pass).await
    }

    /// What the client gets of the answer to its Query.
    pub(super) fn pass_of_query(&self, side: Side) -> Pass {
        if self.takes_back(side) { Pass::Unready(0) } else { Pass::Client }
    }

    /// Its Query has been sent.
    pub(super) async fn asked(&mut self, side: Side, pass: Pass) -> Result<(), End> {
        if pass == Pass::Client {
            return Ok(());
        }
        self.quiet(side).await?;
        self.ready_everywhere().await
    }

    /// ReadyForQuery; the block having failed on one leg, it fails on the other before, if that
    /// takes something back.
    pub(super) async fn ready_everywhere(&mut self) -> Result<(), End> {
        if let Block::Failed(Some(failed), _) = self.block
            && self.reported
            && !self.fallen
            && self.is_begun(failed.other())
        {
            self.fallen = true;
            let protocol = std::mem::replace(&mut self.protocol, Protocol::Simple);
            let last = self.last;
            self.run_on(failed.other(), FAILING, Pass::Nothing).await?;
            (self.protocol, self.last) = (protocol, last);
        }
        self.tell_late();
        self.ready_for_query();
        Ok(())
    }

    /// The legs' sessions are no longer the same: this statement has failed on a leg.
    pub(super) fn diverged(&self, side: Side, what: &str, statement: &[u8]) -> End {
        let mut why = format!("{what} upstream \"{}\"", self.ground.name(side));
        let leg = self.legs[side as usize].as_ref();
        if let Some(said) = leg.and_then(|leg| leg.unsaid.as_deref()) {
            why += &format!(": {said}");
        }
        let statement = String::from_utf8_lossy(statement);
        let mut shown: String = statement.chars().take(SHOWN).collect();
        if shown.len() < statement.len() {
            shown.push('…');
        }
        End::Diverged { why, statement: Some(shown) }
    }

    /// The open block fails, on a leg that takes part in it if one does.
    pub(super) async fn fails_by_itself(&mut self) -> Result<(), End> {
        if matches!(self.block, Block::Open(_)) {
            let begun = Side::BOTH.into_iter().find(|side| self.is_begun(*side));
            if let Some(side) = begun {
                self.run_on(side, FAILING, Pass::Nothing).await?;
            }
            self.fail(begun);
        }
        Ok(())
    }
}
