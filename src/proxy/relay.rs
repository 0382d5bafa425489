//! The relay: one hand-written future a session, both directions polled in one place.
//!
//! Reading, judging and writing happen on the worker's one scratch buffer: what was judged is the
//! very slice that is written. Only an incomplete message, or what could not be written, is copied
//! into the session. A direction whose other side cannot be written is not read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::ending::Finish;
use super::hold::{AfterReceipt, Ending, Hold, Pause};
use super::judges::Judged;
use super::leg::Leg;
use super::port::Port;
use super::recorder::Recorder;
use super::tidings::Tidings;
use super::worker::{SessionHandle, Worker};
use crate::audit::Receipt;
use crate::gate::{Answer, Next, Refusal, Refused};
use crate::observe::Direction;

/// Reads a direction does in one poll before it lets other sessions run.
const READS_A_POLL: usize = 8;

/// A session between login and end. Completes when both sides are closed.
pub(super) struct Relay {
    pub(super) client: Port,
    /// The session's legs: one for a task that reads and writes in one place.
    pub(super) leg: Leg,
    pub(super) worker: Rc<Worker>,
    pub(super) handle: Rc<SessionHandle>,
    pub(super) recorder: Recorder,
    pub(super) hold: Hold,
    pub(super) pause: Pause,
    pub(super) ending: Ending,
    /// The client's Terminate has gone to the server: nothing more is read from it.
    pub(super) said_goodbye: bool,
    pub(super) farewell: Option<Receipt>,
    /// It serves a leg of a split session, which says itself when it may be drained.
    pub(super) inner: Option<Rc<Tidings>>,
    /// The session's task leads elsewhere: nothing moves until that is seen to.
    pub(super) moving: bool,
}

impl Relay {
    pub(super) fn new(
        mut client: Port,
        mut leg: Leg,
        worker: Rc<Worker>,
        handle: Rc<SessionHandle>,
        recorder: Recorder,
    ) -> Self {
        client.use_outbox(&worker);
        leg.port.use_outbox(&worker);
        Relay {
            client,
            leg,
            worker,
            handle,
            recorder,
            hold: Hold::None,
            pause: Pause::None,
            ending: Ending::No,
            said_goodbye: false,
            farewell: None,
            inner: None,
            moving: false,
        }
    }

    // -- client to server -----------------------------------------------------------------------

    /// Moves what the client sends; ready only when the session is over.
    fn frontend(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<()>> {
        for _ in 0..READS_A_POLL {
            if self.moving {
                return Poll::Pending;
            }
            if self.leg.port.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            if let Some(done) = self.receipt(cx) {
                done?;
            } else {
                return Poll::Pending;
            }
            match &mut self.hold {
                Hold::Answers | Hold::Receipt(..) => return Poll::Pending,
                Hold::Building(_) | Hold::Reading(_) => {
                    ready!(self.poll_building(cx));
                    continue;
                }
                Hold::Waiting(_) => {
                    ready!(self.poll_waiting(cx));
                    continue;
                }
                Hold::ToJudge(place) => {
                    let (held, place) = (std::mem::take(&mut self.client.held), place.clone());
                    self.hold = Hold::Judging(self.worker.judge_long(held, place));
                    continue;
                }
                Hold::Judging(answer) => {
                    let Judged { buffer, judgement } = ready!(Pin::new(answer).poll(cx))
                        .map_err(|_| io::Error::other("a text could not be judged"))?;
                    self.client.held = buffer;
                    self.leg.gate.judged(judgement);
                    self.hold = Hold::None;
                    continue;
                }
                Hold::None if !self.client.held.is_empty() => {
                    let buffer = std::mem::take(&mut self.client.held);
                    let dealt_with = self.judge(cx, &buffer)?;
                    self.client.put_back(buffer, dealt_with);
                    continue;
                }
                Hold::None | Hold::Grow(_) => {}
            }
            if self.said_goodbye || !matches!(self.ending, Ending::No) {
                return Poll::Pending;
            }
            let length = match self.client.poll_read(cx, scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(length)) => length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            };
            self.worker.metrics.bytes(Direction::ToUpstream, length);
            if self.client.held.is_empty() {
                let dealt_with = self.judge(cx, &scratch[..length])?;
                self.client.hold(&scratch[dealt_with..length]);
            } else {
                self.client.hold(&scratch[..length]);
                if let Hold::Grow(needed) = self.hold
                    && self.client.held.len() >= needed
                {
                    self.hold = Hold::None;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Judges bytes and sends what may go; gives how many were dealt with.
    fn judge(&mut self, cx: &mut Context<'_>, buffer: &[u8]) -> io::Result<usize> {
        self.follow_catalog();
        let worker = self.worker.clone();
        let mut judge = worker.judge.borrow_mut();
        let now = worker.now();
        let mut at = 0;
        loop {
            let step = self.leg.gate.frontend(&mut *judge, &buffer[at..], now);
            at += step.permit.bytes().len();
            self.leg.send(cx, &step.permit)?;
            match step.next {
                Next::Read => return Ok(at),
                Next::Need(length) => {
                    self.hold = Hold::Grow(length);
                    return Ok(at);
                }
                Next::Wait => {
                    self.hold = Hold::Answers;
                    return Ok(at);
                }
                Next::Skip(length) => at += length,
                Next::Judge(place) => {
                    self.hold = Hold::ToJudge(place);
                    return Ok(at);
                }
                Next::Catalog { private } => {
                    self.look(cx, private, at == 0)?;
                    return Ok(at);
                }
                Next::Bodies(unread) => {
                    self.read_bodies(unread);
                    return Ok(at);
                }
                Next::Own(bytes) => self.leg.send_own(cx, &bytes)?,
                Next::Move => {
                    self.moving = true;
                    return Ok(at);
                }
                Next::Tell(class, length) => {
                    self.inner.iter().for_each(|splitter| splitter.tell(class));
                    at += length;
                }
                Next::Ask(length) => {
                    self.ask(cx)?;
                    at += length;
                }
                Next::Record(record) => {
                    let (ids, receipt) = self.recorder.confirmed(&mut self.leg.gate, &record);
                    self.hold = Hold::Receipt(receipt, AfterReceipt::Clear(ids));
                    return Ok(at);
                }
                Next::Refuse(refusal) => {
                    self.count_block(refusal.denial.rule);
                    let (id, receipt) = self.recorder.blocked(&mut self.leg.gate, &refusal);
                    self.hold = Hold::Receipt(receipt, AfterReceipt::Refuse(refusal, id));
                    return Ok(at);
                }
                Next::Terminate => {
                    // the server answers what came before, then closes
                    self.said_goodbye = true;
                    return Ok(buffer.len());
                }
                Next::Fatal(denial) => {
                    self.end_with(cx, &denial)?;
                    return Ok(buffer.len());
                }
            }
        }
    }

    /// Goes on where events were being written. `None`: they still are.
    fn receipt(&mut self, cx: &mut Context<'_>) -> Option<io::Result<()>> {
        let Hold::Receipt(receipt, _) = &mut self.hold else { return Some(Ok(())) };
        let Poll::Ready(written) = Pin::new(receipt).poll(cx) else { return None };
        let Hold::Receipt(_, after) = std::mem::replace(&mut self.hold, Hold::None) else {
            return Some(Ok(()));
        };
        Some(match (after, written) {
            (AfterReceipt::Clear(ids), Ok(())) => {
                self.leg.gate.recorded(ids);
                Ok(())
            }
            (AfterReceipt::Clear(ids), Err(_)) => {
                self.recorder.withdraw(&ids);
                match self.leg.gate.refuse_unrecorded(&self.client.held) {
                    Some(refusal) => {
                        self.count_block(refusal.denial.rule);
                        self.refuse(cx, refusal, "not recorded")
                    }
                    None => Ok(()),
                }
            }
            // the block stands whether it could be recorded or not
            (AfterReceipt::Refuse(refusal, id), Ok(())) => {
                self.refuse(cx, refusal, &id.to_string())
            }
            (AfterReceipt::Refuse(refusal, _), Err(_)) => self.refuse(cx, refusal, "not recorded"),
        })
    }

    fn refuse(&mut self, cx: &mut Context<'_>, refusal: Box<Refusal>, id: &str) -> io::Result<()> {
        match self.leg.gate.refuse(refusal, id) {
            Refused::Answer(bytes) => self.client.send(cx, &bytes),
            Refused::Substitute(bytes) => self.leg.send_own(cx, &bytes),
        }
    }

    // -- server to client -----------------------------------------------------------------------

    /// Moves what the server sends; ready only when the server has closed.
    fn backend(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<()>> {
        for _ in 0..READS_A_POLL {
            if self.client.poll_flush(cx)?.is_pending() {
                return Poll::Pending;
            }
            if let Pause::Receipt(receipt, length) = &mut self.pause {
                let Poll::Ready(_) = Pin::new(receipt).poll(cx) else { return Poll::Pending };
                let length = *length;
                self.pause = Pause::None;
                let buffer = std::mem::take(&mut self.leg.port.held);
                let length = length.min(buffer.len());
                self.client.send(cx, &buffer[..length])?;
                let dealt_with = length + self.follow(cx, &buffer[length..])?;
                self.leg.port.put_back(buffer, dealt_with);
                continue;
            }
            if self.moving || !matches!(self.ending, Ending::No) {
                return Poll::Pending;
            }
            let length = match self.leg.port.poll_read(cx, scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(length)) => length,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            };
            self.worker.metrics.bytes(Direction::ToClient, length);
            if self.leg.port.held.is_empty() {
                let dealt_with = self.follow(cx, &scratch[..length])?;
                self.leg.port.hold(&scratch[dealt_with..length]);
            } else {
                self.leg.port.hold(&scratch[..length]);
                let buffer = std::mem::take(&mut self.leg.port.held);
                let dealt_with = self.follow(cx, &buffer)?;
                self.leg.port.put_back(buffer, dealt_with);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Follows the server's bytes and passes them on; gives how many were dealt with.
    fn follow(&mut self, cx: &mut Context<'_>, buffer: &[u8]) -> io::Result<usize> {
        let now = self.worker.now();
        if matches!(self.hold, Hold::Answers) {
            self.hold = Hold::None;
        }
        let mut at = 0;
        loop {
            let answered = self.leg.gate.backend(&buffer[at..], now);
            if let Some(splitter) = &self.inner {
                splitter.follow(&mut self.leg.gate);
            }
            // before the client, and whoever it tells, can know
            self.tell_catalog();
            self.client.send(cx, &buffer[at..at + answered.forward])?;
            at += answered.forward;
            match answered.answer {
                Answer::Read | Answer::Need(_) => return Ok(at),
                Answer::Drop(length) => at += length,
                Answer::Send(bytes, length) => {
                    self.leg.send_own(cx, &bytes)?;
                    at += length;
                }
                Answer::Move(length) => match &self.inner {
                    Some(splitter) => {
                        splitter.stray(self.leg.gate.astray());
                        self.client.send(cx, &buffer[at..at + length])?;
                        at += length;
                    }
                    None => {
                        self.moving = true;
                        return Ok(at + length);
                    }
                },
                Answer::Looked(looked, length) => {
                    self.looked(looked);
                    at += length;
                }
                Answer::Replace(length, bytes) => {
                    self.client.send(cx, &bytes)?;
                    at += length;
                }
                Answer::Own(bytes, length) => {
                    self.leg.send_own(cx, &bytes)?;
                    self.client.send(cx, &buffer[at..at + length])?;
                    at += length;
                }
                Answer::Fates(fates, length) => {
                    self.pause = Pause::Receipt(self.recorder.outcomes(&fates), length);
                    return Ok(at);
                }
                Answer::Fatal(denial) => {
                    self.end_with(cx, &denial)?;
                    return Ok(buffer.len());
                }
            }
        }
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let worker = self.worker.clone();
        let mut scratch = worker.scratch.borrow_mut();
        loop {
            let frontend = self.frontend(cx, &mut scratch);
            if let Poll::Ready(end) = frontend {
                return Poll::Ready(end);
            }
            let waited = matches!(self.hold, Hold::Answers);
            let backend = self.backend(cx, &mut scratch);
            if let Poll::Ready(end) = backend {
                // the server has closed: the client gets what there is, then the end
                if matches!(self.ending, Ending::No) {
                    self.ending = Ending::Flush;
                }
                if end.is_err() {
                    return Poll::Ready(end);
                }
            }
            if !waited || matches!(self.hold, Hold::Answers) {
                break;
            }
        }
        self.drain(cx)?;
        self.poll_ending(cx)
    }
}

impl Future for Relay {
    type Output = io::Result<Finish>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Finish>> {
        let relay = &mut *self;
        relay.handle.register(cx.waker());
        relay.follow_policy();
        let polled = relay.poll_both(cx);
        relay.settle_metrics();
        if polled.is_ready() {
            relay.close_books();
        } else if relay.moving {
            return Poll::Ready(Ok(Finish::Moves));
        }
        polled.map_ok(|()| Finish::Over)
    }
}

impl Relay {
    /// A reload's policy applies from the next statement on.
    fn follow_policy(&mut self) {
        if let Some(policy) = self.handle.take_policy(&self.worker) {
            self.leg.gate.set_policy(policy);
        }
    }
}
