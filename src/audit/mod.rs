//! The audit log (proxy §6): one JSON line an event, written before the client's answer.
//!
//! `event` is pure; `log` is the durable writer's handle, `writer` its thread, `sink`
//! the file.

mod event;
mod log;
mod sink;
mod writer;

pub use event::{
    Event, EventKind, MAX_FIELD_BYTES, MAX_STATEMENT_BYTES, Outcome, Place, Rendering, TextFn, Who,
    must_escape,
};
pub use log::{Answer, AuditError, AuditLog, AuditWatch, Receipt};
