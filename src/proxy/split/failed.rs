//! A block that has failed on one leg, where the client would hear of it from the other: what the
//! transaction had set is reported as taken back at once, so that leg has to fail before ReadyForQuery.

use bytes::Bytes;

use super::leg::{Kind, Pass};
use super::{Block, End, Protocol, Split};
use crate::protocol::{Fields, HEADER_LENGTH, error_response::field};
use crate::split::Side;
use crate::sql::Statement;
use crate::sql::quote::identifier;

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
        if let Some((code, said)) = self.unsaid(side) {
            why += &format!(": {said} ({code})");
        }
        End::Diverged { why, statement: Some(shown(statement)) }
    }

    /// SQLSTATE and message of an error that the client has not been told.
    pub(super) fn unsaid(&self, side: Side) -> Option<(String, String)> {
        let frame = self.legs[side as usize].as_ref()?.unsaid.as_ref()?;
        let fields = Fields::new(&frame[HEADER_LENGTH..]);
        let text = |letter| fields.text(letter).map(|text| text.into_owned());
        Some((text(field::CODE)?, text(field::MESSAGE).unwrap_or_default()))
    }

    /// The write leg could not commit what the read leg has committed: its cursors are closed
    /// again, and settings cannot be taken back.
    pub(super) async fn take_back(&mut self) -> Result<(), End> {
        if self.journal.sets() {
            let why = "the transaction failed once its cursor WITH HOLD and its settings had been \
                       committed where the session reads";
            return Err(End::Diverged { why: why.into(), statement: None });
        }
        let protocol = self.protocol;
        if !self.leg(Side::Read)?.pipeline {
            self.protocol = Protocol::Simple;
        }
        let names: Vec<Box<str>> = self.journal.held().map(Box::from).collect();
        for name in names {
            let close = [b"CLOSE ", &identifier(name.as_bytes())[..]].concat();
            // one that is closed already is as well
            self.run_on(Side::Read, &close, Pass::Nothing).await?;
        }
        self.protocol = protocol;
        Ok(())
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

/// A statement, as an error has it.
pub(super) fn shown(statement: &[u8]) -> String {
    let statement = String::from_utf8_lossy(statement);
    let mut shown: String = statement.chars().take(SHOWN).collect();
    if shown.len() < statement.len() {
        shown.push('…');
    }
    shown
}
