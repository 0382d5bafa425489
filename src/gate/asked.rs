//! The splitter's questions: which leg a statement belongs on, where only the catalog can tell; and
//! what a server has of a session that is to leave it.

use std::rc::Rc;

use super::frontend::Message;
use super::owed::Owed;
use super::{Gate, Judging, Next};
use crate::protocol::{body, frame};
use crate::session::Instant;
use crate::sql::Class;

impl Gate {
    /// The splitter asks the server something, beneath the law that the client is under: one string or
    /// pipeline, up to ReadyForQuery. [`Next::Ask`].
    pub(super) fn server_asked(&mut self, length: usize) -> Message {
        if !self.owed.is_empty() || self.open {
            return Message::Stop(Next::Wait);
        }
        self.owe_boundary(Owed::Question);
        Message::Stop(Next::Ask(length))
    }

    /// What the catalog says of a text that is not to be sent here: [`Next::Tell`].
    pub(super) fn class_asked(
        &mut self,
        judge: &mut impl Judging,
        message: &[u8],
        now: Instant,
    ) -> Message {
        let start = frame::HEADER_LENGTH;
        let text = body::query(&message[start..]).unwrap_or_default();
        let judgement = match self.judgement(judge, message, start..start + text.len()) {
            Ok(judgement) => judgement,
            Err(stop) => return stop,
        };
        // a plan belongs where its statement would run
        let run = judgement.as_run();
        let (planned, judgement) = (run.is_some(), run.map_or(judgement, Rc::new));
        if let Some(next) = self.look_at(&judgement, false, now) {
            return Message::Stop(next);
        }
        let (judgement, _) = self.as_analysed(judgement, None, now);
        let (known, before) = (self.known(&judgement, now), self.before());
        let class = |(index, statement)| {
            let resolved = self.resolved(known.as_deref(), index, statement, now, before, false);
            let class = resolved.class;
            if resolved.asks_writer { class.max(Class::Write) } else { class }
        };
        let strongest = judgement.statements.iter().enumerate().map(class).max();
        let class = strongest.unwrap_or(Class::Opaque).max(judgement.floor);
        // that it would write is enough to know of it
        let class = if planned { class.min(Class::Write) } else { class };
        self.judged = None;
        self.front_is_done();
        Message::Stop(Next::Tell(class, message.len()))
    }
}
