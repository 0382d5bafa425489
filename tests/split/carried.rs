//! What a session takes along to another task's place, and what a move that is refused leaves.

use super::places::Places;
use super::support::proxy::{Declared, PROD, REPLICA, STAGING};
use super::support::relay::without_options;
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Major, Proxy, Wire};

const AWAY: &str = "SET authority.task = 'run_verification'";
const WHERE: &str = "SELECT current_database()";

fn session(proxy: &Proxy) -> Wire {
    let login = proxy.login("nova").options("-c authority.task=unit_tests");
    proxy.try_connect(&login).unwrap()
}

/// Two places that let everything through, in databases of these encodings.
fn lenient(encodings: [&str; 2]) -> (Cluster, Proxy) {
    let cluster = Cluster::builder().start();
    for (name, encoding) in ["neon", "local"].into_iter().zip(encodings) {
        let made = format!(
            "CREATE DATABASE {name} OWNER app ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
        );
        cluster.sql("postgres", &made);
    }
    let proxy = Proxy::builder()
        .upstream_at("neon", Declared("neon", "staging", "dev"), &cluster.url("app", "neon"), "")
        .upstream_at("local", STAGING, &cluster.url("app", "local"), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"")
        .start();
    (cluster, proxy)
}

fn error(messages: &[Message]) -> String {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.map(|error| error.fields().to_string()).unwrap_or_default()
}

fn row(messages: &[Message]) -> Option<String> {
    let row = messages.iter().find(|message| message.tag == b'D')?;
    row.columns()[0].clone()
}

#[test]
fn a_move_that_is_refused_leaves_everything_as_it_was() {
    let places = Places::start(Major::V15);
    for task in ["unit_tests", "spanning"] {
        let login = places.proxy.login("nova").options(&format!("-c authority.task={task}"));
        let mut session = places.proxy.try_connect(&login).unwrap();
        session.sql("SET work_mem = '7MB'; CREATE TEMPORARY TABLE own (a int)");
        session.sql("SET statement_timeout = '17s'");
        session.sql("LISTEN here");
        let prepared = Frames::new()
            .parse("away", AWAY, &[])
            .parse("kept", "SELECT 'kept'", &[])
            .parse("", "SELECT 'unnamed'", &[])
            .sync();
        assert_eq!(error(&session.exchange(&prepared)), "");
        let away = Frames::new().bind("", "away", &[]).execute("", 0).sync();
        assert!(error(&session.exchange(&away)).contains("temporary relation \"own\""));
        for name in ["", "kept"] {
            let bound = session.exchange(&Frames::new().bind("", name, &[]).execute("", 0).sync());
            let expected = if name.is_empty() { "unnamed" } else { name };
            assert_eq!(row(&bound).as_deref(), Some(expected), "{task}: {}", error(&bound));
        }
        assert_eq!(session.value("SHOW authority.task"), task);
        assert_eq!(session.value("SHOW work_mem"), "7MB");
        assert_eq!(session.value("SHOW statement_timeout"), "17s");
        assert_eq!(session.value("SELECT pg_listening_channels()"), "here");
        let own = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pgauthority move%'";
        assert_eq!(session.value(own), "0", "{task}");
        session.sql("RESET statement_timeout");
        assert_eq!(session.value("SHOW statement_timeout"), "0");
        session.sql("INSERT INTO own VALUES (1)");
    }
}

#[test]
fn the_sessions_own_timeouts_do_not_keep_it_where_it_is() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let mut timeouts = vec!["statement_timeout", "lock_timeout"];
        if major == Major::V18 {
            timeouts.push("transaction_timeout");
        }
        // the server ends a session whose transaction takes longer
        let value = |timeout: &str| match timeout {
            "transaction_timeout" => "5s",
            _ => "900ms",
        };
        let mut session = session(&places.proxy);
        // what it has had from the start is what it begins with there
        places.cluster.sql("postgres", "ALTER DATABASE neon SET lock_timeout = '44s'");
        for timeout in &timeouts {
            session.sql(&format!("SET {timeout} = '{}'", value(timeout)));
        }
        for task in ["run_verification", "spanning", "unit_tests"] {
            session.sql(&format!("SET authority.task = '{task}'"));
        }
        // less than the question takes
        session.sql("SET statement_timeout = '1ms'");
        let moved = (0..50).find_map(|_| match session.try_sql(AWAY) {
            Ok(_) => Some(()),
            Err(error) => (error.code() != "57014").then(|| panic!("{error}")),
        });
        assert!(moved.is_some(), "the statement itself is never done in time");
        session.sql("SET statement_timeout = '900ms'");
        assert_eq!(session.value(WHERE), "neon");
        session.sql("RESET authority.task");
        session.sql(AWAY);
        for timeout in &timeouts {
            assert_eq!(session.value(&format!("SHOW {timeout}")), value(timeout));
            session.sql(&format!("RESET {timeout}"));
            let start = if *timeout == "lock_timeout" { "44s" } else { "0" };
            assert_eq!(session.value(&format!("SHOW {timeout}")), start);
        }
        session.sql("RESET authority.task");
        session.sql("SET lock_timeout = 0");
        session.sql(AWAY);
        assert_eq!(session.value("SHOW lock_timeout"), "0", "what it has SET comes along");
    }
}

#[test]
fn texts_come_along_whatever_the_session_reads_in_them() {
    let (_cluster, proxy) = lenient(["UTF8", "UTF8"]);
    let mut session = session(&proxy);
    session.sql("SET standard_conforming_strings = off");
    session.sql(r"SET my.path = 'C:\\temp'");
    session.sql("SET my.quote = 'it''s'");
    session.sql("SET my.plain = E'\\\\'");
    session.sql(AWAY);
    assert_eq!(session.value(WHERE), "neon");
    assert_eq!(session.value("SHOW my.path"), r"C:\temp");
    assert_eq!(session.value("SHOW my.quote"), "it's");
    assert_eq!(session.value("SHOW my.plain"), r"\");
    assert_eq!(session.value("SHOW standard_conforming_strings"), "off");
    session.sql("SET backslash_quote = off");
    // of 0x95 0x5C, one character there, the second byte is a backslash by itself
    session.sql("SET client_encoding = 'SJIS'");
    let set = session.exchange(&Frames::new().query_bytes(b"SET my.sjis = '\x95\x5c'"));
    assert_eq!(error(&set), "");
    session.sql("RESET authority.task");
    assert_eq!(session.value(WHERE), "local");
    assert_eq!(session.value("SHOW my.quote"), "it's");
    assert_eq!(session.value("SHOW client_encoding"), "SJIS");
    session.sql("SET client_encoding = 'UTF8'");
    assert_eq!(session.value("SHOW my.sjis"), "表");
}

#[test]
fn texts_come_along_in_any_client_encoding() {
    let (_cluster, proxy) = lenient(["LATIN1", "UTF8"]);
    let mut session = session(&proxy);
    let latin = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<u8>>();
    session.sql("SET client_encoding = 'LATIN1'");
    let set = session.exchange(&Frames::new().query_bytes(&latin("SET my.own = 'ä\\ö'")));
    assert_eq!(error(&set), "");
    let listen = session.exchange(&Frames::new().query_bytes(&latin("LISTEN \"ü\"")));
    assert_eq!(error(&listen), "");
    let moved = session.exchange(&Frames::new().query(AWAY));
    assert_eq!(error(&moved), "");
    assert_eq!(session.value("SHOW client_encoding"), "LATIN1");
    let hex = "SELECT encode(convert_to(current_setting('my.own'), 'UTF8'), 'hex')";
    assert_eq!(session.value(hex), "c3a45cc3b6");
    let hex = "SELECT encode(convert_to(pg_listening_channels(), 'UTF8'), 'hex')";
    assert_eq!(session.value(hex), "c3bc");
    session.sql("RESET client_encoding");
    // what is not SET is what the new place begins with
    session.sql("RESET authority.task");
    assert_eq!(session.value("SHOW client_encoding"), "UTF8");
    assert_eq!(session.value("SHOW my.own"), "ä\\ö");
}

const READ_ONLY: &str = "SHOW default_transaction_read_only";
const SET_READ_ONLY: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
const READ_WRITE: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE";
const SERIALIZABLE: &str =
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY";
const INSERT: &str = "INSERT INTO w1 VALUES (900)";

/// The session writes nothing, wherever it is, until it says so.
fn writes_nothing(session: &mut Wire, about: &str) {
    assert_eq!(session.value(READ_ONLY), "on", "{about}");
    assert_eq!(session.error(INSERT).code(), "25006", "{about}");
}

fn writes(session: &mut Wire, about: &str) {
    assert_eq!(session.value(READ_ONLY), "off", "{about}");
    session.sql(INSERT);
    session.sql("DELETE FROM w1 WHERE a = 900");
}

fn moves(session: &mut Wire, task: &str) {
    session.sql(&format!("SET authority.task = '{task}'"));
    assert_eq!(session.value("SHOW authority.task"), task);
}

#[test]
fn a_session_that_reads_only_does_so_everywhere() {
    let places = Places::start(Major::V15);
    let tasks = ["spanning", "unit_tests", "run_verification"];
    let sets = [
        &[SET_READ_ONLY][..],
        &[SERIALIZABLE],
        &["BEGIN", SET_READ_ONLY, "SELECT 1", "COMMIT"],
        &["BEGIN", "SELECT 1", SET_READ_ONLY, "COMMIT"],
        &[READ_WRITE, SET_READ_ONLY],
        &["SET default_transaction_read_only = off", "RESET ALL", SET_READ_ONLY],
        &["SELECT set_config('default_transaction_read_only', 'on', false)"],
    ];
    for (began, written) in [(0, false), (0, true), (1, false), (2, false)] {
        for (step, set) in (1..=2).flat_map(|step| sets.map(|set| (step, set))) {
            let to = tasks[(began + step) % 3];
            let about = format!("{}, {written}, {to}, {set:?}", tasks[began]);
            let login = places.proxy.login("nova");
            let login = login.options(&format!("-c authority.task={}", tasks[began]));
            let mut session = places.proxy.try_connect(&login).unwrap();
            if written {
                writes(&mut session, &about);
            }
            set.iter().for_each(|text| drop(session.sql(text)));
            moves(&mut session, to);
            writes_nothing(&mut session, &about);
            if set == [SERIALIZABLE] {
                let isolation = "SHOW default_transaction_isolation";
                assert_eq!(session.value(isolation), "serializable", "{about}");
            }
            session.sql(READ_WRITE);
            writes(&mut session, &about);
            moves(&mut session, tasks[began]);
            writes(&mut session, &about);
        }
    }
}

#[test]
fn what_undoes_a_read_only_default_leaves_none() {
    let places = Places::start(Major::V15);
    let rows = "SHOW default_transaction_deferrable";
    for (began, to) in [
        ("spanning", "unit_tests"),
        ("spanning", "run_verification"),
        ("unit_tests", "spanning"),
        ("run_verification", "unit_tests"),
    ] {
        for set in [
            &["BEGIN", SET_READ_ONLY, "ROLLBACK"][..],
            &[SET_READ_ONLY, "RESET ALL"],
            &[SET_READ_ONLY, "SET default_transaction_read_only = off"],
            &[SET_READ_ONLY, "RESET default_transaction_read_only"],
            &[SET_READ_ONLY, READ_WRITE],
            &["SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE"],
        ] {
            let about = format!("{began}, {to}, {set:?}");
            let login = places.proxy.login("nova");
            let login = login.options(&format!("-c authority.task={began}"));
            let mut session = places.proxy.try_connect(&login).unwrap();
            set.iter().for_each(|text| drop(session.sql(text)));
            moves(&mut session, to);
            writes(&mut session, &about);
            let deferrable = if set[0].ends_with(" DEFERRABLE") { "on" } else { "off" };
            assert_eq!(session.value(rows), deferrable, "{about}");
        }
    }
    // what both legs are told within a block reaches the one that took no part before the move
    let login = places.proxy.login("nova").options("-c authority.task=spanning");
    let mut session = places.proxy.try_connect(&login).unwrap();
    session.sql("SET work_mem = '7MB'");
    writes(&mut session, "spanning");
    for text in ["BEGIN", "SELECT a FROM r1", "RESET work_mem", SET_READ_ONLY, "COMMIT"] {
        session.sql(text);
    }
    moves(&mut session, "unit_tests");
    assert_ne!(session.value("SHOW work_mem"), "7MB");
    writes_nothing(&mut session, "unit_tests");
}

#[test]
fn a_guard_is_the_places_and_what_the_session_has_set_its_own() {
    let places = Places::start(Major::V15);
    let there = places.cluster.url("app", "neon");
    let without = format!(":{}", without_options(&places.cluster));
    let shim = there.replace(&format!(":{}", places.cluster.port()), &without);
    let entry = "auth = \"trust\"\nusers = [\"app\"]\nlocal = \"local\"\nneon = ";
    for url in [there, shim] {
        let proxy = Proxy::builder()
            .upstream_at("replica", REPLICA, &url, "")
            .upstream_at("neon", PROD, &url, "")
            .upstream_at("local", STAGING, &places.cluster.url("app", "local"), "")
            .entry("replica", &format!("{entry}\"replica\""))
            .entry("nova", &format!("{entry}\"neon\""))
            .start();
        for (database, began) in
            [("replica", "run_verification"), ("replica", "spanning"), ("nova", "spanning")]
        {
            let login = proxy.login(database).options(&format!("-c authority.task={began}"));
            let mut session = proxy.try_connect(&login).unwrap();
            moves(&mut session, "unit_tests");
            writes(&mut session, began);
            moves(&mut session, began);
            session.sql(SET_READ_ONLY);
            moves(&mut session, "unit_tests");
            writes_nothing(&mut session, began);
            moves(&mut session, began);
            session.sql("RESET ALL");
            moves(&mut session, "unit_tests");
            writes(&mut session, began);
            if began == "spanning" {
                moves(&mut session, began);
                session.sql(SET_READ_ONLY);
                session.sql("SET default_transaction_read_only = off");
                moves(&mut session, "unit_tests");
                writes(&mut session, began);
            }
        }
    }
}

/// Routines that set custom parameters of the session.
const ROUTINES: &str = r#"
    CREATE FUNCTION tenant(v text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('app.Tenant', v, false); RETURN v; END $$;
    CREATE FUNCTION other(v text) RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN SET "app"."other" = 'it''s\here'; SET LOCAL app.gone = 'a'; RESET app.given; END $$;
    CREATE FUNCTION atomic(v text) RETURNS text LANGUAGE sql
    BEGIN ATOMIC SELECT set_config('app.atomic', v, false); END;
    CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_catalog.set_config('app.fired', NEW.a::text, false); RETURN NEW; END $$;
    CREATE TABLE watched (a int); CREATE TRIGGER t BEFORE INSERT ON watched
    FOR EACH ROW EXECUTE FUNCTION fires();
    CREATE FUNCTION unused() RETURNS void LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('app.given', 'unused', false);
             PERFORM set_config('app.never', 'unused', false); END $$;
    GRANT ALL ON watched TO PUBLIC"#;

#[test]
fn what_a_routine_sets_comes_along_too() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for name in ["local", "neon"] {
            places.cluster.sql(name, ROUTINES);
            let given = format!("ALTER DATABASE {name} SET app.given = 'in {name}'");
            places.cluster.sql("postgres", &given);
        }
        for (began, to, place) in [
            ("unit_tests", "run_verification", "neon"),
            ("unit_tests", "spanning", "neon"),
            ("run_verification", "unit_tests", "local"),
            ("spanning", "unit_tests", "local"),
            ("spanning", "run_verification", "neon"),
        ] {
            let about = format!("{major:?}, {began}, {to}");
            let login = places.proxy.login("nova").options(&format!("-c authority.task={began}"));
            let mut session = places.proxy.try_connect(&login).unwrap();
            session.sql("SELECT tenant('5')");
            session.sql("SELECT other('5')");
            // its body's tree does not show what it sets
            let text = "SELECT atomic('ä')";
            match began {
                "run_verification" => session.sql("SET app.atomic = 'ä'"),
                _ => session.sql(text),
            };
            session.sql("INSERT INTO watched VALUES (7)");
            moves(&mut session, to);
            assert_eq!(session.value(WHERE), place);
            let custom = |name: &str| format!("SELECT current_setting('app.{name}', true)");
            for (name, value) in
                [("tenant", "5"), ("other", "it's\\here"), ("atomic", "ä"), ("fired", "7")]
            {
                assert_eq!(session.value(&custom(name)), value, "{about}, {name}");
                session.sql(&format!("RESET app.{name}"));
                assert_eq!(session.value(&custom(name)), "", "{about}, {name}");
            }
            // what nobody has set is as the session began there
            assert_eq!(session.value(&custom("given")), format!("in {place}"), "{about}");
            let never = "SELECT current_setting('app.never', true) IS NULL";
            assert_eq!(session.value(never), "t", "{about}");
        }
    }
    let (cluster, proxy) = lenient(["UTF8", "UTF8"]);
    cluster.sql("local", ROUTINES);
    let mut session = session(&proxy);
    session.sql("SELECT tenant('6')");
    session.sql("SET standard_conforming_strings = off");
    moves(&mut session, "run_verification");
    assert_eq!(session.value("SELECT current_setting('app.tenant', true)"), "6");
}
