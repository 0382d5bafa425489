//! The law: what a class may do where, and what a refusal says (contract §4, §5).

mod decide;
mod denial;
mod permit;
mod rule;

pub use decide::{Decision, Policy, View};
pub use denial::Denial;
pub use permit::{Admission, Permit};
pub use rule::Rule;
