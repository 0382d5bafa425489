//! The client's messages: one at a time, each judged before it may go.

use std::ops::Range;
use std::rc::Rc;

use super::lookups::FIRST_NORMAL;
use super::owed::Owed;
use super::refusal::Form;
use super::text::Stop;
use super::{CopyIn, Fence, Gate, Judging, Next, Record, Refusal, Step, Undecided};
use crate::policy::{Admission, Denial, Rule, SplitLeg};
use crate::protocol::body;
use crate::protocol::frame::{self, Header, frontend as kind};
use crate::session::Instant;
use crate::sql::Judgement;

/// Names in a Bind are looked for in this many bytes.
pub(super) const NAMES_LIMIT: usize = 64 * 1024;

/// What a message may do.
pub(super) enum Message {
    /// It may go: this many bytes from its first on (perhaps more than are here yet).
    Admit(usize),
    /// Nothing more of the buffer may go now.
    Stop(Next),
}

impl Gate {
    /// Judges the client's bytes. `buffer` begins where the last call's permit and skips ended.
    ///
    /// The permit is the longest prefix that may go; [`Step::next`] says what stands behind it.
    pub fn frontend<'a>(
        &mut self,
        judge: &mut impl Judging,
        buffer: &'a [u8],
        now: Instant,
    ) -> Step<'a> {
        let mut admission = Admission::new(buffer);
        let next = loop {
            let rest = admission.rest();
            if rest.is_empty() {
                break Next::Read;
            }
            if self.frontend_pass > 0 {
                let length = self.frontend_pass.min(rest.len());
                self.frontend_pass -= length;
                admission.admit(length);
                continue;
            }
            if self.frontend_discard > 0 {
                let length = self.frontend_discard.min(rest.len());
                self.frontend_discard -= length;
                break Next::Skip(length);
            }
            let header = match Header::from_frontend(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break Next::Need(frame::HEADER_LENGTH),
                Err(error) => break malformed(error.to_string()),
            };
            if let Some(next) = self.held(header.kind, header.message_length()) {
                break next;
            }
            if matches!(header.kind, kind::QUERY | kind::PARSE | kind::BIND | kind::FUNCTION_CALL)
                && let Some(next) = self.first(header.kind, rest, now)
            {
                break next;
            }
            match self.message(judge, header, rest, now) {
                Message::Admit(length) => {
                    self.judged = None;
                    self.front_is_done();
                    let here = length.min(rest.len());
                    self.frontend_pass = length - here;
                    admission.admit(here);
                    self.unused_record();
                    if header.kind == kind::TERMINATE {
                        break Next::Terminate;
                    }
                }
                Message::Stop(next) => break next,
            }
        };
        Step { permit: admission.permit(), next }
    }

    /// The events that [`Next::Record`] asked for are written; `ids` are those of its `confirmed`.
    pub fn recorded(&mut self, ids: Vec<super::EventId>) {
        self.cleared = Some(ids);
    }

    /// The judgement that [`Next::Judge`] asked for.
    pub fn judged(&mut self, judgement: Judgement) {
        self.judged = Some(Rc::new(judgement));
    }

    /// The judgement of the text at `place` of the message at the front.
    pub(super) fn judgement(
        &self,
        judge: &mut impl Judging,
        message: &[u8],
        place: Range<usize>,
    ) -> Result<Rc<Judgement>, Message> {
        if let Some(judgement) = &self.judged {
            return Ok(Rc::clone(judgement));
        }
        let text = message.get(place.clone()).unwrap_or_default();
        judge.judge(text).ok_or(Message::Stop(Next::Judge(place)))
    }

    /// Events were written for a message that turned out not to run: an error before it came
    /// meanwhile. They are no other message's.
    pub(super) fn unused_record(&mut self) {
        if let Some(ids) = self.cleared.take() {
            self.fates.extend(ids.into_iter().map(|id| (id, super::Fate::Failed)));
        }
    }

    /// Why a message may not go now, whatever it is.
    fn held(&mut self, message: u8, length: usize) -> Option<Next> {
        if self.is_asking() {
            return Some(Next::Wait);
        }
        if self.copy == CopyIn::Awaited {
            // an Execute that turns out not to be COPY is answered behind a Flush only
            return Some(if self.open { self.flush_and_wait() } else { Next::Wait });
        }
        let Fence::Up { restore } = self.fence else { return None };
        if restore && self.has_failed() {
            return None; // nothing can be set before the transaction has ended, and little runs
        }
        match self.owed.back() {
            // what comes behind a Flush is in the transaction that has changed the task
            None if !self.open || self.skipping || restore => {
                self.fence = Fence::No;
                restore.then(|| Next::Own(self.restoring_query()))
            }
            Some(owed) if owed.is_boundary() => Some(Next::Wait),
            _ if [kind::CLOSE, kind::SYNC, kind::FLUSH, kind::TERMINATE].contains(&message) => None,
            _ => {
                let denial = Denial::new(
                    Rule::TaskChange,
                    "statement blocked: an earlier one of the pipeline changes what applies to it",
                    "send a Sync after SET authority.task, RESET ALL or DISCARD ALL",
                );
                let form = match message {
                    kind::QUERY => Form::Query,
                    kind::FUNCTION_CALL => Form::FunctionCall,
                    _ => Form::Other,
                };
                match self.refuse_message(length, denial, form, None) {
                    Message::Stop(next) => Some(next),
                    Message::Admit(_) => None,
                }
            }
        }
    }

    fn message(
        &mut self,
        judge: &mut impl Judging,
        header: Header,
        rest: &[u8],
        now: Instant,
    ) -> Message {
        let length = header.message_length();
        match header.kind {
            kind::QUERY | kind::PARSE if length > self.limit => self.too_large(header, rest),
            kind::BIND | kind::FUNCTION_CALL | kind::COPY_DATA => {
                // a Sync that is held back would come inside a message that goes in pieces
                if let CopyIn::Open { data_sent, .. } = &mut self.copy {
                    *data_sent = true;
                }
                match header.kind {
                    kind::BIND => self.bind(length, rest, now),
                    kind::FUNCTION_CALL => self.function_call(length, rest, now),
                    _ => Message::Admit(length),
                }
            }
            _ if rest.len() < length => Message::Stop(Next::Need(length)),
            kind::QUERY => self.query(judge, &rest[..length], now),
            kind::PARSE => self.parse(judge, &rest[..length], now),
            kind::EXECUTE => self.execute(&rest[..length], now),
            kind::DESCRIBE => self.describe(&rest[..length]),
            kind::CLOSE => self.close(&rest[..length]),
            kind::QUESTION if self.policy.split == Some(SplitLeg::Read) => {
                self.class_asked(judge, &rest[..length], now)
            }
            kind::ASK if self.policy.split.is_some() => self.server_asked(length),
            kind::SYNC => self.sync(length),
            kind::FLUSH => match self.copy {
                CopyIn::Open { .. } => Message::Stop(self.skip(length)),
                _ => Message::Admit(length),
            },
            kind::COPY_DONE | kind::COPY_FAIL => {
                self.end_copy();
                Message::Admit(length)
            }
            kind::TERMINATE => Message::Admit(length),
            other => Message::Stop(malformed(format!("invalid frontend message type {other}"))),
        }
    }

    pub(super) fn skip(&mut self, length: usize) -> Next {
        self.frontend_discard = 0;
        Next::Skip(length)
    }

    // -- simple protocol ----------------------------------------------------------------------

    fn query(&mut self, judge: &mut impl Judging, message: &[u8], now: Instant) -> Message {
        let Some(text) = body::query(&message[frame::HEADER_LENGTH..]) else {
            let denial = malformed_denial("Query");
            return self.refuse_message(message.len(), denial, Form::Query, None);
        };
        if self.replication && is_replication_command(text) {
            self.owe_boundary(Owed::PlainQuery { writes: false });
            return Message::Admit(message.len());
        }
        let start = frame::HEADER_LENGTH;
        let judgement = match self.judgement(judge, message, start..start + text.len()) {
            Ok(judgement) => judgement,
            Err(stop) => return stop,
        };
        if let Some(next) = self.look_for(&judgement, now) {
            return Message::Stop(next);
        }
        if let Some(next) = self.task_before(&judgement) {
            return Message::Stop(next);
        }
        let (judgement, plain) = self.as_analysed(judgement, None, now);
        if plain {
            let writes = self.runs_plain(&judgement, now);
            self.owe_boundary(Owed::PlainQuery { writes });
            return Message::Admit(message.len());
        }
        self.lapse(now);
        match self.decide(&judgement, true, now) {
            Err(Stop::Wait) => self.wait(message.len(), Form::Query),
            Err(Stop::Ask) => self.ask(message.len(), Form::Query),
            Err(Stop::Block(denial)) => {
                self.refuse_message(message.len(), *denial, Form::Query, Some((text, judgement)))
            }
            Ok(plan) => {
                if let Some(token) = self.token_due(&plan, text, now) {
                    return Message::Stop(Next::Own(token));
                }
                let ids = match (plan.needs_record(), self.cleared.take()) {
                    (true, None) => {
                        return Message::Stop(self.record(plan, text));
                    }
                    (_, ids) => ids.unwrap_or_default(),
                };
                self.count(plan.classes(&judgement), !ids.is_empty());
                if !self.skipping {
                    let run = self.begin_run(judgement, plan, false, ids);
                    self.owe_boundary(Owed::Query(run));
                }
                Message::Admit(message.len())
            }
        }
    }

    /// The message depends on answers to come. While the server takes COPY data none will: there a
    /// statement is out of place anyway, and its substitute shows what the server thinks of it.
    pub(super) fn wait(&mut self, length: usize, form: Form) -> Message {
        if !matches!(self.copy, CopyIn::Open { .. }) {
            return Message::Stop(Next::Wait);
        }
        let denial = malformed_denial("statement during COPY: an");
        self.refuse_message(length, denial, form, None)
    }

    /// The short path: nothing about this text depends on the session, and it may run.
    #[inline]
    pub(super) fn is_plain(&self, judgement: &Judgement, now: Instant) -> bool {
        judgement.plain
            && self.policy.always_allows(judgement.strongest)
            && (!judgement.lexing.backslash && !judgement.lexing.high_bytes
                || self.lexing(judgement.lexing).is_none())
            && self.is_plain_known(judgement, now)
            && !self.may_run_left(judgement, now)
            && (!judgement.lexing.high_bytes || self.reads_names_as_written(judgement))
    }

    pub(super) fn record(&self, plan: super::plan::Plan, text: &[u8]) -> Next {
        Next::Record(Box::new(Record {
            confirms: plan.confirms,
            confirmed: plan.confirmed,
            confirming: plan.confirming,
            text: text.into(),
            in_transaction: self.in_transaction(),
        }))
    }

    // -- fastpath -----------------------------------------------------------------------------

    fn function_call(&mut self, length: usize, rest: &[u8], now: Instant) -> Message {
        let Some(oid) = rest.get(frame::HEADER_LENGTH..frame::HEADER_LENGTH + 4) else {
            if rest.len() < length {
                return Message::Stop(Next::Need(frame::HEADER_LENGTH + 4));
            }
            let denial = malformed_denial("FunctionCall");
            return self.refuse_message(length, denial, Form::FunctionCall, None);
        };
        let oid = oid.iter().fold(0u32, |oid, byte| oid << 8 | u32::from(*byte));
        if oid >= FIRST_NORMAL
            && let Some(next) = self.look_for_own(true, now)
        {
            return Message::Stop(next);
        }
        let mut judgement = Judgement::function_call(oid);
        if let Some(resolved) = self.resolved_routine(oid, now) {
            judgement.strengthen(&resolved);
        }
        let judgement = Rc::new(judgement);
        match self.decide(&judgement, true, now) {
            Err(Stop::Wait) => self.wait(length, Form::FunctionCall),
            Err(Stop::Ask) => self.ask(length, Form::FunctionCall),
            Err(Stop::Block(denial)) => {
                let about = Some((&b""[..], judgement));
                self.refuse_message(length, *denial, Form::FunctionCall, about)
            }
            Ok(plan) => {
                let ids = match (plan.needs_record(), self.cleared.take()) {
                    (true, None) => {
                        return Message::Stop(self.record(plan, b""));
                    }
                    (_, ids) => ids.unwrap_or_default(),
                };
                self.count(plan.classes(&judgement), !ids.is_empty());
                if !self.skipping {
                    // no CommandComplete will tell that it is done: ReadyForQuery decides
                    let depth = self.state.depth();
                    self.undecided.extend(ids.iter().map(|id| Undecided { id: *id, depth }));
                    self.begin_run(judgement, plan, false, Vec::new());
                    self.owe_boundary(Owed::FunctionCall);
                }
                Message::Admit(length)
            }
        }
    }

    // -- what is owed -------------------------------------------------------------------------

    pub(super) fn owe(&mut self, owed: Owed) {
        self.stirring += u32::from(owed.stirs());
        self.doubt_task_behind(&owed);
        self.open = true;
        self.ran |= matches!(owed, Owed::PlainExecute { .. } | Owed::Execute(_));
        self.acted |= owed.acts();
        self.bound |= matches!(owed, Owed::Bind(_));
        self.flushed = false;
        self.owed.push_back(owed);
    }

    /// A message that ReadyForQuery answers, unless the server is skipping to a Sync.
    pub(super) fn owe_boundary(&mut self, owed: Owed) {
        if self.skipping {
            return;
        }
        self.owe(owed);
        self.foreseen = None;
        self.boundaries += 1;
        self.batch += 1;
        self.open = false;
        (self.ran, self.acted, self.bound) = (false, false, false);
        self.stirred = false;
    }

    /// A substitute's answer.
    pub(super) fn owe_refused(&mut self, refusal: Box<Refusal>, boundary: bool) {
        if boundary {
            self.owe_boundary(Owed::RefusedQuery(refusal));
        } else if !self.skipping {
            self.owe(Owed::Refused(refusal));
        }
    }
}

pub(super) fn malformed_denial(message: &str) -> Denial {
    Denial::new(
        Rule::ProtocolMalformed,
        format!("invalid {message} message"),
        "the driver sent a message that does not have the form the protocol gives it",
    )
}

fn malformed(message: String) -> Next {
    Next::Fatal(Box::new(Denial::new(
        Rule::ProtocolMalformed,
        message,
        "the driver does not speak PostgreSQL's protocol 3 here",
    )))
}

/// A command of the replication grammar, on a replication connection (manual, "Streaming
/// Replication Protocol"). Everything else is judged as SQL.
fn is_replication_command(text: &[u8]) -> bool {
    const COMMANDS: [&str; 11] = [
        "IDENTIFY_SYSTEM",
        "SHOW",
        "TIMELINE_HISTORY",
        "CREATE_REPLICATION_SLOT",
        "ALTER_REPLICATION_SLOT",
        "READ_REPLICATION_SLOT",
        "START_REPLICATION",
        "DROP_REPLICATION_SLOT",
        "BASE_BACKUP",
        "UPLOAD_MANIFEST",
        "START_REPLICATION_SLOT",
    ];
    let word: Vec<u8> = text
        .iter()
        .skip_while(|byte| byte.is_ascii_whitespace())
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .map(u8::to_ascii_uppercase)
        .collect();
    COMMANDS.iter().any(|command| command.as_bytes() == word) && !text.contains(&b';')
}
