//! What a person sees of a split session.

use super::places::Places;
use super::support::Major;
use super::support::wire::Frames;
use super::told::codes;

#[test]
fn reads_come_from_neon_and_writes_go_to_local() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
    session.sql("INSERT INTO w1 VALUES (10, 'local')");
    session.sql("BEGIN; ".trim_end_matches("; "));
    assert_eq!(session.value("SELECT count(*) FROM r1"), "3");
    session.sql("UPDATE w1 SET b = 'changed' WHERE a = 10");
    assert_eq!(session.status(), 'T');
    session.sql("COMMIT");
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 10"), "changed");
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM w1"), "0");
    let error = session.error("SELECT pg_export_snapshot()");
    assert_eq!(error.code(), "0A000");
    assert!(error.detail().contains("rule task.split"), "{error}");
}

#[test]
fn a_pipeline_that_changes_leg_keeps_its_order_and_fails_as_one() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let tags = |messages: &[super::support::Message]| {
        messages.iter().map(|message| message.tag as char).collect::<String>()
    };
    let pipeline = Frames::new()
        .run("SELECT b FROM r1 WHERE a = 2", &[])
        .run("INSERT INTO w1 VALUES (20, 'a')", &[])
        .run("SELECT 1", &[])
        .sync();
    assert_eq!(tags(&session.exchange(&pipeline)), "12DC12C12DCZ");
    let failing = Frames::new()
        .run("INSERT INTO w1 VALUES (21, 'b')", &[])
        .run("SELECT 1 / 0", &[])
        .run("INSERT INTO w1 VALUES (22, 'c')", &[])
        .sync();
    let messages = session.exchange(&failing);
    assert!(tags(&messages).ends_with("EZ"), "{}", tags(&messages));
    let rows = places.cluster.value("local", "SELECT string_agg(a::text, ',' ORDER BY a) FROM w1");
    assert_eq!(rows, "1,2,20");
}

#[test]
fn names_are_one_namespace_over_both_legs() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.exchange(&Frames::new().parse("a", "SELECT b FROM r1", &[]).sync());
    let twice = Frames::new().parse("a", "DELETE FROM w1", &[]).sync();
    assert_eq!(session.exchange(&twice)[0].fields().code(), "42P05");
    assert_eq!(session.error("PREPARE a AS DELETE FROM w1").code(), "42P05");
    let portals = Frames::new()
        .bind("p", "a", &[])
        .parse("w", "DELETE FROM w1", &[])
        .bind("p", "w", &[])
        .sync();
    let error = session.exchange(&portals).into_iter().find(|message| message.tag == b'E');
    assert_eq!(error.unwrap().fields().code(), "42P03");
    session.sql("DEALLOCATE ALL");
    session.sql("PREPARE a AS DELETE FROM w1 WHERE a = 2");
    session.sql("EXECUTE a");
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "1");
}

#[test]
fn what_needs_both_legs_in_one_string_is_parted() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let text = "SELECT b FROM r1 WHERE a = 1; INSERT INTO w1 VALUES (30, 'ä'); SELECT 'ä', nope";
    let error = session.error(text);
    assert_eq!((error.code(), error.get('P')), ("42703", "76"), "{error}");
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "2");
    let error = session.error("BEGIN; SELECT 1; DELETE FROM w1; COMMIT");
    assert_eq!(error.code(), "0A000");
    assert_eq!(error.get('P'), "1");
    session.sql("SELECT 1; DELETE FROM w1 WHERE a = 1; SELECT 2");
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "1");
    let event = places.proxy.events("statement_blocked").pop().unwrap();
    assert_eq!(event["rule"], "task.split");
    assert_eq!(event["task"], "spanning");
}

#[test]
fn the_session_says_once_what_reads_and_writes_do_not_see() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let notices = |session: &mut super::support::Wire, text: &str| {
        let messages = session.exchange(&Frames::new().query(text));
        messages.iter().filter(|message| message.tag == b'N').count()
    };
    assert_eq!(notices(&mut session, "SELECT * FROM w1"), 0);
    assert_eq!(notices(&mut session, "UPDATE w1 SET b = 'c'"), 0);
    assert_eq!(notices(&mut session, "SELECT * FROM r1"), 0);
    assert_eq!(notices(&mut session, "SELECT * FROM w1"), 1);
    assert_eq!(notices(&mut session, "SELECT * FROM w1"), 0);
    assert_eq!(notices(&mut session, "INSERT INTO w2 SELECT a FROM w1 WHERE false"), 1);
    assert_eq!(notices(&mut session, "INSERT INTO w2 SELECT a FROM w1 WHERE false"), 0);
    // the table that it writes to is read as well
    let mut session = places.session();
    assert_eq!(notices(&mut session, "DELETE FROM w1 WHERE a = 99"), 0);
    let text = "DELETE FROM w1 WHERE a IN (SELECT a FROM w1 WHERE false)";
    assert_eq!(notices(&mut session, text), 1);
}

#[test]
fn a_transaction_is_not_chained() {
    let places = Places::start(Major::V15);
    for text in ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"] {
        for first in ["SELECT 1", "SELECT b FROM r1", "DELETE FROM w1 WHERE a = 99"] {
            for frames in [Frames::new().query(text), Frames::new().run(text, &[]).sync()] {
                let mut session = places.session();
                session.sql("BEGIN");
                session.sql(first);
                let answers = session.exchange(&frames);
                assert_eq!(codes(&answers), ["0A000"], "{first}; {text}");
                assert_eq!(session.status(), 'E');
                session.sql("ROLLBACK");
            }
        }
    }
}

#[test]
fn cancel_reaches_the_leg_that_runs() {
    let places = Places::start(Major::V15);
    for text in ["SELECT pg_sleep(20)", "DELETE FROM w1 WHERE pg_sleep(20) IS NULL"] {
        let mut session = places.session();
        session.send(&Frames::new().query(text)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(500));
        session.cancel().unwrap();
        let messages = session.receive_until(b'Z');
        assert_eq!(messages[messages.len() - 2].fields().code(), "57014", "{text}");
    }
}

#[test]
fn the_read_leg_writes_nothing_whatever_it_is_sent() {
    let places = Places::start(Major::V15);
    places.cluster.sql(
        "neon",
        "SET ROLE app; CREATE FUNCTION sly() RETURNS int LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO w1 VALUES (66, ''sly''); RETURN 1; END'; \
         CREATE VIEW slyly AS SELECT sly()",
    );
    let before = places.neon();
    let mut session = places.session();
    for text in [
        "SELECT * FROM slyly",
        "SET default_transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "BEGIN READ WRITE",
        "SELECT * FROM slyly",
        "ROLLBACK",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "RESET default_transaction_read_only",
        "SELECT * FROM slyly",
        "SELECT sly()",
    ] {
        let _ = session.try_sql(text);
    }
    assert_eq!(places.neon(), before);
}

#[test]
fn a_call_goes_where_neons_catalog_says() {
    let places = Places::start(Major::V15);
    for (database, place) in [("neon", "neon"), ("local", "local")] {
        places.cluster.sql(
            database,
            &format!(
                "CREATE FUNCTION place() RETURNS text STABLE LANGUAGE sql AS $$SELECT '{place}'$$; \
                 CREATE FUNCTION changes() RETURNS text LANGUAGE plpgsql AS \
                 $$BEGIN INSERT INTO w1 VALUES (90, 'by a call'); RETURN '{place}'; END$$"
            ),
        );
    }
    places.cluster.sql(
        "local",
        "CREATE FUNCTION here() RETURNS text STABLE LANGUAGE sql AS $$SELECT 'only local'$$",
    );
    places.cluster.sql(
        "neon",
        "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC; \
         CREATE FUNCTION other.place() RETURNS text LANGUAGE sql AS \
         $$INSERT INTO public.w1 VALUES (91, 'wrong') RETURNING b$$",
    );
    places.cluster.sql(
        "local",
        "CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO PUBLIC; \
         CREATE FUNCTION other.place() RETURNS text LANGUAGE sql AS $$SELECT 'other of local'$$",
    );
    let mut session = places.session();
    assert_eq!(session.value("SELECT place()"), "neon");
    assert_eq!(session.value("SELECT here()"), "only local");
    assert_eq!(session.value("SELECT changes()"), "local");
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 90"), "by a call");
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM w1"), "0");
    session.sql("BEGIN");
    session.sql("DELETE FROM w1 WHERE a = 90");
    assert_eq!(session.value("SELECT place()"), "neon");
    assert_eq!(session.value("SELECT changes()"), "local");
    session.sql("COMMIT");
    let both = session.sql("SELECT place(); DELETE FROM w1 WHERE a = 90; SELECT changes()");
    assert_eq!(both, [[Some("local".to_owned())]]);
    session.sql("DELETE FROM w1 WHERE a = 90");
    let pipeline = Frames::new().run("SELECT place()", &[]).run("SELECT changes()", &[]).sync();
    let rows: Vec<_> = session
        .exchange(&pipeline)
        .iter()
        .filter(|message| message.tag == b'D')
        .map(|message| message.columns()[0].clone().unwrap())
        .collect();
    assert_eq!(rows, ["neon", "local"]);
    // the settings that names depend on count
    session.sql("SET search_path = other, public");
    assert_eq!(session.value("SELECT place()"), "other of local");
}

#[test]
fn a_rollback_to_takes_back_the_modes_of_the_transaction() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let isolation =
            "INSERT INTO w1 VALUES (40) RETURNING current_setting('transaction_isolation')";
        let mut session = places.session();
        let run = |session: &mut super::support::Wire, texts: &[&str]| {
            texts.iter().for_each(|text| drop(session.sql(text)));
        };
        let read = "SELECT b FROM r1 WHERE a = 1";
        run(&mut session, &["BEGIN", read, "SAVEPOINT a", "SET TRANSACTION READ ONLY"]);
        run(&mut session, &["ROLLBACK TO a"]);
        assert_eq!(session.value(isolation), "read committed");
        session.sql("ROLLBACK");
        // the write leg comes behind the savepoint, and is READ ONLY up to it
        for (released, code) in [(false, None), (true, Some("25006"))] {
            run(&mut session, &["BEGIN", read, "SAVEPOINT o", "SAVEPOINT a"]);
            session.sql("SET TRANSACTION READ ONLY");
            if released {
                run(&mut session, &["RELEASE a", "SAVEPOINT a"]);
            }
            assert_eq!(session.error("INSERT INTO w1 VALUES (41)").code(), "25006");
            session.sql("ROLLBACK TO a");
            let written = session.try_sql("INSERT INTO w1 VALUES (41)");
            assert_eq!(written.err().as_ref().map(|error| error.code()), code, "{released}");
            session.sql("ROLLBACK TO o");
            session.sql("INSERT INTO w1 VALUES (41)");
            session.sql("ROLLBACK");
        }
        // what fails changes nothing
        run(&mut session, &["BEGIN", read, "SAVEPOINT a"]);
        let error = session.error("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
        assert_eq!(error.code(), "25001");
        session.sql("ROLLBACK TO a");
        assert_eq!(session.value(isolation), "read committed");
        session.sql("ROLLBACK");
        for begin in ["BEGIN READ ONLY", "BEGIN"] {
            run(&mut session, &[begin, read]);
            if begin == "BEGIN" {
                run(&mut session, &["SET TRANSACTION READ ONLY", "SAVEPOINT a"]);
            }
            assert_eq!(session.error("SET TRANSACTION READ WRITE").code(), "25001");
            assert_eq!(session.status(), 'E');
            session.sql("ROLLBACK");
            run(&mut session, &[begin, "SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE"]);
            assert_eq!(session.value(isolation), "read committed");
            session.sql("ROLLBACK");
        }
    }
}

#[test]
fn begin_within_a_block_sets_its_modes() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    for [first, second] in [["BEGIN", "BEGIN READ ONLY"], ["BEGIN READ WRITE", "BEGIN READ ONLY"]] {
        session.sql(first);
        session.sql(second);
        assert_eq!(session.error("INSERT INTO w1 VALUES (42)").code(), "25006", "{first}");
        session.sql("ROLLBACK");
    }
    session.sql("BEGIN READ WRITE");
    session.sql("SELECT b FROM r1 WHERE a = 1");
    let again = session.exchange(&Frames::new().run("BEGIN READ WRITE", &[]).sync());
    let tags: Vec<u8> = again.iter().map(|message| message.tag).collect();
    assert_eq!(tags, *b"12NCZ");
    assert_eq!(session.error("BEGIN ISOLATION LEVEL SERIALIZABLE").code(), "25001");
    session.sql("ROLLBACK");
}

#[test]
fn a_call_may_be_the_first_of_a_block() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let value = |session: &mut super::support::Wire, frames: Frames| {
        let messages = session.exchange(&frames.execute("", 0).sync());
        let row = messages.iter().find(|message| message.tag == b'D');
        row.unwrap_or_else(|| panic!("{messages:?}")).columns()[0].clone().unwrap()
    };
    let named = |name: &str| Frames::new().bind("", name, &[]);
    session.exchange(&Frames::new().parse("looks", "SELECT look(1)", &[]).sync());
    for begin in ["BEGIN", "BEGIN READ ONLY"] {
        session.sql(begin);
        let unnamed = Frames::new().parse("", "SELECT look(2)", &[]).bind("", "", &[]);
        assert_eq!(value(&mut session, unnamed), "two");
        assert_eq!(value(&mut session, named("looks")), "one");
        session.sql("COMMIT");
        session.sql(begin);
        assert_eq!(value(&mut session, named("looks")), "one");
        assert_eq!(session.error("SELECT nope FROM r1").code(), "42703");
        session.sql("ROLLBACK");
    }
}
