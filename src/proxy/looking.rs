//! A session's looks at its database's catalog: whose turn it is, what to ask, what came of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::catalogs::{Slot, private_until};
use super::hold::Hold;
use super::relay::Relay;
use crate::gate::{Look, Looked, Snapshot, Unread};
use crate::sql::catalog::{Catalog, Options};

/// A failed look is tried again so often before the catalog counts as one that cannot be read: a
/// cancel request that was meant for the client's statement may have met it.
const ATTEMPTS: u8 = 2;

/// In a REPEATABLE READ transaction the catalog reads as it was when that began.
const ISOLATION: &str = "SELECT pg_catalog.current_setting('transaction_isolation')";

/// What a leg knows of its database's catalog.
pub(super) struct Looking {
    slot: Arc<Slot>,
    options: Options,
    seen: u64,
    /// The slot's, when the look under way set out.
    touches: u64,
    /// The snapshot is to be read anew, not only compared.
    anew: bool,
    failures: u8,
}

/// A snapshot being made elsewhere.
pub(super) struct Building {
    answer: oneshot::Receiver<Option<Arc<Snapshot>>>,
    private: bool,
}

impl Looking {
    pub(super) fn new(slot: Arc<Slot>, options: Options) -> Self {
        Looking { slot, options, seen: u64::MAX, touches: 0, anew: false, failures: 0 }
    }
}

impl Relay {
    /// Tells the other sessions what this one did.
    #[inline]
    pub(super) fn tell_catalog(&mut self) {
        if let Some(looking) = &mut self.leg.looking
            && self.leg.gate.take_touched()
        {
            looking.slot.touch();
        }
    }

    /// Takes over what another session has found.
    #[inline]
    pub(super) fn follow_catalog(&mut self) {
        self.tell_catalog();
        let Some(looking) = &mut self.leg.looking else { return };
        let stamp = looking.slot.stamp();
        if stamp != looking.seen && !self.leg.gate.has_private_catalog() {
            looking.seen = stamp;
            let look = looking.slot.look();
            self.leg.gate.adopt_catalog(look);
        }
    }

    /// A look is due: gives the messages to send for it.
    pub(super) fn look(&mut self, private: bool) -> bytes::Bytes {
        let now = self.worker.now();
        let Some(looking) = &mut self.leg.looking else { return self.leg.gate.look(&[]) };
        looking.touches = looking.slot.touches();
        let known = if private {
            self.leg.gate.catalog().is_some()
        } else {
            looking.slot.claim(now).snapshot.is_some()
        };
        let both = [Catalog::VERSION_QUERY, Catalog::QUERY];
        let mut queries = vec![ISOLATION];
        let anew = looking.anew || self.leg.gate.reads_anew();
        queries.extend(if known && !anew { &both[..1] } else { &both[..] });
        self.leg.gate.look(&queries)
    }

    /// What came of it.
    pub(super) fn looked(&mut self, looked: Looked) {
        let private = looked.private;
        let Some(looking) = &mut self.leg.looking else {
            return self.leg.gate.set_catalog(Look::default(), private);
        };
        let mut results = looked.results.into_iter().flatten();
        let mut value = || results.next()?.into_iter().next()?.into_iter().next()?;
        let (isolation, version) = (value(), value());
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
                true => self.leg.gate.catalog().cloned(),
                false => looking.slot.look().snapshot,
            };
            match known {
                Some(snapshot) if *snapshot.version == *version => {
                    self.take_catalog(Some(snapshot), private);
                }
                _ => {
                    looking.anew = true;
                    if !private {
                        looking.slot.expire();
                    }
                    self.leg.gate.look_again();
                }
            }
            return;
        };
        looking.anew = false;
        let options = looking.options.clone();
        let before = self.leg.gate.catalog().cloned().or(looking.slot.look().snapshot);
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
        let look = match snapshot {
            Some(snapshot) if !private => looking.slot.set(snapshot, looking.touches, now),
            // what failed here need not fail elsewhere
            snapshot => Look { snapshot, until: private_until(now), compared: now, frozen: false },
        };
        self.leg.gate.set_catalog(look, private);
    }

    /// The transaction sees no newer catalog: what other sessions know serves, as long as it is
    /// recent for routines, and else for what is no call.
    fn take_frozen(&mut self) {
        let now = self.worker.now();
        let Some(looking) = &mut self.leg.looking else { return };
        let known = looking.slot.look();
        let frozen = known.snapshot.is_none() || now >= known.until;
        let until = private_until(now);
        self.leg.gate.set_frozen_catalog(Look { until, compared: now, frozen, ..known });
    }
}
