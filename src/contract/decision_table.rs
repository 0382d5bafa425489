//! The decision table (contract §3): which authority a task reads from and writes to.

use std::collections::BTreeMap;

use super::Authority;

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Statements of this kind go to this authority.
    To(Authority),
    /// Statements of this kind are denied.
    Deny,
}

/// One row: a task's reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRow {
    /// The task.
    pub task: String,
    /// Where it reads.
    pub read: Cell,
    /// Where it writes (DML and DDL).
    pub write: Cell,
}

/// Rows by task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionTable {
    rows: BTreeMap<String, DecisionRow>,
}
