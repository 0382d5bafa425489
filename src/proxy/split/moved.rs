//! What a session that moves to other upstreams asks of a splitter.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::leg::{Asking, Leg};
use super::{Block, End, Split};
use crate::audit::{Place, Who};
use crate::contract::parameter;
use crate::gate::Astray;
use crate::policy::{Denial, task_in_pipeline};
use crate::protocol::message;
use crate::proxy::moving::{Line, guard};
use crate::proxy::port::Port;
use crate::proxy::session::{Kept, Origin};
use crate::proxy::worker::{SessionHandle, Worker};
use crate::split::{ISOLATION, Isolates, Side};
use crate::sql::{Effect, Statement, quote};

impl Split {
    /// ReadyForQuery, unless the session is to move first.
    pub(super) fn ready_for_query(&mut self) {
        if matches!(self.block, Block::None) && self.astray().is_some() {
            self.moving = true;
            return;
        }
        self.follow_task();
        let status = self.block.status();
        message::ready_for_query(&mut self.out, status);
    }

    /// Why a statement may not run now, if it changes the task behind others of the open pipeline.
    pub(super) fn task_behind_others(&self, statement: &Statement) -> Option<Denial> {
        let mut legs = self.legs.iter().flatten();
        let is_set = legs.clone().any(|leg| leg.tidings.task_is_set());
        let behind = matches!(self.block, Block::None) && legs.any(|leg| leg.ran);
        behind.then(|| task_in_pipeline(statement, is_set)).flatten()
    }

    /// It sets the task back.
    pub(super) fn resets_task(&self, statement: &Statement) -> bool {
        let mut legs = self.legs.iter().flatten();
        statement.effect == Effect::ResetAll && legs.any(|leg| leg.tidings.task_is_set())
    }

    /// A task that leads here is the session's once what set it is answered.
    fn follow_task(&mut self) {
        if !matches!(self.block, Block::None) {
            return;
        }
        for leg in self.legs.iter().flatten() {
            if leg.tidings.settle() {
                self.task = leg.tidings.task();
            }
        }
    }

    /// What brings a leg under the session's task, if it was opened too late for it. The journal
    /// keeps no task: of those that led nowhere nothing must be heard again.
    pub(super) fn task_for(&self, side: Side) -> Option<Vec<u8>> {
        let unsettled = self.legs.iter().flatten().any(|leg| leg.tidings.has_changed());
        let leg = self.legs[side as usize].as_ref()?;
        if unsettled || leg.begun || leg.pipeline || leg.tidings.task() == self.task {
            return None;
        }
        let task = self.task.as_deref()?;
        Some(quote::set(parameter::TASK, task.as_bytes()))
    }

    /// Where the session's task leads, if elsewhere.
    pub(in crate::proxy) fn astray(&self) -> Option<Astray> {
        self.legs.iter().flatten().find_map(|leg| leg.tidings.astray())
    }

    /// A leg is open, and has not ended.
    fn has(&self, side: Side) -> bool {
        self.legs[side as usize].as_ref().is_some_and(|leg| !leg.closed)
    }

    /// Parameters that are set on a leg and are not the session's own. `noted`: names of those that
    /// it has set.
    pub(in crate::proxy) fn set_by_proxy(&self, noted: &[Box<str>]) -> [Vec<&'static str>; 2] {
        let Some(leg) = &self.legs[Side::Read as usize] else { return Default::default() };
        // where the write leg is there, it is told what governs transactions
        let writes = self.has(Side::Write);
        let noted = if writes { &[] } else { noted };
        let mut names = guard(writes || leg.set_by_statement, noted).to_vec();
        let is_set = self.journal.isolates(Side::Write) == Some(Isolates::As);
        if leg.recovering && (writes || !is_set) {
            names.push(ISOLATION);
        }
        [names, Vec::new()]
    }

    /// The isolation level that the session has set and its only leg, a standby, has not.
    pub(in crate::proxy) fn isolation(&self) -> Option<Bytes> {
        let missed = self.journal.isolates(Side::Write);
        let serializable = missed == Some(Isolates::Serializable(false)) && !self.has(Side::Write);
        serializable.then(|| Bytes::from_static(b"serializable"))
    }

    /// Goes on where it is.
    pub(in crate::proxy) fn stay(&mut self) {
        self.moving = false;
        for leg in self.legs.iter().flatten() {
            leg.tidings.stay();
        }
    }

    /// Serves its client until something ends that.
    pub(in crate::proxy) async fn served(&mut self) -> io::Error {
        match self.serve().await {
            Ok(()) => io::ErrorKind::UnexpectedEof.into(),
            Err(End::Client(error)) => error,
            Err(End::Broken(why) | End::Diverged { why, .. }) => io::Error::other(why),
            Err(End::Lost(side)) => {
                let name = self.ground.name(side);
                io::Error::other(format!("the connection to upstream \"{name}\" was lost"))
            }
            Err(_) => io::Error::other("a server ended the session there"),
        }
    }

    /// Something is not sent to its client yet.
    pub(in crate::proxy) fn has_unsent(&self) -> bool {
        !self.out.is_empty()
    }

    /// Keeps what its legs are notified of apart from now on.
    pub(in crate::proxy) fn keep_apart(&mut self) {
        self.apart = Some(Box::default());
    }

    /// What they have been notified of since; from now on the client is told.
    pub(in crate::proxy) fn kept_apart(&mut self) -> [BytesMut; 2] {
        self.apart.take().map(|apart| *apart).unwrap_or_default()
    }

    /// Another client, for the one it has; nothing is unsent to it.
    pub(in crate::proxy) fn swap(&mut self, client: Port) -> Port {
        let (stream, held) = client.into_parts();
        let stream = std::mem::replace(&mut self.client, stream);
        let held = std::mem::replace(&mut self.input, held);
        self.out = BytesMut::new();
        Port::new(stream, held)
    }

    /// The legs that are open, for a conversation of the proxy's own.
    pub(in crate::proxy) fn lines(
        &mut self,
    ) -> impl Iterator<Item = (Side, &mut (impl Line + use<>))> {
        self.there()
    }

    fn there(&mut self) -> impl DoubleEndedIterator<Item = (Side, &mut Leg)> {
        let legs = Side::BOTH.into_iter().zip(&mut self.legs);
        let open = legs.filter_map(|(side, leg)| Some((side, leg.as_mut()?)));
        open.filter(|(_, leg)| !leg.closed)
    }

    /// The same, to ask what the session has, whatever its law lets it ask itself.
    pub(in crate::proxy) fn asking(
        &mut self,
    ) -> impl DoubleEndedIterator<Item = (Side, impl Line + use<'_>)> {
        self.there().map(|(side, leg)| (side, Asking(leg)))
    }

    pub(in crate::proxy) fn worker(&self) -> Rc<Worker> {
        self.ground.worker.clone()
    }

    /// How it is woken.
    pub(in crate::proxy) fn handle(&self) -> Option<Rc<SessionHandle>> {
        self.ground.entered.as_ref().map(|entered| entered.handle.clone())
    }

    pub(in crate::proxy) fn origin(&self) -> Rc<Origin> {
        self.ground.origin.clone()
    }

    pub(in crate::proxy) fn kept(&mut self) -> &mut Option<Kept> {
        &mut self.ground.kept
    }

    /// Where and who, for an event; where: the leg that answers for the session.
    pub(in crate::proxy) fn told(&self) -> (Arc<Place>, Arc<Who>) {
        let mut place = self.ground.place.clone();
        place.upstream = Some(self.ground.name(self.primary()).to_owned());
        (Arc::new(place), Arc::new(self.ground.who.clone()))
    }
}
