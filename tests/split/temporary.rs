//! The session's own temporary relations are read where they are, whatever made, renamed or brought
//! them back; neon has tables of the same names. Once they are gone, neon's are read again.

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Major, Wire};
use super::told::codes;

const READ: &str = "SELECT b FROM r1 ORDER BY a LIMIT 1";
const MAKE: &str = "CREATE TEMP TABLE r1 (a int, b text)";
const MINE: &str = "INSERT INTO pg_temp.r1 VALUES (1, 'mine')";

/// What leaves a temporary `r1` with the row that is the session's own.
const THERE: &[&[&str]] = &[
    &[MAKE, MINE],
    &["CREATE TEMP TABLE IF NOT EXISTS r1 (a int, b text)", MINE],
    &["CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b"],
    &["SELECT 1 AS a, 'mine' AS b INTO TEMP r1"],
    &["CREATE TEMP VIEW r1 AS SELECT 1 AS a, 'mine' AS b"],
    &["CREATE OR REPLACE TEMP VIEW r1 AS SELECT 1 AS a, 'mine' AS b"],
    &["CREATE TEMP RECURSIVE VIEW r1 (a, b) AS SELECT 1, 'mine'"],
    &["CREATE VIEW pg_temp.r1 AS SELECT 1 AS a, 'mine' AS b"],
    &["CREATE TABLE pg_temp.r1 (a int, b text)", MINE],
    &["CREATE TEMP TABLE other (a int, b text)", "ALTER TABLE other RENAME TO r1", MINE],
    &[
        "CREATE TEMP TABLE other (c int, b text)",
        "ALTER TABLE other RENAME c TO a",
        "ALTER TABLE other RENAME TO r1",
        MINE,
    ],
    &["SET search_path = pg_temp, public", "CREATE TABLE r1 (a int, b text)", MINE],
    &[
        "SELECT set_config('search_path', 'pg_temp, public', false)",
        "CREATE VIEW r1 AS SELECT 1 AS a, 'mine' AS b",
    ],
    &[
        "CREATE TEMP TABLE parent (a int, b text) PARTITION BY LIST (a)",
        "CREATE TEMP TABLE r1 PARTITION OF parent DEFAULT",
        MINE,
    ],
    &["CREATE TEMP TABLE parent (a int)", "CREATE TEMP TABLE r1 (b text) INHERITS (parent)", MINE],
    &[
        "PREPARE made AS INSERT INTO w1 VALUES (50, 'mine') RETURNING a, b",
        "CREATE TEMP TABLE kept AS SELECT 1 AS a, 'mine' AS b",
        "ALTER TABLE kept RENAME TO r1",
    ],
    &["DO $$ BEGIN CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b; END $$"],
    &[
        "CREATE FUNCTION makes() RETURNS void LANGUAGE plpgsql AS \
       $$ BEGIN CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b; END $$",
        "SELECT makes()",
    ],
    &[
        "CREATE PROCEDURE does() LANGUAGE plpgsql AS \
       $$ BEGIN CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b; END $$",
        "CALL does()",
    ],
    &[
        "CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS \
       $$ BEGIN CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b; RETURN NEW; END $$",
        "CREATE TRIGGER fires BEFORE INSERT ON w1 FOR EACH ROW EXECUTE FUNCTION fires()",
        READ,
        "INSERT INTO w1 VALUES (60, 'fires')",
    ],
    // and gone in what is undone
    &[MAKE, MINE, "BEGIN", "DROP TABLE r1", "ROLLBACK"],
    &[MAKE, MINE, "BEGIN", "DROP TABLE r1", READ, "ROLLBACK"],
    &[MAKE, MINE, "BEGIN", "SAVEPOINT a", "DROP TABLE pg_temp.r1", READ, "ROLLBACK TO a"],
    &[MAKE, MINE, "BEGIN", "DISCARD TEMP", READ, "ROLLBACK"],
    &[MAKE, MINE, "BEGIN", "ALTER TABLE r1 RENAME TO other", READ, "ROLLBACK"],
    &[MAKE, MINE, "BEGIN", "DO $$ BEGIN DROP TABLE r1; END $$", READ, "ROLLBACK"],
    &["BEGIN", "SAVEPOINT a", MAKE, MINE, "RELEASE a", "SAVEPOINT b", "ROLLBACK TO b"],
    &["BEGIN", "SAVEPOINT a", MAKE, MINE, "SAVEPOINT b", "DROP TABLE r1", "ROLLBACK TO b"],
    &["BEGIN", "SAVEPOINT a", MAKE, MINE, "RELEASE a", "COMMIT"],
    &["BEGIN", MAKE, MINE],
    &["BEGIN", "CREATE TEMP TABLE r1 (a int, b text) ON COMMIT DROP", MINE, READ],
    &["BEGIN", MAKE, "COMMIT", MINE, "BEGIN", READ],
    &["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM r2", MAKE, MINE, READ],
    &[MAKE, MINE, "DROP TABLE r1", READ, MAKE, MINE],
];

/// What leaves none.
const GONE: &[&[&str]] = &[
    &["INSERT INTO w1 VALUES (50, 'x')"],
    &["BEGIN", MAKE, READ, "ROLLBACK"],
    &["BEGIN", "SAVEPOINT a", MAKE, READ, "ROLLBACK TO a"],
    &["BEGIN", "CREATE TEMP TABLE r1 (a int, b text) ON COMMIT DROP", READ, "COMMIT"],
    &[MAKE, READ, "DROP TABLE r1"],
    &[MAKE, READ, "ALTER TABLE r1 RENAME TO other"],
    &[MAKE, READ, "DISCARD TEMP"],
    &[MAKE, READ, "DISCARD ALL"],
    &[MAKE, READ, "DO $$ BEGIN DROP TABLE r1; END $$"],
    &["CREATE TEMP VIEW r1 AS SELECT 1 AS a, 'mine' AS b", READ, "DROP VIEW r1"],
    &["CREATE TEMP TABLE other (a int)", "SELECT * FROM other"],
    &["CREATE TABLE own (a int)"],
];

fn by_query(wire: &mut Wire, texts: &[&str]) -> String {
    for text in texts {
        wire.sql(text);
    }
    wire.value(READ)
}

/// The last statement is read in the pipeline of the one before, as a driver's pipeline mode has it.
fn by_pipelines(wire: &mut Wire, texts: &[&str], at_once: bool) -> String {
    let mut frames = Frames::new();
    for text in texts {
        frames = frames.run(text, &[]);
        // behind DISCARD ALL nothing goes, and DISCARD TEMP needs no block
        if !at_once || text.starts_with("DISCARD ALL") {
            let answers = wire.exchange(&std::mem::take(&mut frames).sync());
            assert!(answers.iter().all(|one| one.tag != b'E'), "{text} {answers:?}");
        }
    }
    let answers = wire.exchange(&frames.run(READ, &[]).sync());
    let last = answers.iter().rev().find(|answer| answer.tag == b'D');
    let columns = last.unwrap_or_else(|| panic!("{texts:?} {answers:?}")).columns();
    columns[0].clone().unwrap_or_default()
}

#[test]
fn a_session_reads_its_own_temporary_relation_where_it_is() {
    let places = Places::start(Major::V15);
    for (expected, scripts) in [("mine", THERE), ("one", GONE)] {
        for script in scripts {
            let label = format!("{script:?}");
            let fresh = || {
                places.fill();
                places.session()
            };
            assert_eq!(by_query(&mut fresh(), script), expected, "{label}");
            assert_eq!(by_pipelines(&mut fresh(), script, false), expected, "{label} apart");
            // BEGIN makes a block of what came before it in the pipeline
            let begins = script.iter().skip(1).any(|text| text.starts_with("BEGIN"));
            if !begins && script.iter().all(|text| !text.starts_with("DISCARD")) {
                assert_eq!(by_pipelines(&mut fresh(), script, true), expected, "{label} at once");
            }
        }
    }
}

#[test]
fn a_string_reads_what_it_has_made_and_not_what_it_has_dropped() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let make = "CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b";
    assert_eq!(session.value(&format!("{make}; {READ}")), "mine");
    assert_eq!(session.value(&format!("DROP TABLE r1; {READ}")), "one");
    assert_eq!(session.value(&format!("SELECT 1; {make}; {READ}")), "mine");
    // the string fails, and what it dropped is there
    session.error(&format!("DROP TABLE r1; {READ}; SELECT 1 / 0"));
    assert_eq!(session.value(READ), "mine");
    session.error("ALTER TABLE r1 RENAME TO other; SELECT b FROM other; SELECT 1 / 0");
    assert_eq!(session.value(READ), "mine");
}

#[test]
fn sequences_that_come_with_a_table_and_types_are_the_sessions_own() {
    let places = Places::start(Major::V15);
    places
        .cluster
        .sql("neon", "CREATE SEQUENCE made_id_seq START 99; CREATE TYPE mood AS ENUM ('a')");
    let mut session = places.session();
    session.sql("CREATE TEMP TABLE made (id serial, other int GENERATED ALWAYS AS IDENTITY)");
    assert_eq!(session.value("SELECT last_value FROM made_id_seq"), "1");
    assert_eq!(session.value("SELECT last_value FROM made_other_seq"), "1");
    session.sql("CREATE TYPE pg_temp.mood AS ENUM ('mine')");
    assert_eq!(session.value("SELECT 'mine'::mood"), "mine");
}

#[test]
fn a_prepared_statement_does_not_read_the_namesake_of_what_has_come_since() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("PREPARE reads AS SELECT b FROM r1 ORDER BY a LIMIT 1");
    session.exchange(&Frames::new().parse("named", READ, &[]).sync());
    let bound = || Frames::new().bind("", "named", &[]).execute("", 0).sync();
    assert_eq!(session.value("EXECUTE reads"), "one");
    session.sql(MAKE);
    for _ in 0..2 {
        assert_eq!(session.error("EXECUTE reads").code(), "0A000");
        let answers = session.exchange(&bound());
        assert_eq!(answers[0].fields().code(), "0A000", "{answers:?}");
    }
    session.sql("DEALLOCATE reads");
    session.sql(MINE);
    session.sql("PREPARE reads AS SELECT b FROM r1 ORDER BY a LIMIT 1");
    assert_eq!(session.value("EXECUTE reads"), "mine");
    session.sql("DROP TABLE r1");
    assert_eq!(session.error("EXECUTE reads").code(), "0A000");
    // what lives where it reads serves again
    let answers = session.exchange(&bound());
    let row = answers.iter().find(|answer| answer.tag == b'D').expect("a row");
    assert_eq!(row.columns()[0].as_deref(), Some("one"));
}

#[test]
fn what_is_run_by_name_does_not_read_a_namesake_either() {
    let places = Places::start(Major::V15);
    let make = "CREATE TEMP TABLE r1 AS SELECT 1 AS a, 'mine' AS b";
    let reads = "PREPARE reads AS SELECT b FROM r1 ORDER BY a LIMIT 1";
    for run in ["EXECUTE reads", "EXPLAIN EXECUTE reads", "EXPLAIN ANALYZE EXECUTE reads"] {
        let mut session = places.session();
        session.sql(reads);
        assert_eq!(session.error(&format!("{make}; {run}")).code(), "0A000", "{run}");
        session.sql(make);
        session.sql("DEALLOCATE reads");
        session.sql(reads);
        for before in ["DROP TABLE r1", "DROP TABLE r1; SELECT 1"] {
            assert_eq!(session.error(&format!("{before}; {run}")).code(), "0A000", "{run}");
        }
        assert_eq!(session.value("EXECUTE reads"), "mine");
        // prepared in the same string
        let prepared = format!("DEALLOCATE reads; {reads}; DROP TABLE r1; {run}");
        assert_eq!(session.error(&prepared).code(), "0A000", "{run}");
    }
    // an EXECUTE that is prepared itself, and what looks its names up late
    for text in ["EXECUTE reads", "EXPLAIN EXECUTE reads", "COPY r1 TO STDOUT"] {
        let mut session = places.session();
        session.sql(reads);
        let prepared = Frames::new().parse("runs", text, &[]).sync();
        session.exchange(&prepared);
        let bound = || Frames::new().bind("", "runs", &[]).execute("", 0);
        assert!(session.exchange(&bound().sync()).iter().all(|answer| answer.tag != b'E'));
        let late = Frames::new().bind("late", "runs", &[]).run(make, &[]).execute("late", 0);
        for frames in [late.sync(), Frames::new().query(make), bound().sync()] {
            let answers = session.exchange(&frames);
            let error = answers.iter().find(|answer| answer.tag == b'E');
            let code = error.map(|error| error.fields().code().to_owned());
            let expected = (answers[0].tag != b'C').then(|| "0A000".to_owned());
            assert_eq!(code, expected, "{text} {answers:?}");
        }
    }
}

#[test]
fn a_trigger_makes_a_temporary_relation_in_the_first_write_or_later() {
    let places = Places::start(Major::V15);
    places.cluster.sql(
        "local",
        "SET ROLE app; CREATE TABLE at_once (a int); CREATE TABLE later (a int); \
         CREATE FUNCTION makes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         CREATE TEMP TABLE IF NOT EXISTS r1 AS SELECT 1 AS a, 'mine' AS b; RETURN NULL; END $$; \
         CREATE TRIGGER makes AFTER INSERT ON at_once FOR EACH ROW EXECUTE FUNCTION makes(); \
         CREATE CONSTRAINT TRIGGER makes AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION makes()",
    );
    let (at_once, later) = ("INSERT INTO at_once VALUES (1)", "INSERT INTO later VALUES (1)");
    let immediate = "SET CONSTRAINTS ALL IMMEDIATE";
    for (script, expected) in [
        (&["BEGIN", later, READ, immediate][..], "mine"),
        (&["BEGIN", later, READ, immediate, "COMMIT"], "mine"),
        (&["BEGIN", later, READ, "COMMIT"], "mine"),
        (&["BEGIN", later, READ, "ROLLBACK"], "one"),
        (&["BEGIN", at_once, READ, "ROLLBACK"], "one"),
        (&["BEGIN", "SAVEPOINT a", at_once, READ, "ROLLBACK TO a"], "one"),
        (&[at_once], "mine"),
    ] {
        for warm in [&[][..], &["DELETE FROM w1 WHERE a = 99", READ]] {
            let script = [warm, script].concat();
            assert_eq!(by_query(&mut places.session(), &script), expected, "{script:?}");
            let apart = by_pipelines(&mut places.session(), &script, false);
            assert_eq!(apart, expected, "{script:?} apart");
        }
    }
}

#[test]
fn asking_for_names_leaves_the_block_its_isolation_level() {
    let places = Places::start(Major::V15);
    for level in ["REPEATABLE READ", "SERIALIZABLE, READ ONLY, DEFERRABLE"] {
        let begin = format!("BEGIN ISOLATION LEVEL {level}");
        // a message that runs nothing is before it on that leg
        let mut session = places.session();
        session.sql("DO $$ BEGIN CREATE TEMP TABLE r2 (a int); END $$");
        session.sql(&begin);
        let read = Frames::new().close_statement("").run("SELECT count(*) FROM r2", &[]).sync();
        let answers = session.exchange(&read);
        assert_eq!(codes(&answers), [""; 0], "{level}: {answers:?}");
        let shown = session.value("SHOW transaction_isolation");
        assert!(level.to_lowercase().starts_with(&shown), "{level}: {shown}");
        session.sql("COMMIT");
        // the block begins in the same pipeline
        let mut session = places.session();
        session.sql("DO $$ BEGIN PERFORM 1; END $$");
        let pipeline = Frames::new()
            .run(&begin, &[])
            .run("SELECT count(*) FROM r2", &[])
            .run("SELECT count(*) FROM pg_temp.r2", &[])
            .sync();
        let answers = session.exchange(&pipeline);
        assert_eq!(codes(&answers), ["42P01"], "{level}: {answers:?}");
        session.sql("ROLLBACK");
    }
}
