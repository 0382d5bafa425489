//! The cache in front of a grammar that is made up: what is asked of it, and how often.

use super::*;
use crate::sql::{Lexing, Statement};

/// One statement up to the semicolon.
fn made_up(text: &[u8], _tables: &BTreeSet<String>) -> Judgement {
    let trimmed = text.split(|byte| *byte == b';').next().unwrap_or_default();
    let word = trimmed.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let class = match word.to_ascii_lowercase().as_slice() {
        b"select" => Class::Read,
        b"insert" => Class::Write,
        _ => Class::Ddl,
    };
    let statement = Statement {
        length: u32::try_from(trimmed.len()).unwrap(),
        objects: Box::new(["t".into()]),
        ..Statement::new(class, "X")
    };
    Judgement::new(vec![statement], Lexing::default(), text)
}

fn judge(budget: usize) -> Judge {
    Judge::with_grammar(Arc::default(), budget, made_up)
}

#[test]
fn the_second_text_of_a_shape_is_not_parsed() {
    let mut judge = judge(1 << 20);
    let first = judge.judge(b"SELECT 1");
    let second = judge.judge(b"SELECT 1000;");
    assert_eq!(first.statements[0].length, 8);
    assert_eq!(second.statements[0].length, 11, "what was handed out does not change");
    assert_eq!(first.statements[0].length, 8);
    let stats = judge.stats();
    assert_eq!((stats.parsed, stats.shape_hits, stats.exact_hits), (1, 1, 0));
}

#[test]
fn a_judgement_that_keeps_its_text_keeps_that_very_text() {
    fn unseen(text: &[u8], tables: &BTreeSet<String>) -> Judgement {
        let mut statement = made_up(text, tables).statements[0].clone();
        statement.unseen_code = true;
        Judgement::new(vec![statement], Lexing::default(), text)
    }
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, unseen);
    let held: Vec<_> = ["SELECT f(1)", "SELECT f(2)", "SELECT f('a')", "SELECT  f('b') ; "]
        .map(|text| (text, judge.judge(text.as_bytes())))
        .into();
    for (text, judgement) in held {
        assert_eq!(*judgement, unseen(text.as_bytes(), &BTreeSet::new()));
    }
    assert_eq!((judge.stats().parsed, judge.stats().shape_hits), (2, 2));
}

#[test]
fn an_exact_text_is_kept_on_second_sight() {
    let mut judge = judge(1 << 20);
    for _ in 0..5 {
        assert_eq!(judge.judge(b"CREATE TABLE t ()").strongest, Class::Ddl);
    }
    let stats = judge.stats();
    assert_eq!((stats.parsed, stats.exact_hits, stats.entries), (2, 3, 1));
    for _ in 0..5 {
        assert_eq!(judge.judge(b"SELECT 'a'").strongest, Class::Read);
    }
    let stats = judge.stats();
    assert_eq!((stats.parsed, stats.shape_hits, stats.exact_hits), (3, 1, 6));
}

#[test]
fn a_shape_hit_copies_nothing_while_nobody_holds_it() {
    let mut judge = judge(1 << 20);
    judge.judge(b"SELECT 1");
    let before = Rc::as_ptr(&judge.judge(b"SELECT 22"));
    let after = Rc::as_ptr(&judge.judge(b"SELECT 333"));
    assert_eq!(before, after);
}

#[test]
fn texts_that_differ_where_constants_decide_are_told_apart() {
    fn by_value(text: &[u8], tables: &BTreeSet<String>) -> Judgement {
        let mut judgement = made_up(text, tables);
        judgement.statements[0].reason = String::from_utf8_lossy(text).into();
        judgement
    }
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, by_value);
    for _ in 0..3 {
        for text in ["SET x = 1", "SET x = 2", "SELECT set_config('a', '1', false)", "SELECT $$1$$"]
        {
            assert_eq!(&*judge.judge(text.as_bytes()).statements[0].reason, text);
        }
    }
}

#[test]
fn the_budget_holds_and_what_is_used_stays() {
    let budget = 64 << 10;
    let mut judge = judge(budget);
    for round in 0..5000 {
        judge.judge(b"SELECT hot FROM t");
        judge.judge(format!("SELECT cold_{round} FROM t WHERE a = {round}").as_bytes());
        assert!(judge.stats().bytes <= budget);
    }
    let stats = judge.stats();
    assert!(stats.evicted > 4000, "{stats:?}");
    assert_eq!(stats.parsed, 5001, "the hot one was parsed once");
    assert!(stats.entries > 10, "{stats:?}");
}

#[test]
fn without_a_budget_nothing_is_kept() {
    let mut judge = judge(0);
    for _ in 0..3 {
        assert_eq!(judge.judge(b"SELECT 1").strongest, Class::Read);
    }
    assert_eq!((judge.stats().parsed, judge.stats().entries), (3, 0));
}

#[test]
fn long_texts_are_judged_and_not_kept() {
    let mut judge = judge(1 << 20);
    let text = format!("SELECT '{}'", "x".repeat(MAX_CACHED_TEXT));
    for _ in 0..3 {
        assert_eq!(judge.judge(text.as_bytes()).strongest, Class::Read);
    }
    assert_eq!((judge.stats().parsed, judge.stats().entries), (3, 0));
}

#[test]
fn text_over_a_cap_never_reaches_the_grammar() {
    fn never(_: &[u8], _: &BTreeSet<String>) -> Judgement {
        panic!("parsed");
    }
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, never);
    for text in
        ["/*".repeat(100_000), "SELECT ".to_owned() + &"(".repeat(5000), "SELECT 1\0".into()]
    {
        let judgement = judge.judge(text.as_bytes());
        assert_eq!(judgement.strongest, Class::Opaque);
        assert!(!judgement.plain && judgement.statements[0].unseen_code);
        assert_eq!(judgement.statements[0].length as usize, text.len());
    }
    assert_eq!((judge.stats().parsed, judge.stats().refused), (0, 3));
}

#[test]
fn an_opaque_text_gives_its_judgement_to_no_other() {
    fn unreadable(text: &[u8], tables: &BTreeSet<String>) -> Judgement {
        let mut judgement = made_up(text, tables);
        if text.ends_with(b"1") {
            judgement.statements[0].class = Class::Opaque;
            judgement.strongest = Class::Opaque;
        }
        judgement
    }
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, unreadable);
    assert_eq!(judge.judge(b"SELECT 1").strongest, Class::Opaque);
    assert_eq!(judge.judge(b"SELECT 2").strongest, Class::Read);
}

#[test]
fn what_the_lexing_depends_on_is_told() {
    let mut judge = judge(1 << 20);
    assert!(judge.judge(b"SELECT 'a\\b'").lexing.backslash);
    assert!(judge.judge("SELECT 'é'".as_bytes()).lexing.high_bytes);
    assert!(!judge.judge(b"SELECT 'e'").lexing.high_bytes);
    assert!(judge.judge("SELECT 'ü'".as_bytes()).lexing.high_bytes);
}
