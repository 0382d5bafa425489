//! What one of the legs does not take: a parameter of a later version, a role that is not there.
//!
//! Where both legs are open the other one tries it before it is done anywhere. A leg that is told later
//! lags behind from then on: what needs it fails, with its server's word, until the session has set
//! something in that place, or back, and what does not need it goes on.

use super::digest::shifted;
use super::failed::shown;
use super::leg::Pass;
use super::{Block, End, Protocol, Split, text};
use crate::contract::parameter;
use crate::protocol::ErrorResponse;
use crate::split::{Side, Told};
use crate::sql::{Effect, Statement};

/// Around what is tried.
const BEGIN: &[u8] = b"BEGIN\n;\n";
const ROLLBACK: &[u8] = b"\n;\nROLLBACK";

/// There is no such parameter, role or type.
const UNDEFINED_OBJECT: &str = "42704";

impl Split {
    /// A leg that is open could not be told what it has missed.
    pub(super) fn lags(&self, side: Side) -> bool {
        self.legs[side as usize].as_ref().is_some_and(|leg| leg.lags)
    }

    /// What a leg has missed is undone by this, whatever it was.
    pub(super) fn catches_up(&mut self, statement: &Statement) {
        let alone = matches!(self.block, Block::None);
        for side in Side::BOTH.into_iter().filter(|_| alone) {
            if statement.effect == Effect::DiscardAll
                && let Some(leg) = self.legs[side as usize].as_mut().filter(|leg| leg.lags)
            {
                leg.lags = false;
                self.journal.pends(side, Vec::new());
            }
        }
    }

    /// What a leg has failed to do need not be done: it knows no such parameter, so none is set.
    pub(super) fn is_void(&self, side: Side, missed: &Told) -> bool {
        let code = self.unsaid(side).map(|(code, _)| code);
        missed.resets && code.as_deref() == Some(UNDEFINED_OBJECT)
    }

    /// A leg does not take what it has missed: the client is told, in the place of what needs the leg.
    pub(super) async fn lags_behind(&mut self, side: Side, missed: &Told) -> Result<(), End> {
        self.leg(side)?.lags = true;
        let (code, said) = self.unsaid(side).unwrap_or_else(|| ("55000".into(), String::new()));
        let name = self.ground.name(side);
        let detail = format!(
            "the session has set what upstream \"{name}\" does not take: {}",
            shown(&missed.text)
        );
        let error = ErrorResponse::error(code, said).with_detail(detail).with_hint(
            "set it to what every place of the session takes, or back by RESET: statements that \
             need this one run again then",
        );
        self.fails_with(&error).await
    }

    /// Whether the legs that do not answer for a statement would take it. False: one does not, and the
    /// client has been told so. Where a transaction is open, that undoes it everywhere.
    pub(super) async fn others_take(&mut self, told: &Told, others: &[Side]) -> Result<bool, End> {
        if self.protocol != Protocol::Simple || !matches!(self.block, Block::None) {
            return Ok(true);
        }
        for side in others {
            let text = [BEGIN, &told.text[..], ROLLBACK].concat();
            if self.run_on(*side, &text, Pass::Nothing).await? {
                continue;
            }
            let Some(error) = self.leg(*side)?.unsaid.take() else {
                return Err(self.diverged(*side, "nothing can be set on", &told.text));
            };
            self.run_on(*side, b"ROLLBACK", Pass::Nothing).await?;
            shifted(&mut self.out, &error, -i64::from(text::characters(BEGIN)));
            return Ok(false);
        }
        Ok(true)
    }
}

/// It sets something that one of the legs may not know.
pub(super) fn sets(statement: &Statement) -> bool {
    let own = |name: &str| {
        let prefix = name.get(..parameter::PREFIX.len());
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(parameter::PREFIX))
    };
    match &statement.effect {
        Effect::Set { name, .. } | Effect::Reset(name) => !own(name),
        Effect::SetSessionCharacteristics { .. } => true,
        _ => {
            let mut calls = statement.set_config.iter();
            !statement.set_config.is_empty()
                && calls.all(|call| call.name.as_deref().is_some_and(|name| !own(name)))
        }
    }
}
