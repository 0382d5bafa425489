//! A session's looks at its database's catalog: whose turn it is, what to ask, what came of it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::catalogs::{Common, Taking, UnderWay, private_until};
use super::hold::Hold;
use super::relay::Relay;
use crate::config::Config;
use crate::gate::{Look, Looked, Snapshot, Unread};
use crate::session::Instant;
use crate::sql::catalog::{Catalog, Options, Path};

/// A failed look is tried again so often before the catalog counts as one that cannot be read: a
/// cancel request that was meant for the client's statement may have met it.
const ATTEMPTS: u8 = 2;

/// In a REPEATABLE READ transaction the catalog reads as it was when that began.
const ISOLATION: &str = "SELECT pg_catalog.current_setting('transaction_isolation')";

/// By what unqualified names are looked up: a role can be renamed, and the configuration file reloaded.
const USER: &str = "SELECT current_user::pg_catalog.text";
const SEARCH_PATH: &str = "SELECT pg_catalog.current_setting('search_path')";

/// So many looks of others may come to nothing for one message; then the session takes its own.
const WAITS: u8 = 3;

/// What a leg knows of its database's catalog.
pub(super) struct Looking {
    common: Rc<Common>,
    upstream: Box<str>,
    seen: u64,
    /// The slot's, when the look under way set out.
    touches: u64,
    /// The snapshot is to be read anew, not only compared.
    anew: bool,
    failures: u8,
    /// The look under way is for all.
    taking: Option<Taking>,
    /// As `touches`, when the message at the front first needed a look.
    needed: Option<u64>,
    /// How many looks of others have come to nothing for it.
    in_vain: u8,
}

/// Another session's look under way.
pub(super) struct Waiting {
    over: Pin<Box<dyn Future<Output = bool>>>,
    since: Instant,
}

/// A snapshot being made elsewhere.
pub(super) struct Building {
    answer: oneshot::Receiver<Option<Arc<Snapshot>>>,
    private: bool,
}

impl Looking {
    pub(super) fn new(common: Rc<Common>, upstream: &str) -> Self {
        Looking {
            common,
            upstream: upstream.into(),
            seen: u64::MAX,
            touches: 0,
            anew: false,
            failures: 0,
            taking: None,
            needed: None,
            in_vain: 0,
        }
    }

    /// Somebody else is about to find what this session needs.
    fn under_way(&self) -> Option<UnderWay> {
        let alone = self.anew || self.taking.is_some() || self.in_vain >= WAITS;
        if alone { None } else { self.common.slot().under_way() }
    }

    /// The message at the front has what it needed, or cannot have it.
    fn has_looked(&mut self) {
        self.needed = None;
        self.in_vain = 0;
    }
}

impl Relay {
    /// Tells the other sessions what this one did.
    #[inline]
    pub(super) fn tell_catalog(&mut self) {
        if let Some(looking) = &mut self.leg.looking
            && self.leg.gate.take_touched()
        {
            looking.common.slot().touch();
        }
    }

    /// Takes over what another session has found.
    #[inline]
    pub(super) fn follow_catalog(&mut self) {
        self.tell_catalog();
        let Some(looking) = &mut self.leg.looking else { return };
        let stamp = looking.common.slot().stamp();
        let gate = &mut self.leg.gate;
        if (stamp != looking.seen || gate.has_no_catalog()) && !gate.has_private_catalog() {
            looking.seen = stamp;
            gate.adopt_catalog(looking.common.follow());
        }
    }

    /// A look is due: it sets out, or another session's is waited for. `held`: for the message that
    /// waited for one before, if any did.
    pub(super) fn look(
        &mut self,
        cx: &mut Context<'_>,
        private: bool,
        held: bool,
    ) -> io::Result<()> {
        let now = self.worker.now();
        let Some(looking) = &mut self.leg.looking else {
            let bytes = self.leg.gate.look(&[]);
            return self.set_out(cx, &bytes);
        };
        let slot = Rc::clone(&looking.common);
        let slot = slot.slot();
        looking.touches = slot.touches();
        if !held {
            looking.has_looked();
        }
        let known = if private {
            self.leg.gate.catalog().is_some()
        } else {
            looking.needed.get_or_insert(looking.touches);
            let others = if self.leg.gate.reads_anew() { None } else { looking.under_way() };
            if let Some(others) = others {
                let over = Box::pin(others.over(Arc::clone(slot)));
                self.hold = Hold::Waiting(Waiting { over, since: now });
                return Ok(());
            }
            // others are not to wait for what waits for this client
            let is_free = self.client.poll_sent(cx)?.is_ready();
            if is_free && looking.taking.is_none() && slot.under_way().is_none() {
                looking.taking = Some(slot.take());
            }
            slot.claim(now).snapshot.is_some()
        };
        let both = [Catalog::VERSION_QUERY, Catalog::QUERY];
        let mut queries = vec![ISOLATION, USER, SEARCH_PATH];
        let anew = looking.anew || self.leg.gate.reads_anew();
        queries.extend(if known && !anew { &both[..1] } else { &both[..] });
        let bytes = self.leg.gate.look(&queries);
        self.set_out(cx, &bytes)
    }

    fn set_out(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        self.leg.send_own(cx, bytes)?;
        self.hold = Hold::Answers;
        Ok(())
    }

    /// Goes on where another session's look was waited for.
    pub(super) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Hold::Waiting(Waiting { over, since }) = &mut self.hold else {
            return Poll::Ready(());
        };
        let (over, since) = (ready!(over.as_mut().poll(cx)), *since);
        self.hold = Hold::None;
        let Some(looking) = &mut self.leg.looking else { return Poll::Ready(()) };
        let slot = looking.common.slot();
        if slot.is_behind(looking.needed.unwrap_or(u64::MAX), since) {
            looking.seen = slot.stamp();
            self.leg.gate.join_catalog(looking.common.follow());
            looking.has_looked();
        } else if over && !slot.is_behind(0, since) {
            looking.in_vain += 1;
        }
        Poll::Ready(())
    }

    /// What came of it.
    pub(super) fn looked(&mut self, looked: Looked) {
        let private = looked.private;
        let Some(looking) = &mut self.leg.looking else {
            return self.leg.gate.set_catalog(Look::default(), private);
        };
        let mut results = looked.results.into_iter().flatten();
        let mut value = || results.next()?.into_iter().next()?.into_iter().next()?;
        let isolation = value();
        if let (Some(user), Some(path)) = (value(), value()) {
            let text = |bytes| String::from_utf8(bytes).ok();
            let path = text(path).map(|path| Path::of_setting(&path, text(user).as_deref()));
            self.leg.gate.compare_path(&path.unwrap_or(Path::Unknown));
        }
        let version = value();
        if private && isolation.is_some_and(|level| !level.starts_with(b"read ")) {
            return self.take_frozen();
        }
        let Some(version) = version else {
            looking.failures += 1;
            if looking.failures < ATTEMPTS {
                return self.leg.gate.look_again();
            }
            looking.failures = 0;
            tracing::warn!("the catalog of the upstream could not be read");
            return self.take_catalog(None, private);
        };
        looking.failures = 0;
        let Some(rows) = results.next() else {
            let known = match private {
                true => self.leg.gate.catalog(),
                false => looking.common.slot().look().snapshot,
            };
            match known {
                Some(snapshot) if *snapshot.version == *version => {
                    self.take_catalog(Some(snapshot), private);
                }
                _ => {
                    looking.anew = true;
                    if !private {
                        looking.common.slot().expire();
                    }
                    self.leg.gate.look_again();
                }
            }
            return;
        };
        looking.anew = false;
        let options = options(&self.worker.shared.loaded().config, &looking.upstream);
        let before = self.leg.gate.catalog().or(looking.common.slot().look().snapshot);
        let answer = self.worker.shared.judges.build(rows, version.into(), options, before);
        self.hold = Hold::Building(Building { answer, private });
    }

    /// Has read what a text runs.
    pub(super) fn read_bodies(&mut self, unread: Box<Unread>) {
        self.hold = Hold::Reading(self.worker.shared.judges.read(unread));
    }

    /// Goes on where a snapshot was being made, or bodies read.
    pub(super) fn poll_building(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Hold::Reading(answer) = &mut self.hold {
            let _ = ready!(Pin::new(answer).poll(cx));
            self.hold = Hold::None;
        }
        let Hold::Building(Building { answer, private }) = &mut self.hold else {
            return Poll::Ready(());
        };
        let (snapshot, private) = (ready!(Pin::new(answer).poll(cx)), *private);
        self.hold = Hold::None;
        self.take_catalog(snapshot.ok().flatten(), private);
        Poll::Ready(())
    }

    fn take_catalog(&mut self, snapshot: Option<Arc<Snapshot>>, private: bool) {
        let now = self.worker.now();
        let Some(looking) = &mut self.leg.looking else { return };
        looking.has_looked();
        match snapshot {
            Some(snapshot) if !private => {
                looking.common.slot().set(snapshot, looking.touches, now);
                self.leg.gate.set_common_catalog(looking.common.follow());
            }
            // what failed here need not fail elsewhere
            snapshot => {
                let until = private_until(now);
                let look = Look { snapshot, until, compared: now, frozen: false };
                self.leg.gate.set_catalog(look, private);
            }
        }
        looking.taking = None;
    }

    /// The transaction sees no newer catalog: what other sessions know serves, as long as it is
    /// recent for routines, and else for what is no call.
    fn take_frozen(&mut self) {
        let now = self.worker.now();
        let Some(looking) = &mut self.leg.looking else { return };
        let known = looking.common.slot().look();
        let frozen = known.snapshot.is_none() || now >= known.until;
        let until = private_until(now);
        self.leg.gate.set_frozen_catalog(Look { until, compared: now, frozen, ..known });
    }
}

/// What a catalog is judged by: as configured now, whenever the session began, since it serves all.
fn options(config: &Config, upstream: &str) -> Options {
    let trusted = config.upstreams.get(upstream).map(|upstream| &upstream.trusted_routines);
    Options {
        migration_tables: config.contract.migration_tables.clone(),
        trusted: trusted.into_iter().flatten().map(|one| one.routine.clone()).collect(),
    }
}
