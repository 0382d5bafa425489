//! What a statement does to the state of its session when it succeeds.

use pgauthority_grammar::{Node, field, tag, value};

use super::names::name;
use super::{parameters, temporary};
use crate::sql::{Chain, Effect, SetScope};

/// WITH HOLD among the options of a cursor (`CURSOR_OPT_HOLD` of `parsenodes.h`).
const CURSOR_OPT_HOLD: i32 = 0x0020;

/// The effect of a statement. `inner` judges the statement of a PREPARE.
pub(super) fn effect<'t>(
    node: Node<'t>,
    prepared: impl FnOnce(Node<'t>) -> Box<crate::sql::Statement>,
) -> Effect {
    let own_name = |field| node.bytes(field).map(name);
    match node.tag() {
        tag::TransactionStmt => transaction(node),
        tag::VariableSetStmt => variable(node),
        tag::DiscardStmt => match node.value(field::target) {
            value::DISCARD_TEMP => Effect::DiscardTemp,
            value::DISCARD_PLANS | value::DISCARD_SEQUENCES => Effect::DiscardOther,
            _ => Effect::DiscardAll,
        },
        tag::PrepareStmt => match (own_name(field::name), node.node(field::query)) {
            (Some(name), Some(query)) => Effect::Prepare { name, inner: prepared(query) },
            _ => Effect::None,
        },
        tag::ExecuteStmt => own_name(field::name).map_or(Effect::None, Effect::Execute),
        // these run the prepared statement where their query is EXECUTE
        tag::CreateTableAsStmt => match executed(node) {
            Effect::None => made(node),
            execute => execute,
        },
        tag::ExplainStmt if super::utility::explain_analyzes(node) => executed(node),
        tag::DeallocateStmt => Effect::Deallocate(own_name(field::name)),
        tag::DeclareCursorStmt => Effect::Declare {
            name: own_name(field::portalname).unwrap_or_default(),
            hold: node.int(field::options) & CURSOR_OPT_HOLD != 0,
        },
        tag::FetchStmt => Effect::Fetch(own_name(field::portalname).unwrap_or_default()),
        tag::ClosePortalStmt => Effect::CloseCursor(own_name(field::portalname)),
        _ => made(node),
    }
}

/// A prepared statement runs, or is planned: in EXECUTE, EXPLAIN or CREATE TABLE AS.
pub(super) fn executes(node: Node<'_>) -> bool {
    node.tag() == tag::ExecuteStmt || executed(node) != Effect::None
}

/// The prepared statement of an EXPLAIN EXECUTE that does not run it.
pub(super) fn explained(node: Node<'_>) -> Option<Box<str>> {
    let explains = node.tag() == tag::ExplainStmt && !super::utility::explain_analyzes(node);
    match executed(node) {
        Effect::Execute(name) if explains => Some(name),
        _ => None,
    }
}

/// The EXECUTE that is a statement's query, or that of the CREATE TABLE AS which EXPLAIN runs.
fn executed(node: Node<'_>) -> Effect {
    let query = node.node(field::query);
    let query = match query {
        Some(inner) if inner.tag() == tag::CreateTableAsStmt => inner.node(field::query),
        other => other,
    };
    query
        .filter(|query| query.tag() == tag::ExecuteStmt)
        .and_then(|execute| execute.bytes(field::name).map(name))
        .map_or(Effect::None, Effect::Execute)
}

/// Temporary relations that come, and names that are no longer known to be such.
fn made(node: Node<'_>) -> Effect {
    if let Some((name, on_commit_drop)) = temporary::made(node) {
        return Effect::CreateTemp { names: [name].into(), on_commit_drop };
    }
    match temporary::forgotten(node) {
        names if names.is_empty() => Effect::None,
        names => Effect::Forget { names: names.into() },
    }
}

fn transaction(node: Node<'_>) -> Effect {
    let savepoint = || node.bytes(field::savepoint_name).map(name).unwrap_or_default();
    let chain = if node.flag(field::chain) { Chain::Yes } else { Chain::No };
    match node.value(field::kind) {
        value::TRANS_STMT_BEGIN | value::TRANS_STMT_START => {
            Effect::Begin { modes: parameters::modes(node.list(field::options)) }
        }
        value::TRANS_STMT_COMMIT => Effect::Commit(chain),
        value::TRANS_STMT_ROLLBACK => Effect::Rollback(chain),
        value::TRANS_STMT_SAVEPOINT => Effect::Savepoint(savepoint()),
        value::TRANS_STMT_RELEASE => Effect::Release(savepoint()),
        value::TRANS_STMT_ROLLBACK_TO => Effect::RollbackTo(savepoint()),
        value::TRANS_STMT_PREPARE => Effect::PrepareTransaction,
        _ => Effect::None,
    }
}

/// The effect of SET and RESET; of nothing else.
pub(super) fn variable(node: Node<'_>) -> Effect {
    if node.tag() != tag::VariableSetStmt {
        return Effect::None;
    }
    let name = || node.bytes(field::name).map(name).unwrap_or_default();
    match node.value(field::kind) {
        value::VAR_SET_VALUE | value::VAR_SET_DEFAULT => Effect::Set {
            name: name(),
            value: parameters::value(node),
            scope: if node.flag(field::is_local) { SetScope::Local } else { SetScope::Session },
        },
        value::VAR_SET_MULTI => {
            let modes = parameters::modes(node.list(field::args));
            match node.bytes(field::name) {
                Some(b"SESSION CHARACTERISTICS") => Effect::SetSessionCharacteristics { modes },
                _ => Effect::SetTransaction { modes },
            }
        }
        value::VAR_RESET => Effect::Reset(name()),
        value::VAR_RESET_ALL => Effect::ResetAll,
        _ => Effect::None,
    }
}
