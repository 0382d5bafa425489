//! The catalogs of the databases behind the proxy, as read through its sessions: one snapshot a
//! database, shared by all workers, compared with the server's now and then.
//!
//! Nothing here connects anywhere: a session that needs a newer look takes it on its own
//! connection, so a suspended upstream is neither woken nor kept awake.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::gate::{CommonLook, Look, Snapshot};
use crate::session::Instant;

/// What happens elsewhere is noticed within this time: a statement that comes later is judged by a
/// catalog that was compared with the server's meanwhile.
const MAX_AGE: Duration = Duration::from_secs(5);

/// While one session compares, the others go on with what is there; for so long.
const GRACE: Duration = Duration::from_secs(1);

/// For so long a session waits for what another one is about to find.
const PATIENCE: Duration = Duration::from_secs(2);

/// An upstream's name and a database there.
type Place = (String, Vec<u8>);

/// One slot a database.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
}

/// Snapshots are numbered over the whole process.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The number of a new snapshot.
pub(super) fn next_number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

impl Catalogs {
    /// The slot of a database: once a session.
    pub(super) fn slot(&self, upstream: &str, database: &[u8]) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (upstream.to_owned(), database.to_vec());
        Arc::clone(slots.entry(key).or_default())
    }

    /// A reload may have changed what snapshots are judged by: they are read again.
    pub(super) fn clear(&self) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            slot.change(|look| {
                // nor does what a look finds serve that set out before
                let touches = slot.touches.fetch_add(1, Ordering::AcqRel) + 1;
                slot.newest.store(touches, Ordering::Release);
                *look = Look::default();
            });
        }
    }
}

/// What is known of one database.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Counts changes of `look`: read by every session for every message, written rarely.
    stamp: AtomicU64,
    touches: AtomicU64,
    /// As `touches`, when the look set out that `look` is of.
    newest: AtomicU64,
    look: RwLock<Look>,
    /// The newest look under way.
    under_way: Mutex<Option<UnderWay>>,
}

/// A look that some session takes for all.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    /// Closed once it is over, whatever came of it.
    over: watch::Receiver<()>,
}

impl UnderWay {
    /// Waits until it is over, a while at most: its session may have been stopped. Then whoever asks
    /// next sets out in its place, so there are few at a time, however long they take. True: it is
    /// over. Cancel safe.
    pub(super) async fn over(mut self, slot: Arc<Slot>) -> bool {
        let over = tokio::time::timeout(PATIENCE, self.over.changed()).await.is_ok();
        if !over {
            let mut under_way = slot.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.take_if(|newest| newest.over.same_channel(&self.over));
        }
        over
    }
}

/// The look under way is this session's, until this is dropped.
#[derive(Debug)]
pub(super) struct Taking {
    _over: watch::Sender<()>,
}

/// What the sessions of one worker know of one database.
#[derive(Debug)]
pub(super) struct Common {
    slot: Arc<Slot>,
    seen: Cell<u64>,
    look: CommonLook,
}

impl Common {
    /// Knows nothing yet.
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Common { slot, seen: Cell::new(u64::MAX), look: CommonLook::default() }
    }

    /// What all workers know.
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// As it is now.
    pub(super) fn follow(&self) -> &CommonLook {
        let stamp = self.slot.stamp();
        if self.seen.replace(stamp) != stamp {
            *self.look.borrow_mut() = self.slot.look();
        }
        &self.look
    }
}

impl Slot {
    /// Another number: there is something new.
    #[inline]
    pub(super) fn stamp(&self) -> u64 {
        self.stamp.load(Ordering::Acquire)
    }

    /// What sessions may rely on now.
    pub(super) fn look(&self) -> Look {
        self.look.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A session sets out to compare it with the server's: gives what is there, and keeps the
    /// others from doing the same for the time being.
    pub(super) fn claim(&self, now: Instant) -> Look {
        let look = self.look();
        if look.snapshot.is_some() && look.until > Instant::ZERO {
            self.change(|look| look.until = look.until.max(now.saturating_add(GRACE)));
        }
        look
    }

    /// The look that another session is taking.
    pub(super) fn under_way(&self) -> Option<UnderWay> {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        under_way.over.has_changed().is_ok().then_some(under_way)
    }

    /// A session sets out for all: the others wait for what it finds.
    pub(super) fn take(&self) -> Taking {
        let (_over, over) = watch::channel(());
        let under_way = Some(UnderWay { over });
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) = under_way;
        Taking { _over }
    }

    /// The look in force came behind this moment, and set out behind these changes.
    pub(super) fn is_behind(&self, touches: u64, moment: Instant) -> bool {
        let look = self.look();
        let is_new = look.snapshot.is_some() && look.compared >= moment;
        is_new && self.newest.load(Ordering::Acquire) >= touches
    }

    /// What came of it: the same snapshot or a newer one.
    /// `touches`: as they were when the look set out; it may have missed what came since.
    pub(super) fn set(&self, snapshot: Arc<Snapshot>, touches: u64, now: Instant) {
        let until = now.saturating_add(MAX_AGE);
        let mut new = Look { snapshot: Some(snapshot), until, compared: now, frozen: false };
        self.change(|look| {
            if self.touches() != touches {
                new.until = Instant::ZERO;
            }
            // one that set out later has seen more
            if touches < self.newest.load(Ordering::Acquire) {
                look.until = Instant::ZERO;
            } else {
                self.newest.store(touches, Ordering::Release);
                *look = new;
            }
        });
    }

    /// It is not what the server has any more.
    pub(super) fn expire(&self) {
        self.change(|look| look.until = Instant::ZERO);
    }

    /// Something that passed through the proxy may have changed the catalog.
    pub(super) fn touch(&self) {
        self.change(|look| {
            self.touches.fetch_add(1, Ordering::AcqRel);
            look.until = Instant::ZERO;
        });
    }

    /// How often that was so.
    pub(super) fn touches(&self) -> u64 {
        self.touches.load(Ordering::Acquire)
    }

    fn change(&self, change: impl FnOnce(&mut Look)) {
        change(&mut self.look.write().unwrap_or_else(PoisonError::into_inner));
        self.stamp.fetch_add(1, Ordering::Release);
    }
}

/// How long what only one session sees is good for.
pub(super) fn private_until(now: Instant) -> Instant {
    now.saturating_add(MAX_AGE)
}
