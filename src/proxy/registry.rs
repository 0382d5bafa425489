//! What all workers share about sessions: cancel keys, and counts against limits. Touched when a
//! session starts and ends, never while it forwards.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use tokio::sync::Notify;

use super::cancelling::{Cancelling, Upstreams};
use crate::config::Limits;
use crate::policy::{Denial, Rule};
use crate::split::Side;
use crate::upstream::CancelToken;

/// Which session a cancel key stands for.
#[derive(Debug, Default)]
pub(super) struct CancelKeys {
    sessions: DashMap<(i32, Box<[u8]>), Arc<Cancelling>>,
    upstreams: Arc<Upstreams>,
}

/// The connection that runs a session's statements, if it has a cancel key.
#[derive(Clone)]
pub(super) enum CancelTarget {
    /// Its only one.
    One(CancelToken),
    /// The leg that had its last message.
    Split(Arc<SplitCancel>),
    /// It is on its way to other upstreams.
    Moving(Arc<Moving>),
}

/// What a cancel request ends of a session on its way to other upstreams.
pub(super) struct Moving {
    /// Where it is.
    pub(super) from: CancelTarget,
    /// The server there is asked what the session has.
    pub(super) asking: AtomicBool,
    pub(super) cancelled: Cancelled,
}

/// Whether a cancel request has come that the proxy itself acts on.
#[derive(Default)]
pub(super) struct Cancelled {
    asked: AtomicBool,
    told: Notify,
}

impl Cancelled {
    /// A request has come.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ready once a request has come. Cancel safe.
    pub(super) async fn asked(&self) {
        while !self.is_asked() {
            self.told.notified().await;
        }
    }

    /// A request comes.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.told.notify_one();
    }
}

/// What cancels the statements of a split session.
#[derive(Default)]
pub(super) struct SplitCancel {
    legs: Mutex<[Option<CancelToken>; 2]>,
    last: AtomicUsize,
    /// A leg is being connected: nothing runs that a server could cancel.
    opening: AtomicBool,
    cancelled: Cancelled,
}

impl SplitCancel {
    /// A leg is open.
    pub(super) fn opened(&self, side: Side, token: CancelToken) {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)[side as usize] = Some(token);
    }

    /// A leg is being connected, until [`SplitCancel::has_opened`].
    pub(super) fn opens(&self) {
        self.cancelled.asked.store(false, Ordering::SeqCst);
        self.opening.store(true, Ordering::SeqCst);
    }

    /// Ready once a request has come since [`SplitCancel::opens`]. Cancel safe.
    pub(super) async fn cancelled(&self) {
        self.cancelled.asked().await;
    }

    /// No leg is being connected any more.
    pub(super) fn has_opened(&self) {
        self.opening.store(false, Ordering::SeqCst);
    }

    /// A request has come. True: it ends the connecting of a leg.
    pub(super) fn ends_opening(&self) -> bool {
        let opening = self.opening.load(Ordering::SeqCst);
        if opening {
            self.cancelled.ask();
        }
        opening
    }

    /// A leg gets a message.
    #[inline]
    pub(super) fn runs_on(&self, side: Side) {
        self.last.store(side as usize, Ordering::Relaxed);
    }
}

impl CancelTarget {
    /// What cancels what runs now; `None`: nothing can.
    pub(super) fn token(self) -> Option<CancelToken> {
        match self {
            CancelTarget::One(token) => Some(token),
            CancelTarget::Split(split) => {
                let last = split.last.load(Ordering::Relaxed);
                let legs = split.legs.lock().unwrap_or_else(PoisonError::into_inner);
                legs.get(last).cloned().flatten()
            }
            CancelTarget::Moving(moving) if moving.asking.load(Ordering::SeqCst) => {
                moving.from.clone().token()
            }
            CancelTarget::Moving(_) => None,
        }
    }
}

impl std::fmt::Debug for CancelTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CancelTarget")
    }
}

impl CancelKeys {
    /// Registers a session until the guard is dropped. `None`: the key is taken.
    pub(super) fn register(
        self: &Arc<Self>,
        process_id: i32,
        key: &[u8],
        target: CancelTarget,
    ) -> Option<CancelGuard> {
        let key = (process_id, Box::from(key));
        match self.sessions.entry(key.clone()) {
            dashmap::Entry::Occupied(_) => None,
            dashmap::Entry::Vacant(vacant) => {
                let upstreams = Arc::clone(&self.upstreams);
                vacant.insert(Arc::new(Cancelling::new(target, upstreams)));
                Some(CancelGuard { keys: Arc::clone(self), key })
            }
        }
    }

    /// What to cancel for a request; `None`: no session has this key.
    pub(super) fn find(&self, process_id: i32, key: &[u8]) -> Option<Arc<Cancelling>> {
        self.sessions.get(&(process_id, Box::from(key))).map(|found| Arc::clone(found.value()))
    }
}

/// A registered cancel key.
#[derive(Debug)]
pub(super) struct CancelGuard {
    keys: Arc<CancelKeys>,
    key: (i32, Box<[u8]>),
}

impl CancelGuard {
    /// The process id that the client knows.
    pub(super) fn process_id(&self) -> i32 {
        self.key.0
    }

    /// The session is on its way to other upstreams, until [`CancelGuard::retarget`].
    pub(super) fn moves(&self) -> Option<Arc<Moving>> {
        let from = self.keys.sessions.get(&self.key)?.target().clone();
        let moving = Arc::new(Moving {
            from,
            asking: AtomicBool::new(true),
            cancelled: Cancelled::default(),
        });
        self.retarget(CancelTarget::Moving(moving.clone()));
        Some(moving)
    }

    /// The session's statements run elsewhere from now on.
    pub(super) fn retarget(&self, target: CancelTarget) {
        let cancelling = Cancelling::new(target, Arc::clone(&self.keys.upstreams));
        self.keys.sessions.insert(self.key.clone(), Arc::new(cancelling));
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.keys.sessions.remove(&self.key);
    }
}

/// Counts of sessions.
#[derive(Debug, Default)]
pub(super) struct Counts {
    all: AtomicUsize,
    users: DashMap<String, usize>,
    entries: DashMap<String, usize>,
    addresses: DashMap<IpAddr, usize>,
}

/// A session's places in the counts.
#[derive(Debug)]
pub(super) struct Places {
    counts: Arc<Counts>,
    user: Option<String>,
    entry: Option<String>,
    address: Option<IpAddr>,
}

impl Counts {
    /// Takes a place for a connection.
    pub(super) fn connection(
        self: &Arc<Self>,
        limits: &Limits,
        address: Option<IpAddr>,
    ) -> Result<Places, Box<Denial>> {
        let mut places =
            Places { counts: Arc::clone(self), user: None, entry: None, address: None };
        let all = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        if all > limits.max_client_connections {
            return Err(too_many(
                "clients",
                "max_client_connections",
                limits.max_client_connections,
            ));
        }
        if let Some(address) = address {
            take(&self.addresses, &address, limits.max_connections_per_address).map_err(|()| {
                too_many(
                    &format!("clients from {address}"),
                    "max_connections_per_address",
                    limits.max_connections_per_address,
                )
            })?;
            places.address = Some(address);
        }
        Ok(places)
    }

    /// Sessions and connections under way.
    pub(super) fn all(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }
}

impl Places {
    /// Takes places for the user and the entry, too.
    pub(super) fn session(
        &mut self,
        limits: &Limits,
        user: &str,
        entry: &str,
    ) -> Result<(), Box<Denial>> {
        take(&self.counts.users, &user.to_owned(), limits.max_connections_per_user).map_err(
            |()| {
                let what = format!("connections of user \"{user}\"");
                too_many(&what, "max_connections_per_user", limits.max_connections_per_user)
            },
        )?;
        self.user = Some(user.to_owned());
        take(&self.counts.entries, &entry.to_owned(), limits.max_connections_per_entry).map_err(
            |()| {
                let what = format!("connections to \"{entry}\"");
                too_many(&what, "max_connections_per_entry", limits.max_connections_per_entry)
            },
        )?;
        self.entry = Some(entry.to_owned());
        Ok(())
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.counts.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(user) = &self.user {
            leave(&self.counts.users, user);
        }
        if let Some(entry) = &self.entry {
            leave(&self.counts.entries, entry);
        }
        if let Some(address) = &self.address {
            leave(&self.counts.addresses, address);
        }
    }
}

fn too_many(what: &str, key: &str, limit: usize) -> Box<Denial> {
    Box::new(Denial::new(
        Rule::ConnectionLimit,
        format!("too many {what}"),
        format!("close some, or raise [server] {key} (now {limit})"),
    ))
}

fn take<K: Eq + Hash + Clone>(counts: &DashMap<K, usize>, key: &K, limit: usize) -> Result<(), ()> {
    let mut count = counts.entry(key.clone()).or_insert(0);
    if limit > 0 && *count >= limit {
        return Err(());
    }
    *count += 1;
    Ok(())
}

fn leave<K: Eq + Hash>(counts: &DashMap<K, usize>, key: &K) {
    if let Some(mut count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
    }
    counts.remove_if(key, |_, count| *count == 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            max_client_connections: 2,
            max_connections_per_user: 1,
            max_connections_per_entry: 0,
            max_connections_per_address: 0,
            max_statement_bytes: 1,
        }
    }

    #[test]
    fn a_refused_connection_leaves_its_places() {
        let counts = Arc::new(Counts::default());
        let mut first = counts.connection(&limits(), None).unwrap();
        first.session(&limits(), "u", "e").unwrap();
        let mut second = counts.connection(&limits(), None).unwrap();
        assert_eq!(second.session(&limits(), "u", "e").unwrap_err().rule, Rule::ConnectionLimit);
        assert!(counts.connection(&limits(), None).is_err());
        drop(first);
        second.session(&limits(), "u", "e").unwrap();
        drop(second);
        assert_eq!(counts.all(), 0);
        assert!(counts.users.is_empty() && counts.entries.is_empty());
    }
}
