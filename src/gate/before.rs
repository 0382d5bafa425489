//! What earlier statements of a text, or of the open pipeline, may have done to what the next one is
//! judged by.

use super::Gate;
use crate::sql::catalog::Resolved;
use crate::sql::{Class, Effect, Statement};

impl Gate {
    /// What the open pipeline may have done to the catalog.
    pub(super) fn before(&self) -> Before {
        let open = self.lookups().filter(|_| self.open);
        open.map_or_else(Before::default, |lookups| Before {
            changed: lookups.touched,
            replaced: lookups.replaced,
            lost: false,
            types: false,
        })
    }
}

/// What earlier statements of a text, or of the open pipeline, may have done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// Changed what the catalog says, of this session's temporary relations or by unseen code too.
    pub(super) changed: bool,
    /// Changed what no snapshot in force shows: one of them was DDL or stronger.
    pub(super) replaced: bool,
    /// Changed `search_path`.
    pub(super) lost: bool,
    /// Made types, of this session's own too.
    pub(super) types: bool,
}

impl Before {
    /// A statement will have run too. `resolved`: what the catalog says of it.
    pub(super) fn then(&mut self, statement: &Statement, resolved: &Resolved) {
        let replaced = resolved.by_path || shows_prepared(statement);
        self.replaced |= replaced;
        self.changed |= replaced || changes_catalog(statement) || resolved.changes;
        self.lost |= moves_path(statement) || resolved.unseen_code;
        self.types |= statement.makes_types || resolved.changes;
    }

    /// It was let run as one of `class`. `makes`: it may give names to temporary relations, behind
    /// which stands what made the class.
    pub(super) fn decided(&mut self, class: Class, makes: bool) {
        let replaced = class >= Class::Ddl || class == Class::MigrationState && makes;
        self.replaced |= replaced;
        self.changed |= replaced;
    }

    /// It takes back what the snapshot in force shows.
    pub(super) fn brought_back(&mut self) {
        self.replaced = true;
        self.changed = true;
    }
}

/// Whether a statement may change what the catalog says.
pub(super) fn changes_catalog(statement: &Statement) -> bool {
    statement.class >= Class::Ddl || statement.do_or_call || shows_prepared(statement)
}

/// Whether a statement makes DDL visible that ran in another transaction.
fn shows_prepared(statement: &Statement) -> bool {
    statement.tag == "COMMIT PREPARED"
}

/// Whether a statement may change where unqualified names lead.
pub(super) fn moves_path(statement: &Statement) -> bool {
    let moves = |name: &str| {
        ["search_path", "role", "session_authorization"]
            .iter()
            .any(|one| name.eq_ignore_ascii_case(one))
    };
    let effect = match &statement.effect {
        Effect::Set { name, .. } | Effect::Reset(name) => moves(name),
        Effect::ResetAll | Effect::DiscardAll => true,
        _ => false,
    };
    effect
        || statement.do_or_call
        || statement.set_config.iter().any(|call| call.name.as_deref().is_none_or(moves))
}
