//! The cache in front of a grammar that is made up: what is asked of it, and how often.

use proptest::prelude::*;

use super::*;
use crate::sql::{Lexing, Statement};

/// One statement without its semicolon.
fn made_up(text: &[u8], _tables: &BTreeSet<String>) -> Judgement {
    let trimmed = text.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
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
    Judge::with_grammar(Arc::default(), budget, Box::new(made_up))
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
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, Box::new(unseen));
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
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, Box::new(by_value));
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
fn text_over_a_cap_is_opaque_at_once() {
    let mut judge = Judge::new(Arc::default(), 1 << 20);
    let start = std::time::Instant::now();
    for text in [
        "/*".repeat(100_000),
        "SELECT 1 ".to_owned() + &"/**/".repeat(1 << 20),
        "SELECT ".to_owned() + &"(".repeat(5000) + &")".repeat(5000),
        "SELECT 1".to_owned() + &"+-".repeat(100_000) + "1",
        "SELECT $1a ".to_owned() + &"/*".repeat(100_000),
        "SELECT 1".to_owned() + &",1".repeat(1 << 20),
        "SELECT 1\0".into(),
    ] {
        let judgement = judge.judge(text.as_bytes());
        assert_eq!(judgement.strongest, Class::Opaque);
        assert!(!judgement.plain && judgement.statements[0].unseen_code);
        assert_eq!(judgement.statements[0].length as usize, text.len());
    }
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
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
    let mut judge = Judge::with_grammar(Arc::default(), 1 << 20, Box::new(unreadable));
    assert_eq!(judge.judge(b"SELECT 1").strongest, Class::Opaque);
    assert_eq!(judge.judge(b"SELECT 2").strongest, Class::Read);
}

#[test]
fn what_the_lexing_depends_on_is_told() {
    let mut judge = Judge::new(Arc::default(), 1 << 20);
    assert!(judge.judge(b"SELECT 'a\\b'").lexing.backslash);
    assert!(judge.judge("SELECT 'é'".as_bytes()).lexing.high_bytes);
    assert!(!judge.judge(b"SELECT 'e'").lexing.high_bytes);
    assert!(judge.judge("SELECT 'ü'".as_bytes()).lexing.high_bytes);
}

/// Statements with a `@` for each constant: of every class, with and without a shape.
const TEMPLATES: &[&str] = &[
    "SELECT @",
    "SELECT a, @ FROM t WHERE b = @ AND c IN (@, @)",
    "select * from \"T\" where x->>@ = @ order by @ limit @",
    "SELECT @::float(@), @::varchar(@)",
    "SELECT interval @, timestamp @, date @",
    "SELECT f(@), random(), nextval(@), pg_notify(@, @)",
    "SELECT x.nextval FROM unnest(ARRAY[@::regclass]) x",
    "SELECT pg_terminate_backend(@), pg_read_file(@)",
    "SELECT set_config(@, @, true)",
    "SELECT \"set_config\"('authority.task', @, false)",
    "SELECT * FROM ts_stat(@), query_to_xml(@, true, true, @)",
    "SELECT (@::text).ts_stat",
    "SELECT * FROM query_to_xml('DROP TABLE t', true, true, @)",
    "SELECT a INTO TEMP x FROM t WHERE a = @",
    "SELECT a FROM t WHERE a = @ FOR UPDATE",
    "INSERT INTO t (a, b) VALUES (@, @), (@, DEFAULT) ON CONFLICT DO NOTHING",
    "INSERT INTO alembic_version VALUES (@)",
    "UPDATE pg_settings SET setting = @ WHERE name = @",
    "UPDATE t SET a = @ WHERE b = -@ RETURNING *",
    "DELETE FROM pg_class WHERE oid = @",
    "WITH x AS (DELETE FROM t WHERE a = @ RETURNING @) SELECT * FROM x",
    "MERGE INTO t USING u ON t.a = @ WHEN MATCHED THEN UPDATE SET b = @",
    "VALUES (@), (@)",
    "SELECT JSON_VALUE(a, @ RETURNING text), XMLPARSE(DOCUMENT @)",
    "SELECT * FROM JSON_TABLE(a, @ COLUMNS (b int PATH @))",
    "SELECT * FROM t TABLESAMPLE bernoulli (@) REPEATABLE (@)",
    "SELECT extract(@ FROM now()), a AT TIME ZONE @, a LIKE @ ESCAPE @",
    "SELECT sum(a) OVER (ROWS BETWEEN @ PRECEDING AND @ FOLLOWING) FROM t",
    "SELECT @ @",
    "SELECT U&@ UESCAPE @",
    "SET x = @",
    "SET LOCAL work_mem TO @",
    "EXPLAIN (ANALYZE @) SELECT @",
    "DO @",
    "CALL p(@)",
    "COPY t TO @",
    "LISTEN x",
    "CREATE TABLE t (a varchar(@) DEFAULT @)",
    "PREPARE p AS SELECT @",
    "EXECUTE p(@)",
    "BEGIN",
    "SELECT @; DROP TABLE t",
    "(SELECT @)",
    "SELECT (",
    "",
];

fn constant() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "1",
        "7",
        "54",
        "2147483647",
        "2147483648",
        "1.5",
        "1e9",
        "0x1f",
        "1_000",
        "''",
        "'a'",
        "'it''s'",
        "'a\\b'",
        "'é'",
        "E'a'",
        "N'a'",
        "b'1'",
        "$$DROP TABLE t$$",
        "$1",
        "NULL",
        "true",
        "'SELECT 1'",
        "'DROP TABLE t'",
        "'a'\n'b'",
        "on",
        "'authority.task'",
        "'$.a'",
    ])
    .prop_map(str::to_owned)
}

fn statement() -> impl Strategy<Value = String> {
    (
        proptest::sample::select(TEMPLATES),
        proptest::collection::vec(constant(), 5),
        proptest::sample::select(vec!["", " ", "\n", "/* c */", "-- c\n"]),
        proptest::sample::select(vec!["", ";", " ;", "; -- c", " -- c", ";;", "\n", "; SELECT 1"]),
        proptest::sample::select(vec![" ", "  ", "\n", " /**/ "]),
    )
        .prop_map(|(template, constants, before, behind, blank)| {
            let mut constants = constants.into_iter().cycle();
            let mut text = before.to_owned();
            for part in template.split_inclusive('@') {
                let (part, value) = match part.strip_suffix('@') {
                    Some(part) => (part, constants.next().unwrap()),
                    None => (part, String::new()),
                };
                text += &part.replace(' ', blank);
                text += &value;
            }
            text + behind
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever came before, the judgement is the one that the grammar gives.
    #[test]
    fn the_cache_changes_nothing(
        texts in proptest::collection::vec(statement(), 1..60),
        budget in proptest::sample::select(vec![0usize, 20_000, 1 << 20]),
        again in 1..4usize,
    ) {
        let tables = Arc::new(BTreeSet::from(["alembic_version".to_owned()]));
        let mut judge = Judge::new(Arc::clone(&tables), budget);
        let mut held = Vec::new();
        for _ in 0..again {
            for text in &texts {
                let judgement = judge.judge(text.as_bytes());
                prop_assert_eq!(&*judgement, &super::super::judge(text.as_bytes(), &tables), "{}", text);
                prop_assert!(judge.stats().bytes <= budget);
                if text.len() % 3 == 0 {
                    held.push((text, judgement)); // as a session holds a prepared statement's
                }
            }
        }
        for (text, judgement) in held {
            prop_assert_eq!(&*judgement, &super::super::judge(text.as_bytes(), &tables), "{}", text);
        }
    }
}
