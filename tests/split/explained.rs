//! `pgauthority explain` beside a session: what it says of a text is what happens to it, in both
//! protocols.

use serde_json::Value;

use super::places::Places;
use super::support::proxy::program;
use super::support::wire::{Fields, Frames, Message};
use super::support::{Cluster, Major};

/// What becomes of a text, one letter a statement: `r` where the session reads, `w` where it writes,
/// `b` both, `t` the session itself, `p` and `c` where the prepared statement or the cursor is, `-`
/// nowhere. A SQLSTATE behind it: it is refused.
const TEXTS: &[(&str, &str)] = &[
    ("r", "SELECT b FROM r1"),
    ("r", "TABLE r1"),
    ("r", "VALUES (1)"),
    ("r", "SHOW server_version"),
    ("r", "EXPLAIN SELECT b FROM r1"),
    ("r", "COPY r1 TO STDOUT"),
    ("r", "DECLARE c CURSOR WITH HOLD FOR SELECT a FROM r1"),
    ("r", "PREPARE p AS SELECT a FROM r1"),
    ("r", "SELECT pg_sleep(0)"),
    ("w", "INSERT INTO w1 VALUES (50, 'a')"),
    ("w", "WITH x AS (DELETE FROM w1 WHERE a = 50 RETURNING a) SELECT * FROM x"),
    ("w", "SELECT a FROM w1 FOR UPDATE"),
    ("w", "SELECT nextval('s')"),
    ("w", "SELECT currval('s')"),
    ("w", "SELECT lastval()"),
    ("w", "SELECT pg_try_advisory_lock(1)"),
    ("w", "SELECT txid_current()"),
    ("w", "CREATE TABLE w3 (a int)"),
    ("w", "CREATE TEMP TABLE x (a int)"),
    ("w", "SELECT * FROM pg_temp.other"),
    ("w", "EXPLAIN INSERT INTO w1 VALUES (51, 'a')"),
    ("w", "EXPLAIN SELECT a FROM w1 FOR UPDATE"),
    ("w", "EXPLAIN SELECT nextval('s')"),
    ("w", "EXPLAIN WITH x AS (DELETE FROM w1 RETURNING a) SELECT a FROM x"),
    ("w", "EXPLAIN ANALYZE INSERT INTO w1 VALUES (51, 'a')"),
    ("w", "SHOW transaction_read_only"),
    ("w", "SHOW TRANSACTION ISOLATION LEVEL"),
    ("w", "SET default_transaction_read_only = off"),
    ("w", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"),
    ("w", "SET CONSTRAINTS ALL DEFERRED"),
    ("w", "NOTIFY x"),
    ("w", "DO $$ BEGIN NULL;END $$"),
    ("w", "CALL nothing()"),
    ("w", "VACUUM w1"),
    ("w", "PREPARE p AS INSERT INTO w1 VALUES (52, 'a')"),
    ("w", "SELECT a FROM nobody_has_this FOR UPDATE"),
    ("w", "SELECT nobody_has_this()"),
    ("w", "DISCARD TEMP"),
    ("w", "SELEC 1"),
    ("w", "COMMIT PREPARED 'x'"),
    ("w", "CREATE TABLE w4 AS EXECUTE p"),
    ("w", "GRANT SELECT ON w1 TO PUBLIC"),
    ("w", "ALTER SYSTEM SET work_mem = '1MB'"),
    ("b", "SET search_path = public"),
    ("b", "SET statement_timeout = 1000"),
    ("b", "RESET ALL"),
    ("b", "RESET search_path"),
    ("b", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    ("b", "SELECT set_config('a.b', 'c', false)"),
    ("b", "LISTEN x"),
    ("b", "UNLISTEN x"),
    ("b", "DISCARD ALL"),
    ("b", "DEALLOCATE ALL"),
    ("b", "CLOSE ALL"),
    ("b", "SET authority.ticket = 'OPS-1'"),
    ("b", "SET authority.task = 'spanning'"),
    ("b 28000", "SET authority.task = 'lunch'"),
    ("b 55P02", "SET authority.role = 'staging'"),
    ("b 42704", "SET authority.nothing = 'x'"),
    ("b 0A000", "SET standard_conforming_strings = off"),
    ("b 0A000", "SET client_encoding = 'SJIS'"),
    ("t", "BEGIN"),
    ("t", "BEGIN READ WRITE"),
    ("t", "SET TRANSACTION READ WRITE"),
    ("t", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
    ("t", "COMMIT"),
    ("t", "ROLLBACK"),
    ("t", "SAVEPOINT s"),
    ("t", "SET TRANSACTION READ ONLY"),
    ("t 0A000", "COMMIT AND CHAIN"),
    ("t 0A000", "ROLLBACK AND CHAIN"),
    ("t 0A000", "END AND CHAIN"),
    ("t 0A000", "ABORT AND CHAIN"),
    ("t", "COMMIT AND NO CHAIN"),
    ("p", "EXECUTE p"),
    ("p", "DEALLOCATE p"),
    ("p", "EXPLAIN EXECUTE p"),
    ("c", "FETCH c"),
    ("c", "CLOSE c"),
    ("- 0A000", "PREPARE TRANSACTION 'x'"),
    ("- 0A000", "SET TRANSACTION SNAPSHOT '00000003-00000001-1'"),
    ("- 0A000", "SELECT pg_export_snapshot()"),
    (
        "- 0A000",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    ),
    ("- 0A000", "PREPARE p AS SELECT set_config('a.b', $1, false)"),
    ("- 0A000", "DECLARE c CURSOR FOR SELECT set_config('a.b', 'c', false)"),
    ("- 0A000", "SELECT set_config('a.b', b, false) FROM r1"),
    ("- 0A000", "SELECT set_config('a.' || 'b', 'c', false)"),
    // strings
    ("rr", "SELECT 1; SELECT b FROM r1"),
    ("ww", "INSERT INTO w1 VALUES (53, 'a'); DELETE FROM w1 WHERE a = 53"),
    ("rwr", "SELECT 1; DELETE FROM w1 WHERE a = 53; SELECT 2"),
    ("br", "SET statement_timeout = 1000; SELECT 1"),
    ("bw", "SET statement_timeout = 1000; DELETE FROM w1 WHERE a = 53"),
    ("tr 0A000", "BEGIN; SELECT 1"),
    ("rt 0A000", "SELECT 1; COMMIT"),
    ("trwt 0A000", "BEGIN; SELECT 1; DELETE FROM w1; COMMIT"),
    ("wt 0A000", "DELETE FROM w1; ROLLBACK AND CHAIN"),
    ("tt 0A000", "BEGIN; COMMIT"),
    ("r- 0A000", "SELECT 1; SELECT pg_export_snapshot()"),
    ("-t 0A000", "SELECT pg_export_snapshot(); COMMIT"),
    ("rb 25001", "SELECT 1; SET authority.task = 'unit_tests'"),
    ("wb 25001", "DELETE FROM w1; SET authority.task = 'unit_tests'"),
    ("br 25001", "SET authority.task = 'unit_tests'; SELECT 1"),
    ("wb 55P02", "DELETE FROM w1; SET authority.env = 'test'"),
    ("rp", "PREPARE p AS SELECT a FROM r1; EXECUTE p"),
    ("wp", "PREPARE p AS INSERT INTO w1 VALUES (54, 'a'); EXECUTE p"),
    ("rcc", "DECLARE c CURSOR FOR SELECT a FROM r1; FETCH c; CLOSE c"),
];

/// What reaches the legs that are there, and is not told to one that comes later.
const NOW: &[&str] = &["DISCARD ALL", "DEALLOCATE ALL", "CLOSE ALL", "authority.task"];

/// What `explain` says of a place, in words.
const PLACES: &[(char, &str)] = &[
    ('r', "neon, where the session reads"),
    ('w', "local, where the session writes"),
    ('b', "both legs"),
    ('t', "the session itself: each leg when it is first used"),
    ('p', "where the prepared statement lives"),
    ('c', "where the cursor lives"),
    ('-', "none"),
];

/// What it says, and its exit code.
fn explained(places: &Places, text: &str) -> (Value, Option<i32>) {
    let config = places.proxy.config.display().to_string();
    let output = program(
        &[
            "explain",
            "--config",
            &config,
            "--database",
            "both",
            "--user",
            "app",
            "--format",
            "json",
            text,
        ],
        &[],
    );
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// The proxy's own error among the answers: the server's are no decision.
fn refusal(answers: &[Message]) -> Option<Fields> {
    let mut errors = answers.iter().filter(|message| message.tag == b'E').map(Message::fields);
    let first = errors.next()?;
    assert!(errors.next().is_none(), "one error: {answers:?}");
    first.detail().starts_with("rule ").then_some(first)
}

/// The texts that a database was sent, line by line, by a log.
fn ran<'a>(log: &'a str, database: &str) -> Vec<&'a str> {
    let prefix = format!("{database}|LOG:  ");
    let mut within = false;
    let mut texts = Vec::new();
    for line in log.lines() {
        if let (true, Some(further)) = (within, line.strip_prefix('\t')) {
            texts.push(further);
            continue;
        }
        let text = line.strip_prefix(&prefix).and_then(|line| {
            let (how, text) = line.split_once(": ")?;
            (how == "statement" || how.starts_with("execute ")).then_some(text)
        });
        within = text.is_some();
        texts.extend(text);
    }
    texts
}

/// A fresh session's answers to a text, and the places that it was sent to: a leg that is there only
/// later is told by then.
fn sent(places: &Places, frames: &Frames, statements: &[&str]) -> (Vec<Message>, Vec<String>) {
    let before = places.cluster.log().len();
    let mut session = places.session();
    let answers = session.exchange(frames);
    let in_block = answers.last().is_some_and(|ready| ready.body != b"I");
    if !in_block && !statements.iter().any(|one| one.contains("authority.task = 'unit_tests'")) {
        // it may have become read-only
        let _ = session.try_sql("DELETE FROM w1 WHERE false");
    }
    let log = places.cluster.log();
    let log = log.get(before..).unwrap_or_default();
    let whole = statements.join("; ");
    let on = |database: &str, statement: &str| {
        ran(log, database).iter().any(|text| *text == statement || *text == whole)
    };
    let places = statements.iter().map(|statement| {
        match (on("neon", statement), on("local", statement)) {
            (true, true) => "both",
            (true, false) => "neon",
            (false, true) => "local",
            (false, false) => "none",
        }
        .to_owned()
    });
    (answers, places.collect())
}

/// What is sent to fresh sessions is as `explain` says; the differences.
fn differences(places: &Places, expected: &str, text: &str) -> Vec<String> {
    let mut differences = Vec::new();
    let (letters, code) = expected.split_once(' ').unwrap_or((expected, ""));
    let (said, exit) = explained(places, text);
    let legs = said["legs"].as_array().unwrap();
    let words = |letter: char| PLACES.iter().find(|(of, _)| *of == letter).unwrap().1;
    let wanted: Vec<&str> = letters.chars().map(words).collect();
    let got: Vec<&str> = legs.iter().map(|leg| leg["leg"].as_str().unwrap()).collect();
    if got != wanted {
        differences.push(format!("explain says {got:?}, not {wanted:?}"));
    }
    if legs.iter().any(|leg| leg["why"].as_str().unwrap_or_default().is_empty()) {
        differences.push(format!("explain has no reason: {legs:?}"));
    }
    let said_code = said["sqlstate"].as_str().unwrap_or_default();
    if said_code != code || exit != Some(i32::from(!code.is_empty())) {
        differences.push(format!("explain says \"{said_code}\" with exit {exit:?}"));
    }
    let statements: Vec<&str> = text.split("; ").collect();
    let mut protocols = vec![("simple", Frames::new().query(text))];
    if statements.len() == 1 {
        protocols.push(("extended", Frames::new().run(text, &[]).sync()));
    }
    for (protocol, frames) in protocols {
        let (answers, sides) = sent(places, &frames, &statements);
        let refused = refusal(&answers);
        let code = refused.as_ref().map_or("", |error| error.code());
        if code != said_code {
            differences.push(format!(
                "{protocol}: \"{code}\", where explain says \"{said_code}\": {answers:?}"
            ));
            continue;
        }
        if let Some(error) = &refused {
            if said["message"] != error.message() {
                differences.push(format!("{protocol}: {error}\nexplain: {}", said["message"]));
            }
            let position = said["position"].as_u64().map_or(String::new(), |at| at.to_string());
            if position != error.get('P') {
                differences.push(format!("{protocol}: {error}\nexplain at {position}"));
            }
            if said["hint"] != error.hint() {
                differences.push(format!("{protocol}: {error}\nexplain: {}", said["hint"]));
            }
        }
        let is_refused = !code.is_empty();
        for ((letter, side), statement) in letters.chars().zip(&sides).zip(&statements) {
            let there = match (letter, side.as_str()) {
                // what does not parse is in no log
                (_, "none") => {
                    is_refused || protocol == "extended" || text == "SELEC 1" || letter == 't'
                }
                ('r', side) => side == "neon",
                ('w', side) => side == "local",
                // what is not there needs no telling, and the task is told with the login
                ('b', side) => side == "both" || NOW.iter().any(|now| statement.contains(now)),
                _ => true,
            };
            if !there || is_refused && side != "none" {
                differences.push(format!("{protocol}: {statement} ran on {side}"));
            }
        }
    }
    differences
}

#[test]
fn what_explain_says_of_a_text_is_what_happens_to_it() {
    let logged = Cluster::builder()
        .major(Major::V15)
        .setting("log_statement", "all")
        .setting("log_line_prefix", "%d|");
    let places = Places::on(logged.start());
    let mut all = String::new();
    for (expected, text) in TEXTS {
        for difference in differences(&places, expected, text) {
            all += &format!("{text}\n    {difference}\n");
        }
    }
    assert!(all.is_empty(), "{all}");
}

#[test]
fn and_chain_is_refused_in_every_state() {
    let places = Places::start(Major::V15);
    let extended = |text: &str| Frames::new().run(text, &[]).sync();
    for text in ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"] {
        for frames in [Frames::new().query(text), extended(text)] {
            for (before, status) in [
                (&[][..], 'I'),
                (&["BEGIN"], 'E'),
                (&["BEGIN", "SELECT b FROM r1"], 'E'),
                (&["BEGIN", "DELETE FROM w1 WHERE false"], 'E'),
                (&["BEGIN", "SELECT 1 / 0"], 'E'),
                (&["BEGIN", "INSERT INTO w1 VALUES (1, 'there')"], 'E'),
            ] {
                let mut session = places.session();
                for text in before {
                    let _ = session.try_sql(text);
                }
                let answers = session.exchange(&frames);
                let error =
                    refusal(&answers).unwrap_or_else(|| panic!("{text} {before:?}: {answers:?}"));
                assert_eq!(error.code(), "0A000", "{text} {before:?}: {error}");
                assert!(error.message().starts_with("AND CHAIN"), "{error}");
                assert_eq!(session.status(), status, "{text} {before:?}");
                session.sql("ROLLBACK");
                assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
            }
        }
    }
}

#[test]
fn a_refusal_behind_an_error_on_its_way_is_skipped() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("DELETE FROM w1 WHERE false");
    for refused in ["PREPARE TRANSACTION 'x'", "COMMIT AND CHAIN", "SELECT pg_export_snapshot()"] {
        for fails in ["SELECT 1 / 0", "INSERT INTO w1 VALUES (1, 'there')"] {
            let pipeline = Frames::new().run(fails, &[]).run(refused, &[]).sync();
            let answers = session.exchange(&pipeline);
            let errors: Vec<Fields> =
                answers.iter().filter(|one| one.tag == b'E').map(Message::fields).collect();
            assert_eq!(errors.len(), 1, "{fails}, {refused}: {answers:?}");
            assert!(errors[0].code() != "0A000", "{}", errors[0]);
        }
    }
}

#[test]
fn nothing_of_a_string_with_a_refused_statement_runs() {
    let places = Places::start(Major::V15);
    for refused in [
        "SET authority.task = 'unit_tests'",
        "SET authority.role = 'staging'",
        "SET standard_conforming_strings = off",
        "PREPARE p AS SELECT a FROM r1; CREATE TABLE w3 AS EXECUTE p",
    ] {
        let mut session = places.session();
        let answers = session
            .exchange(&Frames::new().query(&format!("SELECT 'ä'; DELETE FROM w1; {refused}")));
        let error = refusal(&answers).unwrap_or_else(|| panic!("{refused}: {answers:?}"));
        let at = format!(
            "SELECT 'ä'; DELETE FROM w1; {}",
            refused.rsplit_once("CREATE").map_or("", |(before, _)| before)
        );
        assert_eq!(error.get('P'), (at.chars().count() + 1).to_string(), "{error}");
        assert_eq!(session.status(), 'I');
        assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "2", "{refused}");
        if !refused.contains("EXECUTE") {
            assert!(!answers.iter().any(|one| one.tag == b'D'), "{refused}: {answers:?}");
        }
    }
}

#[test]
fn read_write_governs_the_leg_that_writes_in_both_protocols() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let tags = |answers: &[Message]| answers.iter().map(|one| one.tag as char).collect::<String>();
    let block = |begin: &str| {
        let frames = Frames::new().run(begin, &[]).run("SELECT b FROM r1 WHERE a = 1", &[]);
        frames.run("UPDATE w1 SET b = 'written' WHERE a = 1", &[]).run("COMMIT", &[]).sync()
    };
    let plain = tags(&session.exchange(&block("BEGIN")));
    assert_eq!(tags(&session.exchange(&block("BEGIN READ WRITE"))), plain);
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 1"), "written");
    session.sql("SET default_transaction_read_only = on");
    for extended in [false, true] {
        for set in [
            "SET TRANSACTION READ WRITE",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
        ] {
            session.sql("BEGIN");
            let set = match extended {
                true => Frames::new().run(set, &[]).sync(),
                false => Frames::new().query(set),
            };
            let answers = session.exchange(&set);
            assert!(!answers.iter().any(|one| one.tag == b'E'), "{answers:?}");
            session.sql("SELECT b FROM r1");
            session.sql("DELETE FROM w1 WHERE false");
            session.sql("COMMIT");
            assert_eq!(session.error("DELETE FROM w1 WHERE false").code(), "25006");
        }
    }
}
