//! Tokens for the backstop in the database: set just before a statement that runs because the
//! session has confirmed, for that text alone (see [`crate::contract::backstop`]).
//!
//! They are set in the extended protocol under a name of the proxy's own, since a Query would drop
//! the client's unnamed statement: behind a ReadyForQuery with a Sync, and inside a pipeline of the
//! client's without, so that the pipeline stays one.

use bytes::{Bytes, BytesMut};

use super::Gate;
use super::look::{close, run};
use super::owed::{Owed, Own};
use super::plan::Plan;
use crate::contract::backstop;
use crate::protocol::message::sync;
use crate::session::{Block, Instant};

impl Gate {
    /// What is to be sent before a text that may run: its token, or the end of an earlier one.
    pub(super) fn token_due(&mut self, plan: &Plan, text: &[u8], now: Instant) -> Option<Bytes> {
        match plan.is_confirmed() {
            true if self.cleared.is_some() => self.token_for(text, now),
            false if plan.relies => self.no_token(),
            _ => None,
        }
    }

    /// The messages that set the token for the confirmed text at the front; `None`: none is due.
    /// A failed transaction runs nothing, and takes no token.
    fn token_for(&mut self, text: &[u8], now: Instant) -> Option<Bytes> {
        let signer = self.signer.as_ref()?;
        if self.signed || self.skipping || self.state.is_failed() {
            return None;
        }
        let token = signer.token(text, now);
        self.has_token = true;
        Some(self.set_token(&token))
    }

    /// The messages that take back the token of an earlier statement, before one that runs without
    /// a confirmation and relies on the backstop for what it hides; `None`: there is none.
    fn no_token(&mut self) -> Option<Bytes> {
        if !self.has_token || self.signed || self.skipping || self.state.is_failed() {
            return None;
        }
        // what is taken back in a transaction is there again after its rollback
        self.has_token = self.open || self.state.block() != Block::None;
        Some(self.set_token(""))
    }

    fn set_token(&mut self, token: &str) -> Bytes {
        self.signed = true;
        let mut out = BytesMut::new();
        let set =
            format!("SELECT pg_catalog.set_config('{}', '{token}', false)", backstop::PARAMETER);
        run(&mut out, &set);
        close(&mut out);
        if self.open {
            self.owe(Owed::Own(Own::Token { closes: 4 }));
        } else {
            sync(&mut out);
            self.owe_boundary(Owed::Own(Own::SyncedToken));
        }
        out.freeze()
    }
}
