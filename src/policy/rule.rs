//! The closed list of rules. Each has a section in `docs/rules.md`, which its HINT names.

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $sqlstate:literal;)+) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* $variant),+ }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant),+];

            /// The name of every rule.
            pub const IDS: &'static [&'static str] = &[$($id),+];

            /// Its name in DETAIL, the audit log, metrics and the documentation.
            pub const fn id(self) -> &'static str {
                match self { $(Rule::$variant => $id),+ }
            }

            /// The SQLSTATE that the client gets.
            pub const fn sqlstate(self) -> &'static str {
                match self { $(Rule::$variant => $sqlstate),+ }
            }
        }
    };
}

rules! {
    /// Schema change on a replica.
    ReplicaDdl = "replica.ddl", "25006";
    /// Data change on a replica.
    ReplicaWrite = "replica.write", "25006";
    /// Temporary object on a replica.
    ReplicaTemp = "replica.temp", "25006";
    /// VACUUM or ANALYZE on a replica.
    ReplicaMaintenance = "replica.maintenance", "25006";
    /// Write to a migration tool's version table on a replica.
    ReplicaMigrationState = "replica.migration_state", "25006";
    /// Privilege change on a replica.
    ReplicaPrivilege = "replica.privilege", "25006";
    /// Administrative statement on a replica.
    ReplicaAdmin = "replica.admin", "25006";
    /// A statement on a replica whose effect cannot be shown; DO and CALL always.
    ReplicaOpaque = "replica.opaque", "25006";
    /// A statement that would turn a guarded connection's read-only default off.
    ReplicaReadOnly = "replica.read_only", "25006";
    /// Schema change on prod, not confirmed.
    ProdDdlUnconfirmed = "prod.ddl_unconfirmed", "42501";
    /// Write to a migration tool's version table on prod, not confirmed.
    ProdMigrationStateUnconfirmed = "prod.migration_state_unconfirmed", "42501";
    /// Privilege change on prod, not confirmed.
    ProdPrivilegeUnconfirmed = "prod.privilege_unconfirmed", "42501";
    /// A statement on prod whose effect cannot be shown, not confirmed.
    ProdOpaqueUnconfirmed = "prod.opaque_unconfirmed", "42501";
    /// Administrative statement on prod, not confirmed, where the entry lets it be confirmed.
    ProdAdminUnconfirmed = "prod.admin_unconfirmed", "42501";
    /// Administrative statement on prod, where the entry blocks it.
    ProdAdminBlocked = "prod.admin_blocked", "42501";
    /// Confirmed DDL through a transaction-pooled host, which keeps no session state.
    ProdPooler = "prod.pooler", "42501";
    /// The entry, or its `confirm_users`, does not let this session confirm (this way).
    ConfirmDenied = "confirm.denied", "42501";
    /// The session's task denies this kind of statement.
    TaskDenied = "task.denied", "42501";
    /// A routed entry, and no task declared.
    TaskUndeclared = "task.undeclared", "28000";
    /// A task that the decision table does not have.
    TaskUnknown = "task.unknown", "28000";
    /// What a session that reads in one place and writes in another cannot do.
    TaskSplit = "task.split", "0A000";
    /// `authority.task` cannot be changed here or in this way.
    TaskChange = "task.change", "25001";
    /// A tag is the proxy's to set.
    TagReadonly = "tag.readonly", "55P02";
    /// No such `authority.*` parameter.
    ParameterUnknown = "parameter.unknown", "42704";
    /// A value that an `authority.*` parameter does not take.
    ParameterInvalid = "parameter.invalid", "22023";
    /// The upstream is not what the session expects.
    ExpectMismatch = "expect.mismatch", "28000";
    /// The text's lexing depends on session state that is unsafe or not certain.
    LexingUnsafe = "lexing.unsafe", "0A000";
    /// EXECUTE of what only the extended protocol can prepare: a utility statement.
    ExecuteIndirect = "execute.indirect", "0A000";
    /// A statement longer than `max_statement_bytes`.
    StatementTooLarge = "statement.too_large", "54000";
    /// A message that does not have the form the protocol gives it.
    ProtocolMalformed = "protocol.malformed", "08P01";
    /// A replication connection where the entry does not allow it.
    ReplicationRefused = "replication.refused", "0A000";
    /// The audit log cannot be written, and the statement needs an event.
    AuditUnavailable = "audit.unavailable", "58030";
    /// No entry of this name, no such user, or a wrong password.
    AuthenticationFailed = "authentication.failed", "28P01";
    /// A limit on connections is reached.
    ConnectionLimit = "connection.limit", "53300";
    /// The upstream cannot be reached.
    UpstreamUnreachable = "upstream.unreachable", "08006";
    /// The database is sealed as another than the upstream is declared to be.
    SealMismatch = "seal.mismatch", "28000";
    /// The upstream requires a seal, and its database has none that can be read.
    SealMissing = "seal.missing", "28000";
    /// The upstream contradicts its declaration, or is another pgauthority.
    UpstreamContradiction = "upstream.contradiction", "08004";
    /// The proxy is shutting down.
    Shutdown = "proxy.shutdown", "57P01";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_sqlstates_well_formed() {
        let mut ids: Vec<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Rule::ALL.len());
        assert!(Rule::ALL.iter().all(|rule| rule.sqlstate().len() == 5));
    }
}
