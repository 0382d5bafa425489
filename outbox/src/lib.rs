//! What the sockets of one thread have to send, sent with one system call.
//!
//! A thread that serves many sockets wakes a peer with each send, and on a busy machine that peer
//! takes the processor at once: every message costs two changes of context. A [`Socket`] that uses
//! an [`Outbox`] leaves small writes there instead; they go together, through `io_uring`, once the
//! other tasks that were ready have run ([`Outbox::pump`]).
//!
//! Sends do not wait: each has ended when the call that makes them returns, so nothing in the
//! outbox outlives it. What a socket could not take, it keeps, and takes no more until that has
//! gone.

mod outbox;
mod sends;
mod socket;

pub use outbox::{Outbox, Pump};
pub use socket::{Plain, Socket};
