//! The law: what a class may do where, and what a refusal says (contract §4, §5).

mod decide;
mod denial;
mod guard;
mod parameters;
mod permit;
mod rule;
mod words;

pub use decide::{Decision, Policy, View};
pub use denial::Denial;
pub use parameters::{split_task, unknown_task};
pub use permit::{Admission, Permit};
pub use rule::Rule;

pub(crate) use guard::unsafe_lexing;
