//! SET and RESET of parameters, and calls of `set_config`.

use pgauthority_grammar::{Node, field, tag, value};

use super::names::{constant, parse_bool};
use super::scan::Scan;
use super::utility::Own;
use crate::sql::{Class, Isolation, Modes, SetConfig, SetValue, administrative};

/// The class of a SET or RESET, alone or as a clause of ALTER ROLE, CREATE FUNCTION and the like.
/// What goes back to the session's own start value is harmless.
pub(super) fn class(node: Node<'_>) -> Own {
    let name = node.bytes(field::name).map(String::from_utf8_lossy).unwrap_or_default();
    let sets = matches!(node.value(field::kind), value::VAR_SET_VALUE | value::VAR_SET_CURRENT);
    let (class, reason) = match administrative(&name).filter(|_| sets) {
        Some("loads code") => (Class::Admin, "sets a parameter that loads code"),
        Some(_) => (Class::Admin, "sets a parameter that turns safeguards off"),
        None => (Class::Session, ""),
    };
    Own { class, reason, unseen_code: false }
}

/// The value of a SET: its list items joined, quotes removed.
pub(super) fn value(node: Node<'_>) -> SetValue {
    if node.value(field::kind) == value::VAR_SET_DEFAULT {
        return SetValue::Default;
    }
    let items: Vec<String> = node
        .list(field::args)
        .map(|item| match item.tag() {
            // SET TIME ZONE INTERVAL '…': the server sees it with its unit
            tag::TypeCast => item.node(field::arg).and_then(constant).unwrap_or_default(),
            _ => constant(item).unwrap_or_default(),
        })
        .map(|item| item.into_owned())
        .collect();
    SetValue::Text(items.join(", ").into())
}

/// A list of transaction modes: READ WRITE anywhere wins, as the stricter reading; of the others
/// the last.
pub(super) fn modes<'t>(list: impl Iterator<Item = Node<'t>>) -> Modes {
    let mut modes = Modes::default();
    for mode in list {
        let value = mode.node(field::arg).and_then(constant).unwrap_or_default();
        match mode.bytes(field::defname) {
            Some(b"transaction_read_only") => {
                let read_write = parse_bool(&value) != Some(true);
                modes.read_write = modes.read_write.max(Some(read_write));
            }
            Some(b"transaction_isolation") => modes.isolation = isolation(&value),
            Some(b"transaction_deferrable") => modes.deferrable = parse_bool(&value),
            _ => {}
        }
    }
    modes
}

fn isolation(value: &str) -> Option<Isolation> {
    match value {
        "read uncommitted" => Some(Isolation::ReadUncommitted),
        "read committed" => Some(Isolation::ReadCommitted),
        "repeatable read" => Some(Isolation::RepeatableRead),
        "serializable" => Some(Isolation::Serializable),
        _ => None,
    }
}

impl Scan<'_> {
    /// A call of `set_config`: whatever it is in, it may be run.
    pub(super) fn set_config_call(&mut self, call: Node<'_>) {
        const NAMES: [&[u8]; 3] = [b"setting_name", b"new_value", b"is_local"];
        let mut arguments = [const { None }; 3];
        for (at, argument) in call.list(field::args).enumerate() {
            let (at, argument) = match argument.tag() {
                tag::NamedArgExpr => {
                    let wanted = argument.bytes(field::name);
                    let at = NAMES.iter().position(|name| Some(*name) == wanted);
                    (at, argument.node(field::arg))
                }
                _ => (Some(at), Some(argument)),
            };
            if let Some(given) = at.and_then(|at| arguments.get_mut(at)) {
                *given = argument.and_then(literal);
            }
        }
        let [name, value, is_local] = arguments;
        let found = SetConfig {
            name: name.map(Into::into),
            value: value.map(Into::into),
            is_local: is_local.and_then(|text| parse_bool(&text)),
            bare: false,
            constant: false,
        };
        match &found.name {
            Some(name) => {
                if let Some(does) = administrative(name) {
                    self.raise_called(Class::Admin, || format!("sets {name}, which {does}"));
                }
            }
            // a computed name may be any parameter that takes this value
            None if !found.value.as_deref().is_some_and(is_harmless_anywhere) => {
                self.raise_called(Class::Opaque, || {
                    "sets a parameter whose name is computed".into()
                });
            }
            None => {}
        }
        self.found.sets = true;
        self.set_config.push(found);
    }
}

/// Whether a value weakens nothing whatever the parameter is: no boolean, no role, no encoding, no
/// tag, no path of files. Lists (pg_dump sets `'view, foreign-table'`) and nothing at all are left.
fn is_harmless_anywhere(value: &str) -> bool {
    (value.is_empty() || value.contains(','))
        && !value.contains('/')
        && !value.to_ascii_lowercase().contains("pg_temp")
}

/// An argument's text if it is a literal, perhaps cast to a type that leaves it as it is: a cast to
/// `varchar(24)` cuts, one to `date` rewrites.
fn literal(argument: Node<'_>) -> Option<String> {
    match argument.tag() {
        tag::A_Const => constant(argument).map(|text| text.into_owned()),
        tag::TypeCast if argument.node(field::typeName).is_some_and(is_faithful) => {
            literal(argument.node(field::arg)?)
        }
        _ => None,
    }
}

/// `text` and `bool`, bare or of `pg_catalog`, no array and no modifier.
fn is_faithful(type_name: Node<'_>) -> bool {
    let name = super::names::Qualified::of_list(type_name.list(field::names));
    type_name.list(field::typmods).count() == 0
        && type_name.list(field::arrayBounds).count() == 0
        && name.is_some_and(|name| {
            (name.name == b"text" || name.name == b"bool")
                && matches!(name.schema, None | Some(b"pg_catalog"))
                && !name.catalog
        })
}

/// Whether a SELECT is exactly `SELECT set_config(…literals…)`, perhaps several of them.
pub(super) fn is_bare(select: Node<'_>) -> bool {
    only_calls(select, |argument| {
        argument.tag() == tag::A_Const && argument.node(field::val).is_some()
    })
}

/// The same where parameters may stand for literals, and each such SELECT may stand in WITH, of which
/// everything is taken.
pub(super) fn is_constant(select: Node<'_>) -> bool {
    only_calls(select, takes_constants) || of_calls_only(select).is_some()
}

fn takes_constants(argument: Node<'_>) -> bool {
    given(argument).is_some()
}

/// `WITH x AS (SELECT set_config(…)), … SELECT … FROM x, …` and nothing else.
fn of_calls_only(select: Node<'_>) -> Option<()> {
    let other = NOTHING_ELSE
        .iter()
        .filter(|clause| !matches!(**clause, field::withClause | field::fromClause));
    let mut others = other.filter(|clause| select.has(**clause));
    if select.tag() != tag::SelectStmt || others.next().is_some() {
        return None;
    }
    let with = select.node(field::withClause)?;
    let mut taken: Vec<&[u8]> = Vec::new();
    for relation in select.list(field::fromClause) {
        let plain = relation.tag() == tag::RangeVar && !relation.has(field::schemaname);
        taken.push(relation.bytes(field::relname).filter(|_| plain)?);
    }
    let columns = select
        .list(field::targetList)
        .all(|target| target.node(field::val).is_some_and(|value| value.tag() == tag::ColumnRef));
    let mut queries = 0;
    for query in with.list(field::ctes) {
        let calls = query.node(field::ctequery).filter(|query| only_calls(*query, takes_constants));
        calls?;
        taken.contains(&query.bytes(field::ctename)?).then_some(())?;
        queries += 1;
    }
    (columns && queries == taken.len()).then_some(())
}

/// A literal or a parameter, perhaps cast to a type that leaves it as it is.
fn given(argument: Node<'_>) -> Option<()> {
    match argument.tag() {
        tag::A_Const | tag::ParamRef => Some(()),
        tag::TypeCast if argument.node(field::typeName).is_some_and(is_faithful) => {
            given(argument.node(field::arg)?)
        }
        _ => None,
    }
}

/// A SELECT of nothing but calls of `set_config` with such arguments.
fn only_calls(select: Node<'_>, takes: fn(Node<'_>) -> bool) -> bool {
    select.tag() == tag::SelectStmt
        && !NOTHING_ELSE.iter().any(|clause| select.has(*clause))
        && select
            .list(field::targetList)
            .all(|target| target.node(field::val).is_some_and(|call| is_plain_call(call, takes)))
}

/// The clauses of a SELECT besides its list.
const NOTHING_ELSE: &[u16] = &[
    field::distinctClause,
    field::intoClause,
    field::fromClause,
    field::whereClause,
    field::groupClause,
    field::havingClause,
    field::windowClause,
    field::valuesLists,
    field::sortClause,
    field::limitOffset,
    field::limitCount,
    field::lockingClause,
    field::withClause,
    field::larg,
    field::rarg,
];

/// A call of `set_config` with three such arguments and nothing else.
fn is_plain_call(call: Node<'_>, takes: fn(Node<'_>) -> bool) -> bool {
    let extras = [
        field::agg_order,
        field::agg_filter,
        field::over,
        field::agg_within_group,
        field::agg_star,
        field::agg_distinct,
        field::func_variadic,
    ];
    let name = super::names::Qualified::of_list(call.list(field::funcname));
    call.tag() == tag::FuncCall
        && name.is_some_and(|name| {
            name.name == b"set_config"
                && matches!(name.schema, None | Some(b"pg_catalog"))
                && !name.catalog
        })
        && !extras.iter().any(|extra| call.has(*extra))
        && call.list(field::args).count() == 3
        && call.list(field::args).all(takes)
}
