//! A session of either kind, as its move needs it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::breaking::Breaking;
use super::carried::{Carried, Failed};
use super::no_client;
use super::parting::Heard;
use super::question::{self, NAME};
use super::talk::{Line, patiently};
use crate::audit::{Event, EventKind};
use crate::gate::{Astray, Declaring};
use crate::policy::Denial;
use crate::protocol::{ErrorResponse, message};
use crate::proxy::ending::Finish;
use crate::proxy::leg::Leg;
use crate::proxy::port::Port;
use crate::proxy::recorder::describe;
use crate::proxy::refuse::detail;
use crate::proxy::session::{Kept, One, Origin};
use crate::proxy::split::{Split, characters};
use crate::proxy::worker::{SessionHandle, Worker};
use crate::split::{ISOLATION, Side};
use crate::sql::Class;
use crate::upstream::READ_ONLY;

/// The read-only default, where it is the proxy that has set it: the server says of it what it
/// would say had the session done so. A guard among the startup options is no setting of a session.
pub(in crate::proxy) fn guard(is_set: bool, noted: &[Box<str>]) -> &'static [&'static str] {
    let is_noted = noted.iter().any(|name| &**name == READ_ONLY);
    if is_set && !is_noted { &[READ_ONLY] } else { &[] }
}

/// A session that serves its client.
pub(in crate::proxy) enum Session {
    /// On one upstream.
    One(Box<One>),
    /// That reads on one and writes on another.
    Split(Box<Split>),
}

impl Session {
    pub(super) fn astray(&self) -> Option<Astray> {
        match self {
            Session::One(one) => one.relay.leg.gate.astray(),
            Session::Split(split) => split.astray(),
        }
    }

    pub(super) fn worker(&self) -> Rc<Worker> {
        match self {
            Session::One(one) => one.relay.worker.clone(),
            Session::Split(split) => split.worker(),
        }
    }

    /// How it is woken.
    pub(super) fn handle(&self) -> Option<Rc<SessionHandle>> {
        match self {
            Session::One(one) => Some(one.relay.handle.clone()),
            Session::Split(split) => split.handle(),
        }
    }

    /// `None`: it cannot move.
    pub(super) fn origin(&self) -> Option<Rc<Origin>> {
        match self {
            Session::One(one) => one.origin.clone(),
            Session::Split(split) => Some(split.origin()),
        }
    }

    pub(super) fn kept(&mut self) -> &mut Option<Kept> {
        match self {
            Session::One(one) => &mut one.kept,
            Session::Split(split) => split.kept(),
        }
    }

    /// Another client. What the old one has sent and is not dealt with goes with it.
    pub(super) fn swap(&mut self, mut client: Port) -> Port {
        match self {
            Session::One(one) => {
                client.use_outbox(&one.relay.worker);
                std::mem::replace(&mut one.relay.client, client)
            }
            Session::Split(split) => split.swap(client),
        }
    }

    pub(super) async fn ask(
        &mut self,
        carried: &mut Carried,
        noted: &[Box<str>],
        aside: &mut BytesMut,
        breaking: &Breaking,
    ) -> io::Result<()> {
        match self {
            Session::One(one) => {
                let Leg { gate, port, .. } = &mut one.relay.leg;
                let policy = gate.policy();
                let guard = guard(policy.guarded && policy.set_by_statement, noted);
                let asked = carried.ask(noted, guard, port, (&mut *aside, breaking)).await;
                gate.name_processes(aside);
                asked
            }
            Session::Split(split) => {
                let isolation = split.isolation();
                let not_its_own = split.set_by_proxy(noted);
                // what governs transactions is the write leg's to tell
                for (side, mut leg) in split.asking().rev() {
                    let not_its_own = &not_its_own[side as usize];
                    carried.ask(noted, not_its_own, &mut leg, (&mut *aside, breaking)).await?;
                }
                if let Some(level) = isolation {
                    carried.setting(Bytes::from_static(ISOLATION.as_bytes()), level);
                }
                Ok(())
            }
        }
    }

    /// Runs statements, in one transaction, on each of its servers, or only where it may write, beneath
    /// its law. What they tell meanwhile is appended to `heard`. Nothing is owed there.
    pub(super) async fn run_beneath(
        &mut self,
        texts: &[&[u8]],
        writes: bool,
        heard: &mut Heard,
    ) -> io::Result<()> {
        let mut request = BytesMut::new();
        texts.iter().for_each(|text| message::run(&mut request, &NAME, text));
        question::end(&mut request);
        match self {
            Session::One(one) => {
                let Leg { gate, port, .. } = &mut one.relay.leg;
                if writes && !gate.policy().always_allows(Class::Write) {
                    return Ok(());
                }
                let mut told = BytesMut::new();
                let run = patiently(port, &request, &mut told, || false).await;
                gate.name_processes(&mut told);
                heard[0].unsplit(told);
                run?;
            }
            Session::Split(split) => {
                for (side, mut leg) in split.asking() {
                    if !writes || side == Side::Write {
                        let heard = &mut heard[side as usize];
                        patiently(&mut leg, &request, heard, || false).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Notifications are kept apart by server from now on, where there are two.
    pub(super) fn keep_apart(&mut self) {
        if let Session::Split(split) = self {
            split.keep_apart();
        }
    }

    /// What has been kept since; of one server it is among what the client has been told.
    pub(super) fn kept_apart(&mut self, told: &mut BytesMut) -> Heard {
        match self {
            Session::One(_) => [told.split(), BytesMut::new()],
            Session::Split(split) => split.kept_apart(),
        }
    }

    /// Its client has been sent all, and nothing is owed.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Session::One(one) => one.relay.leg.gate.is_idle() && !one.relay.client.has_unsent(),
            Session::Split(split) => !split.has_unsent(),
        }
    }

    /// Serves the client while something is done with it.
    pub(super) async fn meanwhile<T>(
        &mut self,
        done: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        tokio::select! {
            biased;
            result = done => result,
            error = self.serve() => Err(Failed::Lost(error)),
        }
    }

    /// Serves its client to the end.
    async fn serve(&mut self) -> io::Error {
        match self {
            Session::One(one) => match poll_fn(|cx| Pin::new(&mut one.relay).poll(cx)).await {
                Ok(Finish::Over) => io::ErrorKind::UnexpectedEof.into(),
                Ok(Finish::Moves) => io::Error::other("the session's task leads elsewhere again"),
                Err(error) => error,
            },
            Session::Split(split) => split.served().await,
        }
    }

    /// Goes on where it is.
    pub(super) fn settle_down(&mut self) {
        match self {
            Session::One(one) => one.relay.stay(),
            Session::Split(split) => split.stay(),
        }
    }

    /// Goes on where it is, though its row leads elsewhere: what its client has sent is refused.
    pub(super) async fn go_on(mut self, why: &Denial, aside: &[u8]) {
        if let Session::One(one) = &mut self {
            one.relay.leg.gate.keep_from_moving(&why.message);
        }
        self.settle_down();
        let mut client = self.swap(Port::new(no_client(), BytesMut::new()));
        if let Err(error) = client.say(aside).await {
            return tracing::debug!(%error, "client left as its session did not move");
        }
        drop(self.swap(client));
        self.spawn();
    }

    /// Serves its client, as a task of its own.
    pub(super) fn spawn(self) {
        match self {
            Session::One(one) => one.spawn(),
            Session::Split(split) => drop(tokio::task::spawn_local(split.run())),
        }
    }

    /// Says goodbye to its servers.
    pub(super) async fn leave(self) {
        match self {
            Session::One(mut one) => {
                one.relay.close_books();
                let _ = Line::say(&mut one.relay.leg.port, message::TERMINATE).await;
            }
            Session::Split(mut split) => {
                for (_, leg) in split.lines() {
                    let _ = leg.say(message::TERMINATE).await;
                }
            }
        }
    }

    /// Ends with an error.
    pub(super) async fn end(mut self, error: &ErrorResponse) {
        let mut client = self.swap(Port::new(no_client(), BytesMut::new()));
        let _ = client.say(&error.to_bytes()).await;
        let _ = poll_fn(|cx| client.poll_shutdown(cx)).await;
    }

    /// The answer to a task that does not come to pass: on record first.
    pub(super) async fn refused(
        &mut self,
        denial: &Denial,
        by: Option<&Declaring>,
    ) -> ErrorResponse {
        let (place, who) = match self {
            Session::One(one) => one.relay.recorder.told(),
            Session::Split(split) => split.told(),
        };
        let mut event = Event::new(Uuid::now_v7(), EventKind::StatementBlocked, place.clone(), who);
        describe(&mut event, denial);
        event.in_transaction = Some(false);
        if let Some(Declaring { text, location, tag, class }) = by {
            event.class = Some(class.as_str());
            event.command_tag = Some((*tag).to_owned());
            event.statement = Some(Bytes::copy_from_slice(text));
            let before = &text[..text.len().min(*location as usize)];
            event.position = Some(characters(before) + 1);
            event.offset = *location;
        }
        let id = event.id;
        let worker = self.worker();
        let recorded = worker.shared.audit.record(event).await.is_ok();
        if let Some(upstream) = &place.upstream {
            worker.metrics.upstream(upstream).blocked(denial.rule.id());
        }
        let known = if recorded { format!("event {id}") } else { "not recorded".to_owned() };
        let more = Some(&*denial.reason).filter(|reason| !reason.is_empty());
        ErrorResponse::error(denial.sqlstate(), denial.message.clone())
            .with_detail(detail(&place, denial.rule, &known, more))
            .with_hint(denial.full_hint())
    }
}
