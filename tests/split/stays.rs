//! What does not move a session, and what a refused move leaves.

use super::places::Places;
use super::reloaded::reload;
use super::support::proxy::{PROD, REPLICA, STAGING};
use super::support::relay::without_options;
use super::support::wire::Frames;
use super::support::{Cluster, Login, Major, Proxy, Wire};

const AWAY: &str = "SET authority.task = 'run_verification'";
const WHERE: &str = "SELECT current_database()";
const TASK: &str = "SHOW authority.task";

fn session(proxy: &Proxy, task: &str) -> Wire {
    let login = proxy.login("nova").options(&format!("-c authority.task={task}"));
    proxy.try_connect(&login).unwrap()
}

fn rows(cluster: &Cluster, database: &str) -> String {
    cluster.value(database, "SELECT count(*) FROM w1")
}

#[test]
fn a_refused_move_does_not_happen_later() {
    let places = Places::start(Major::V15);
    for (refused, task) in [
        (AWAY, "spanning"),
        ("RESET authority.task", "spanning"),
        ("RESET ALL", "spanning"),
        ("SET authority.task = 'unit_tests'", "spanning"),
    ] {
        let mut session = session(&places.proxy, "run_verification");
        session.sql("SET authority.task = 'spanning'");
        // only the read leg is open
        session.sql("PREPARE p AS SELECT 1");
        let error = session.error(refused);
        assert_eq!(error.code(), "25001", "{refused}: {error}");
        assert_eq!(session.value(TASK), task, "{refused}");
        session.sql("DEALLOCATE p");
        let before = rows(&places.cluster, "neon");
        for key in [101, 102, 103] {
            session.sql(&format!("INSERT INTO w1 VALUES ({key})"));
        }
        assert_eq!(rows(&places.cluster, "neon"), before, "{refused}");
        assert_eq!(session.value(TASK), task, "{refused}");
        session.sql("DELETE FROM w1 WHERE a > 100");
        // and it moves when it is told to
        session.sql("SET authority.task = 'unit_tests'");
        assert_eq!(session.value(WHERE), "local", "{refused}");
    }
}

#[test]
fn the_reset_of_a_pool_leads_back() {
    let places = Places::start(Major::V15);
    // asyncpg's
    let reset = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;";
    for task in ["spanning", "run_verification", "schema_experiments"] {
        let mut session = session(&places.proxy, "unit_tests");
        session.sql(&format!("SET authority.task = '{task}'"));
        session.sql("SET work_mem = '7MB'");
        session.sql("LISTEN here");
        session.sql("DECLARE c CURSOR WITH HOLD FOR SELECT 1");
        session.sql(reset);
        assert_eq!(session.value(TASK), "unit_tests", "{task}");
        assert_eq!(session.value(WHERE), "local", "{task}");
        assert_ne!(session.value("SHOW work_mem"), "7MB");
        assert_eq!(session.value("SELECT count(*) FROM pg_listening_channels()"), "0");
        session.sql("INSERT INTO w1 VALUES (900); DELETE FROM w1 WHERE a = 900; RESET ALL");
        // inside a block it is refused as ever
        session.sql(&format!("SET authority.task = '{task}'"));
        session.sql("BEGIN");
        let error = session.error(reset);
        assert!(error.detail().contains("rule task.change"), "{error}");
        session.sql("ROLLBACK");
        // nothing behind it runs in a place that its task does not mean
        let error = session.error("RESET ALL; INSERT INTO w1 VALUES (901)");
        assert!(error.detail().contains("rule task.change"), "{error}");
        assert_eq!(session.value(TASK), task);
    }
    assert_eq!(rows(&places.cluster, "neon"), "0");
    assert_eq!(rows(&places.cluster, "local"), "2");
    // where something hinders, the task is put back
    let mut session = session(&places.proxy, "unit_tests");
    session.sql("SET authority.task = 'spanning'");
    session.sql("CREATE TEMPORARY TABLE kept (a int)");
    let error = session.error(reset);
    assert_eq!(error.code(), "25001", "{error}");
    assert!(error.message().contains("temporary relation \"kept\""), "{error}");
    assert_eq!(session.value(TASK), "spanning");
    session.sql("INSERT INTO kept VALUES (1)");
    assert_eq!(session.value("SELECT count(*) FROM kept"), "1");
    session.sql("DISCARD ALL");
    assert_eq!(session.value(WHERE), "local");
    assert_eq!(session.value(TASK), "unit_tests");
}

#[test]
fn a_string_that_cannot_commit_leaves_the_task() {
    let mut places = Places::start(Major::V15);
    let row = "\n[[decision]]\ntask = \"only_reads\"\nread = \"local\"\nwrite = \"deny\"\n";
    reload(&mut places.proxy, |text| text.to_owned() + row);
    // the deferred foreign key fails at the end
    let orphan = "INSERT INTO w2 VALUES (777); RESET ALL";
    for (began, task, place) in [
        ("run_verification", "unit_tests", "local"),
        ("only_reads", "unit_tests", "local"),
        ("unit_tests", "spanning", "neon"),
    ] {
        let mut session = session(&places.proxy, began);
        session.sql(&format!("SET authority.task = '{task}'"));
        assert_eq!(session.error(orphan).code(), "23503");
        assert_eq!(session.value(TASK), task);
        assert_eq!(session.value(WHERE), place);
        session.sql("INSERT INTO w1 VALUES (910); DELETE FROM w1 WHERE a = 910");
        session.sql("RESET ALL");
        assert_eq!(session.value(TASK), began);
    }
}

#[test]
fn a_set_config_that_may_not_run_declares_nothing() {
    let places = Places::start(Major::V15);
    let mut session = session(&places.proxy, "unit_tests");
    let call = "set_config('authority.task', 'run_verification', false)";
    for text in [
        format!("SELECT CASE WHEN false THEN {call} END"),
        format!("SELECT coalesce('a', {call})"),
        format!("SELECT {call} WHERE false"),
        format!("SELECT {call} LIMIT 0"),
        format!("SELECT {call}, set_config('my.own', 'a', false)"),
        format!("COPY (SELECT {call} WHERE false) TO STDOUT"),
        format!("CREATE VIEW v AS SELECT {call}"),
        format!("CREATE TABLE t (a text DEFAULT {call})"),
        format!("PREPARE p AS SELECT {call}"),
        format!("DECLARE c CURSOR WITH HOLD FOR SELECT {call}"),
        format!("EXPLAIN ANALYZE SELECT {call}"),
        "SELECT set_config('authority.task', 'run_verification', NULL)".to_owned(),
    ] {
        let error = session.error(&text);
        assert!(error.detail().contains("rule task.change"), "{text}: {error}");
        assert_eq!(session.value(TASK), "unit_tests", "{text}");
        assert_eq!(session.value(WHERE), "local", "{text}");
    }
    // a portal that was suspended has run: run again, it does nothing
    let text = format!("SELECT {call}");
    let frames = Frames::new().parse("", &text, &[]).bind("", "", &[]).execute("", 1);
    session.exchange(&frames.execute("", 0).sync());
    assert_eq!(session.value(TASK), "unit_tests");
    assert_eq!(session.value(WHERE), "local");
    // what fails behind it in its pipeline undoes it
    session.exchange(&Frames::new().run(AWAY, &[]).run("SELECT 1/0", &[]).sync());
    assert_eq!(session.value(TASK), "unit_tests");
    assert_eq!(session.value(WHERE), "local");
    session.sql(&text);
    assert_eq!(session.value(WHERE), "neon");
}

#[test]
fn reset_all_does_not_leave_later_statements_where_the_session_was() {
    let places = Places::start(Major::V15);
    let mut session = session(&places.proxy, "unit_tests");
    session.sql(AWAY);
    let error = session.error("RESET ALL; INSERT INTO w1 VALUES (201)");
    assert!(error.detail().contains("rule task.change"), "{error}");
    session.sql("BEGIN");
    let error = session.error("RESET ALL");
    assert!(error.detail().contains("rule task.change"), "{error}");
    session.sql("ROLLBACK");
    assert_eq!(session.value(WHERE), "neon");
    assert_eq!(rows(&places.cluster, "neon"), "0");
    session.sql("RESET ALL");
    assert_eq!(session.value(WHERE), "local");
    // and where it leads nowhere else it is what it always was
    session.sql("RESET ALL; INSERT INTO w1 VALUES (202)");
    session.sql("BEGIN");
    session.sql("RESET ALL");
    session.sql("COMMIT");
    assert_eq!(rows(&places.cluster, "local"), "3");
}

#[test]
fn who_has_set_its_session_authorization_stays() {
    let places = Places::start(Major::V15);
    let at = |database| places.cluster.url("postgres", database);
    let proxy = Proxy::builder()
        .upstream_at("neon", PROD, &at("neon"), "")
        .upstream_at("local", STAGING, &at("local"), "")
        .entry(
            "nova",
            "auth = \"trust\"\nusers = [\"postgres\"]\nneon = \"neon\"\nlocal = \"local\"",
        )
        .start();
    let login = Login::new("postgres", "nova").options("-c authority.task=unit_tests");
    let mut session = proxy.try_connect(&login).unwrap();
    session.sql("SET SESSION AUTHORIZATION app");
    let error = session.error(AWAY);
    assert!(error.message().contains("session authorization \"app\""), "{error}");
    assert!(error.hint().contains("RESET SESSION AUTHORIZATION"), "{error}");
    assert_eq!(session.value("SELECT session_user"), "app");
    assert_eq!(session.value(WHERE), "local");
    session.sql("RESET SESSION AUTHORIZATION");
    session.sql(AWAY);
    assert_eq!(session.value("SELECT session_user"), "postgres");
    assert_eq!(session.value(WHERE), "neon");
}

#[test]
fn the_guard_of_a_place_stays_there() {
    let places = Places::start(Major::V15);
    let port = without_options(&places.cluster);
    let there = places.cluster.url("app", "neon");
    let shim = there.replace(&format!(":{}", places.cluster.port()), &format!(":{port}"));
    assert_ne!(shim, there);
    let entry = "auth = \"trust\"\nusers = [\"app\"]\nlocal = \"local\"\nneon = ";
    let proxy = Proxy::builder()
        .upstream_at("replica", REPLICA, &shim, "")
        .upstream_at("neon", PROD, &shim, "")
        .upstream_at("local", STAGING, &places.cluster.url("app", "local"), "")
        .entry("nova", &format!("{entry}\"replica\""))
        .entry("both", &format!("{entry}\"neon\"\ntask = \"spanning\""))
        .start();
    let read_only = "SHOW default_transaction_read_only";
    let mut session = session(&proxy, "run_verification");
    assert_eq!(session.value(read_only), "on");
    session.sql("SET authority.task = 'unit_tests'");
    assert_eq!(session.value(read_only), "off");
    session.sql("INSERT INTO w1 VALUES (301)");
    session.sql(AWAY);
    assert_eq!(session.value(read_only), "on");
    // what the client itself has set comes along
    session.sql("SET default_transaction_read_only = on");
    session.sql("SET authority.task = 'unit_tests'");
    assert_eq!(session.error("INSERT INTO w1 VALUES (302)").code(), "25006");

    let mut both = proxy.connect("both");
    assert_eq!(both.value(WHERE), "neon");
    both.sql("SET authority.task = 'unit_tests'");
    both.sql("INSERT INTO w1 VALUES (303)");
    both.sql(AWAY);
    both.sql("INSERT INTO w1 VALUES (304)");
    both.sql("SET authority.task = 'spanning'");
    both.sql("SET default_transaction_read_only = on");
    both.sql("SET authority.task = 'unit_tests'");
    assert_eq!(both.error("INSERT INTO w1 VALUES (305)").code(), "25006");
    assert_eq!(rows(&places.cluster, "local"), "4");
    assert_eq!(rows(&places.cluster, "neon"), "1");
}

#[test]
fn a_task_that_denies_reads_can_be_gone_to() {
    let mut places = Places::start(Major::V15);
    let row = "\n[[decision]]\ntask = \"only_writes\"\nread = \"deny\"\nwrite = \"local\"\n";
    reload(&mut places.proxy, |text| text.to_owned() + row);
    let mut session = session(&places.proxy, "run_verification");
    session.sql("SET search_path = public, pg_catalog; SET my.own = 'a'");
    session.sql("SET authority.task = 'only_writes'");
    assert_eq!(session.error("SELECT 1").code(), "42501");
    session.sql("INSERT INTO w1 VALUES (401, current_setting('my.own'))");
    session.sql("INSERT INTO w1 VALUES (402, current_setting('search_path'))");
    let written = "SELECT string_agg(b, '; ' ORDER BY a) FROM w1 WHERE a > 400";
    assert_eq!(places.cluster.value("local", written), "a; public, pg_catalog");
}

#[test]
fn whom_a_reload_has_locked_out_goes_nowhere() {
    let mut places = Places::start(Major::V15);
    let mut one = session(&places.proxy, "unit_tests");
    let mut both = session(&places.proxy, "spanning");
    assert_eq!(both.value(WHERE), "neon");
    reload(&mut places.proxy, |text| text.replace("users = [\"app\"]", "users = [\"other\"]"));
    let error = one.error(AWAY);
    assert!(error.message().contains("does not let user \"app\" in"), "{error}");
    assert_eq!(one.value(WHERE), "local");
    one.sql("INSERT INTO w1 VALUES (501)");
    // nor does its other leg open
    let error = both.error("INSERT INTO w1 VALUES (502)");
    assert!(error.message().contains("does not let user \"app\" in"), "{error}");
    assert_eq!(both.value(WHERE), "neon");
    reload(&mut places.proxy, |text| text.replace("users = [\"other\"]", "users = [\"app\"]"));
    one.sql(AWAY);
    both.sql("INSERT INTO w1 VALUES (502)");
    // and trust that has become something else was no proof of it
    reload(&mut places.proxy, |text| text.replace("\"trust\"", "\"scram-sha-256\""));
    one.error("SET authority.task = 'unit_tests'");
    let mut one = session(&places.proxy, "unit_tests");
    one.sql(AWAY);
    reload(&mut places.proxy, |text| {
        let at = text.find("[users.app]").unwrap();
        text[..at].to_owned() + "[users.app]\npassword = \"another\"\n"
    });
    one.error("SET authority.task = 'unit_tests'");
    assert_eq!(one.value(WHERE), "neon");
}

#[test]
fn a_task_that_denies_everything_can_be_left() {
    let mut places = Places::start(Major::V15);
    let row = "\n[[decision]]\ntask = \"closed\"\nread = \"deny\"\nwrite = \"deny\"\n";
    reload(&mut places.proxy, |text| text.to_owned() + row);
    for began in ["spanning", "unit_tests", "run_verification"] {
        for (written, to) in
            [(false, "unit_tests"), (true, "unit_tests"), (true, "run_verification")]
        {
            let mut session = session(&places.proxy, began);
            if written {
                session.sql("INSERT INTO w1 VALUES (701); DELETE FROM w1 WHERE a = 701");
            }
            session.sql("SET my.own = 'a'");
            session.sql("LISTEN here");
            session.exchange(&Frames::new().parse("kept", "SELECT current_database()", &[]).sync());
            session.sql("SET authority.task = 'closed'");
            assert_eq!(session.error("SELECT 1").code(), "42501");
            session.sql(&format!("SET authority.task = '{to}'"));
            let place = if to == "unit_tests" { "local" } else { "neon" };
            assert_eq!(session.value(WHERE), place, "{began}, {written}");
            assert_eq!(session.value("SHOW my.own"), "a", "{began}, {written}");
            assert_eq!(session.value("SELECT pg_listening_channels()"), "here");
            let kept = session.exchange(&Frames::new().bind("", "kept", &[]).execute("", 0).sync());
            assert_eq!(kept[1].columns(), [Some(place.to_owned())]);
        }
    }
    // one that cannot leave is where it was, under the same law
    let mut session = session(&places.proxy, "spanning");
    session.sql("PREPARE p AS SELECT 1");
    session.sql("SET authority.task = 'closed'");
    let error = session.error("SET authority.task = 'unit_tests'");
    assert!(error.message().contains("prepared statement \"p\" by PREPARE"), "{error}");
    assert!(session.error("SELECT 1").detail().contains("task closed"));
    assert_eq!(session.error("INSERT INTO w1 VALUES (702)").code(), "42501");
    session.sql("DEALLOCATE p");
    session.sql("RESET authority.task");
    assert_eq!(session.value(WHERE), "neon");
}

#[test]
fn what_a_splitter_says_to_its_legs_no_client_can_say() {
    let places = Places::start(Major::V15);
    for task in ["spanning", "unit_tests", "run_verification"] {
        for tag in [b'!', b'?'] {
            for text in [&b""[..], b"DELETE FROM r1\0", b"DROP TABLE w1\0"] {
                for first in
                    ["SELECT 1", "INSERT INTO w1 VALUES (801); DELETE FROM w1 WHERE a = 801"]
                {
                    let mut session = session(&places.proxy, task);
                    session.sql(first);
                    let frames = Frames::new().raw(tag, text).query("SELECT 1");
                    session.send(&frames).unwrap();
                    let answers = session.receive_until(b'E');
                    let error = answers.last().unwrap().fields();
                    assert_eq!(error.code(), "08P01", "{error}");
                    assert!(session.receive().is_err(), "{task}: the session goes on");
                }
            }
        }
    }
    assert_eq!(rows(&places.cluster, "local"), "2");
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM r1"), "3");
}

#[test]
fn what_governs_the_session_is_shown_whatever_its_task_denies() {
    let mut places = Places::start(Major::V15);
    let row = "\n[[decision]]\ntask = \"only_writes\"\nread = \"deny\"\nwrite = \"local\"\n";
    reload(&mut places.proxy, |text| text.to_owned() + row);
    let mut session = session(&places.proxy, "only_writes");
    for (name, value) in [
        ("authority.task", "only_writes"),
        ("\"Authority.Role\"", "staging"),
        ("AUTHORITY.upstream", "local"),
    ] {
        let text = format!("SHOW {name}");
        assert_eq!(session.value(&text), value);
        let messages = session.exchange(&Frames::new().run(&text, &[]).sync());
        let row = messages.iter().find(|message| message.tag == b'D');
        let row = row.unwrap_or_else(|| panic!("{text}: {messages:?}"));
        assert_eq!(row.columns()[0].as_deref(), Some(value), "{text}");
    }
    for denied in
        ["SHOW work_mem", "SHOW authoritative.a", "SHOW ALL", "SHOW authority.task; SELECT 1"]
    {
        let error = session.error(denied);
        assert!(error.detail().contains("rule task.denied"), "{denied}: {error}");
    }
}
