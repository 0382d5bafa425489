//! The server's messages: stepped over, but for the few that settle what is owed.

use bytes::Bytes;

use super::look::Looked;
use super::owed::{Check, EventId, Owed, Own};
use super::{Fate, Gate};
use crate::policy::Denial;
use crate::protocol::Fields;
use crate::protocol::frame::{self, Header, backend as kind};
use crate::session::{Instant, Status};

/// An ErrorResponse longer than this is none of ours, and is not looked into.
const ERROR_LIMIT: usize = 4096;

/// What the relay does after passing on the prefix.
#[derive(Debug)]
pub enum Answer {
    /// Everything was passed: read more.
    Read,
    /// An incomplete message remains that must be seen whole: come back once the buffer holds this
    /// many bytes.
    Need(usize),
    /// Drop this many bytes.
    Drop(usize),
    /// Drop this many bytes and send these to the client instead.
    Replace(usize, Bytes),
    /// Write these fates, then pass this many bytes on.
    Fates(Vec<(EventId, Fate)>, usize),
    /// Send these bytes to the server, then pass this many bytes on to the client.
    Own(Bytes, usize),
    /// Drop this many bytes; the look that [`Gate::look`] sent has come to this. Then
    /// [`Gate::set_catalog`].
    Looked(Looked, usize),
    /// Send these bytes to the server, and drop this many.
    Send(Bytes, usize),
    /// Drop this many bytes, a ReadyForQuery: the session is idle, and its task leads elsewhere
    /// ([`Gate::astray`]).
    Move(usize),
    /// The session cannot go on.
    Fatal(Box<Denial>),
}

/// What [`Gate::backend`] gives.
#[derive(Debug)]
pub struct Answered {
    /// Length of the prefix of the buffer that goes to the client as it is.
    pub forward: usize,
    /// What to do after that.
    pub answer: Answer,
}

/// What to do with one message.
pub(super) enum Heard {
    Pass,
    Absorb,
    Replace(Bytes),
    Own(Bytes),
    Looked(Looked),
    Send(Bytes),
    Move,
    Fatal(Box<Denial>),
}

impl Gate {
    /// Follows the server's bytes. `buffer` begins where the last call's dealt-with bytes ended.
    pub fn backend(&mut self, buffer: &[u8], now: Instant) -> Answered {
        let mut at = 0;
        let answer = loop {
            let rest = &buffer[at..];
            if rest.is_empty() {
                break Answer::Read;
            }
            if self.backend_pass > 0 {
                let length = self.backend_pass.min(rest.len());
                self.backend_pass -= length;
                at += length;
                continue;
            }
            let header = match Header::from_backend(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break Answer::Need(frame::HEADER_LENGTH),
                Err(error) => break Answer::Fatal(Box::new(lost(error.to_string()))),
            };
            let length = header.message_length();
            let whole = rest.len() >= length;
            if !self.listens(header.kind) || (is_text(header.kind) && length > ERROR_LIMIT) {
                let long_error = header.kind == kind::ERROR_RESPONSE;
                let syncs = if long_error { self.error_came() } else { Bytes::new() };
                let here = length.min(rest.len());
                self.backend_pass = length - here;
                at += here;
                if !syncs.is_empty() {
                    break Answer::Own(syncs, 0);
                }
                continue;
            }
            if !whole {
                break Answer::Need(length);
            }
            let body = &rest[frame::HEADER_LENGTH..length];
            let heard = match header.kind {
                kind::NOTIFICATION_RESPONSE => self.notified(&rest[..length]),
                _ => self.hear(header.kind, body, now),
            };
            match heard {
                Heard::Pass if self.fates.is_empty() => at += length,
                Heard::Pass => break Answer::Fates(std::mem::take(&mut self.fates), length),
                Heard::Absorb => break Answer::Drop(length),
                Heard::Replace(bytes) => break Answer::Replace(length, bytes),
                Heard::Own(bytes) => break Answer::Own(bytes, length),
                Heard::Looked(looked) => break Answer::Looked(looked, length),
                Heard::Send(bytes) => break Answer::Send(bytes, length),
                Heard::Move => break Answer::Move(length),
                Heard::Fatal(denial) => break Answer::Fatal(denial),
            }
        };
        Answered { forward: at, answer }
    }

    /// A message of this kind settles something, or must not pass.
    #[inline]
    fn listens(&self, message: u8) -> bool {
        match message {
            kind::DATA_ROW | kind::COPY_DATA => self.absorbing(),
            // one about the proxy's own statements is nothing to the client
            kind::NOTICE_RESPONSE => self.absorbing(),
            kind::NOTIFICATION_RESPONSE => self.process.is_some(),
            kind::ROW_DESCRIPTION | kind::NO_DATA => {
                matches!(self.owed.front(), Some(Owed::Describe | Owed::Own(_)))
            }
            _ => true,
        }
    }

    fn own(&self) -> Option<Own> {
        match self.owed.front() {
            Some(Owed::Own(own)) => Some(*own),
            _ => None,
        }
    }

    fn undo_is_due(&self) -> bool {
        self.lookups.as_ref().is_some_and(|lookups| lookups.under_way.failed)
    }

    fn absorbing(&self) -> bool {
        matches!(self.owed.front(), Some(Owed::Own(_) | Owed::Check(_)))
    }

    fn hear(&mut self, message: u8, body: &[u8], now: Instant) -> Heard {
        match message {
            kind::PARAMETER_STATUS => return self.parameter_status(body),
            kind::READY_FOR_QUERY => return self.ready_for_query(body),
            // the server's last word is the client's, whatever it was asked
            kind::ERROR_RESPONSE if self.absorbing() && Fields::new(body).is_last() => {
                return Heard::Pass;
            }
            _ if matches!(self.owed.front(), Some(Owed::Question)) => return Heard::Pass,
            _ if let Some(heard) = self.answer_to_check(message, body) => return heard,
            _ if self.own().is_some() => return self.hear_own(message, body),
            kind::ERROR_RESPONSE => return self.error_response(body),
            kind::COMMAND_COMPLETE => self.command_complete(body, now),
            kind::EMPTY_QUERY_RESPONSE => self.finished_execute(),
            kind::PORTAL_SUSPENDED => self.portal_suspended(),
            kind::PARSE_COMPLETE => self.parse_complete(),
            kind::BIND_COMPLETE => self.bind_complete(),
            kind::CLOSE_COMPLETE => self.close_complete(),
            kind::ROW_DESCRIPTION | kind::NO_DATA => {
                self.pop();
            }
            kind::COPY_IN_RESPONSE => self.copy_in_response(),
            _ => {}
        }
        self.copy_answered();
        Heard::Pass
    }

    fn hear_own(&mut self, message: u8, body: &[u8]) -> Heard {
        let refused = match self.own() {
            Some(Own::Look { .. }) => {
                self.hear_look(message, body);
                return Heard::Absorb;
            }
            Some(Own::Inside) => return self.hear_inside(message, body),
            Some(Own::Token { closes }) if message == kind::CLOSE_COMPLETE => {
                self.pop();
                if closes > 1 {
                    let rest = Owed::Own(Own::Token { closes: closes - 1 });
                    self.owed.push_front(rest);
                }
                return Heard::Absorb;
            }
            // the client's pipeline fails with it
            Some(Own::Token { .. }) if message == kind::ERROR_RESPONSE => {
                return self.error_response(body);
            }
            Some(Own::SyncedToken | Own::Token { .. }) => {
                "the upstream refused the backstop's token"
            }
            Some(Own::Undo { .. })
                if message == kind::ERROR_RESPONSE
                    && self.undo_failed(Fields::new(body).code().unwrap_or_default()) =>
            {
                return Heard::Absorb;
            }
            Some(Own::Task) => {
                match message {
                    kind::DATA_ROW => return self.task_shown(body),
                    kind::ERROR_RESPONSE => self.task_not_put_back(),
                    _ => {}
                }
                return Heard::Absorb;
            }
            Some(Own::Aside) => "the upstream did not let a look stand outside the pipeline",
            Some(Own::Undo { .. }) => "the upstream did not take back a look at its catalog",
            _ => "the upstream refused to take the tags again",
        };
        match message {
            kind::ERROR_RESPONSE => Heard::Fatal(Box::new(lost(refused.to_owned()))),
            _ => Heard::Absorb,
        }
    }

    fn ready_for_query(&mut self, body: &[u8]) -> Heard {
        let Some(status) = body.first().copied().and_then(Status::from_byte) else {
            return Heard::Fatal(Box::new(lost("invalid ReadyForQuery".to_owned())));
        };
        let heard = match self.own() {
            // what failed in the look, or was undone, is nothing to the client's transaction
            Some(Own::Look { private }) => {
                self.pop();
                match self.end_look(private) {
                    Ok(looked) => Heard::Looked(looked),
                    Err(undo) => Heard::Send(undo),
                }
            }
            Some(Own::Undo { private }) if self.undo_is_due() => {
                self.pop();
                Heard::Send(self.undo_look(private))
            }
            Some(Own::Undo { private }) => {
                self.pop();
                Heard::Looked(Looked { results: None, private })
            }
            Some(Own::Restore | Own::Aside | Own::SyncedToken | Own::Token { .. } | Own::Task) => {
                self.settle_boundary(status);
                Heard::Absorb
            }
            Some(Own::Inside) | None => {
                let asked =
                    matches!(self.owed.front(), Some(Owed::Check(Check { synced: true, .. })));
                self.settle_boundary(status);
                match asked {
                    true => Heard::Absorb,
                    false if self.task.astray && self.is_idle() => Heard::Move,
                    false => Heard::Pass,
                }
            }
        };
        self.copy_answered();
        heard
    }

    fn error_response(&mut self, body: &[u8]) -> Heard {
        let fields = Fields::new(body);
        let replacement = match self.owed.front() {
            Some(Owed::RefusedQuery(refusal) | Owed::Refused(refusal)) => {
                let code = fields.code().unwrap_or_default();
                let message = fields.get(crate::protocol::error_response::field::MESSAGE);
                refusal.provoked(code, message.unwrap_or_default()).then(|| refusal.error().clone())
            }
            _ => None,
        };
        let syncs = self.error_came();
        match replacement {
            Some(error) => Heard::Replace(error),
            None if syncs.is_empty() => Heard::Pass,
            None => Heard::Own(syncs),
        }
    }
}

fn is_text(message: u8) -> bool {
    matches!(message, kind::ERROR_RESPONSE)
}

fn lost(message: String) -> Denial {
    Denial::new(
        crate::policy::Rule::UpstreamContradiction,
        format!("the upstream's answer cannot be followed: {message}"),
        "connect again; the proxy's log has more",
    )
}
