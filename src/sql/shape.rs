//! The shape of a statement: its tokens without the values of its constants.
//!
//! Two texts of one shape have the same judgement, lengths aside. That holds because a shape is
//! only given to texts in which constants cannot decide: a positive list of statements (queries
//! and DML, exactly one), of constants (plain strings and decimal numbers), and none of the names
//! whose arguments are looked at. Everything else has no shape and is judged by its own text.

use super::Lexing;
use super::lexer::{Kind, Lexer, MAX_BRACKET_DEPTH, Token, fits_int4};

/// What is known of a text that has a shape, besides the shape itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Byte offset behind the last token of the one statement, which begins at 0; its semicolon
    /// excluded.
    pub end: usize,
    /// What the lexing depends on; part of the shape.
    pub lexing: Lexing,
}

/// The first words of statements in which constants decide nothing.
const FIRST: [&[u8]; 7] =
    [b"select", b"insert", b"update", b"delete", b"with", b"values", b"merge"];

/// Names whose constant arguments are looked at, by the classifier or by the grammar itself, as a
/// word or quoted: `float(54)` is a syntax error where `float(53)` is none, the rest is every
/// built-in that sets parameters or runs SQL given as text.
const DECIDED_BY_CONSTANTS: [&[u8]; 8] = [
    b"float",
    b"set_config",
    b"query_to_xml",
    b"query_to_xmlschema",
    b"query_to_xml_and_xmlschema",
    b"cursor_to_xml",
    b"ts_stat",
    b"ts_rewrite",
];

// The canonical bytes are the text itself with a control byte for each constant and one space for
// whatever blank stands between two tokens. They can be read back in one way only: control bytes
// are no token's (one inside a quoted name stands between its quotes), no token reaches over a
// constant, and what is left of the text is cut into tokens as it was.
const INTEGER: u8 = 0x01;
const NUMERIC: u8 = 0x02;
const STRING: u8 = 0x03;
const ASCII: u8 = 0x04;
const HIGH_BYTES: u8 = 0x05;

/// Writes the canonical bytes of the shape of `text` into `canonical` (cleared first), if it has
/// one. One pass; allocates only where `canonical` has not grown to the length of the text yet.
pub fn shape(text: &[u8], canonical: &mut Vec<u8>) -> Option<Shape> {
    canonical.clear();
    let mut lexer = Lexer::new(text);
    let first = lexer.next_token().ok()??;
    if first.start != 0 || !FIRST.iter().any(|word| is(text, first, word)) {
        return None;
    }
    let high_bytes = !text.is_ascii();
    canonical.push(if high_bytes { HIGH_BYTES } else { ASCII });
    // text[copied..end] is to be copied as it stands
    let mut copied = 0;
    let mut end = first.end;
    let mut depth = 0usize;
    let mut semicolon = false;
    while let Some(token) = lexer.next_token().ok()? {
        let placeholder = match token.kind {
            Kind::Word | Kind::QuotedName if decided_by_constants(text, token) => return None,
            Kind::Punct => match text.get(token.start) {
                Some(b';') => {
                    semicolon = true;
                    break;
                }
                Some(b'(' | b'[') if depth == MAX_BRACKET_DEPTH => return None,
                Some(b'(' | b'[') => {
                    depth += 1;
                    None
                }
                Some(b')' | b']') => {
                    depth = depth.saturating_sub(1);
                    None
                }
                _ => None,
            },
            // the grammar tells an integer from any other number
            Kind::Integer if fits_int4(text.get(token.start..token.end)?) => Some(INTEGER),
            Kind::Integer => Some(NUMERIC),
            Kind::Number if is_plain_decimal(text, token) => Some(NUMERIC),
            Kind::String => Some(STRING),
            Kind::UnicodeName
            | Kind::EscapeString
            | Kind::NationalString
            | Kind::BitString
            | Kind::UnicodeString
            | Kind::DollarString => return None,
            _ => None,
        };
        let blank = text.get(end..token.start)?;
        if !matches!(blank, b"" | b" ") {
            canonical.extend_from_slice(text.get(copied..end)?);
            canonical.push(b' ');
            copied = token.start;
        }
        if let Some(placeholder) = placeholder {
            canonical.extend_from_slice(text.get(copied..token.start)?);
            canonical.push(placeholder);
            copied = token.end;
        }
        end = token.end;
    }
    canonical.extend_from_slice(text.get(copied..end)?);
    if semicolon && lexer.next_token().ok()?.is_some() {
        return None; // another statement, or an empty one
    }
    // a text that depends on standard_conforming_strings is rare: it need not be fast
    (!lexer.backslash()).then_some(Shape { end, lexing: Lexing { backslash: false, high_bytes } })
}

/// Digits, a point, an exponent: no groups, no `0x`. All of these are one token to the grammar.
fn is_plain_decimal(text: &[u8], token: Token) -> bool {
    let plain =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    text.get(token.start..token.end).is_some_and(|number| number.iter().all(plain))
}

fn decided_by_constants(text: &[u8], token: Token) -> bool {
    // all but a few words end here
    LENGTHS & (1 << (token.end - token.start).min(31)) != 0
        && DECIDED_BY_CONSTANTS.iter().any(|name| is(text, token, name))
}

/// The lengths of those names, with and without quotes, as bits.
const LENGTHS: u32 = {
    let mut lengths = 0;
    let mut index = 0;
    while index < DECIDED_BY_CONSTANTS.len() {
        lengths |= 0b101 << DECIDED_BY_CONSTANTS[index].len();
        index += 1;
    }
    lengths
};

/// Whether a word or quoted name is `name`, in any case.
fn is(text: &[u8], token: Token, name: &[u8]) -> bool {
    let written = match token.kind {
        Kind::QuotedName => text.get(token.start + 1..token.end - 1),
        _ => text.get(token.start..token.end),
    };
    written.is_some_and(|written| written.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::routines::{Routine, lookup};

    fn of(text: &str) -> Option<(Vec<u8>, Shape)> {
        let mut canonical = Vec::new();
        let shape = shape(text.as_bytes(), &mut canonical)?;
        Some((canonical, shape))
    }

    fn same(left: &str, right: &str) -> bool {
        match (of(left), of(right)) {
            (Some((left, _)), Some((right, _))) => left == right,
            _ => panic!("no shape: {left} or {right}"),
        }
    }

    #[test]
    fn values_and_blanks_are_dropped() {
        for (left, right) in [
            ("SELECT 1", "SELECT 2147483647"),
            ("SELECT 1", "SELECT/* x */2 ; -- y\n"),
            ("SELECT 1.5", "SELECT 2147483648"),
            ("SELECT 1.5", "SELECT 1e-9"),
            ("SELECT 'a'", "SELECT ''"),
            ("SELECT 'a'", "SELECT 'it''s'\n'more'"),
            ("SELECT \"A\" FROM t WHERE x='1'", "SELECT  \"A\"\n FROM/**/t  WHERE\tx='2'"),
        ] {
            assert!(same(left, right), "{left} | {right}");
        }
    }

    #[test]
    fn all_else_is_kept() {
        for (left, right) in [
            ("SELECT 1", "SELECT '1'"),
            ("SELECT 1", "SELECT 1.0"),
            ("SELECT 1", "SELECT 0x1"),
            ("SELECT 0x1", "SELECT 0x2"),
            ("SELECT 1", "SELECT $1"),
            ("SELECT $1", "SELECT $2"),
            ("SELECT $1", "SELECT $11"),
            ("SELECT a b", "SELECT ab"),
            ("SELECT a", "SELECT \"a\""),
            ("SELECT \"a b\"", "SELECT \"a\" \"b\""),
            ("SELECT \"a\"\"b\"", "SELECT \"a\" \"b\""),
            ("SELECT a.b", "SELECT a b"),
            ("SELECT a::b", "SELECT a:b"),
            ("SELECT a - -b", "SELECT a @-b"),
            ("SELECT a < @b", "SELECT a <@b"),
            ("SELECT a < b", "SELECT a <= b"),
            ("SELECT 'a'", "SELECT 'é'"),
            ("SELECT 1", "SELECT 1, 2"),
            ("SELECT 1 1", "SELECT 1 1.0"),
        ] {
            assert!(!same(left, right), "{left} | {right}");
        }
    }

    #[test]
    fn no_shape_where_constants_could_decide() {
        for text in [
            "",
            " SELECT 1",
            "-- x\nSELECT 1",
            "(SELECT 1)",
            "SET x = 1",
            "SET \"x\" = 'a'",
            "EXPLAIN SELECT 1",
            "DO 'x'",
            "COPY t TO 'x'",
            "CREATE TABLE t (a int)",
            "PREPARE p AS SELECT 1",
            "SELECT 1; SELECT 2",
            "SELECT 1;;",
            "SELECT set_config('a', 'b', false)",
            "SELECT SET_config('a', 'b', false)",
            "SELECT pg_catalog.\"set_config\"('a', 'b', false)",
            "SELECT ts_stat('SELECT 1')",
            "SELECT ('SELECT 1').ts_stat",
            "SELECT 1::float(9)",
            "SELECT E'a'",
            "SELECT N'a'",
            "SELECT B'1'",
            "SELECT U&'a'",
            "SELECT U&\"a\"",
            "SELECT $$a$$",
            "SELECT 'a\\b'",
            "SELECT 'a",
            "SELECT {",
            "SELECT 1\0",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        let deep = format!("SELECT {}1", "(".repeat(MAX_BRACKET_DEPTH + 1));
        assert_eq!(of(&deep), None);
    }

    #[test]
    fn every_routine_with_arguments_that_decide_is_known() {
        for [name, ..] in crate::sql::routines::reviewed() {
            if matches!(lookup(None, name), Routine::SetConfig | Routine::Dynamic) {
                assert!(DECIDED_BY_CONSTANTS.contains(&name.as_bytes()), "{name}");
            }
        }
    }

    #[test]
    fn the_end_is_that_of_the_last_token() {
        for (text, end) in [
            ("SELECT 1", 8),
            ("SELECT 1;", 8),
            ("SELECT 1 ; -- x", 8),
            ("SELECT 1 -- x", 8),
            ("SELECT 'a'\n'b' ", 14),
        ] {
            assert_eq!(of(text).map(|(_, shape)| shape.end), Some(end), "{text}");
        }
        assert!(of("SELECT 'é'").is_some_and(|(_, shape)| shape.lexing.high_bytes));
        assert!(of("SELECT 'e'").is_some_and(|(_, shape)| !shape.lexing.high_bytes));
    }
}
