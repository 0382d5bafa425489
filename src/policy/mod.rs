//! The law: what a class may do where, and what a refusal says (contract §4, §5).

mod decide;
mod denial;
mod expect;
mod guard;
mod parameters;
mod permit;
mod rule;
mod words;

pub use decide::{Decision, Policy, SplitLeg, View};
pub use denial::Denial;
pub use parameters::{task_in_pipeline, unknown_task};
pub use permit::{Admission, Permit};
pub use rule::Rule;

pub(crate) use guard::unsafe_lexing;
