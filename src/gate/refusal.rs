//! Refusing a message: the substitute that fails on the server in its place, and the error that
//! the client gets (contract §5).

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Gate;
use crate::policy::{Denial, Rule};
use crate::protocol::{ErrorResponse, frame, message};
use crate::session::{Block, Lookup};

/// The form of the message that is refused, and so of its substitute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Query: substituted by a Query.
    Query,
    /// A Parse: by a Parse under the same name.
    Parse(Rc<[u8]>),
    /// A Bind, Execute, Describe or Close: by a Parse under a fresh name.
    Other,
    /// A FunctionCall: by one of OID 0.
    FunctionCall,
}

/// A message that is being refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub denial: Denial,
    /// Its form.
    pub form: Form,
    /// The text it carries or stands for.
    pub text: Option<Arc<[u8]>>,
    /// A transaction block is open.
    pub in_transaction: bool,
    /// The session has confirmed.
    pub confirmed: bool,
    length: usize,
    nonce: Box<str>,
    error: Bytes,
}

/// How a refused message is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// By the proxy, at once: these bytes go to the client.
    Answer(Bytes),
    /// By the server: these bytes go to it instead of the message.
    Substitute(Bytes),
}

impl Refusal {
    pub(super) fn new(
        denial: Denial,
        form: Form,
        length: usize,
        text: Option<Arc<[u8]>>,
        in_transaction: bool,
        confirmed: bool,
    ) -> Self {
        Refusal {
            denial,
            form,
            text,
            in_transaction,
            confirmed,
            length,
            nonce: "".into(),
            error: Bytes::new(),
        }
    }

    /// The position of the offending statement, or of what PostgreSQL's parser did not take, in characters from 1 (manual, "Error and Notice
    /// Message Fields"). `utf8`: whether characters are those of UTF-8; bytes otherwise.
    pub fn position(&self, utf8: bool) -> Option<u32> {
        if !matches!(self.form, Form::Query | Form::Parse(_)) {
            return None;
        }
        let (text, location) = (self.text.as_ref()?, self.denial.points_at()? as usize);
        let before = text.get(..location)?;
        let characters = if utf8 {
            before.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
        } else {
            before.len()
        };
        u32::try_from(characters + 1).ok()
    }

    /// The server's error is the one that our substitute provokes: it carries the nonce, and the
    /// SQLSTATE is that of an unknown column (or, for a FunctionCall, function).
    pub(super) fn provoked(&self, code: &[u8], message: &[u8]) -> bool {
        match self.form {
            Form::FunctionCall => code == b"42883",
            _ => code == b"42703" && memchr::memmem::find(message, self.nonce.as_bytes()).is_some(),
        }
    }

    /// The error that the client gets instead.
    pub(super) fn error(&self) -> &Bytes {
        &self.error
    }
}

impl Gate {
    /// The message at the front is refused (and recorded as event `id`, written `id_text`): what
    /// goes where instead. Its bytes are skipped by the following calls of [`Gate::frontend`].
    pub fn refuse(&mut self, mut refusal: Box<Refusal>, id_text: &str) -> Refused {
        self.frontend_discard = refusal.length;
        self.judged = None;
        self.front_is_done();
        refusal.error = self.error_for(&refusal, id_text);
        // a Query drops the unnamed statement, refused or not
        let unnamed = self.statements.look_up(b"", self.batch) != Lookup::Unknown;
        let answerable = refusal.form == Form::Query
            && !unnamed
            && self.owed.is_empty()
            && !self.open
            && !self.skipping
            && self.state.block() == Block::None;
        if answerable {
            let mut answer = BytesMut::from(&refusal.error[..]);
            message::ready_for_query(&mut answer, b'I');
            return Refused::Answer(answer.freeze());
        }
        self.refusals += 1;
        refusal.nonce = format!("{}{:x}", self.nonce, self.refusals).into();
        let substitute = substitute(&refusal.form, &refusal.nonce);
        let boundary = matches!(refusal.form, Form::Query | Form::FunctionCall);
        self.owe_refused(refusal, boundary);
        Refused::Substitute(substitute)
    }

    /// DETAIL: everything that was in force, in one line that can be searched for.
    pub fn detail(&self, denial: &Denial, id_text: &str) -> String {
        let policy = &self.policy;
        let mut detail = format!("rule {}", denial.rule.id());
        if let Some(class) = denial.class {
            detail += &format!(", class {class}");
        }
        detail += &format!(
            ", upstream {}, authority {}, role {}, env {}",
            policy.upstream,
            policy.declaration.authority,
            policy.declaration.role,
            policy.declaration.environment
        );
        if let Some(task) = self.state.parameters.task.get() {
            detail += &format!(", task {task}");
        }
        detail += &format!(", event {id_text}");
        if !denial.reason.is_empty() {
            detail += &format!("; {}", denial.told());
        }
        detail
    }

    fn error_for(&self, refusal: &Refusal, id_text: &str) -> Bytes {
        let denial = &refusal.denial;
        let utf8 = self.reports.client_encoding == super::Encoding::Utf8;
        let mut detail = self.detail(denial, id_text);
        if denial.fault.is_some() && !utf8 {
            // what is quoted of the text was read as UTF-8
            detail = detail.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        }
        let mut error = ErrorResponse::error(denial.sqlstate(), denial.message.clone())
            .with_detail(detail)
            .with_hint(denial.full_hint());
        if let Some(position) = refusal.position(utf8) {
            error = error.with_position(position);
        }
        error.to_bytes().freeze()
    }

    /// The event for a refused message could not be written: the statement stays refused, and the
    /// same goes for one that needed an event to run.
    pub fn audit_failed(&mut self, what: &str) -> Denial {
        Denial::new(
            Rule::AuditUnavailable,
            format!("{what} blocked: the audit log cannot be written"),
            "the proxy's operator must see to the audit log; nothing that needs an event runs \
             until then",
        )
    }

    /// As [`Gate::refuse`], for a message that may run but whose event could not be written.
    /// `length` is that of the message at the front, `form` its form.
    pub fn refuse_unrecorded(&mut self, buffer: &[u8]) -> Option<Box<Refusal>> {
        let header = frame::Header::from_frontend(buffer).ok()??;
        let length = header.message_length();
        let body = buffer.get(frame::HEADER_LENGTH..length.min(buffer.len()))?;
        let form = match header.kind {
            frame::frontend::QUERY => Form::Query,
            frame::frontend::FUNCTION_CALL => Form::FunctionCall,
            frame::frontend::PARSE => Form::Parse(crate::protocol::body::cstring(body)?.0.into()),
            _ => Form::Other,
        };
        let denial = self.audit_failed("statement");
        let confirmed = self.state.parameters.confirmation.get().since.is_some();
        let in_transaction = self.in_transaction();
        Some(Box::new(Refusal::new(denial, form, length, None, in_transaction, confirmed)))
    }
}

/// A message that fails in analysis only, so that a failed transaction still says 25P02 and a
/// failed pipeline still skips it.
fn substitute(form: &Form, nonce: &str) -> Bytes {
    let text = format!("SELECT \"pgauthority {nonce}\"");
    let mut out = BytesMut::with_capacity(128);
    match form {
        Form::Query => message::frame(&mut out, frame::frontend::QUERY, |body| {
            message::put_cstring(body, text.as_bytes());
        }),
        Form::Parse(name) => parse(&mut out, name, &text),
        Form::Other => parse(&mut out, format!("pgauthority {nonce}").as_bytes(), &text),
        Form::FunctionCall => message::frame(&mut out, frame::frontend::FUNCTION_CALL, |body| {
            // OID 0, no argument formats, no arguments, result in text
            body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }),
    }
    out.freeze()
}

fn parse(out: &mut BytesMut, name: &[u8], text: &str) {
    message::frame(out, frame::frontend::PARSE, |body| {
        message::put_cstring(body, name);
        message::put_cstring(body, text.as_bytes());
        body.extend_from_slice(&[0, 0]);
    });
}
