//! A session whose task leads elsewhere goes there (contract §3, §2: `authority.task` outside a
//! transaction).
//!
//! The statement that changes the task runs where the session is; what would be its ReadyForQuery
//! is kept back. The new upstream is opened as for a newcomer, and the proxy, as its client over a
//! pipe, does there again what the session has set, listens to and has prepared, so that all of it is
//! judged. Then the client's stream changes hands. What cannot come along (temporary relations,
//! cursors WITH HOLD, advisory locks, a role) keeps the session where it is, with an error; a
//! confirmation stays behind.

mod breaking;
mod carried;
mod parting;
mod question;
mod session;
mod talk;

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::timeout;

use breaking::Breaking;
use carried::{Carried, Failed, forget, must};
use parting::part;
pub(super) use question::unique;
pub(super) use session::{Session, guard};
pub(super) use talk::Line;
use talk::PATIENCE;

use super::alike;
use super::declare::declare;
use super::ending::shutdown;
use super::port::Port;
use super::refuse::Refusal;
use super::registry::CancelTarget;
use super::session::{One, Origin, placed};
use super::split;
use super::starting;
use super::worker::Worker;
use crate::contract::parameter;
use crate::gate::Astray;
use crate::net::Stream;
use crate::policy::{Denial, Rule};
use crate::protocol::{ErrorResponse, message};
use crate::sql::quote;

/// Takes a session where its task leads; it stays where it is if that cannot be.
pub(super) async fn go(mut old: Session) {
    let Some(astray) = old.astray() else { return };
    let mut aside = BytesMut::new();
    let Some(origin) = old.origin() else {
        // a reload has changed how its entry authenticates
        let denial = Denial::new(
            Rule::TaskChange,
            "the client's own authentication cannot be repeated where the task leads",
            "connect again",
        );
        return stay(old, &astray, &denial, &aside).await;
    };
    let moving = old.kept().as_ref().and_then(|kept| kept.cancel.moves());
    let from = moving.as_ref().map(|moving| moving.from.clone());
    let breaking = Breaking::new(moving, old.handle(), old.worker());
    let attempted = attempt(&mut old, &origin, &astray, &mut aside, &breaking).await;
    if let (Some(kept), Some(from)) = (old.kept(), from) {
        kept.cancel.retarget(from);
    }
    match attempted {
        Ok(new) => replace(old, new, &aside, astray.unasked).await,
        Err(Failed::Refused(denial)) => stay(old, &astray, &denial, &aside).await,
        Err(Failed::Lost(error)) => old.end(&lost(&error)).await,
        Err(Failed::Drained) => old.end(&shutdown()).await,
    }
}

fn lost(error: &io::Error) -> ErrorResponse {
    let why = format!("the connection was lost as the session moved: {error}");
    ErrorResponse::fatal("08006", why)
}

/// The session could not stay where it is.
fn not_back(why: Failed) -> ErrorResponse {
    match why {
        Failed::Lost(error) => lost(&error),
        Failed::Refused(denial) => {
            let why = format!("the task of before could not be set again: {}", denial.message);
            ErrorResponse::fatal("55000", why)
        }
        Failed::Drained => shutdown(),
    }
}

/// The session where its task leads, with a client of the proxy's own, and what it would have told
/// its client at its start.
struct New {
    session: Session,
    target: CancelTarget,
    reports: BytesMut,
    /// Parameters that are not there as the client has been told.
    differing: Vec<alike::Told>,
}

async fn attempt(
    old: &mut Session,
    origin: &Origin,
    astray: &Astray,
    aside: &mut BytesMut,
    breaking: &Breaking,
) -> Result<New, Failed> {
    let task = &astray.task;
    let mut carried = Carried::default();
    tokio::select! {
        biased;
        asked = old.ask(&mut carried, &astray.noted, aside, breaking) => asked?,
        drained = breaking.drained() => return Err(drained),
    }
    breaking.asked()?;
    carried.hindrance(task).map_err(Failed::Refused)?;
    let known = old.kept().as_ref().map_or(0, |kept| kept.cancel.process_id());
    let worker = old.worker();
    let limit = worker.shared.loaded().config.server.login_timeout;
    let there = async {
        let mut new = open(&worker, (origin, known), task).await?;
        let (mut ours, theirs) = Stream::pipe();
        drop(new.session.swap(Port::new(theirs, BytesMut::new())));
        for (name, value) in new.differing.drain(..) {
            carried.told(name, value);
        }
        if carried.listens() {
            new.session.keep_apart();
        }
        let repeated = carried.repeat(task, &mut ours, &mut new.reports);
        new.session.meanwhile(repeated).await?;
        settle(&mut new.session, &mut ours, &mut new.reports).await?;
        Ok(new)
    };
    let arrived = tokio::select! {
        biased;
        arrived = timeout(limit, there) => arrived,
        broken = breaking.broken() => return Err(broken),
    };
    match arrived {
        Ok(Err(Failed::Lost(error))) => Err(Failed::Refused(unreachable(error.to_string()))),
        Ok(Ok(mut new)) if carried.listens() => {
            let New { session, reports, .. } = &mut new;
            match timeout(limit, part(old, session, (aside, reports))).await {
                Ok(Ok(())) => Ok(new),
                Ok(Err(error)) => Err(Failed::Refused(unreachable(error.to_string()))),
                // what either owes is not known
                Err(_) => Err(Failed::Lost(io::ErrorKind::TimedOut.into())),
            }
        }
        Ok(arrived) => arrived,
        Err(_) => Err(Failed::Refused(unreachable(format!("no answer in {limit:?}")))),
    }
}

/// Its client, the proxy itself, has heard all of it.
async fn settle(
    session: &mut Session,
    line: &mut impl Line,
    said: &mut BytesMut,
) -> Result<(), Failed> {
    for _ in 0..PATIENCE {
        if session.is_settled() {
            return Ok(());
        }
        session.meanwhile(forget(line, said)).await?;
    }
    Err(io::Error::other("the session has more to say again and again").into())
}

fn unreachable(why: String) -> Box<Denial> {
    Box::new(Denial {
        reason: why,
        ..Denial::new(
            Rule::UpstreamUnreachable,
            "the session cannot go where the task leads",
            "it stays where it is; try again",
        )
    })
}

/// Opens what a task leads to, as for a newcomer with the startup packet of the session's.
/// `known`: the process id that the client knows the session by.
async fn open(
    worker: &Rc<Worker>,
    (origin, known): (&Origin, i32),
    task: &Arc<str>,
) -> Result<New, Failed> {
    let refused = |refusal: Refusal| {
        Failed::Refused(refusal.into_denial("the session stays where it is; try again"))
    };
    let loaded = worker.shared.loaded();
    let origin = origin.without_confirmation();
    let startup = &origin.startup;
    let entry = origin.readmit(&loaded).map_err(Failed::Refused)?;
    let declared = declare(&loaded.config, &entry, startup, worker.now(), Some(&**task));
    let mut declared = declared.map_err(Failed::Refused)?;
    let place = placed(startup, &declared);
    if let Some(write) = declared.write.take() {
        let begun = split::begin(worker, &loaded, &origin, place, declared, write).await;
        let mut begun = begun.map_err(refused)?;
        begun.known_as(known);
        let (target, reports) = (begun.target(), begun.reports());
        let split = begun.session(no_client())?;
        let session = Session::Split(Box::new(split));
        return Ok(New { session, target, reports, differing: Vec::new() });
    }
    let login = origin.login();
    let connection = starting::connect(worker, &origin, &entry, &declared, login).await;
    let connection = connection.map_err(refused)?;
    let target = CancelTarget::One(connection.cancel_token());
    let mut reports = BytesMut::new();
    starting::reports(&mut reports, &connection);
    let differing = alike::differing(&origin.told, &connection);
    let differing = differing.map(|(told, _)| told.clone()).collect();
    let own = connection.process_id;
    let mut leg = starting::leg(worker, &loaded.config, startup, connection, declared.into())?;
    leg.gate.know_as(own, known);
    let client = Port::new(no_client(), BytesMut::new());
    let one = One::new(worker, (leg, loaded.generation), client, place, origin.clone());
    Ok(New { session: Session::One(Box::new(one)), target, reports, differing })
}

/// A stream whose other end is gone.
fn no_client() -> Stream {
    Stream::pipe().1
}

/// The client changes hands. `unasked`: it does not wait for ReadyForQuery.
async fn replace(mut old: Session, new: New, aside: &BytesMut, unasked: bool) {
    let New { mut session, target, reports, .. } = new;
    let mut client = old.swap(Port::new(no_client(), BytesMut::new()));
    let kept = old.kept().take();
    if let Some(kept) = &kept {
        kept.cancel.retarget(target);
    }
    *session.kept() = kept;
    old.leave().await;
    let mut out = aside.clone();
    out.extend_from_slice(&reports);
    if !unasked {
        message::ready_for_query(&mut out, b'I');
    }
    if let Err(error) = client.say(&out).await {
        return tracing::debug!(%error, "client left as its session moved");
    }
    drop(session.swap(client));
    session.spawn();
}

/// The session stays where it is: its task is the one that led there, and its client is told why.
async fn stay(mut old: Session, astray: &Astray, denial: &Denial, aside: &BytesMut) {
    if astray.unasked {
        return old.go_on(denial, aside).await;
    }
    let (mut ours, theirs) = Stream::pipe();
    let mut client = old.swap(Port::new(theirs, BytesMut::new()));
    let home = astray.home.as_deref().unwrap_or_default();
    let text = quote::set(parameter::TASK, home.as_bytes());
    let mut said = BytesMut::new();
    old.settle_down();
    let back = async {
        if astray.home.as_ref() != Some(&astray.task) {
            must(&mut ours, &text, &mut said).await?;
        }
        forget(&mut ours, &mut said).await
    };
    let mut is_back = old.meanwhile(back).await;
    if is_back.is_ok() {
        is_back = settle(&mut old, &mut ours, &mut said).await;
    }
    if let Err(why) = is_back {
        drop(old.swap(client));
        if old.worker().drains() {
            return old.end(&shutdown()).await;
        }
        return old.end(&not_back(why)).await;
    }
    let error = old.refused(denial, astray.by.as_deref()).await;
    let mut out = aside.clone();
    out.extend_from_slice(&said);
    error.encode(&mut out);
    message::ready_for_query(&mut out, b'I');
    if let Err(error) = client.say(&out).await {
        return tracing::debug!(%error, "client left as its session did not move");
    }
    drop(old.swap(client));
    old.spawn();
}
