//! Where sockets leave what they have to send.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::sends::Sends;

/// A write above this goes by itself: what a call costs is little beside copying it.
pub(crate) const SMALL: usize = 4096;

/// Names what a socket has left in the outbox.
pub(crate) type Ticket = NonZero<u64>;

/// What did not go whole: what is left, or why nothing goes any more.
pub(crate) type Undone = io::Result<Box<[u8]>>;

/// What one thread's sockets have to send.
pub struct Outbox {
    /// `None`: it is of no use any more, and sockets write by themselves.
    sends: RefCell<Option<Sends<(Ticket, Waker)>>>,
    undone: RefCell<HashMap<Ticket, Undone>>,
    next: Cell<Ticket>,
    /// Tickets from here on wait to be sent.
    waiting: Cell<Ticket>,
    pump: RefCell<Option<Waker>>,
}

impl Outbox {
    /// An outbox of this thread.
    ///
    /// # Errors
    ///
    /// The kernel has no `io_uring`, or does not let this process use it.
    pub fn new() -> io::Result<Rc<Outbox>> {
        Ok(Rc::new(Outbox {
            sends: RefCell::new(Some(Sends::new()?)),
            undone: RefCell::default(),
            next: Cell::new(Ticket::MIN),
            waiting: Cell::new(Ticket::MIN),
            pump: RefCell::new(None),
        }))
    }

    /// Sends what has been left, each time that other tasks have had their turn; for ever. To be
    /// run as a task of the thread's runtime.
    ///
    /// Cancel safe; what has been left without it goes when there is no more room, or the socket
    /// is dropped.
    pub fn pump(self: &Rc<Self>) -> Pump {
        Pump(self.clone())
    }

    /// Leaves bytes. `None`: the outbox is of no use any more.
    ///
    /// # Safety
    ///
    /// The socket stays open until the ticket [has been sent](Outbox::has_sent).
    pub(crate) unsafe fn leave(
        &self,
        socket: RawFd,
        bytes: &[u8],
        waker: &Waker,
    ) -> Option<Ticket> {
        if self.sends.borrow().as_ref().is_some_and(|sends| !sends.fits(bytes.len())) {
            self.send();
        }
        let mut sends = self.sends.borrow_mut();
        let sends = sends.as_mut()?;
        let ticket = self.next.get();
        self.next.set(ticket.saturating_add(1));
        if sends.is_empty()
            && let Some(pump) = &*self.pump.borrow()
        {
            pump.wake_by_ref();
        }
        // SAFETY: as the caller has promised: `send` sets what has been sent.
        unsafe { sends.add(socket, bytes, (ticket, waker.clone())) };
        Some(ticket)
    }

    /// Adds to what was left last, if it is this socket's and has not been sent.
    pub(crate) fn add(&self, socket: RawFd, bytes: &[u8]) -> bool {
        self.sends.borrow_mut().as_mut().is_some_and(|sends| sends.extend(socket, bytes))
    }

    pub(crate) fn has_sent(&self, ticket: Ticket) -> bool {
        ticket < self.waiting.get()
    }

    /// What of a ticket that has been sent did not go.
    pub(crate) fn take_undone(&self, ticket: Ticket) -> Option<Undone> {
        let mut undone = self.undone.borrow_mut();
        if undone.is_empty() { None } else { undone.remove(&ticket) }
    }

    /// Sends what has been left.
    pub(crate) fn send(&self) {
        // in use: a waker that the kernel's part is done with has just been dropped
        let Ok(mut sends) = self.sends.try_borrow_mut() else { return };
        let Some(made) = sends.as_mut().filter(|sends| !sends.is_empty()) else { return };
        self.waiting.set(self.next.get());
        let made = made.make(|(ticket, waker), rest| {
            self.undone.borrow_mut().insert(ticket, rest.map(Box::from));
            waker.wake();
        });
        if made.is_err() {
            *sends = None;
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

/// Sends what sockets leave in an [`Outbox`]; never ready.
#[derive(Debug)]
pub struct Pump(Rc<Outbox>);

impl Future for Pump {
    type Output = std::convert::Infallible;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Pump(outbox) = &*self;
        outbox.send();
        let mut pump = outbox.pump.borrow_mut();
        if !pump.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *pump = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
