//! The classes of contract §4.

use std::fmt;

/// What a statement can do, weakest first.
///
/// The order is the order of strictness: each role's decision (allow, confirm, block) is
/// monotone along it, so "the strongest class of anything inside" is `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// Session and transaction control.
    Session,
    /// No side effects.
    Read,
    /// Creates, changes or drops temporary relations of this session.
    Temp,
    /// Changes data.
    Write,
    /// VACUUM, ANALYZE.
    Maintenance,
    /// Writes to a migration tool's version table.
    MigrationState,
    /// Changes the schema.
    Ddl,
    /// Changes privileges, roles or ownership.
    Privilege,
    /// Effect cannot be shown.
    Opaque,
    /// Changes the cluster, its files or its other sessions.
    Admin,
}

impl Class {
    /// Every class, weakest first.
    pub const ALL: &'static [Class] = &[
        Class::Session,
        Class::Read,
        Class::Temp,
        Class::Write,
        Class::Maintenance,
        Class::MigrationState,
        Class::Ddl,
        Class::Privilege,
        Class::Opaque,
        Class::Admin,
    ];

    /// The word used in DETAIL, the audit log and `classify`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Session => "session",
            Class::Read => "read",
            Class::Temp => "temp",
            Class::Write => "write",
            Class::Maintenance => "maintenance",
            Class::MigrationState => "migration_state",
            Class::Ddl => "ddl",
            Class::Privilege => "privilege",
            Class::Opaque => "opaque",
            Class::Admin => "admin",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
