//! The classifier: a class for any bytes, and never a weaker one for standing inside something.

use std::collections::BTreeSet;
use std::mem::discriminant;

use pgauthority::sql::{Class, Effect, Judgement, Statement, judge};

/// Judges `data` as a text, alone and in every place where a statement can stand.
pub fn run(data: &[u8]) {
    let alone = judged(data);
    in_bounds(&alone, data.len());
    let Some(statements) = readable(&alone) else { return };
    in_a_string(data, statements);
    let [statement] = statements else { return };
    prefixed(data, statement);
    if let Effect::None = statement.effect
        && matches!(statement.tag, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE")
    {
        nested(text_of(data, statement), statement);
    }
}

fn judged(text: &[u8]) -> Judgement {
    judge(text, &BTreeSet::from(["alembic_version".to_owned()]))
}

fn readable(judgement: &Judgement) -> Option<&[Statement]> {
    let readable = !judgement.statements.iter().any(Statement::is_unreadable);
    readable.then_some(&judgement.statements)
}

fn text_of<'t>(data: &'t [u8], statement: &Statement) -> &'t [u8] {
    &data[statement.location as usize..][..statement.length as usize]
}

fn in_bounds(judgement: &Judgement, length: usize) {
    let mut passed = 0;
    for statement in &judgement.statements {
        let (start, end) = (statement.location, statement.location + statement.length);
        assert!(passed <= start && end as usize <= length, "{statement:?}");
        assert!(statement.class <= judgement.strongest);
        if let Some(temp) = &statement.temp {
            assert!(temp.class < statement.class && !temp.names.is_empty());
        }
        passed = end;
    }
    assert!(judgement.plain <= judgement.statements.iter().all(Statement::is_plain));
}

/// What was judged of each, places aside.
fn classes(statements: &[Statement]) -> Vec<(Class, &'static str, bool)> {
    statements.iter().map(|one| (one.class, one.tag, one.unseen_code)).collect()
}

/// Statements are judged one by one: the same behind others, and before them.
fn in_a_string(data: &[u8], statements: &[Statement]) {
    let twice = judged(&[data, b"\n;\n", data].concat());
    // what was read alone can be too much twice, never another thing
    let Some(both) = readable(&twice) else { return };
    assert_eq!(both.len(), 2 * statements.len());
    let (first, second) = both.split_at(statements.len());
    assert_eq!(classes(first), classes(statements));
    assert_eq!(classes(second), classes(statements));
}

/// Blanks and comments before a statement say nothing.
fn prefixed(data: &[u8], statement: &Statement) {
    let behind = judged(&[b"-- SELECT 1;\r/* ; */\n ;", data].concat());
    let Some([again]) = readable(&behind) else { panic!("not one statement: {behind:?}") };
    assert_eq!((again.class, again.tag), (statement.class, statement.tag));
    assert_eq!(discriminant(&again.effect), discriminant(&statement.effect));
}

/// A query inside another statement counts there with its whole class.
fn nested(text: &[u8], inner: &Statement) {
    for (before, after) in [
        (&b"EXPLAIN ANALYZE "[..], &b""[..]),
        (b"WITH q AS (", b"\n) SELECT 1"),
        (b"COPY (", b"\n) TO STDOUT"),
        (b"PREPARE p AS ", b""),
        (b"SELECT * FROM (", b"\n) AS q"),
        (b"INSERT INTO t ", b""),
        (b"SELECT 1 UNION ALL (", b"\n)"),
        (b"SELECT ARRAY(", b"\n)"),
        (b"SELECT 1 WHERE EXISTS (", b"\n)"),
    ] {
        let whole = judged(&[before, text, after].concat());
        if readable(&whole).is_none() {
            continue;
        }
        let class = match &whole.statements[..] {
            [Statement { effect: Effect::Prepare { inner, .. }, .. }] => inner.class,
            _ => whole.strongest,
        };
        assert!(
            class >= inner.class,
            "{class} in {}, {} alone",
            String::from_utf8_lossy(before),
            inner.class
        );
    }
}
