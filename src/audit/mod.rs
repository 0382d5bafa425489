//! The audit log (proxy §6): one JSON line an event, written before the client's answer.
//!
//! `event` and `json` are pure; `log` is the durable writer's handle, `writer` its thread, `sink`
//! the file.

mod event;
mod json;
mod log;
mod sink;
mod writer;

pub use event::{Event, EventKind, Outcome, Place, Who};
pub use json::{MAX_FIELD_BYTES, MAX_STATEMENT_BYTES, Rendering, TextFn};
pub use log::{Answer, AuditError, AuditLog, AuditWatch, Receipt, TextFunctions};
