//! The extended protocol's messages: Parse, Bind, Execute, Describe, Close, Sync.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::smallvec;

use super::frontend::{Message, NAMES_LIMIT, malformed_denial};
use super::inside::takes_snapshot;
use super::lookups::FIRST_UNPINNED;
use super::owed::Owed;
use super::plan::Plan;
use super::refusal::Form;
use super::text::Stop;
use super::{CopyIn, Gate, Judging, Next};
use crate::protocol::{body, frame};
use crate::session::{Instant, Lookup, Meanings};
use crate::sql::Judgement;

impl Gate {
    pub(super) fn parse(
        &mut self,
        judge: &mut impl Judging,
        message: &[u8],
        now: Instant,
    ) -> Message {
        let Some((name, text)) = body::parse(&message[frame::HEADER_LENGTH..]) else {
            let form = Form::Parse(Rc::from(&b""[..]));
            return self.refuse_message(message.len(), malformed_denial("Parse"), form, None);
        };
        let start = frame::HEADER_LENGTH + name.len() + 1;
        let judgement = match self.judgement(judge, message, start..start + text.len()) {
            Ok(judgement) => judgement,
            Err(stop) => return stop,
        };
        let types = &message[start + text.len() + 1..];
        let own = body::parameter_types(types).filter(|oid| *oid >= FIRST_UNPINNED).collect();
        let judgement = match self.typed(judgement, own, now) {
            Ok(judgement) => judgement,
            Err(next) => return Message::Stop(next),
        };
        if let Err(stop) = self.certain_name(name) {
            let form = Form::Parse(Rc::from(&b""[..]));
            return self.stop(message.len(), stop, form, Some((text, judgement)));
        }
        if let Some(next) = self.look_for(&judgement, now) {
            return Message::Stop(next);
        }
        if let Some(next) = self.task_before(&judgement) {
            return Message::Stop(next);
        }
        let (judgement, plain) = self.as_analysed(judgement, Some(types), now);
        if !plain {
            self.lapse(now);
            match self.decide(&judgement, false, now) {
                Ok(_) => {}
                Err(Stop::Wait) => return self.wait(message.len(), Form::Parse(name.into())),
                Err(Stop::Ask) => return self.ask(message.len(), Form::Parse(name.into())),
                Err(Stop::Block(denial)) => {
                    let form = Form::Parse(name.into());
                    let about = Some((text, judgement));
                    return self.refuse_message(message.len(), *denial, form, about);
                }
            }
        }
        if !self.skipping {
            let change = self.statements.change(name, smallvec![judgement], self.batch);
            self.owe(Owed::Parse(change));
        }
        Message::Admit(message.len())
    }

    /// The judgement of a Parse that gives parameters these types of the database's own.
    fn typed(
        &mut self,
        mut judgement: Rc<Judgement>,
        own: Box<[u32]>,
        now: Instant,
    ) -> Result<Rc<Judgement>, Next> {
        if own.is_empty() {
            return Ok(judgement);
        }
        if let Some(next) = self.look_for_own(takes_snapshot(&judgement), now) {
            return Err(next);
        }
        Rc::make_mut(&mut judgement).parameters = own;
        Ok(self.with_parameters(judgement, now))
    }

    /// What a name may stand for, given what the types of parameters check by now.
    pub(super) fn with_their_parameters(&self, mut meanings: Meanings, now: Instant) -> Meanings {
        for judgement in &mut meanings {
            if !judgement.parameters.is_empty() {
                *judgement = self.with_parameters(Rc::clone(judgement), now);
            }
        }
        meanings
    }

    pub(super) fn bind(&mut self, length: usize, rest: &[u8], now: Instant) -> Message {
        let here = &rest[frame::HEADER_LENGTH..length.min(rest.len())];
        let Some((portal, statement)) = body::bind(here) else {
            if rest.len() < length && here.len() < NAMES_LIMIT {
                return Message::Stop(Next::Need(length.min(rest.len() + 4096)));
            }
            return self.refuse_message(length, malformed_denial("Bind"), Form::Other, None);
        };
        if let Err(stop) = self.certain_name(portal).and_then(|()| self.certain_name(statement)) {
            return self.stop(length, stop, Form::Other, None);
        }
        let meanings = match self.statements.look_up(statement, self.batch) {
            Lookup::Known(meanings) => meanings,
            Lookup::Perhaps(meanings) if !self.unseen_ran => meanings,
            Lookup::Unknown if !self.unseen_ran => Meanings::new(),
            Lookup::Unknown | Lookup::Perhaps(_) | Lookup::Uncertain => {
                let unseen = Rc::new(Judgement::uncertain());
                smallvec![unseen]
            }
        };
        let own = meanings.iter().any(|judgement| !judgement.parameters.is_empty());
        let queries = meanings.iter().all(|judgement| takes_snapshot(judgement));
        if own && let Some(next) = self.look_for_own(queries, now) {
            return Message::Stop(next);
        }
        let meanings = self.with_their_parameters(meanings, now);
        // in a failed transaction nothing can be bound but what ends it: the server's word counts
        if !self.has_failed()
            && let Some(stop) = self.refuse_meanings(&meanings, length, now)
        {
            return stop;
        }
        if !self.skipping {
            if let Some(opened) = &mut self.left.opened {
                opened.binds(self.portals.changes());
            }
            let change = self.portals.change(portal, meanings, self.batch);
            self.owe(Owed::Bind(change));
        }
        Message::Admit(length)
    }

    /// An answer to come may say which of several statements a name means.
    fn is_undecided(&self, meanings: &Meanings) -> bool {
        meanings.len() > 1 && self.boundaries > 0
    }

    /// The transaction block has failed, and nothing that could end it is on its way.
    pub(super) fn has_failed(&self) -> bool {
        self.state.is_failed() && self.boundaries == 0 && self.stirring == 0
    }

    /// Refuses a Bind of a statement that may not run now.
    fn refuse_meanings(
        &mut self,
        meanings: &Meanings,
        length: usize,
        now: Instant,
    ) -> Option<Message> {
        for judgement in meanings {
            let look = self.look_for(judgement, now);
            if let Some(next) = look.or_else(|| self.task_before(judgement)) {
                return Some(Message::Stop(next));
            }
            if self.is_plain(judgement, now) {
                continue;
            }
            if self.is_undecided(meanings) {
                return Some(self.wait(length, Form::Other));
            }
            match self.decide(judgement, false, now) {
                Ok(_) => {}
                Err(Stop::Wait) => return Some(self.wait(length, Form::Other)),
                Err(Stop::Ask) => return Some(self.ask(length, Form::Other)),
                Err(Stop::Block(denial)) => {
                    let about = Some((&b""[..], judgement.clone()));
                    return Some(self.refuse_message(length, *denial, Form::Other, about));
                }
            }
        }
        None
    }

    pub(super) fn execute(&mut self, message: &[u8], now: Instant) -> Message {
        let length = message.len();
        let Some(portal) = body::execute(&message[frame::HEADER_LENGTH..]) else {
            return self.refuse_message(length, malformed_denial("Execute"), Form::Other, None);
        };
        if let Err(stop) = self.certain_name(portal) {
            return self.stop(length, stop, Form::Other, None);
        }
        if let Some(next) = self.look_for_cursor(portal, now) {
            return Message::Stop(next);
        }
        let meanings = match self.portals.look_up(portal, self.batch) {
            _ if self.may_be_stale(portal, now) => smallvec![Rc::new(Judgement::uncertain())],
            Lookup::Known(meanings) => meanings,
            Lookup::Perhaps(meanings) if !self.unseen_ran => meanings,
            Lookup::Unknown if !self.unseen_ran => Meanings::new(),
            // a cursor that a routine opened: as FETCH of one
            Lookup::Unknown => smallvec![Rc::new(Judgement::unseen_cursor())],
            Lookup::Perhaps(_) | Lookup::Uncertain => smallvec![Rc::new(Judgement::uncertain())],
        };
        for judgement in &meanings {
            if let Some(next) = self.look_for(judgement, now) {
                return Message::Stop(next);
            }
        }
        if meanings.iter().all(|judgement| self.is_plain(judgement, now)) {
            let writes = match &meanings[..] {
                [judgement] => self.runs_plain(judgement, now),
                _ => {
                    for judgement in &meanings {
                        self.may_run_code(judgement, now);
                    }
                    true
                }
            };
            self.stirred |= writes;
            if !self.skipping {
                self.owe(Owed::PlainExecute { writes });
            }
            return Message::Admit(length);
        }
        self.execute_meanings(meanings, length, now)
    }

    fn execute_meanings(&mut self, meanings: Meanings, length: usize, now: Instant) -> Message {
        self.lapse(now);
        if self.is_undecided(&meanings) {
            return self.wait(length, Form::Other);
        }
        let uncertain = meanings.len() != 1;
        let mut chosen = None;
        for judgement in &meanings {
            match self.decide(judgement, true, now) {
                Err(Stop::Wait) => return self.wait(length, Form::Other),
                Err(Stop::Ask) => return self.ask(length, Form::Other),
                Err(Stop::Block(denial)) => {
                    let about = Some((&b""[..], judgement.clone()));
                    return self.refuse_message(length, *denial, Form::Other, about);
                }
                Ok(mut plan) => {
                    if uncertain {
                        self.leave(std::mem::take(&mut plan.left), plan.ends, judgement);
                    }
                    let stronger =
                        chosen.as_ref().is_none_or(|(known, _): &(Plan, _)| !known.needs_record());
                    if stronger {
                        chosen = Some((plan, judgement.clone()));
                    }
                }
            }
        }
        let Some((plan, judgement)) = chosen else {
            self.owe(Owed::PlainExecute { writes: true });
            return Message::Admit(length);
        };
        let text = judgement.text.as_deref().unwrap_or_default();
        if let Some(token) = self.token_due(&plan, text, now) {
            return Message::Stop(Next::Own(token));
        }
        let ids = match (plan.needs_record(), self.cleared.take()) {
            (true, None) => {
                let text = judgement.text.clone().unwrap_or_else(|| Arc::from(&b""[..]));
                return Message::Stop(self.record(plan, &text));
            }
            (_, ids) => ids.unwrap_or_default(),
        };
        self.count(plan.classes(&judgement), !ids.is_empty());
        if self.skipping {
            return Message::Admit(length);
        }
        let run = self.begin_run(judgement, plan, uncertain, ids);
        self.owe(Owed::Execute(run));
        Message::Admit(length)
    }

    pub(super) fn describe(&mut self, message: &[u8]) -> Message {
        if body::kind_and_name(&message[frame::HEADER_LENGTH..]).is_none() {
            let denial = malformed_denial("Describe");
            return self.refuse_message(message.len(), denial, Form::Other, None);
        }
        if !self.skipping {
            self.owe(Owed::Describe);
        }
        Message::Admit(message.len())
    }

    pub(super) fn close(&mut self, message: &[u8]) -> Message {
        let Some((what, name)) = body::kind_and_name(&message[frame::HEADER_LENGTH..]) else {
            let denial = malformed_denial("Close");
            return self.refuse_message(message.len(), denial, Form::Other, None);
        };
        if !self.skipping {
            if what == b'S' {
                let change = self.statements.change(name, Meanings::new(), self.batch);
                self.owe(Owed::CloseStatement(change));
            } else {
                let change = self.portals.change(name, Meanings::new(), self.batch);
                self.owe(Owed::ClosePortal(change));
            }
        }
        Message::Admit(message.len())
    }

    pub(super) fn sync(&mut self, length: usize) -> Message {
        if let CopyIn::Open { data_sent, syncs } = &mut self.copy {
            // the server would swallow it; if it turns out not to be copying, it is sent after all
            *syncs += u32::from(!*data_sent);
            return Message::Stop(self.skip(length));
        }
        self.skipping = false;
        self.owe_boundary(Owed::Sync);
        Message::Admit(length)
    }

    pub(super) fn end_copy(&mut self) {
        let more = match self.owed.front_mut() {
            Some(Owed::Query(run)) => run.copies > 0,
            _ => false,
        };
        if matches!(self.copy, CopyIn::Open { .. }) {
            self.copy = if more { CopyIn::Awaited } else { CopyIn::No };
        }
    }
}
