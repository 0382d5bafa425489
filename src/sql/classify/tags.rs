//! Command tags, as PostgreSQL's `CreateCommandTag` (`utility.c`) gives them.

use pgauthority_grammar::{Node, field, tag, value};

use super::scan::Scan;

/// The command tag of a statement.
pub(super) fn tag(node: Node<'_>) -> &'static str {
    match node.tag() {
        tag::SelectStmt if node.has(field::intoClause) => "SELECT INTO",
        tag::SelectStmt => Scan::lock_tag(node).unwrap_or("SELECT"),
        tag::InsertStmt => "INSERT",
        tag::UpdateStmt => "UPDATE",
        tag::DeleteStmt => "DELETE",
        tag::MergeStmt => "MERGE",
        tag::TransactionStmt => transaction(node),
        tag::DropStmt => object(node.value(field::removeType)).drop,
        tag::AlterTableStmt | tag::AlterTableMoveAllStmt | tag::AlterFunctionStmt => {
            object(node.value(field::objtype)).alter
        }
        tag::AlterObjectDependsStmt | tag::AlterObjectSchemaStmt | tag::AlterOwnerStmt => {
            object(node.value(field::objectType)).alter
        }
        tag::RenameStmt => match node.value(field::renameType) {
            value::OBJECT_COLUMN => object(node.value(field::relationType)).alter,
            renamed => object(renamed).alter,
        },
        tag::DefineStmt => object(node.value(field::kind)).create,
        tag::CreateTableAsStmt => match node.value(field::objtype) {
            value::OBJECT_MATVIEW => "CREATE MATERIALIZED VIEW",
            _ if node.flag(field::is_select_into) => "SELECT INTO",
            _ => "CREATE TABLE AS",
        },
        tag::CreateFunctionStmt if node.flag(field::is_procedure) => "CREATE PROCEDURE",
        tag::ClosePortalStmt if !node.has(field::portalname) => "CLOSE CURSOR ALL",
        tag::DeallocateStmt if !node.has(field::name) => "DEALLOCATE ALL",
        tag::FetchStmt if node.flag(field::ismove) => "MOVE",
        tag::GrantStmt if !node.flag(field::is_grant) => "REVOKE",
        tag::GrantRoleStmt if !node.flag(field::is_grant) => "REVOKE ROLE",
        tag::VacuumStmt if !node.flag(field::is_vacuumcmd) => "ANALYZE",
        tag::DiscardStmt => match node.value(field::target) {
            value::DISCARD_PLANS => "DISCARD PLANS",
            value::DISCARD_SEQUENCES => "DISCARD SEQUENCES",
            value::DISCARD_TEMP => "DISCARD TEMP",
            _ => "DISCARD ALL",
        },
        tag::VariableSetStmt => match node.value(field::kind) {
            value::VAR_RESET | value::VAR_RESET_ALL => "RESET",
            _ => "SET",
        },
        other => FIXED.iter().find(|(known, _)| *known == other).map_or("???", |(_, name)| *name),
    }
}

fn transaction(node: Node<'_>) -> &'static str {
    match node.value(field::kind) {
        value::TRANS_STMT_BEGIN => "BEGIN",
        value::TRANS_STMT_START => "START TRANSACTION",
        value::TRANS_STMT_COMMIT => "COMMIT",
        value::TRANS_STMT_ROLLBACK | value::TRANS_STMT_ROLLBACK_TO => "ROLLBACK",
        value::TRANS_STMT_SAVEPOINT => "SAVEPOINT",
        value::TRANS_STMT_RELEASE => "RELEASE",
        value::TRANS_STMT_PREPARE => "PREPARE TRANSACTION",
        value::TRANS_STMT_COMMIT_PREPARED => "COMMIT PREPARED",
        value::TRANS_STMT_ROLLBACK_PREPARED => "ROLLBACK PREPARED",
        _ => "???",
    }
}

/// The tags about one kind of object.
struct Tags {
    create: &'static str,
    alter: &'static str,
    drop: &'static str,
}

macro_rules! objects {
    ($kind:expr, { $($($object:ident)|+ => $noun:literal,)+ }) => {
        match $kind {
            $($(value::$object)|+ => Tags {
                create: concat!("CREATE ", $noun),
                alter: concat!("ALTER ", $noun),
                drop: concat!("DROP ", $noun),
            },)+
            _ => Tags { create: "???", alter: "???", drop: "???" },
        }
    };
}

fn object(kind: u32) -> Tags {
    objects!(kind, {
        OBJECT_ACCESS_METHOD => "ACCESS METHOD",
        OBJECT_AGGREGATE => "AGGREGATE",
        OBJECT_ATTRIBUTE | OBJECT_TYPE => "TYPE",
        OBJECT_CAST => "CAST",
        OBJECT_COLLATION => "COLLATION",
        OBJECT_COLUMN | OBJECT_TABCONSTRAINT | OBJECT_TABLE => "TABLE",
        OBJECT_CONVERSION => "CONVERSION",
        OBJECT_DATABASE => "DATABASE",
        OBJECT_DOMAIN | OBJECT_DOMCONSTRAINT => "DOMAIN",
        OBJECT_EVENT_TRIGGER => "EVENT TRIGGER",
        OBJECT_EXTENSION => "EXTENSION",
        OBJECT_FDW => "FOREIGN DATA WRAPPER",
        OBJECT_FOREIGN_SERVER => "SERVER",
        OBJECT_FOREIGN_TABLE => "FOREIGN TABLE",
        OBJECT_FUNCTION => "FUNCTION",
        OBJECT_INDEX => "INDEX",
        OBJECT_LANGUAGE => "LANGUAGE",
        OBJECT_LARGEOBJECT => "LARGE OBJECT",
        OBJECT_MATVIEW => "MATERIALIZED VIEW",
        OBJECT_OPCLASS => "OPERATOR CLASS",
        OBJECT_OPERATOR => "OPERATOR",
        OBJECT_OPFAMILY => "OPERATOR FAMILY",
        OBJECT_POLICY => "POLICY",
        OBJECT_PROCEDURE => "PROCEDURE",
        OBJECT_PUBLICATION => "PUBLICATION",
        OBJECT_ROLE => "ROLE",
        OBJECT_ROUTINE => "ROUTINE",
        OBJECT_RULE => "RULE",
        OBJECT_SCHEMA => "SCHEMA",
        OBJECT_SEQUENCE => "SEQUENCE",
        OBJECT_STATISTIC_EXT => "STATISTICS",
        OBJECT_SUBSCRIPTION => "SUBSCRIPTION",
        OBJECT_TABLESPACE => "TABLESPACE",
        OBJECT_TRANSFORM => "TRANSFORM",
        OBJECT_TRIGGER => "TRIGGER",
        OBJECT_TSCONFIGURATION => "TEXT SEARCH CONFIGURATION",
        OBJECT_TSDICTIONARY => "TEXT SEARCH DICTIONARY",
        OBJECT_TSPARSER => "TEXT SEARCH PARSER",
        OBJECT_TSTEMPLATE => "TEXT SEARCH TEMPLATE",
        OBJECT_USER_MAPPING => "USER MAPPING",
        OBJECT_VIEW => "VIEW",
    })
}

/// Statements that have one tag.
const FIXED: &[(u16, &str)] = &[
    (tag::AlterCollationStmt, "ALTER COLLATION"),
    (tag::AlterDatabaseRefreshCollStmt, "ALTER DATABASE"),
    (tag::AlterDatabaseSetStmt, "ALTER DATABASE"),
    (tag::AlterDatabaseStmt, "ALTER DATABASE"),
    (tag::AlterDefaultPrivilegesStmt, "ALTER DEFAULT PRIVILEGES"),
    (tag::AlterDomainStmt, "ALTER DOMAIN"),
    (tag::AlterEnumStmt, "ALTER TYPE"),
    (tag::AlterEventTrigStmt, "ALTER EVENT TRIGGER"),
    (tag::AlterExtensionContentsStmt, "ALTER EXTENSION"),
    (tag::AlterExtensionStmt, "ALTER EXTENSION"),
    (tag::AlterFdwStmt, "ALTER FOREIGN DATA WRAPPER"),
    (tag::AlterForeignServerStmt, "ALTER SERVER"),
    (tag::AlterOpFamilyStmt, "ALTER OPERATOR FAMILY"),
    (tag::AlterOperatorStmt, "ALTER OPERATOR"),
    (tag::AlterPolicyStmt, "ALTER POLICY"),
    (tag::AlterPublicationStmt, "ALTER PUBLICATION"),
    (tag::AlterRoleSetStmt, "ALTER ROLE"),
    (tag::AlterRoleStmt, "ALTER ROLE"),
    (tag::AlterSeqStmt, "ALTER SEQUENCE"),
    (tag::AlterStatsStmt, "ALTER STATISTICS"),
    (tag::AlterSubscriptionStmt, "ALTER SUBSCRIPTION"),
    (tag::AlterSystemStmt, "ALTER SYSTEM"),
    (tag::AlterTSConfigurationStmt, "ALTER TEXT SEARCH CONFIGURATION"),
    (tag::AlterTSDictionaryStmt, "ALTER TEXT SEARCH DICTIONARY"),
    (tag::AlterTableSpaceOptionsStmt, "ALTER TABLESPACE"),
    (tag::AlterTypeStmt, "ALTER TYPE"),
    (tag::AlterUserMappingStmt, "ALTER USER MAPPING"),
    (tag::CallStmt, "CALL"),
    (tag::CheckPointStmt, "CHECKPOINT"),
    (tag::ClosePortalStmt, "CLOSE CURSOR"),
    (tag::ClusterStmt, "CLUSTER"),
    (tag::CommentStmt, "COMMENT"),
    (tag::CompositeTypeStmt, "CREATE TYPE"),
    (tag::ConstraintsSetStmt, "SET CONSTRAINTS"),
    (tag::CopyStmt, "COPY"),
    (tag::CreateAmStmt, "CREATE ACCESS METHOD"),
    (tag::CreateCastStmt, "CREATE CAST"),
    (tag::CreateConversionStmt, "CREATE CONVERSION"),
    (tag::CreateDomainStmt, "CREATE DOMAIN"),
    (tag::CreateEnumStmt, "CREATE TYPE"),
    (tag::CreateEventTrigStmt, "CREATE EVENT TRIGGER"),
    (tag::CreateExtensionStmt, "CREATE EXTENSION"),
    (tag::CreateFdwStmt, "CREATE FOREIGN DATA WRAPPER"),
    (tag::CreateForeignServerStmt, "CREATE SERVER"),
    (tag::CreateForeignTableStmt, "CREATE FOREIGN TABLE"),
    (tag::CreateFunctionStmt, "CREATE FUNCTION"),
    (tag::CreateOpClassStmt, "CREATE OPERATOR CLASS"),
    (tag::CreateOpFamilyStmt, "CREATE OPERATOR FAMILY"),
    (tag::CreatePLangStmt, "CREATE LANGUAGE"),
    (tag::CreatePolicyStmt, "CREATE POLICY"),
    (tag::CreatePublicationStmt, "CREATE PUBLICATION"),
    (tag::CreateRangeStmt, "CREATE TYPE"),
    (tag::CreateRoleStmt, "CREATE ROLE"),
    (tag::CreateSchemaStmt, "CREATE SCHEMA"),
    (tag::CreateSeqStmt, "CREATE SEQUENCE"),
    (tag::CreateStatsStmt, "CREATE STATISTICS"),
    (tag::CreateStmt, "CREATE TABLE"),
    (tag::CreateSubscriptionStmt, "CREATE SUBSCRIPTION"),
    (tag::CreateTableSpaceStmt, "CREATE TABLESPACE"),
    (tag::CreateTransformStmt, "CREATE TRANSFORM"),
    (tag::CreateTrigStmt, "CREATE TRIGGER"),
    (tag::CreateUserMappingStmt, "CREATE USER MAPPING"),
    (tag::CreatedbStmt, "CREATE DATABASE"),
    (tag::DeallocateStmt, "DEALLOCATE"),
    (tag::DeclareCursorStmt, "DECLARE CURSOR"),
    (tag::DoStmt, "DO"),
    (tag::DropOwnedStmt, "DROP OWNED"),
    (tag::DropRoleStmt, "DROP ROLE"),
    (tag::DropSubscriptionStmt, "DROP SUBSCRIPTION"),
    (tag::DropTableSpaceStmt, "DROP TABLESPACE"),
    (tag::DropUserMappingStmt, "DROP USER MAPPING"),
    (tag::DropdbStmt, "DROP DATABASE"),
    (tag::ExecuteStmt, "EXECUTE"),
    (tag::ExplainStmt, "EXPLAIN"),
    (tag::FetchStmt, "FETCH"),
    (tag::GrantRoleStmt, "GRANT ROLE"),
    (tag::GrantStmt, "GRANT"),
    (tag::ImportForeignSchemaStmt, "IMPORT FOREIGN SCHEMA"),
    (tag::IndexStmt, "CREATE INDEX"),
    (tag::ListenStmt, "LISTEN"),
    (tag::LoadStmt, "LOAD"),
    (tag::LockStmt, "LOCK TABLE"),
    (tag::NotifyStmt, "NOTIFY"),
    (tag::PrepareStmt, "PREPARE"),
    (tag::ReassignOwnedStmt, "REASSIGN OWNED"),
    (tag::RefreshMatViewStmt, "REFRESH MATERIALIZED VIEW"),
    (tag::ReindexStmt, "REINDEX"),
    (tag::RuleStmt, "CREATE RULE"),
    (tag::SecLabelStmt, "SECURITY LABEL"),
    (tag::TruncateStmt, "TRUNCATE TABLE"),
    (tag::UnlistenStmt, "UNLISTEN"),
    (tag::VacuumStmt, "VACUUM"),
    (tag::VariableShowStmt, "SHOW"),
    (tag::ViewStmt, "CREATE VIEW"),
];
