//! The lexer, the shape and the cache against PostgreSQL's own scanner and grammar.

use std::collections::BTreeSet;
use std::sync::Arc;

use pg_query::protobuf::Token as Real;
use pgauthority::sql::lexer::{Kind, Lexer, Token, Unsure, survey};
use pgauthority::sql::{Class, Judge, Judgement, judge};

/// Reads `data` as a text.
pub fn run(data: &[u8]) {
    let read = tokens(data);
    let survey = survey(data);
    if let Ok(tokens) = &read {
        in_order(tokens, data.len());
        if survey.bounded && std::str::from_utf8(data).is_ok() {
            as_the_scanner_reads(data, tokens);
        }
    }
    let judgement = judge(data, &BTreeSet::new());
    assert_eq!(judgement.lexing, survey.lexing);
    let is_readable = !judgement.statements.iter().any(|one| one.is_unreadable());
    match &read {
        Ok(tokens) if is_readable => as_the_grammar_cuts(data, tokens, &judgement),
        Ok(_) => {}
        Err(unsure) => {
            assert!(!is_readable, "the grammar reads what the lexer does not: {unsure:?}")
        }
    }
    if let Ok(tokens) = &read {
        one_shape_one_class(data, tokens, &judgement);
    }
}

fn tokens(text: &[u8]) -> Result<Vec<Token>, Unsure> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

fn in_order(tokens: &[Token], length: usize) {
    let mut passed = 0;
    for token in tokens {
        assert!(passed <= token.start && token.start < token.end && token.end <= length);
        passed = token.end;
    }
}

/// The scanner finds a token wherever the lexer does, and no other.
fn as_the_scanner_reads(data: &[u8], tokens: &[Token]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // what an escape stands for is looked at by the scanner alone
    let Ok(scanned) = pg_query::scan(text) else {
        let escapes = tokens.iter().any(|token| token.kind == Kind::EscapeString);
        return assert!(escapes, "the scanner refuses what the lexer reads");
    };
    let comment = |real: Real| matches!(real, Real::SqlComment | Real::CComment);
    let mut real = scanned.tokens.into_iter().filter(|token| !comment(token.token()));
    for token in tokens {
        let mut start = token.start;
        if token.kind == Kind::NationalString {
            // NCHAR and a plain string to the scanner
            assert_eq!(real.next().map(|real| real.token()), Some(Real::Nchar));
            start += 1;
        }
        let place = real.next().map(|real| (real.start as usize, real.end as usize));
        assert_eq!(place, Some((start, token.end)), "{token:?}");
    }
    assert_eq!(real.next(), None);
}

/// The grammar's statements are what stands between semicolons, and begin and end with tokens.
fn as_the_grammar_cuts(data: &[u8], tokens: &[Token], judgement: &Judgement) {
    let mut passed = 0;
    for statement in &judgement.statements {
        let start = statement.location as usize;
        let end = start + statement.length as usize;
        assert!(passed <= start && start < end, "{statement:?}");
        assert!(tokens.iter().any(|token| token.start == start), "{statement:?}");
        assert!(tokens.iter().any(|token| token.end == end), "{statement:?}");
        passed = end;
    }
    // a body of SQL has semicolons of its own
    let word = |token: &Token| data[token.start..token.end].eq_ignore_ascii_case(b"atomic");
    if tokens.iter().any(word) {
        return;
    }
    let (mut depth, mut count, mut empty) = (0usize, 0, true);
    for token in tokens {
        match &data[token.start..token.end] {
            b"(" | b"[" => depth += 1,
            b")" | b"]" => depth = depth.saturating_sub(1),
            b";" if depth == 0 => {
                empty = true;
                continue;
            }
            _ => {}
        }
        count += usize::from(empty);
        empty = false;
    }
    assert_eq!(judgement.statements.len(), count);
}

/// What the cache says of a text, met again and with other constants, the grammar says too.
fn one_shape_one_class(data: &[u8], tokens: &[Token], judgement: &Judgement) {
    let mut cache = Judge::new(Arc::default(), 1 << 16);
    let other = with_other_constants(data, tokens);
    let expected = judge(&other, &BTreeSet::new());
    for _ in 0..2 {
        same(&cache.judge(data), judgement);
        same(&cache.judge(&other), &expected);
    }
    same(&cache.judge(data), judgement);
}

fn same(one: &Judgement, other: &Judgement) {
    assert_eq!(one.statements, other.statements);
    assert_eq!((one.strongest, one.plain), (other.strongest, other.plain));
    assert_eq!((one.lexing, &one.text), (other.lexing, &other.text));
    let strongest = one.statements.iter().map(|one| one.class).max();
    assert_eq!(one.strongest, strongest.unwrap_or(Class::Session));
}

/// The same text with other numbers and strings.
fn with_other_constants(data: &[u8], tokens: &[Token]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut passed = 0;
    for token in tokens {
        let other: &[u8] = match token.kind {
            Kind::Integer if token.end - token.start == 1 => b"10000000000",
            Kind::Integer => b"7",
            Kind::Number => b"1.5",
            Kind::String if token.end - token.start < 4 => b"'on''e'",
            Kind::String => b"''",
            _ => continue,
        };
        out.extend_from_slice(&data[passed..token.start]);
        out.extend_from_slice(other);
        passed = token.end;
    }
    out.extend_from_slice(&data[passed..]);
    out
}
