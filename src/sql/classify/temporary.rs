//! Which statements touch nothing but temporary relations (contract §4, `temp`).
//!
//! A closed list: what is not in it is `ddl`. Two questions are answered here. May a statement
//! be `temp`, and if which names are temporary? And which names are certain to be temporary
//! relations after it? Only tables and sequences that hang on nothing else are: a view, a
//! partition or an owned sequence can vanish together with something else, even by another
//! session's DROP … CASCADE, and then its name would mean a permanent object.

use pgauthority_grammar::{Node, field, tag, value};

use super::names::{Qualified, name};
use super::utility::option;

/// Whether a statement may be `temp`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Temp {
    /// It is not.
    No,
    /// It is, whatever the session holds.
    Certain,
    /// It is if all these unqualified names are temporary relations.
    If(Vec<Box<str>>),
}

/// Whether a relation being created is a temporary one.
pub(super) fn is_temporary(relation: Node<'_>) -> bool {
    let name = Qualified::of_relation(relation);
    match relation.char(field::relpersistence) {
        b't' => name.schema.is_none() || name.in_pg_temp(),
        b'p' => name.in_pg_temp(),
        _ => false,
    }
}

/// Judges a statement whose own class is `ddl`.
pub(super) fn of(node: Node<'_>) -> Temp {
    match node.tag() {
        tag::CreateStmt => create_table(node),
        tag::CreateSeqStmt => certain_if(temporary_field(node, field::sequence) && !is_owned(node)),
        tag::ViewStmt => certain_if(temporary_field(node, field::view)),
        tag::IndexStmt => of_relations(node.node(field::relation).into_iter()),
        tag::AlterSeqStmt if !is_owned(node) => {
            of_relations(node.node(field::sequence).into_iter())
        }
        tag::AlterTableStmt if alters_only_itself(node) => {
            of_relations(node.node(field::relation).into_iter())
        }
        tag::RenameStmt if renames_relation(node) => {
            of_relations(node.node(field::relation).into_iter())
        }
        tag::TruncateStmt if !cascades(node) => of_relations(node.list(field::relations)),
        tag::DropStmt if drops_relation(node) && !cascades(node) => of_names(dropped(node)),
        _ => Temp::No,
    }
}

fn certain_if(certain: bool) -> Temp {
    if certain { Temp::Certain } else { Temp::No }
}

fn temporary_field(node: Node<'_>, relation: u16) -> bool {
    node.node(relation).is_some_and(is_temporary)
}

fn create_table(node: Node<'_>) -> Temp {
    let refers = node.descendants().any(|below| {
        below.tag() == tag::Constraint && below.value(field::contype) == value::CONSTR_FOREIGN
    });
    if !temporary_field(node, field::relation) || node.has(field::ofTypename) || refers {
        return Temp::No;
    }
    // a parent changes too
    match node.has(field::inhRelations) {
        true => of_relations(node.list(field::inhRelations)),
        false => Temp::Certain,
    }
}

fn of_relations<'t>(relations: impl Iterator<Item = Node<'t>>) -> Temp {
    of_names(relations.map(|relation| Some(Qualified::of_relation(relation))))
}

fn of_names<'t>(names: impl Iterator<Item = Option<Qualified<'t>>>) -> Temp {
    let mut needed = Vec::new();
    for found in names {
        match found {
            Some(found) if found.in_pg_temp() => {}
            // folding of other characters depends on the server's locale
            Some(Qualified { schema: None, name: bare, .. }) if bare.is_ascii() => {
                needed.push(name(bare));
            }
            _ => return Temp::No,
        }
    }
    if needed.is_empty() { Temp::Certain } else { Temp::If(needed) }
}

/// Whether a sequence gets an owner: then it goes with it.
fn is_owned(sequence: Node<'_>) -> bool {
    option(sequence.list(field::options), b"owned_by").is_some()
}

/// DISCARD TEMP or ALL.
pub(super) fn discards(node: Node<'_>) -> bool {
    !matches!(node.value(field::target), value::DISCARD_PLANS | value::DISCARD_SEQUENCES)
}

pub(super) fn cascades(node: Node<'_>) -> bool {
    node.value(field::behavior) == value::DROP_CASCADE
}

fn alters_only_itself(node: Node<'_>) -> bool {
    let harmless = |command: Node<'_>| {
        let refers = command.descendants().any(|below| {
            below.tag() == tag::Constraint && below.value(field::contype) == value::CONSTR_FOREIGN
        });
        !cascades(command)
            && !refers
            && matches!(
                command.value(field::subtype),
                value::AT_AddColumn
                    | value::AT_ColumnDefault
                    | value::AT_DropNotNull
                    | value::AT_SetNotNull
                    | value::AT_SetExpression
                    | value::AT_DropExpression
                    | value::AT_SetStatistics
                    | value::AT_SetOptions
                    | value::AT_ResetOptions
                    | value::AT_SetStorage
                    | value::AT_SetCompression
                    | value::AT_DropColumn
                    | value::AT_AddConstraint
                    | value::AT_ValidateConstraint
                    | value::AT_DropConstraint
                    | value::AT_AlterColumnType
                    | value::AT_SetRelOptions
                    | value::AT_ResetRelOptions
                    | value::AT_AddIdentity
                    | value::AT_SetIdentity
                    | value::AT_DropIdentity
            )
    };
    matches!(
        node.value(field::objtype),
        value::OBJECT_TABLE | value::OBJECT_INDEX | value::OBJECT_VIEW | value::OBJECT_SEQUENCE
    ) && node.list(field::cmds).all(harmless)
}

fn renames_relation(node: Node<'_>) -> bool {
    !cascades(node)
        && matches!(
            (node.value(field::renameType), node.value(field::relationType)),
            (value::OBJECT_TABLE | value::OBJECT_VIEW | value::OBJECT_SEQUENCE, _)
                | (value::OBJECT_INDEX | value::OBJECT_TABCONSTRAINT, _)
                | (value::OBJECT_COLUMN, value::OBJECT_TABLE | value::OBJECT_VIEW)
        )
}

fn drops_relation(node: Node<'_>) -> bool {
    matches!(
        node.value(field::removeType),
        value::OBJECT_TABLE | value::OBJECT_VIEW | value::OBJECT_SEQUENCE | value::OBJECT_INDEX
    )
}

fn dropped<'t>(node: Node<'t>) -> impl Iterator<Item = Option<Qualified<'t>>> {
    node.list(field::objects).map(|parts| Qualified::of_list(parts.list(field::items)))
}

/// The relation that a statement makes, if it is certain to be and stay a temporary one: its
/// name, and whether it goes at the end of the transaction.
pub(super) fn made(node: Node<'_>) -> Option<(Box<str>, bool)> {
    // IF NOT EXISTS: what was there before may be one of those that can vanish
    if node.flag(field::if_not_exists) {
        return None;
    }
    let (relation, on_commit) = match node.tag() {
        tag::CreateStmt if !node.has(field::inhRelations) && !node.has(field::ofTypename) => {
            (node.node(field::relation)?, node.value(field::oncommit))
        }
        tag::CreateSeqStmt if !is_owned(node) => (node.node(field::sequence)?, 0),
        tag::CreateTableAsStmt if node.value(field::objtype) == value::OBJECT_TABLE => {
            let into = node.node(field::into)?;
            (into.node(field::rel)?, into.value(field::onCommit))
        }
        tag::SelectStmt => {
            let into = node.node(field::intoClause)?;
            (into.node(field::rel)?, into.value(field::onCommit))
        }
        _ => return None,
    };
    let made = Qualified::of_relation(relation).name;
    (is_temporary(relation) && made.is_ascii())
        .then(|| (name(made), on_commit == value::ONCOMMIT_DROP))
}

/// The unqualified names that a statement may take away, move, or tie to something else.
pub(super) fn forgotten(node: Node<'_>) -> Vec<Box<str>> {
    let found: Vec<Qualified<'_>> = match node.tag() {
        tag::DropStmt => dropped(node).flatten().collect(),
        tag::RenameStmt if node.value(field::renameType) == value::OBJECT_COLUMN => Vec::new(),
        tag::AlterTableStmt if alters_only_itself(node) => Vec::new(),
        tag::AlterSeqStmt if !is_owned(node) => Vec::new(),
        tag::RenameStmt
        | tag::AlterTableStmt
        | tag::AlterSeqStmt
        | tag::AlterObjectSchemaStmt
        | tag::RuleStmt => node
            .descendants()
            .filter(|below| below.tag() == tag::RangeVar)
            .map(Qualified::of_relation)
            .collect(),
        _ => Vec::new(),
    };
    found
        .into_iter()
        .filter(|name| name.schema.is_none_or(|schema| schema.starts_with(b"pg_temp")))
        .map(|found| name(found.name))
        .collect()
}

/// The relation that is written to through a temporary view, where PostgreSQL may let that be
/// (`view_query_is_auto_updatable`).
pub(super) fn written_through<'t>(view: Node<'t>) -> Option<Node<'t>> {
    /// With any of these it does not.
    const CLAUSES: [u16; 7] = [
        field::withClause,
        field::distinctClause,
        field::groupClause,
        field::havingClause,
        field::limitCount,
        field::limitOffset,
        field::larg,
    ];
    let query = view.node(field::query)?;
    let mut from = query.list(field::fromClause);
    let (shown, more) = (from.next()?, from.next());
    // count(*), and what else takes a star: an aggregate or a window function
    let aggregates =
        |target: Node<'_>| target.node(field::val).is_some_and(|value| value.flag(field::agg_star));
    let simple = shown.tag() == tag::RangeVar
        && more.is_none()
        && !query.list(field::targetList).any(aggregates)
        && !CLAUSES.iter().any(|clause| query.has(*clause));
    (simple && temporary_field(view, field::view)).then_some(shown)
}

/// The relation that gets another name, where it may be a temporary one. (ALTER INDEX takes others than
/// indexes too.)
pub(super) fn renamed<'t>(node: Node<'t>) -> Option<Node<'t>> {
    let relation = matches!(
        node.value(field::renameType),
        value::OBJECT_TABLE | value::OBJECT_VIEW | value::OBJECT_SEQUENCE | value::OBJECT_INDEX
    );
    (relation && of(node) != Temp::No).then(|| node.node(field::relation)).flatten()
}

/// Whether a statement can take away relations that it does not name.
pub(super) fn takes_unnamed(node: Node<'_>) -> bool {
    match node.tag() {
        tag::DropOwnedStmt | tag::CreateExtensionStmt | tag::AlterExtensionStmt => true,
        tag::AlterTableStmt => node.list(field::cmds).any(cascades),
        _ => cascades(node),
    }
}
