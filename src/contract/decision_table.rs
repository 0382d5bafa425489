//! The decision table (contract §3): which authority a task reads from and writes to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Authority;

/// One cell of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Statements of this kind go to this authority.
    To(Authority),
    /// Statements of this kind are denied.
    Deny,
}

impl Cell {
    /// Every cell, in the order the documentation lists them.
    pub const ALL: &'static [Cell] =
        &[Cell::To(Authority::Neon), Cell::To(Authority::Local), Cell::Deny];

    /// The word an operator writes for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cell::To(authority) => authority.as_str(),
            Cell::Deny => "deny",
        }
    }

    /// Reads the word, exactly as spelled; `None` for anything else.
    pub fn from_word(word: &str) -> Option<Cell> {
        Cell::ALL.iter().copied().find(|cell| cell.as_str() == word)
    }

    /// The authority that statements go to; `None` where they are denied.
    pub const fn authority(self) -> Option<Authority> {
        match self {
            Cell::To(authority) => Some(authority),
            Cell::Deny => None,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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

impl DecisionRow {
    /// The row's cells lead to different authorities: a split task.
    pub fn is_split(&self) -> bool {
        matches!((self.read, self.write), (Cell::To(read), Cell::To(write)) if read != write)
    }

    /// The row denies both: sessions that declare the task are refused.
    pub fn is_closed(&self) -> bool {
        self.read == Cell::Deny && self.write == Cell::Deny
    }

    /// The one authority of all that the row allows; `None` for a split or a closed row.
    pub fn single_authority(&self) -> Option<Authority> {
        match (self.read, self.write) {
            (Cell::To(read), Cell::To(write)) => Some(read).filter(|_| read == write),
            (Cell::To(authority), Cell::Deny) | (Cell::Deny, Cell::To(authority)) => {
                Some(authority)
            }
            (Cell::Deny, Cell::Deny) => None,
        }
    }

    /// The authorities that an entry needs an upstream for, to serve this row.
    pub fn authorities(&self) -> impl Iterator<Item = Authority> {
        let (read, write) = (self.read.authority(), self.write.authority());
        read.into_iter().chain(write.filter(|_| write != read))
    }
}

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// A split other than reads to neon, writes to local. "No exceptions."
    #[error(
        "task \"{task}\" would read from local and write to neon: \
         the only split the contract allows reads from neon and writes to local"
    )]
    Split {
        /// The task.
        task: String,
    },
    /// A name that no client could type as a parameter value, or none at all.
    #[error("\"{task}\" cannot name a task: {rule}", rule = TASK_NAME_RULE)]
    Name {
        /// The name given.
        task: String,
    },
}

/// What a task may be called: names travel in startup options, unquoted.
pub const TASK_NAME_RULE: &str =
    "a name has 1 to 63 of the characters a-z, A-Z, 0-9, \"_\", \"-\", \".\" and \":\"";

/// Rows by task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionTable {
    rows: BTreeMap<String, DecisionRow>,
    /// Tasks that have a row in the configuration, and none here.
    left_out: BTreeSet<String>,
}

/// The default rows: task, read, write. The first seven and `spanning` are the contract's own
/// table, the others its lists of what each database is for.
const DEFAULT_ROWS: &[(&str, Cell, Cell)] = {
    const NEON: Cell = Cell::To(Authority::Neon);
    const LOCAL: Cell = Cell::To(Authority::Local);
    &[
        ("historical_truth", NEON, NEON),
        ("capability_state", NEON, NEON),
        ("run_verification", NEON, NEON),
        ("sdsr_execution", NEON, NEON),
        ("migration_testing", LOCAL, LOCAL),
        ("schema_experiments", LOCAL, LOCAL),
        ("unit_tests", LOCAL, LOCAL),
        ("production_validation", NEON, NEON),
        ("governance_checks", NEON, NEON),
        ("incident_records", NEON, NEON),
        ("policy_proposals", NEON, NEON),
        ("integration_tests", LOCAL, LOCAL),
        ("spanning", NEON, LOCAL),
    ]
};

impl Default for DecisionTable {
    fn default() -> Self {
        let row = |&(task, read, write): &(&str, Cell, Cell)| {
            (task.to_owned(), DecisionRow { task: task.to_owned(), read, write })
        };
        DecisionTable { rows: DEFAULT_ROWS.iter().map(row).collect(), left_out: BTreeSet::new() }
    }
}

impl DecisionTable {
    /// Adds a row, or replaces the one of the same task.
    ///
    /// # Errors
    /// A split that the contract does not allow, or an impossible name; the table is unchanged.
    pub fn put(&mut self, row: DecisionRow) -> Result<(), RowFault> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if row.task.is_empty() || row.task.len() > 63 || !row.task.chars().all(allowed) {
            return Err(RowFault::Name { task: row.task });
        }
        if row.is_split() && row.read != Cell::To(Authority::Neon) {
            return Err(RowFault::Split { task: row.task });
        }
        self.rows.insert(row.task.clone(), row);
        Ok(())
    }

    /// The rows of these tasks alone: an entry that serves no others.
    pub fn only(&self, tasks: &BTreeSet<String>) -> DecisionTable {
        let rows = self.rows.clone().into_iter();
        let (rows, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            rows.partition(|(task, _)| tasks.contains(task));
        DecisionTable { rows, left_out: others.into_keys().collect() }
    }

    /// The task has a row, and is not one of those that are served here.
    pub fn leaves_out(&self, task: &str) -> bool {
        self.left_out.contains(task)
    }

    /// The row of a task, exactly as declared; `None`: the task is unknown.
    pub fn lookup(&self, task: &str) -> Option<&DecisionRow> {
        self.rows.get(task)
    }

    /// The known task nearest to an unknown one, for a hint.
    pub fn nearest(&self, task: &str) -> Option<&str> {
        super::nearest(task, self.rows.keys().map(String::as_str))
    }

    /// Every row, by task.
    pub fn iter(&self) -> impl Iterator<Item = &DecisionRow> {
        self.rows.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: &str, read: &str, write: &str) -> DecisionRow {
        DecisionRow {
            task: task.to_owned(),
            read: Cell::from_word(read).unwrap(),
            write: Cell::from_word(write).unwrap(),
        }
    }

    #[test]
    fn the_defaults_are_the_contracts() {
        let table = DecisionTable::default();
        assert_eq!(table.iter().count(), 13);
        assert_eq!(table.lookup("sdsr_execution"), Some(&row("sdsr_execution", "neon", "neon")));
        assert_eq!(table.lookup("unit_tests"), Some(&row("unit_tests", "local", "local")));
        assert_eq!(table.lookup("spanning"), Some(&row("spanning", "neon", "local")));
        assert_eq!(table.lookup("Spanning"), None);
    }

    #[test]
    fn every_default_row_would_be_accepted() {
        let mut table = DecisionTable::default();
        for row in DecisionTable::default().iter() {
            assert_eq!(table.put(row.clone()), Ok(()));
        }
    }

    #[test]
    fn only_one_split_is_allowed() {
        let mut table = DecisionTable::default();
        let refused = table.put(row("spanning", "local", "neon"));
        assert_eq!(refused, Err(RowFault::Split { task: "spanning".to_owned() }));
        assert_eq!(table, DecisionTable::default());
        assert_eq!(table.put(row("reports", "neon", "local")), Ok(()));
    }

    #[test]
    fn rows_are_added_and_replaced() {
        let mut table = DecisionTable::default();
        table.put(row("billing_reports", "neon", "deny")).unwrap();
        table.put(row("unit_tests", "deny", "deny")).unwrap();
        let single = |task: &str| table.lookup(task).unwrap().single_authority();
        assert_eq!(single("billing_reports"), Some(Authority::Neon));
        assert_eq!(single("unit_tests"), None);
        assert_eq!(single("spanning"), None);
        assert!(table.lookup("unit_tests").unwrap().is_closed());
        assert!(table.lookup("spanning").unwrap().is_split());
    }

    #[test]
    fn an_entry_may_serve_some_rows_alone() {
        let only = BTreeSet::from(["unit_tests".to_owned()]);
        let table = DecisionTable::default().only(&only);
        assert_eq!(table.iter().count(), 1);
        assert_eq!(table.lookup("spanning"), None);
        assert!(table.leaves_out("spanning"));
        assert!(!table.leaves_out("unit_tests") && !table.leaves_out("lunch"));
    }

    #[test]
    fn rows_name_the_authorities_they_need() {
        let needs = |read, write| row("t", read, write).authorities().collect::<Vec<_>>();
        assert_eq!(needs("neon", "neon"), [Authority::Neon]);
        assert_eq!(needs("neon", "local"), [Authority::Neon, Authority::Local]);
        assert_eq!(needs("deny", "local"), [Authority::Local]);
        assert_eq!(needs("deny", "deny"), []);
    }

    #[test]
    fn impossible_names_are_refused() {
        let mut table = DecisionTable::default();
        for task in ["", "two words", "naïve", "a'b", &"x".repeat(64)] {
            let refused = table.put(row(task, "neon", "neon"));
            assert_eq!(refused, Err(RowFault::Name { task: task.to_owned() }));
        }
    }

    #[test]
    fn a_slip_is_told_its_task() {
        assert_eq!(DecisionTable::default().nearest("unit_test"), Some("unit_tests"));
        assert_eq!(DecisionTable::default().nearest("lunch"), None);
    }
}
