//! What a call's arguments say of their own types, where that is certain (`parse_expr.c`).

use std::collections::BTreeSet;

use pgauthority_grammar::{Node, field, tag};

use super::names::{Qualified, name};
use crate::sql::{Call, Given, Name, UNKNOWN};

/// Types of constants: `pg_type.dat`.
const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT4: u32 = 23;
const BIT: u32 = 1560;
const NUMERIC: u32 = 1700;

/// Parameters beyond this have no place in a message.
const MOST_PARAMETERS: usize = 65_535;

/// What an argument says of its type. `numbered`: parameters are those of the message; else they are
/// whatever PREPARE makes of them, and have the number 0.
pub(super) fn given(argument: Node<'_>, numbered: bool) -> Given {
    let number = |parameter| if numbered { number(parameter) } else { Some(0) };
    let certain = match argument.tag() {
        tag::NamedArgExpr => argument.node(field::arg).map(|inner| given(inner, numbered)),
        tag::A_Const => constant(argument).map(Given::Constant),
        tag::TypeCast => argument.node(field::typeName).and_then(cast),
        tag::ParamRef => number(argument).map(|number| Given::Parameter { number, once: false }),
        _ => None,
    };
    certain.unwrap_or(Given::Anything)
}

/// Whether an argument is a parameter by itself. A cast leaves one where it is one to `void`.
pub(super) fn is_parameter(argument: Node<'_>) -> bool {
    match argument.tag() {
        tag::ParamRef => true,
        tag::TypeCast => {
            let target = argument.node(field::typeName);
            let target = target.and_then(|target| Qualified::of_list(target.list(field::names)));
            target.is_none_or(|target| target.name == b"void")
                && argument.node(field::arg).is_some_and(is_parameter)
        }
        _ => false,
    }
}

fn number(parameter: Node<'_>) -> Option<u16> {
    u16::try_from(parameter.int(field::number)).ok().filter(|number| *number > 0)
}

/// The type of a constant as `make_const` gives it: of an integer its size decides, and its sign.
fn constant(constant: Node<'_>) -> Option<u32> {
    let Some(value) = constant.node(field::val) else {
        return constant.flag(field::isnull).then_some(UNKNOWN);
    };
    Some(match value.tag() {
        tag::Integer => INT4,
        tag::Boolean => BOOL,
        tag::String => UNKNOWN,
        tag::BitString => BIT,
        tag::Float => number_type(std::str::from_utf8(value.bytes(field::fval)?).ok()?)?,
        _ => return None,
    })
}

fn number_type(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(match text.parse::<i64>() {
            Ok(number) if i32::try_from(number).is_ok() => INT4,
            Ok(_) => INT8,
            Err(_) => NUMERIC,
        });
    }
    // 0x…, 1_000: not the same to every major
    let decimal = |byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    digits.bytes().all(decimal).then_some(NUMERIC)
}

fn cast(target: Node<'_>) -> Option<Given> {
    if target.flag(field::pct_type) || target.flag(field::setof) {
        return None;
    }
    let found = Qualified::of_list(target.list(field::names))?.in_any_major();
    let array = target.has(field::arrayBounds);
    let name = Name { schema: found.schema.map(name), name: name(found.name) };
    (!found.catalog).then_some(Given::Cast { name, array })
}

/// Which parameters a statement has, and which of them more than once.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    met: Vec<bool>,
    again: Vec<bool>,
    /// Some expression is analysed twice: `x BETWEEN a AND b` is `x >= a AND x <= b`.
    pub doubled: bool,
}

impl Parameters {
    /// Notes a parameter.
    pub(super) fn note(&mut self, parameter: Node<'_>) {
        let number = usize::try_from(parameter.int(field::number)).unwrap_or(usize::MAX);
        if number > MOST_PARAMETERS {
            return;
        }
        if self.met.len() <= number {
            self.met.resize(number + 1, false);
            self.again.resize(number + 1, false);
        }
        if let (Some(met), Some(again)) = (self.met.get_mut(number), self.again.get_mut(number)) {
            *again |= std::mem::replace(met, true);
        }
    }

    /// The calls, with what is known now of which parameters stand in the statement once.
    pub(super) fn settled(&self, calls: BTreeSet<Call>) -> Box<[Call]> {
        let settle = |given: &mut Given| {
            if let Given::Parameter { number, once } = given {
                let again = self.again.get(usize::from(*number));
                *once = *number > 0 && !self.doubled && again == Some(&false);
            }
        };
        let settled = calls.into_iter().map(|mut call| {
            call.given.iter_mut().for_each(settle);
            call
        });
        settled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::judge;

    /// What the calls of a text's one statement say.
    fn shown(text: &str) -> String {
        let judgement = judge(text.as_bytes(), &BTreeSet::new());
        let uses = judgement.statements[0].uses.as_ref().unwrap();
        let shown = |given: &Given| match given {
            Given::Anything => "?".to_owned(),
            Given::Constant(oid) => oid.to_string(),
            Given::Cast { name, array } => {
                let schema = name.schema.as_ref().map(|schema| format!("{schema}."));
                let array = if *array { "[]" } else { "" };
                format!("{}{}{array}", schema.unwrap_or_default(), name.name)
            }
            Given::Parameter { number, once } => {
                format!("${number}{}", if *once { "" } else { "+" })
            }
        };
        let calls = uses.calls.iter().map(|call| {
            let given: Vec<_> = call.given.iter().map(shown).collect();
            format!("{}/{}", given.join(" "), call.parameters)
        });
        calls.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn types_are_what_is_certain() {
        for (text, expected) in [
            ("SELECT f(1, -1, 2147483647)", "23 23 23/0"),
            ("SELECT f(2147483648, -2147483648, - 2147483648)", "20 23 23/0"),
            ("SELECT f(9223372036854775807, 9223372036854775808)", "20 1700/0"),
            ("SELECT f(-9223372036854775808, -9223372036854775809)", "20 1700/0"),
            ("SELECT f(1.0, 1e3, .5, -1.5)", "1700 1700 1700 1700/0"),
            ("SELECT f(1, 0x1, 0xFFFFFFFFFF, 1_000)", "23 23 ? 23/0"),
            (
                "SELECT f(true, NULL, 'a', b'1', x'f', E'a', $$a$$)",
                "16 705 705 1560 1560 705 705/0",
            ),
            (
                "SELECT f('a'::text, CAST(1 AS s.t), x::int[], date 'x')",
                "text s.t pg_catalog.int4[] date/0",
            ),
            (
                "SELECT f('{}'::json, 'x'::pg_catalog.json, 1::varchar(3))",
                "json json pg_catalog.varchar/0",
            ),
            ("SELECT f(1, b => 2::a)", "23 a/0"),
            ("SELECT f(a, 1 + 1, (SELECT 1), 'x' COLLATE \"C\", ARRAY[1])", "/0"),
            ("SELECT f($1, $2::int, $2, $1)", "$1+ pg_catalog.int4 $2+ $1+/3"),
            ("SELECT f($1), f($2::void)", "void/1, $1/1"),
            ("SELECT f($1) BETWEEN 1 AND 2", "$1+/1"),
            ("CALL p($1)", "$1/1"),
            // not analysed with the message's parameters, or not by itself
            ("PREPARE q AS SELECT f($1, 1)", "$0+ 23/1"),
            ("EXPLAIN SELECT f(1)", "23/0"),
            ("DECLARE c CURSOR FOR SELECT f(1)", "23/0"),
            ("CREATE TEMP TABLE t AS SELECT f('x'::text)", "text/0"),
            ("CREATE TEMP VIEW v AS SELECT f(1)", "/0"),
            ("DO $$ BEGIN PERFORM f(1); END $$", "/0"),
            (
                "SELECT query_to_xml('SELECT f(1)', true, true, ''), g(1)",
                "/0, 23/0, 705 16 16 705/0",
            ),
            ("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a)", "/0"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
