//! Asking the server whether the confirmation still holds.
//!
//! Code that cannot be seen (a routine, a trigger, DO) can withdraw the confirmation with
//! `set_config`, and nothing on the wire tells: custom parameters are not reported. So after such
//! code the confirmation is *doubted* ([`crate::session::Parameters`] says in which scope), and
//! where a statement needs it, the proxy asks first: `SHOW` under a name of its own, in the
//! extended protocol, since a Query would drop the client's unnamed statement. SHOW takes no
//! snapshot and changes nothing. Behind a ReadyForQuery, and while the client's pipeline has only
//! Parse and Close in it, the question ends with a Sync; later in a pipeline, with a Flush. The
//! answers are absorbed, and meanwhile nothing goes.
//!
//! Such code can only withdraw: whoever had not confirmed before has not confirmed after.

use bytes::{Bytes, BytesMut};

use super::backend::Heard;
use super::frontend::Message;
use super::owed::{Check, Owed, Own};
use super::refusal::Form;
use super::{CopyIn, Gate, Next};
use crate::contract::parameter;
use crate::protocol::frame::{backend, frontend};
use crate::protocol::message::{self, frame, put_cstring};

impl Gate {
    /// Code that cannot be seen has run (`ends`: which may end a transaction).
    pub(super) fn unseen(&mut self, ends: bool) {
        self.foreseen = None;
        if self.policy.set_by_statement {
            // the upstream drops startup options: its value is not the session's
            self.state.distrust();
        } else {
            self.state.unseen(ends);
        }
    }

    /// The server is being asked: nothing goes until it has answered.
    pub(super) fn is_asking(&self) -> bool {
        matches!(
            self.owed.back(),
            Some(Owed::Check(_) | Owed::Own(Own::Look { .. } | Own::Inside | Own::Undo { .. }))
        )
    }

    /// The message at the front needs a confirmation that is doubted.
    pub(super) fn ask(&mut self, length: usize, form: Form) -> Message {
        if matches!(self.copy, CopyIn::Open { .. }) {
            return self.wait(length, form);
        }
        // an Execute of the question's makes a pipeline of the batch, in which not everything runs
        // (CREATE INDEX CONCURRENTLY): while there is none, the question stands outside, behind
        // answers that are all there
        let inside = self.open && (self.ran || self.bound);
        Message::Stop(match self.open && !inside && !self.owed.is_empty() {
            false => Next::Own(self.question(!inside)),
            true => self.flush_and_wait(),
        })
    }

    /// Waits for the answers of the open pipeline, having told the server to give them.
    pub(super) fn flush_and_wait(&mut self) -> Next {
        if std::mem::replace(&mut self.flushed, true) {
            return Next::Wait;
        }
        let mut out = BytesMut::new();
        message::flush(&mut out);
        Next::Own(out.freeze())
    }

    fn question(&mut self, synced: bool) -> Bytes {
        let name = format!("pgauthority {} ask", self.nonce);
        let text = format!("SHOW {}", parameter::CONFIRM);
        let mut out = BytesMut::with_capacity(256);
        frame(&mut out, frontend::PARSE, |body| {
            put_cstring(body, name.as_bytes());
            put_cstring(body, text.as_bytes());
            body.extend_from_slice(&[0, 0]);
        });
        frame(&mut out, frontend::BIND, |body| {
            put_cstring(body, name.as_bytes());
            put_cstring(body, name.as_bytes());
            body.extend_from_slice(&[0; 6]);
        });
        frame(&mut out, frontend::EXECUTE, |body| {
            put_cstring(body, name.as_bytes());
            body.extend_from_slice(&[0; 4]);
        });
        for kind in [b'P', b'S'] {
            frame(&mut out, frontend::CLOSE, |body| {
                body.extend_from_slice(&[kind]);
                put_cstring(body, name.as_bytes());
            });
        }
        let check = Owed::Check(Check { synced, confirmed: false, closes: 2 });
        if synced {
            message::sync(&mut out);
            self.owe_boundary(check);
        } else {
            message::flush(&mut out);
            self.owe(check);
        }
        out.freeze()
    }

    /// An answer while the question is at the front; `None`: it is none of the question's.
    pub(super) fn answer_to_check(&mut self, message: u8, body: &[u8]) -> Option<Heard> {
        let Some(Owed::Check(check)) = self.owed.front_mut() else { return None };
        self.foreseen = None;
        match message {
            backend::DATA_ROW => check.confirmed = is_true(body),
            backend::CLOSE_COMPLETE => {
                check.closes = check.closes.saturating_sub(1);
                let (done, confirmed) = (check.closes == 0, check.confirmed);
                if done && !check.synced {
                    self.pop();
                }
                if done {
                    self.state.parameters.asked(confirmed);
                }
            }
            // the client's pipeline fails with it
            backend::ERROR_RESPONSE if !check.synced => return None,
            backend::ERROR_RESPONSE => {
                self.state.parameters.asked(false);
                self.state.failed();
            }
            _ => {}
        }
        Some(Heard::Absorb)
    }
}

/// Whether a DataRow of one column in text holds a true boolean.
fn is_true(body: &[u8]) -> bool {
    body.get(6..)
        .and_then(|value| std::str::from_utf8(value).ok())
        .is_some_and(|value| parameter::boolean(value) == Some(true))
}
