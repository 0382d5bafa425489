//! Making refusals of messages at the front.

use std::rc::Rc;

use super::frontend::{Message, NAMES_LIMIT};
use super::refusal::Form;
use super::text::Stop;
use super::{Decided, Fate, Gate, Next, Refusal};
use crate::policy::{Denial, Rule};
use crate::protocol::body;
use crate::protocol::frame::{self, Header, frontend as kind};
use crate::sql::Judgement;

impl Gate {
    /// What stops a text, as what becomes of its message.
    pub(super) fn stop(
        &mut self,
        length: usize,
        stop: Stop,
        form: Form,
        about: Option<(&[u8], Rc<Judgement>)>,
    ) -> Message {
        match stop {
            Stop::Wait => self.wait(length, form),
            Stop::Ask => self.ask(length, form),
            Stop::Block(denial) => self.refuse_message(length, *denial, form, about),
        }
    }

    pub(super) fn too_large(&mut self, header: Header, rest: &[u8]) -> Message {
        let form = match header.kind {
            kind::QUERY => Form::Query,
            _ => match body::cstring(&rest[frame::HEADER_LENGTH..]) {
                Some((name, _)) => Form::Parse(name.into()),
                None if rest.len() < NAMES_LIMIT.min(header.message_length()) => {
                    return Message::Stop(Next::Need(rest.len() + 1));
                }
                None => Form::Parse(Rc::from(&b""[..])),
            },
        };
        let denial = Denial::new(
            Rule::StatementTooLarge,
            format!("statement of {} bytes is longer than max_statement_bytes", header.length),
            format!(
                "raise [server] max_statement_bytes (now {}), or send the data as parameters or \
                 with COPY",
                self.limit
            ),
        );
        self.refuse_message(header.message_length(), denial, form, None)
    }

    pub(super) fn refuse_message(
        &mut self,
        length: usize,
        mut denial: Denial,
        form: Form,
        about: Option<(&[u8], Rc<Judgement>)>,
    ) -> Message {
        if let Some(why) = self.kept_by(&denial) {
            denial.reason = why.to_owned();
            denial.fault = None;
        }
        if let Some(class) = denial.class {
            self.tally.add(class, Decided::Blocked);
        }
        let recorded = self.cleared.take().unwrap_or_default();
        self.fates.extend(recorded.into_iter().map(|id| (id, Fate::Failed)));
        let text = about.and_then(|(text, judgement)| match text {
            b"" => judgement.text.clone(),
            text => Some(text.into()),
        });
        let in_transaction = self.in_transaction();
        let confirmed = self.state.parameters.confirmation.get().since.is_some();
        let refusal = Refusal::new(denial, form, length, text, in_transaction, confirmed);
        Message::Stop(Next::Refuse(Box::new(refusal)))
    }
}
