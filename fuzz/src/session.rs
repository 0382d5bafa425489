//! The gate between a scripted client and a server that keeps to the protocol.
//!
//! What must hold: the client gets every answer once and in order, byte for byte where nothing was
//! refused; only text that was judged is sent; nothing runs that may not; nobody waits for what
//! will not come; and once everything is answered nothing is owed.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use pgauthority::contract::{Authority, Declaration, Environment, Role};
use pgauthority::gate::{Answer, Asked, Beginning, Gate, Judging, Look, Next, Refusal, Refused};
use pgauthority::policy::Policy;
use pgauthority::protocol::message::frame;
use pgauthority::protocol::{HEADER_LENGTH, backend, frontend};
use pgauthority::session::{Instant, Parameters};
use pgauthority::sql::catalog::Path;
use pgauthority::sql::{Judge, Judgement, judge};

use super::script::{self, Choices};
use super::server::{By, Expected, Server};

const NOW: Instant = Instant::from_secs(1);

/// Plays the script that `data` stands for.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut session = Session::new(&mut choices);
    let mut steps = 0;
    while !choices.is_over() && !session.is_over() && steps < 200 {
        steps += 1;
        session.step(&mut choices);
    }
    session.come_to_rest(&mut choices);
}

/// Judges as in life, notes every text, and now and then leaves one to others.
pub struct Noting {
    judge: Judge,
    pub judged: HashSet<Box<[u8]>>,
}

impl Noting {
    pub fn new() -> Self {
        let tables = Arc::new(["alembic_version".to_owned()].into());
        Noting { judge: Judge::new(tables, 1 << 16), judged: HashSet::new() }
    }
}

impl Judging for Noting {
    fn judge(&mut self, text: &[u8]) -> Option<Rc<Judgement>> {
        self.judged.insert(text.into());
        (text.len() % 7 != 6).then(|| self.judge.judge(text))
    }
}

/// A gate as the fuzzer's first bytes want it.
pub fn gate(choices: &mut Choices<'_>) -> (Gate, Role, bool) {
    let role = choices.of(&[Role::Prod, Role::Prod, Role::Replica, Role::Staging]);
    let confirmed = choices.once_in(4);
    let lookups = choices.once_in(3);
    let environment = Environment::ProdLike;
    let declaration = Declaration { authority: Authority::Neon, role, environment };
    let policy = Policy { set_by_statement: choices.once_in(4), ..Policy::new("u", declaration) };
    let gate = Gate::new(Beginning {
        policy,
        parameters: Parameters::new(confirmed.then_some(NOW), None, None),
        reports: Vec::new(),
        search_path_doubtful: false,
        signer: None,
        lookups: lookups.then_some(Asked { path: Path::Unknown, backstop: false }),
        replication: false,
        nonce: "feed".into(),
        max_statement_bytes: 4096,
    });
    (gate, role, confirmed)
}

/// What the client's side waits for.
#[derive(Debug, PartialEq, Eq)]
enum Hold {
    No,
    Answers,
    Grow(usize),
}

struct Session {
    gate: Gate,
    judge: Noting,
    server: Server,
    /// Sent by the client and not dealt with, and what of it has not even arrived.
    held: Vec<u8>,
    late: Vec<u8>,
    hold: Hold,
    /// On its way to the server, whole messages; and the beginning of one.
    upstream: VecDeque<(Vec<u8>, By)>,
    partial: Vec<u8>,
    /// From the server and not dealt with; so much of what it flushed has arrived.
    answers: Vec<u8>,
    arrived: usize,
    to_client: Vec<u8>,
    messages: usize,
    ended: bool,
    /// `FUZZ_TRACE` is set: what happens is told.
    trace: bool,
}

impl Session {
    fn new(choices: &mut Choices<'_>) -> Self {
        let (gate, role, confirmed) = gate(choices);
        Session {
            gate,
            judge: Noting::new(),
            server: Server::new(role, confirmed),
            held: Vec::new(),
            late: Vec::new(),
            hold: Hold::No,
            upstream: VecDeque::new(),
            partial: Vec::new(),
            answers: Vec::new(),
            arrived: 0,
            to_client: Vec::new(),
            messages: 0,
            ended: false,
            trace: std::env::var_os("FUZZ_TRACE").is_some(),
        }
    }

    fn tell(&self, who: &str, bytes: &[u8]) {
        if self.trace {
            for message in messages(bytes) {
                eprintln!("{who} {}", show(message).escape_debug());
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended || self.server.dead
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0..=3 => {
                let mut bytes = BytesMut::new();
                let copying = self.server.is_copying() && !choices.once_in(16);
                script::client(choices, copying, &mut bytes);
                self.late.extend_from_slice(&bytes);
                let kept = if choices.once_in(4) { choices.below(20) } else { 0 };
                self.client_arrives(self.late.len().saturating_sub(kept), choices);
            }
            4 => {
                let count = choices.below(4) + 1;
                self.serve(count, choices);
            }
            5 => {
                let waiting = self.server.flushed - self.arrived;
                let length = choices.below(64).min(waiting);
                self.answers_arrive(length, choices);
            }
            _ => {
                self.serve(usize::MAX, choices);
                self.answers_arrive(self.server.flushed - self.arrived, choices);
            }
        }
    }

    // -- client to server -----------------------------------------------------------------------

    fn client_arrives(&mut self, length: usize, choices: &mut Choices<'_>) {
        self.tell("client", &self.late[..length]);
        self.held.extend(self.late.drain(..length));
        self.go_on(choices);
    }

    fn go_on(&mut self, choices: &mut Choices<'_>) {
        match self.hold {
            Hold::Answers => return,
            Hold::Grow(needed) if self.held.len() < needed => return,
            _ => self.hold = Hold::No,
        }
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        let mut rounds = 0;
        while at < held.len() && self.hold == Hold::No && !self.is_over() {
            rounds += 1;
            assert!(rounds < 10_000, "the gate goes round in circles");
            at += self.judge_some(&held[at..], choices);
        }
        self.held = held[at..].to_vec();
    }

    /// One answer of the gate to the client's bytes; gives how many were dealt with.
    fn judge_some(&mut self, rest: &[u8], choices: &mut Choices<'_>) -> usize {
        let step = self.gate.frontend(&mut self.judge, rest, NOW);
        let permit = step.permit.bytes();
        assert!(permit.is_empty() || permit.as_ptr() == rest.as_ptr(), "other bytes are sent");
        let next = step.next;
        if self.trace && !matches!(next, Next::Read) {
            eprintln!("gate   {next:?} ({} owed)", self.gate.outstanding());
        }
        self.send(permit);
        let mut at = permit.len();
        let rest = &rest[at..];
        match next {
            Next::Read => assert!(rest.is_empty()),
            Next::Need(length) => {
                assert!(length > rest.len(), "it has all that it needs");
                self.hold = Hold::Grow(length);
            }
            Next::Wait => self.hold = Hold::Answers,
            Next::Skip(length) => {
                assert!(0 < length && length <= rest.len());
                at += length;
            }
            Next::Judge(place) => {
                let tables = ["alembic_version".to_owned()].into();
                self.gate.judged(judge(&rest[place], &tables));
            }
            Next::Bodies(unread) => unread.read(),
            Next::Catalog { private } if choices.below(2) == 0 => {
                self.gate.set_catalog(fresh(), private);
            }
            Next::Catalog { .. } => {
                let bytes = self.gate.look(&["SELECT 1"]);
                self.send_own(&bytes);
                self.hold = Hold::Answers;
            }
            Next::Tell(..) | Next::Ask(_) | Next::Move => panic!("nobody has asked for that"),
            Next::Own(bytes) => self.send_own(&bytes),
            Next::Record(record) => {
                if choices.once_in(8) {
                    let refusal = self.gate.refuse_unrecorded(rest).expect("a whole header");
                    self.refuse(refusal, rest[0]);
                } else {
                    self.gate.recorded((1..=record.confirmed.len() as u128).collect());
                }
            }
            Next::Refuse(refusal) => self.refuse(refusal, rest[0]),
            Next::Terminate => self.ended = true,
            Next::Fatal(denial) => panic!("a client that keeps to the protocol: {denial:?}"),
        }
        at
    }

    fn refuse(&mut self, refusal: Box<Refusal>, kind: u8) {
        match self.gate.refuse(refusal, "id") {
            Refused::Answer(bytes) => {
                // but for what nobody answers
                let idle =
                    |(message, _): &(Vec<u8>, By)| matches!(message[0], b'H' | b'd' | b'c' | b'f');
                assert!(self.upstream.iter().all(idle) && self.partial.is_empty());
                assert_eq!(self.arrived, self.server.out.len(), "an answer overtakes others");
                for message in messages(&bytes) {
                    self.server.expected.push(Expected::Message(message.to_vec()));
                }
                self.to_client.extend_from_slice(&bytes);
            }
            Refused::Substitute(bytes) => {
                assert!(self.partial.is_empty(), "inside another message");
                // the same answer comes behind both: ReadyForQuery, or a pipeline that is skipped
                let ends = |kind| matches!(kind, frontend::QUERY | frontend::FUNCTION_CALL);
                assert_eq!(ends(kind), ends(bytes[0]), "a substitute of another kind");
                self.messages += 1;
                self.upstream.push_back((bytes.to_vec(), By::Substitute));
            }
        }
    }

    fn send(&mut self, permit: &[u8]) {
        self.partial.extend_from_slice(permit);
        let whole: Vec<Vec<u8>> = messages(&self.partial).map(<[u8]>::to_vec).collect();
        let passed: usize = whole.iter().map(Vec::len).sum();
        self.partial.drain(..passed);
        for message in whole {
            let body = &message[HEADER_LENGTH..];
            let mut texts = body.split(|byte| *byte == 0);
            let text = match message[0] {
                frontend::QUERY => texts.next(),
                frontend::PARSE => texts.nth(1),
                _ => None,
            };
            assert!(text.is_none_or(|text| self.judge.judged.contains(text)), "unjudged");
            self.messages += 1;
            self.upstream.push_back((message, By::Client));
        }
    }

    fn send_own(&mut self, bytes: &[u8]) {
        assert!(self.partial.is_empty(), "inside another message");
        let all: Vec<&[u8]> = messages(bytes).collect();
        let synced =
            all.last().is_some_and(|last| matches!(last[0], frontend::SYNC | frontend::QUERY));
        for message in all {
            self.messages += 1;
            self.upstream.push_back((message.to_vec(), By::Own { synced }));
        }
    }

    // -- server to client -----------------------------------------------------------------------

    fn serve(&mut self, most: usize, choices: &mut Choices<'_>) {
        for _ in 0..most {
            let Some((message, by)) = self.upstream.pop_front() else { return };
            let before = self.server.out.len();
            self.tell(&format!("       {by:?}"), &message);
            self.server.receive(&message, by, choices);
            self.tell("server", &self.server.out[before..]);
            if self.server.dead {
                return;
            }
        }
    }

    fn answers_arrive(&mut self, length: usize, choices: &mut Choices<'_>) {
        let place = self.arrived..self.arrived + length;
        self.answers.extend_from_slice(&self.server.out[place]);
        self.arrived += length;
        if length > 0 && self.hold == Hold::Answers {
            self.hold = Hold::No;
        }
        let answers = std::mem::take(&mut self.answers);
        let mut at = 0;
        while at < answers.len() {
            let answered = self.gate.backend(&answers[at..], NOW);
            let forward = at + answered.forward;
            self.to_client.extend_from_slice(&answers[at..forward]);
            at = forward;
            match answered.answer {
                Answer::Read => assert_eq!(at, answers.len()),
                Answer::Need(length) => {
                    assert!(length > answers.len() - at);
                    break;
                }
                Answer::Drop(length) | Answer::Move(length) => at += length,
                Answer::Replace(length, bytes) => {
                    self.to_client.extend_from_slice(&bytes);
                    at += length;
                }
                Answer::Fates(fates, length) => {
                    assert!(!fates.is_empty());
                    self.to_client.extend_from_slice(&answers[at..at + length]);
                    at += length;
                }
                Answer::Own(bytes, length) => {
                    // Syncs of the client's that were held back
                    assert!(self.partial.is_empty(), "inside another message");
                    for message in messages(&bytes) {
                        assert_eq!(message[0], frontend::SYNC);
                        self.messages += 1;
                        self.upstream.push_back((message.to_vec(), By::Client));
                    }
                    self.to_client.extend_from_slice(&answers[at..at + length]);
                    at += length;
                }
                Answer::Send(bytes, length) => {
                    self.send_own(&bytes);
                    at += length;
                }
                Answer::Looked(looked, length) => {
                    self.gate.set_catalog(fresh(), looked.private);
                    at += length;
                }
                Answer::Fatal(denial) => panic!("a server that keeps to the protocol: {denial:?}"),
            }
        }
        self.answers = answers[at..].to_vec();
        self.check();
        self.go_on(choices);
    }

    // -- what must hold -------------------------------------------------------------------------

    /// What the client has got is what it must get, as far as it has got it.
    fn check(&self) {
        let asked = self.messages + usize::from(!self.partial.is_empty());
        assert!(self.gate.outstanding() <= asked, "more is owed than was asked for");
        let mut expected = self.server.expected.iter();
        for message in messages(&self.to_client) {
            match expected.next() {
                Some(Expected::Message(whole)) => {
                    assert_eq!(show(whole), show(message), "another answer");
                }
                Some(Expected::Refusal) => {
                    assert_eq!(message[0], backend::ERROR_RESPONSE);
                    assert!(!message.windows(6).any(|at| at == b"C42703"), "the substitute shows");
                }
                None => panic!("an answer too many: {}", show(message)),
            }
        }
    }

    /// Everything is sent, answered and passed on, and nothing is left over.
    fn come_to_rest(&mut self, choices: &mut Choices<'_>) {
        for round in 0..100 {
            if self.is_over() {
                return;
            }
            if round > 0 && self.server.is_copying() && self.held.is_empty() {
                let mut bytes = BytesMut::new();
                frame(&mut bytes, frontend::COPY_FAIL, |body| body.extend_from_slice(b"no\0"));
                self.late.extend_from_slice(&bytes);
            }
            let mut bytes = BytesMut::new();
            frame(&mut bytes, frontend::SYNC, |_| {});
            if round == 0 || round > 90 || self.server.is_copying() {
                self.late.extend_from_slice(&bytes);
            }
            self.client_arrives(self.late.len(), choices);
            for _ in 0..1000 {
                if self.upstream.is_empty() && self.arrived == self.server.flushed {
                    break;
                }
                self.serve(usize::MAX, choices);
                if self.server.dead {
                    return;
                }
                self.answers_arrive(self.server.flushed - self.arrived, choices);
            }
            if self.held.is_empty() && !self.server.is_copying() && self.gate.is_idle() {
                break;
            }
        }
        assert!(self.held.is_empty(), "nothing will ever move it on: {:?}", self.hold);
        assert_eq!(self.gate.outstanding(), 0, "owed for good");
        assert_eq!(self.gate.in_transaction(), self.server.is_in_block());
        assert!(self.answers.is_empty());
        self.check();
        assert_eq!(messages(&self.to_client).count(), self.server.expected.len(), "answers lost");
    }
}

fn fresh() -> Look {
    let until = NOW + Instant::from_secs(100);
    Look { snapshot: None, until, compared: NOW, frozen: false }
}

/// The whole messages at the beginning of some bytes.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let word = rest.get(1..HEADER_LENGTH)?;
        let length = word.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)) + 1;
        let (message, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(message)
    })
}

fn show(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}
