//! Columns, types, defaults and constraints as SQL gives them.

use pgauthority_grammar::{Node, field, tag, value};

use super::schema::{Column, Constraint, ConstraintKind, Default_, Type};
use crate::sql::routines::{self, Routine};

/// Routines that give each row a value of its own (PostgreSQL's catalog, and `uuid-ossp`).
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "nextval",
    "random",
    "random_normal",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
    "gen_random_bytes",
    "txid_current",
    "pg_current_xact_id",
];

/// A string field.
pub(super) fn string(node: Node<'_>, name: u16) -> String {
    String::from_utf8_lossy(node.bytes(name).unwrap_or_default()).into_owned()
}

/// A relation's name, with its schema where one is written.
pub(super) fn name_of(relation: Node<'_>) -> String {
    match relation.bytes(field::schemaname) {
        Some(_) => {
            format!("{}.{}", string(relation, field::schemaname), string(relation, field::relname))
        }
        None => string(relation, field::relname),
    }
}

/// Whether a relation is temporary.
pub(super) fn is_temporary(relation: Node<'_>) -> bool {
    relation.char(field::relpersistence) == b't'
}

/// The name of what a DROP lists.
pub(super) fn object_name(node: Node<'_>) -> String {
    let parts: Vec<String> = match node.tag() {
        tag::List => node.list(field::items).map(|part| string(part, field::sval)).collect(),
        tag::String => vec![string(node, field::sval)],
        tag::TypeName => node.list(field::names).map(|part| string(part, field::sval)).collect(),
        tag::ObjectWithArgs => {
            node.list(field::objname).map(|part| string(part, field::sval)).collect()
        }
        _ => Vec::new(),
    };
    parts.join(".")
}

/// An option's text.
pub(super) fn option(node: Node<'_>, wanted: &[u8]) -> Option<String> {
    let found = node.list(field::args).find(|one| one.bytes(field::defname) == Some(wanted))?;
    let value = found.node(field::arg)?;
    (value.tag() == tag::String).then(|| string(value, field::sval))
}

/// Whether a parenthesised option is there; its value is not looked at.
pub(super) fn is_on(node: Node<'_>, wanted: &[u8]) -> bool {
    node.list(field::params).any(|one| one.bytes(field::defname) == Some(wanted))
}

/// A type.
pub(super) fn type_name(node: Node<'_>) -> Type {
    if node.has(field::arrayBounds) {
        return Type::Other("array".to_owned());
    }
    let last = node.list(field::names).last();
    let name = last.map(|part| string(part, field::sval)).unwrap_or_default();
    let sizes: Vec<u32> = node
        .list(field::typmods)
        .filter_map(|size| u32::try_from(size.node(field::val)?.int(field::ival)).ok())
        .collect();
    Type::of_sql(&name, &sizes)
}

/// A column.
pub(super) fn column(node: Node<'_>) -> Column {
    let mut column = Column {
        name: string(node, field::colname),
        type_: node.node(field::typeName).map(type_name),
        ..Column::default()
    };
    for constraint in node.list(field::constraints) {
        match constraint.value(field::contype) {
            value::CONSTR_NOTNULL => column.nullable = Some(false),
            value::CONSTR_NULL => column.nullable = Some(true),
            value::CONSTR_DEFAULT => {
                column.default =
                    constraint.node(field::raw_expr).map_or(Default_::Unknown, default_expression);
            }
            value::CONSTR_IDENTITY => column.default = Default_::Volatile("identity".to_owned()),
            value::CONSTR_GENERATED => column.default = Default_::Volatile("generated".to_owned()),
            value::CONSTR_PRIMARY => column.primary_key = true,
            value::CONSTR_UNIQUE => column.unique = true,
            value::CONSTR_FOREIGN => {
                column.references.extend(constraint.node(field::pktable).map(name_of));
            }
            _ => {}
        }
    }
    if column.type_ == Some(Type::Serial) {
        column.default = Default_::Volatile("a sequence".to_owned());
    }
    column
}

/// A constraint.
pub(super) fn constraint(node: Node<'_>) -> Option<Constraint> {
    let kind = match node.value(field::contype) {
        value::CONSTR_PRIMARY => ConstraintKind::Primary,
        value::CONSTR_UNIQUE => ConstraintKind::Unique,
        value::CONSTR_EXCLUSION => ConstraintKind::Exclude,
        value::CONSTR_FOREIGN => ConstraintKind::Foreign(node.node(field::pktable).map(name_of)),
        value::CONSTR_CHECK => {
            ConstraintKind::Check(node.node(field::raw_expr).and_then(not_null_column))
        }
        _ => return None,
    };
    Some(Constraint {
        kind,
        not_valid: node.flag(field::skip_validation),
        using_index: node.has(field::indexname),
    })
}

/// The column of `column IS NOT NULL`.
fn not_null_column(expression: Node<'_>) -> Option<String> {
    if expression.tag() != tag::NullTest
        || expression.value(field::nulltesttype) != value::IS_NOT_NULL
    {
        return None;
    }
    let column = expression.node(field::arg)?;
    let last = column.list(field::fields).last()?;
    Some(string(last, field::sval))
}

/// The column of a check that is written as a text.
pub(super) fn not_null_check(condition: &str) -> Option<String> {
    let tree = pgauthority_grammar::parse(format!("SELECT {condition}").as_bytes()).ok()?;
    let select = tree.statements().next()?.node(field::stmt)?;
    let target = select.list(field::targetList).next()?;
    not_null_column(target.node(field::val)?)
}

/// A default that is written as a text.
pub(super) fn default(expression: &str) -> Default_ {
    let text = format!("SELECT {expression}");
    let Ok(tree) = pgauthority_grammar::parse(text.as_bytes()) else { return Default_::Unknown };
    tree.statements()
        .next()
        .and_then(|raw| raw.node(field::stmt))
        .map_or(Default_::Unknown, default_expression)
}

/// Whether an expression gives all rows that there are the same value.
fn default_expression(expression: Node<'_>) -> Default_ {
    let mut perhaps = None;
    for node in expression.descendants().filter(|node| node.tag() == tag::FuncCall) {
        let parts: Vec<String> =
            node.list(field::funcname).map(|part| string(part, field::sval)).collect();
        let Some(name) = parts.last() else { continue };
        if VOLATILE.contains(&name.as_str()) {
            return Default_::Volatile(format!("{name}()"));
        }
        let schema = parts.len().checked_sub(2).and_then(|at| parts.get(at));
        if routines::lookup(schema.map(String::as_str), name) != Routine::Read {
            perhaps = Some(Default_::Perhaps(format!("{name}()")));
        }
    }
    perhaps.unwrap_or(Default_::Constant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_defaults_write_a_table_anew() {
        assert_eq!(default("now()"), Default_::Constant);
        assert_eq!(default("'x'::text"), Default_::Constant);
        assert_eq!(default("CURRENT_TIMESTAMP"), Default_::Constant);
        assert_eq!(default("gen_random_uuid()"), Default_::Volatile("gen_random_uuid()".into()));
        assert_eq!(default("lower(md5(random()::text))"), Default_::Volatile("random()".into()));
        assert_eq!(default("nextval('s')"), Default_::Volatile("nextval()".into()));
        assert_eq!(default("next_number()"), Default_::Perhaps("next_number()".into()));
        assert_eq!(default("(("), Default_::Unknown);
    }

    #[test]
    fn checks_of_not_null() {
        assert_eq!(not_null_check("a IS NOT NULL").as_deref(), Some("a"));
        assert_eq!(not_null_check("t.a IS NOT NULL").as_deref(), Some("a"));
        assert_eq!(not_null_check("a > 0"), None);
    }
}
