//! A server as the gate sees one: the protocol's states, names, what is answered when. Whether a
//! statement succeeds, the fuzzer says.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::{BufMut, BytesMut};
use pgauthority::contract::Role;
use pgauthority::protocol::message::{frame, put_cstring};
use pgauthority::protocol::{HEADER_LENGTH, backend, frontend};
use pgauthority::sql::{Judgement, Statement, judge};

use super::script::Choices;
use super::transaction::Transaction;

/// Who wrote a message that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The client, and it was let through.
    Client,
    /// The proxy, in place of a refused message.
    Substitute,
    /// The proxy, for itself; `synced`: with a Sync behind it.
    Own {
        /// See above.
        synced: bool,
    },
}

/// What the client must get, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This message.
    Message(Vec<u8>),
    /// The proxy's error, in place of the one that its substitute provoked.
    Refusal,
}

#[derive(Clone)]
struct Portal {
    judgement: Rc<Judgement>,
    done: bool,
}

/// COPY FROM STDIN under way, and what of its string comes behind it.
struct Copying {
    string: Option<(Rc<Judgement>, usize)>,
    by: By,
}

pub struct Server {
    transaction: Transaction,
    skipping: bool,
    copying: Option<Copying>,
    statements: BTreeMap<Vec<u8>, Rc<Judgement>>,
    portals: BTreeMap<Vec<u8>, Portal>,
    /// The text of the last substitute, which its error quotes.
    substitute: Vec<u8>,
    /// Written, and so much of it sent.
    pub out: Vec<u8>,
    pub flushed: usize,
    pub expected: Vec<Expected>,
    /// The session is over: a message came that ends it.
    pub dead: bool,
}

type Failed = &'static str;

impl Server {
    pub fn new(role: Role, confirmed: bool) -> Self {
        Server {
            transaction: Transaction::new(role, confirmed),
            skipping: false,
            copying: None,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            substitute: Vec::new(),
            out: Vec::new(),
            flushed: 0,
            expected: Vec::new(),
            dead: false,
        }
    }

    pub fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    /// Whether a transaction block is open.
    pub fn is_in_block(&self) -> bool {
        self.transaction.explicit
    }

    // -- what arrives ---------------------------------------------------------------------------

    pub fn receive(&mut self, message: &[u8], by: By, choices: &mut Choices<'_>) {
        let (kind, body) = (message[0], &message[HEADER_LENGTH..]);
        if self.copying.is_some() {
            return self.receive_copy(kind, choices);
        }
        if self.skipping && kind != frontend::SYNC {
            return;
        }
        let done = match kind {
            frontend::QUERY => {
                self.statements.remove(&b""[..]);
                let judgement = Rc::new(judged(text(body, 0)));
                self.note_substitute(by, text(body, 0));
                return self.string(judgement, 0, by, choices);
            }
            frontend::PARSE => self.parse(body, by, choices),
            frontend::BIND => self.bind(body, by, choices),
            frontend::EXECUTE => self.execute(body, by, choices),
            frontend::DESCRIBE => self.describe(body, by),
            frontend::CLOSE => {
                if body[0] == b'S' {
                    self.statements.remove(text(body, 1));
                } else {
                    self.portals.remove(text(body, 1));
                }
                self.say(by, backend::CLOSE_COMPLETE, b"");
                Ok(())
            }
            frontend::SYNC => {
                self.skipping = false;
                return self.ready(by);
            }
            frontend::FLUSH => {
                self.flushed = self.out.len();
                return;
            }
            frontend::FUNCTION_CALL => return self.function_call(by, choices),
            frontend::TERMINATE => return self.dead = true,
            _ => return, // what belongs to a COPY that is over
        };
        if let Err(failed) = done {
            self.fail(by, failed);
            self.skipping = true;
        }
    }

    fn receive_copy(&mut self, kind: u8, choices: &mut Choices<'_>) {
        if !matches!(kind, b'c' | b'f' | b'd' | b'H' | b'S') {
            self.dead = true;
        }
        let breaks = kind == frontend::COPY_DATA && choices.once_in(8);
        if !matches!(kind, frontend::COPY_DONE | frontend::COPY_FAIL) && !breaks {
            return;
        }
        let Some(copying) = self.copying.take() else { return };
        let failed = breaks || kind == frontend::COPY_FAIL || choices.once_in(8);
        match (copying.string, failed) {
            (Some(_), true) => {
                self.fail(copying.by, "57014");
                self.ready(copying.by);
            }
            (None, true) => {
                self.fail(copying.by, "57014");
                self.skipping = true;
            }
            (string, false) => {
                self.say(copying.by, backend::COMMAND_COMPLETE, b"COPY 0\0");
                self.transaction.code_runs(choices);
                if let Some((judgement, at)) = string {
                    self.string(judgement, at, copying.by, choices);
                }
            }
        }
    }

    fn string(&mut self, judgement: Rc<Judgement>, from: usize, by: By, choices: &mut Choices<'_>) {
        if judgement.statements.is_empty() {
            self.say(by, backend::EMPTY_QUERY_RESPONSE, b"");
        }
        let count = judgement.statements.len();
        for (at, statement) in judgement.statements.iter().enumerate().skip(from) {
            match self.run(statement, by, count > 1, choices) {
                Ok(_) if statement.copy_in => {
                    return self.copy_in(Some((Rc::clone(&judgement), at + 1)), by);
                }
                Ok(tag) => self.complete(by, statement, &tag),
                Err(failed) => {
                    self.fail(by, failed);
                    break;
                }
            }
        }
        self.ready(by);
    }

    fn parse(&mut self, body: &[u8], by: By, choices: &mut Choices<'_>) -> Result<(), Failed> {
        let name = text(body, 0).to_vec();
        let judgement = judged(text(body, name.len() + 1));
        if name.is_empty() {
            self.statements.remove(&name);
        }
        self.note_substitute(by, text(body, name.len() + 1));
        self.transaction.allowed(judgement.statements.first())?;
        let readable = !judgement.statements.iter().any(Statement::is_unreadable);
        if !readable || judgement.statements.len() > 1 || self.statements.contains_key(&name) {
            return Err("42601");
        }
        self.chance(by, choices)?;
        self.statements.insert(name, Rc::new(judgement));
        self.say(by, backend::PARSE_COMPLETE, b"");
        Ok(())
    }

    fn bind(&mut self, body: &[u8], by: By, choices: &mut Choices<'_>) -> Result<(), Failed> {
        let portal = text(body, 0).to_vec();
        let judgement = self.statements.get(text(body, portal.len() + 1)).ok_or("26000")?.clone();
        self.transaction.allowed(judgement.statements.first())?;
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err("42P03");
        }
        self.chance(by, choices)?;
        self.transaction.begin();
        self.portals.insert(portal, Portal { judgement, done: false });
        self.say(by, backend::BIND_COMPLETE, b"");
        Ok(())
    }

    fn execute(&mut self, body: &[u8], by: By, choices: &mut Choices<'_>) -> Result<(), Failed> {
        let name = text(body, 0).to_vec();
        let portal = self.portals.get(&name).ok_or("34000")?.clone();
        let Some(statement) = portal.judgement.statements.first() else {
            self.say(by, backend::EMPTY_QUERY_RESPONSE, b"");
            return Ok(());
        };
        if portal.done {
            self.transaction.allowed(Some(statement))?;
            has_rows(statement).then_some(()).ok_or("55000")?;
            self.say(by, backend::COMMAND_COMPLETE, b"SELECT 0\0");
            return Ok(());
        }
        let tag = self.run(statement, by, false, choices)?;
        if let Some(portal) = self.portals.get_mut(&name) {
            portal.done = true;
        }
        if statement.copy_in {
            self.copy_in(None, by);
        } else {
            self.complete(by, statement, &tag);
        }
        Ok(())
    }

    fn describe(&mut self, body: &[u8], by: By) -> Result<(), Failed> {
        let name = text(body, 1);
        let judgement = if body[0] == b'S' {
            self.statements.get(name)
        } else {
            self.portals.get(name).map(|portal| &portal.judgement)
        };
        let rows = judgement.ok_or("26000")?.statements.first().is_some_and(has_rows);
        if body[0] == b'S' {
            self.say(by, backend::PARAMETER_DESCRIPTION, &[0, 0]);
        }
        match rows {
            true => self.say(by, backend::ROW_DESCRIPTION, &[0, 0]),
            false => self.say(by, backend::NO_DATA, b""),
        }
        Ok(())
    }

    fn function_call(&mut self, by: By, choices: &mut Choices<'_>) {
        self.transaction.begin();
        let allowed = self.transaction.allowed(None);
        let done = match by {
            By::Substitute => allowed.and(Err("42883")),
            _ => allowed.and_then(|()| self.chance(by, choices)),
        };
        match done {
            Ok(()) => {
                self.transaction.code_runs(choices);
                self.say(by, backend::FUNCTION_CALL_RESPONSE, &[255; 4]);
            }
            Err(failed) => self.fail(by, failed),
        }
        self.ready(by);
    }

    // -- what is said ---------------------------------------------------------------------------

    fn say(&mut self, by: By, kind: u8, body: &[u8]) {
        let mut message = BytesMut::new();
        frame(&mut message, kind, |out| out.put_slice(body));
        self.out.extend_from_slice(&message);
        let refusal = by == By::Substitute
            && kind == backend::ERROR_RESPONSE
            && [&b"C42703"[..], b"C42883"].iter().any(|code| body.windows(6).any(|at| at == *code));
        let own = match by {
            By::Own { synced } => synced || kind != backend::ERROR_RESPONSE,
            By::Client | By::Substitute => false,
        };
        if refusal {
            self.expected.push(Expected::Refusal);
        } else if !own {
            self.expected.push(Expected::Message(message.to_vec()));
        }
        // PostgreSQL flushes behind these three
        if matches!(
            kind,
            backend::READY_FOR_QUERY | backend::COPY_IN_RESPONSE | backend::ERROR_RESPONSE
        ) {
            self.flushed = self.out.len();
        }
    }

    fn complete(&mut self, by: By, statement: &Statement, tag: &str) {
        if has_rows(statement) {
            let shown = if self.transaction.is_confirmed() { "true" } else { "off" };
            let mut row = BytesMut::new();
            row.put_u16(1);
            row.put_u32(shown.len() as u32);
            row.put_slice(shown.as_bytes());
            self.say(by, backend::DATA_ROW, &row);
        }
        let mut body = BytesMut::new();
        put_cstring(&mut body, tag.as_bytes());
        self.say(by, backend::COMMAND_COMPLETE, &body);
    }

    fn copy_in(&mut self, string: Option<(Rc<Judgement>, usize)>, by: By) {
        self.say(by, backend::COPY_IN_RESPONSE, &[0, 0, 0]);
        self.copying = Some(Copying { string, by });
    }

    fn fail(&mut self, by: By, sqlstate: &str) {
        if self.transaction.fail() {
            self.portals.clear();
        }
        let what = match by {
            By::Substitute => String::from_utf8_lossy(&self.substitute).into_owned(),
            _ => "no".to_owned(),
        };
        let body = format!("SERROR\0C{sqlstate}\0M{what}\0\0");
        self.say(by, backend::ERROR_RESPONSE, body.as_bytes());
    }

    fn ready(&mut self, by: By) {
        let status = self.transaction.ready();
        if status == b'I' {
            self.portals.clear();
        }
        self.say(by, backend::READY_FOR_QUERY, &[status]);
    }

    // -- statements -----------------------------------------------------------------------------

    /// A substitute always fails in analysis; what the proxy asks for itself never fails there.
    fn chance(&self, by: By, choices: &mut Choices<'_>) -> Result<(), Failed> {
        match by {
            By::Substitute => Err("42703"),
            By::Client if choices.once_in(16) => Err("22012"),
            By::Client | By::Own { .. } => Ok(()),
        }
    }

    fn note_substitute(&mut self, by: By, text: &[u8]) {
        if by == By::Substitute {
            self.substitute = text.to_vec();
        }
    }

    fn run(
        &mut self,
        statement: &Statement,
        by: By,
        in_string: bool,
        choices: &mut Choices<'_>,
    ) -> Result<String, Failed> {
        self.transaction.allowed(Some(statement))?;
        self.chance(by, choices)?;
        let ran = self.transaction.run(statement, in_string, choices)?;
        if ran.ended {
            self.portals.clear();
        }
        if ran.forgets {
            self.statements.clear();
        }
        Ok(ran.tag)
    }
}

fn judged(text: &[u8]) -> Judgement {
    judge(text, &["alembic_version".to_owned()].into())
}

/// The text that begins at `at` of a body.
fn text(body: &[u8], at: usize) -> &[u8] {
    let rest = body.get(at..).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn has_rows(statement: &Statement) -> bool {
    matches!(statement.tag, "SELECT" | "SHOW" | "FETCH" | "EXPLAIN")
}
