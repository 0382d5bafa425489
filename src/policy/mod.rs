//! The law: what a class may do where, and what a refusal says (contract §4, §5).

mod decide;
mod denial;
mod permit;
mod rule;

pub use decide::{Decision, Policy, View, split_task, unknown_task};
pub use denial::Denial;
pub use permit::{Admission, Permit};
pub use rule::Rule;

pub(crate) use decide::unsafe_lexing;
