//! Which texts have a shape, and which of them the same.

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
        ("SELECT 1.5", "SELECT 9223372036854775809"),
        ("SELECT 2147483649", "SELECT 9223372036854775807"),
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
        ("SELECT 1", "SELECT 2147483649"),
        ("SELECT 1", "SELECT 2147483648"),
        ("SELECT 2147483649", "SELECT 2147483648"),
        ("SELECT -2147483649", "SELECT -2147483648"),
        ("SELECT 1.5", "SELECT 9223372036854775807"),
        ("SELECT 1.5", "SELECT -9223372036854775808"),
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
        "SELECT '\0'",
        "SELECT 'a''b\0'",
        "SELECT '0123456789abcdef\0'",
        "SELECT \"\0\"",
        "SELECT 1 /* \0 */",
        "SELECT 1; -- \0",
        "SELECT \0",
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
    // a backslash that may be half a character
    assert!(of("SELECT 1 AS \"é\\\"").is_none());
    assert!(of("SELECT é@1").is_none());
    assert!(of("SELECT 'josé@'").is_some_and(|(_, shape)| !shape.lexing.half));
}
