//! The audit log (proxy §6): one JSON line an event, written before the client's answer.

mod event;

pub use event::{Event, EventKind, Outcome, Place, Who};
