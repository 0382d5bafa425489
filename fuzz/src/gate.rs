//! The gate between two sides that send anything at all.
//!
//! It neither panics nor loses account: what it sends is the client's own bytes, judged where they
//! carry text, and it never owes more than was asked for.

use pgauthority::gate::{Answer, Gate, Look, Next, Refused};
use pgauthority::protocol::{HEADER_LENGTH, frontend};
use pgauthority::session::Instant;

use super::script::{self, Choices};
use super::session::{Noting, gate, messages};

/// Time passes, so that looks fall due.
const STEP: Instant = Instant::from_millis(700);

/// Sends what `data` says to both sides in turn.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut sides = Sides {
        gate: gate(&mut choices).0,
        judge: Noting::new(),
        now: Instant::from_secs(1),
        client: Vec::new(),
        server: Vec::new(),
        upstream: Vec::new(),
        asked: 0,
        over: false,
        trace: std::env::var_os("FUZZ_TRACE").is_some(),
    };
    for _ in 0..100 {
        if choices.is_over() || sides.over {
            break;
        }
        sides.step(&mut choices);
    }
    let _ = (sides.gate.take_fates(), sides.gate.undecided(), sides.gate.take_tally());
}

struct Sides {
    gate: Gate,
    judge: Noting,
    now: Instant,
    client: Vec<u8>,
    server: Vec<u8>,
    /// The client's bytes that were sent, from the last whole message on.
    upstream: Vec<u8>,
    /// Messages sent to the server.
    asked: usize,
    over: bool,
    /// `FUZZ_TRACE` is set: what happens is told.
    trace: bool,
}

impl Sides {
    fn step(&mut self, choices: &mut Choices<'_>) {
        self.now += STEP * u32::from(choices.once_in(4));
        match choices.below(4) {
            0 => self.client.extend_from_slice(choices.bytes(300)),
            1 => {
                let mut message = bytes::BytesMut::new();
                let copying = choices.below(2) == 1;
                script::client(choices, copying, &mut message);
                self.client.extend_from_slice(&message);
            }
            2 => {
                let kind = choices.of(b"123CEIZsGTnDStVdcNAHWKR");
                let body = choices.bytes(300);
                self.server.push(kind);
                self.server.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
                self.server.extend_from_slice(body);
            }
            _ => self.server.extend_from_slice(choices.bytes(300)),
        }
        self.frontend(choices);
        self.backend();
        // a long message is owed from its first byte on
        let asked = self.asked + usize::from(!self.upstream.is_empty());
        let owed = self.gate.outstanding();
        assert!(owed <= asked, "more is owed ({owed}) than was asked for ({asked})");
    }

    fn frontend(&mut self, choices: &mut Choices<'_>) {
        for round in 0.. {
            assert!(round < 10_000, "the gate goes round in circles");
            let held = std::mem::take(&mut self.client);
            let step = self.gate.frontend(&mut self.judge, &held, self.now);
            let permit = step.permit.bytes();
            assert!(permit.is_empty() || permit.as_ptr() == held.as_ptr(), "other bytes are sent");
            let rest = &held[permit.len()..];
            let (next, mut at) = (step.next, permit.len());
            self.sent(permit);
            let goes_on = match next {
                Next::Read => {
                    assert!(rest.is_empty());
                    false
                }
                Next::Need(length) => {
                    assert!(length > rest.len());
                    false
                }
                Next::Wait => false,
                Next::Skip(length) => {
                    assert!(0 < length && length <= rest.len());
                    at += length;
                    true
                }
                Next::Judge(place) => {
                    self.gate.judged(pgauthority::sql::judge(&rest[place], &Default::default()));
                    true
                }
                Next::Bodies(unread) => {
                    unread.read();
                    true
                }
                Next::Catalog { private } => {
                    if choices.below(2) == 0 {
                        self.gate.set_catalog(Look::default(), private);
                        true
                    } else {
                        let bytes = self.gate.look(&["SELECT 1"]);
                        self.own(&bytes);
                        false
                    }
                }
                Next::Tell(..) | Next::Ask(_) | Next::Move => panic!("nobody has asked for that"),
                Next::Own(bytes) => {
                    self.own(&bytes);
                    true
                }
                Next::Record(record) if choices.once_in(4) => {
                    drop(record);
                    let refusal = self.gate.refuse_unrecorded(rest);
                    self.refuse(refusal.expect("a whole header"));
                    true
                }
                Next::Record(record) => {
                    self.gate.recorded((1..=record.confirmed.len() as u128).collect());
                    true
                }
                Next::Refuse(refusal) => {
                    self.refuse(refusal);
                    true
                }
                Next::Terminate | Next::Fatal(_) => {
                    self.over = true;
                    false
                }
            };
            self.client = held[at..].to_vec();
            if !goes_on {
                return;
            }
        }
    }

    fn sent(&mut self, permit: &[u8]) {
        self.tell("client", permit);
        self.upstream.extend_from_slice(permit);
        let mut passed = 0;
        for message in messages(&self.upstream) {
            passed += message.len();
            self.asked += 1;
            let mut texts = message[HEADER_LENGTH..].split(|byte| *byte == 0);
            let text = match message[0] {
                frontend::QUERY => texts.next(),
                frontend::PARSE => texts.nth(1),
                _ => None,
            };
            assert!(text.is_none_or(|text| self.judge.judged.contains(text)), "unjudged");
        }
        self.upstream.drain(..passed);
    }

    fn tell(&self, who: &str, bytes: &[u8]) {
        if self.trace && !bytes.is_empty() {
            eprintln!("{who} {} ({} owed)", bytes.escape_ascii(), self.gate.outstanding());
        }
    }

    fn own(&mut self, bytes: &[u8]) {
        self.tell("own", bytes);
        assert!(self.upstream.is_empty(), "inside another message");
        self.asked += messages(bytes).count();
    }

    fn refuse(&mut self, refusal: Box<pgauthority::gate::Refusal>) {
        if let Refused::Substitute(bytes) = self.gate.refuse(refusal, "id") {
            self.own(&bytes);
        }
    }

    fn backend(&mut self) {
        let server = std::mem::take(&mut self.server);
        self.tell("server", &server);
        let mut at = 0;
        loop {
            let answered = self.gate.backend(&server[at..], self.now);
            at += answered.forward;
            assert!(at <= server.len());
            match answered.answer {
                Answer::Read => break assert_eq!(at, server.len()),
                Answer::Need(length) => break assert!(length > server.len() - at),
                Answer::Drop(length)
                | Answer::Move(length)
                | Answer::Replace(length, _)
                | Answer::Fates(_, length) => {
                    at += length;
                }
                Answer::Own(bytes, length) | Answer::Send(bytes, length) => {
                    self.own(&bytes);
                    at += length;
                }
                Answer::Looked(looked, length) => {
                    self.gate.set_catalog(Look::default(), looked.private);
                    at += length;
                }
                Answer::Fatal(_) => {
                    self.over = true;
                    break;
                }
            }
        }
        self.server = server[at..].to_vec();
    }
}
