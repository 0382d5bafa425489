//! What is known of one session, each part one model that follows the server's own answers.

mod names;
mod parameters;
#[cfg(test)]
mod properties;
mod savepoints;
mod temporary;
mod transaction;

pub use names::{Batch, Change, Lookup, Meanings, Names};
pub use parameters::{Confirmation, Instant, Parameters, Scoped, declares_task};
pub use temporary::Temporary;
pub use transaction::{Block, Ended, State, Status, Tag};
