//! The contract's own vocabulary: authority, role, environment, task and what follows from them.
//!
//! Pure values. Nothing here is ever inferred: each is read from a declaration (contract §1).

pub mod backstop;

mod declaration;
pub use declaration::{Authority, Declaration, Environment, Role};

mod decision_table;
pub use decision_table::{Cell, DecisionRow, DecisionTable, RowFault, TASK_NAME_RULE};

mod entry_rules;
pub use entry_rules::{AdminRule, ConfirmHow};

mod mapping;
pub use mapping::{
    MappedUpstream, Mismatch, is_local_host, is_neon_host, is_neon_pooler, mismatches,
};

mod nearest;
pub use nearest::nearest;

pub mod parameter;

pub mod seal;
