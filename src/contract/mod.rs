//! The contract's own vocabulary: authority, role, environment, task and what follows from them.
//!
//! Pure values. Nothing here is ever inferred: each is read from a declaration (contract §1).

mod declaration;

pub use declaration::{Authority, Declaration, Environment, Role};

mod decision_table;
mod entry_rules;
pub use decision_table::{Cell, DecisionRow, DecisionTable};
pub use entry_rules::{AdminRule, ConfirmHow};

pub mod parameter;
