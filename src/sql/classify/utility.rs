//! The class of each kind of statement by itself (contract §4); what is inside it counts besides.

use pgauthority_grammar::{Node, field, tag, value};

use super::names::{constant, option_is_on};
use super::{parameters, temporary};
use crate::sql::Class;

/// What a statement is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) struct Own {
    pub class: Class,
    /// For people, where the command tag does not say it.
    pub reason: &'static str,
    pub unseen_code: bool,
}

const fn plain(class: Class) -> Own {
    Own { class, reason: "", unseen_code: false }
}

const fn because(class: Class, reason: &'static str) -> Own {
    Own { class, reason, unseen_code: false }
}

/// The class of a statement node by itself. Names count as permanent objects'. A node that is no
/// statement of PostgreSQL 18's grammar is opaque.
pub(super) fn class(node: Node<'_>) -> Own {
    match node.tag() {
        // PL/pgSQL's assignment is a SELECT to a variable of its block
        tag::SelectStmt | tag::PLAssignStmt | tag::ExplainStmt | tag::VariableShowStmt => {
            plain(Class::Read)
        }
        tag::FetchStmt if node.flag(field::ismove) => plain(Class::Session),
        tag::FetchStmt => plain(Class::Read),
        tag::InsertStmt | tag::UpdateStmt | tag::DeleteStmt | tag::MergeStmt => plain(Class::Write),
        tag::NotifyStmt | tag::RefreshMatViewStmt => plain(Class::Write),
        tag::ClosePortalStmt
        | tag::ConstraintsSetStmt
        | tag::DeallocateStmt
        | tag::DeclareCursorStmt
        | tag::DiscardStmt
        | tag::ExecuteStmt
        | tag::ListenStmt
        | tag::PrepareStmt
        | tag::UnlistenStmt => plain(Class::Session),
        tag::TransactionStmt => transaction(node),
        tag::VariableSetStmt => parameters::class(node),
        tag::LockStmt => lock(node),
        tag::CopyStmt => copy(node),
        tag::VacuumStmt => vacuum(node),
        tag::DoStmt | tag::CallStmt => {
            Own { class: Class::Opaque, reason: "runs code that cannot be seen", unseen_code: true }
        }
        tag::CreateTableAsStmt
        | tag::AlterTableStmt
        | tag::RenameStmt
        | tag::AlterOwnerStmt
        | tag::GrantStmt => by_object(node),
        other if PRIVILEGE.contains(&other) => plain(Class::Privilege),
        other if ADMIN.contains(&other) => plain(Class::Admin),
        other if DDL.contains(&other) => plain(Class::Ddl),
        _ => because(Class::Opaque, "is a statement that is not known"),
    }
}

const PRIVILEGE: &[u16] = &[
    tag::AlterDefaultPrivilegesStmt,
    tag::AlterRoleSetStmt,
    tag::AlterRoleStmt,
    tag::CreateRoleStmt,
    tag::DropOwnedStmt,
    tag::DropRoleStmt,
    tag::GrantRoleStmt,
    tag::ReassignOwnedStmt,
];

const ADMIN: &[u16] = &[
    tag::AlterDatabaseRefreshCollStmt,
    tag::AlterDatabaseSetStmt,
    tag::AlterDatabaseStmt,
    tag::AlterSystemStmt,
    tag::AlterTableSpaceOptionsStmt,
    tag::CheckPointStmt,
    tag::CreateTableSpaceStmt,
    tag::CreatedbStmt,
    tag::DropTableSpaceStmt,
    tag::DropdbStmt,
    tag::LoadStmt,
];

const DDL: &[u16] = &[
    tag::AlterCollationStmt,
    tag::AlterDomainStmt,
    tag::AlterEnumStmt,
    tag::AlterEventTrigStmt,
    tag::AlterExtensionContentsStmt,
    tag::AlterExtensionStmt,
    tag::AlterFdwStmt,
    tag::AlterForeignServerStmt,
    tag::AlterFunctionStmt,
    tag::AlterObjectDependsStmt,
    tag::AlterObjectSchemaStmt,
    tag::AlterOpFamilyStmt,
    tag::AlterOperatorStmt,
    tag::AlterPolicyStmt,
    tag::AlterPublicationStmt,
    tag::AlterSeqStmt,
    tag::AlterStatsStmt,
    tag::AlterSubscriptionStmt,
    tag::AlterTSConfigurationStmt,
    tag::AlterTSDictionaryStmt,
    tag::AlterTableMoveAllStmt,
    tag::AlterTypeStmt,
    tag::AlterUserMappingStmt,
    tag::ClusterStmt,
    tag::CommentStmt,
    tag::CompositeTypeStmt,
    tag::CreateAmStmt,
    tag::CreateCastStmt,
    tag::CreateConversionStmt,
    tag::CreateDomainStmt,
    tag::CreateEnumStmt,
    tag::CreateEventTrigStmt,
    tag::CreateExtensionStmt,
    tag::CreateFdwStmt,
    tag::CreateForeignServerStmt,
    tag::CreateForeignTableStmt,
    tag::CreateFunctionStmt,
    tag::CreateOpClassStmt,
    tag::CreateOpFamilyStmt,
    tag::CreatePLangStmt,
    tag::CreatePolicyStmt,
    tag::CreatePublicationStmt,
    tag::CreateRangeStmt,
    tag::CreateSchemaStmt,
    tag::CreateSeqStmt,
    tag::CreateStatsStmt,
    tag::CreateStmt,
    tag::CreateSubscriptionStmt,
    tag::CreateTransformStmt,
    tag::CreateTrigStmt,
    tag::CreateUserMappingStmt,
    tag::DefineStmt,
    tag::DropStmt,
    tag::DropSubscriptionStmt,
    tag::DropUserMappingStmt,
    tag::ImportForeignSchemaStmt,
    tag::IndexStmt,
    tag::ReindexStmt,
    tag::RuleStmt,
    tag::SecLabelStmt,
    tag::TruncateStmt,
    tag::ViewStmt,
];

/// Statements that are analysed by themselves, at once, with the parameters of their message.
pub(super) const ANALYSED: &[u16] = &[
    tag::CallStmt,
    tag::DeleteStmt,
    tag::InsertStmt,
    tag::MergeStmt,
    tag::SelectStmt,
    tag::UpdateStmt,
];

/// Statements of which the same holds for a query in them, parameters aside.
pub(super) const ANALYSED_WITHIN: &[u16] = &[
    tag::CopyStmt,
    tag::CreateTableAsStmt,
    tag::DeclareCursorStmt,
    tag::ExecuteStmt,
    tag::ExplainStmt,
    tag::PrepareStmt,
];

/// Statements that write, and make no type by themselves.
pub(super) const MAKES_NO_TYPE: &[u16] = &[
    tag::CallStmt,
    tag::CopyStmt,
    tag::DeleteStmt,
    tag::ExecuteStmt,
    tag::InsertStmt,
    tag::LockStmt,
    tag::MergeStmt,
    tag::NotifyStmt,
    tag::PrepareStmt,
    tag::SelectStmt,
    tag::UpdateStmt,
];

/// Statements that name things and run nothing of them.
pub(super) const NAMING: &[u16] = &[
    tag::AlterObjectSchemaStmt,
    tag::AlterOwnerStmt,
    tag::AlterPolicyStmt,
    tag::AlterSeqStmt,
    tag::CommentStmt,
    tag::CreatePolicyStmt,
    tag::CreateSeqStmt,
    tag::CreateTrigStmt,
    tag::DropStmt,
    tag::GrantStmt,
    tag::LockStmt,
    tag::RenameStmt,
    tag::SecLabelStmt,
];

/// Statements whose class depends on what kind of object they are about.
fn by_object(node: Node<'_>) -> Own {
    let about = |object| matches!(object, value::OBJECT_DATABASE | value::OBJECT_TABLESPACE);
    match node.tag() {
        tag::RenameStmt => match node.value(field::renameType) {
            value::OBJECT_ROLE => plain(Class::Privilege),
            object if about(object) => plain(Class::Admin),
            _ => plain(Class::Ddl),
        },
        tag::AlterOwnerStmt => match node.value(field::objectType) {
            object if about(object) => plain(Class::Admin),
            _ => because(Class::Privilege, "changes the owner"),
        },
        tag::AlterTableStmt => {
            let owner = |command: Node<'_>| command.value(field::subtype) == value::AT_ChangeOwner;
            match node.list(field::cmds).any(owner) {
                true => because(Class::Privilege, "changes the owner"),
                false => plain(Class::Ddl),
            }
        }
        tag::CreateTableAsStmt => {
            let target = node.node(field::into).and_then(|into| into.node(field::rel));
            let table = node.value(field::objtype) == value::OBJECT_TABLE;
            match table && target.is_some_and(temporary::is_temporary) {
                true => plain(Class::Temp),
                false => plain(Class::Ddl),
            }
        }
        // inside ALTER DEFAULT PRIVILEGES and CREATE SCHEMA too
        tag::GrantStmt => plain(Class::Privilege),
        _ => plain(Class::Ddl),
    }
}

fn transaction(node: Node<'_>) -> Own {
    match node.value(field::kind) {
        value::TRANS_STMT_PREPARE
        | value::TRANS_STMT_COMMIT_PREPARED
        | value::TRANS_STMT_ROLLBACK_PREPARED => plain(Class::Write),
        value::TRANS_STMT_BEGIN
        | value::TRANS_STMT_START
        | value::TRANS_STMT_COMMIT
        | value::TRANS_STMT_ROLLBACK
        | value::TRANS_STMT_SAVEPOINT
        | value::TRANS_STMT_RELEASE
        | value::TRANS_STMT_ROLLBACK_TO => plain(Class::Session),
        _ => because(Class::Opaque, "is a statement that is not known"),
    }
}

/// The number of ACCESS SHARE in PostgreSQL's `lockdefs.h`.
const ACCESS_SHARE_LOCK: i32 = 1;

fn lock(node: Node<'_>) -> Own {
    match node.int(field::mode) {
        ACCESS_SHARE_LOCK => plain(Class::Session),
        _ => because(Class::Write, "locks beyond ACCESS SHARE"),
    }
}

fn copy(node: Node<'_>) -> Own {
    if node.flag(field::is_program) {
        return because(Class::Admin, "runs a program on the server");
    }
    match (node.has(field::filename), node.flag(field::is_from)) {
        (true, true) => because(Class::Admin, "reads a file of the server"),
        (true, false) => because(Class::Admin, "writes a file of the server"),
        (false, true) => plain(Class::Write),
        (false, false) => plain(Class::Read),
    }
}

fn vacuum(node: Node<'_>) -> Own {
    let full = node.flag(field::is_vacuumcmd) && option_is_on(node.list(field::options), b"full");
    match full {
        true => because(Class::Ddl, "VACUUM FULL rewrites tables"),
        false => plain(Class::Maintenance),
    }
}

/// Whether an EXPLAIN runs its statement.
pub(super) fn explain_analyzes(node: Node<'_>) -> bool {
    option_is_on(node.list(field::options), b"analyze")
}

/// What an EXPLAIN plans and does not run.
pub(super) fn planned(node: Node<'_>) -> Option<Node<'_>> {
    let plans = node.tag() == tag::ExplainStmt && !explain_analyzes(node);
    node.node(field::query).filter(|_| plans)
}

/// The last option of a name, as text.
pub(super) fn option<'t>(
    options: impl Iterator<Item = Node<'t>>,
    wanted: &[u8],
) -> Option<Node<'t>> {
    options.filter(|option| option.bytes(field::defname) == Some(wanted)).last()?.node(field::arg)
}

/// Whether a statement is SQL that is kept for later and not run.
pub(super) fn is_definition(node: Node<'_>) -> bool {
    match node.tag() {
        tag::ViewStmt | tag::RuleStmt | tag::CreateFunctionStmt | tag::CreateForeignTableStmt => {
            true
        }
        // the bounds of a partition are computed at once
        tag::CreateStmt => !node.has(field::partbound),
        _ => false,
    }
}

/// A constant option's text.
pub(in crate::sql) fn option_text<'t>(
    options: impl Iterator<Item = Node<'t>>,
    wanted: &[u8],
) -> Option<String> {
    option(options, wanted).and_then(constant).map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_the_grammar_is_known() {
        // of the tags named …Stmt these are parts of others or never leave the parser
        let parts =
            ["RawStmt", "SetOperationStmt", "ReturnStmt", "ReplicaIdentityStmt", "PlannedStmt"];
        let known = [
            tag::SelectStmt,
            tag::PLAssignStmt,
            tag::ExplainStmt,
            tag::VariableShowStmt,
            tag::FetchStmt,
            tag::InsertStmt,
            tag::UpdateStmt,
            tag::DeleteStmt,
            tag::MergeStmt,
            tag::NotifyStmt,
            tag::RefreshMatViewStmt,
            tag::ClosePortalStmt,
            tag::ConstraintsSetStmt,
            tag::DeallocateStmt,
            tag::DeclareCursorStmt,
            tag::DiscardStmt,
            tag::ExecuteStmt,
            tag::ListenStmt,
            tag::PrepareStmt,
            tag::UnlistenStmt,
            tag::TransactionStmt,
            tag::VariableSetStmt,
            tag::LockStmt,
            tag::CopyStmt,
            tag::VacuumStmt,
            tag::DoStmt,
            tag::CallStmt,
            tag::CreateTableAsStmt,
            tag::AlterTableStmt,
            tag::RenameStmt,
            tag::AlterOwnerStmt,
            tag::GrantStmt,
        ];
        for (name, number) in tag::ALL.iter().filter(|(name, _)| name.ends_with("Stmt")) {
            let listed = [&known[..], PRIVILEGE, ADMIN, DDL]
                .iter()
                .map(|list| list.iter().filter(|tag| *tag == number).count())
                .sum::<usize>();
            let wanted = usize::from(!parts.contains(name));
            assert_eq!(listed, wanted, "{name}");
        }
    }
}
