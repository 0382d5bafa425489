//! `SET authority.task` takes a session to another row of the decision table.

use std::time::Duration;

use super::places::{Apart, Places};
use super::support::cluster::PASSWORD;
use super::support::process::eventually;
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Login, Major, Proxy, Wire};

const WHERE: &str = "SELECT current_database()";

fn session(places: &Places, task: &str) -> Wire {
    let login = places.proxy.login("nova").options(&format!("-c authority.task={task}"));
    places.proxy.try_connect(&login).unwrap()
}

/// Values of `authority.*` that a message exchange reported.
fn reported(messages: &[Message], name: &str) -> Option<String> {
    messages.iter().rev().filter(|message| message.tag == b'S').find_map(|message| {
        let text = String::from_utf8_lossy(&message.body).into_owned();
        let mut parts = text.split('\0');
        (parts.next() == Some(name)).then(|| parts.next().unwrap_or_default().to_owned())
    })
}

#[test]
fn a_task_that_leads_elsewhere_takes_the_session_there() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    assert_eq!(session.value(WHERE), "local");
    session.sql("SET work_mem = '7MB'; SET application_name = E'it''s\\\\here'");
    session.sql("SET \"my.own\" = 'ä'");
    session.sql("LISTEN \"a channel\"");
    let wired = Frames::new()
        .parse("wired", "SELECT $1 + 1", &[23])
        .parse("counted", "SELECT count(*) FROM r2", &[])
        .sync();
    assert_eq!(session.exchange(&wired)[0].tag, b'1');

    let moved = session.exchange(&Frames::new().query("SET authority.task = 'run_verification'"));
    assert_eq!(moved[0].tag, b'C', "{moved:?}");
    assert_eq!(reported(&moved, "authority.role").as_deref(), Some("prod"));
    assert_eq!(reported(&moved, "authority.upstream").as_deref(), Some("neon"));
    assert_eq!(session.value(WHERE), "neon");
    assert_eq!(session.value("SHOW authority.task"), "run_verification");
    assert_eq!(session.value("SHOW authority.authority"), "neon");
    assert_eq!(session.value("SHOW work_mem"), "7MB");
    assert_eq!(session.value("SHOW my.own"), "ä");
    assert_eq!(session.value("SHOW application_name"), "it's\\here");
    assert_eq!(session.value("SELECT pg_listening_channels()"), "a channel");
    let counted = Frames::new().bind("", "counted", &[]).execute("", 0).sync();
    let row = session.exchange(&counted)[1].columns();
    assert_eq!(row, [Some("300".to_owned())], "of neon's table");
    let bound = Frames::new().bind("", "wired", &[Some("41")]).execute("", 0).sync();
    assert_eq!(session.exchange(&bound)[1].columns(), [Some("42".to_owned())]);
    // what was set before is still what was SET, not what the session started with
    session.sql("RESET work_mem");
    assert_ne!(session.value("SHOW work_mem"), "7MB");
    let error = session.error("CREATE TABLE here (a int)");
    assert_eq!(error.code(), "42501", "{error}");
    assert!(error.detail().contains("upstream neon"), "{error}");

    session.sql("SET authority.task = 'spanning'");
    assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
    session.sql("INSERT INTO w1 VALUES (50, 'moved')");
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 50"), "moved");
    assert_eq!(session.value("SHOW my.own"), "ä");
    let bound = Frames::new().bind("", "wired", &[Some("1")]).execute("", 0).sync();
    assert_eq!(session.exchange(&bound)[1].columns(), [Some("2".to_owned())]);
    session.sql("PREPARE writes AS INSERT INTO w1 VALUES ($1, 'prepared')");
    session.sql("BEGIN");
    assert_eq!(session.value(WHERE), "neon");
    session.sql("EXECUTE writes (51)");
    session.sql("COMMIT");
    session.sql("DEALLOCATE writes");

    // the task of the startup packet
    session.sql("RESET authority.task");
    assert_eq!(session.value(WHERE), "local");
    session.sql("INSERT INTO w1 VALUES (52, 'here')");
    session.sql("CREATE TABLE here (a int)");
    let rows = "SELECT string_agg(a::text, ',' ORDER BY a) FROM w1";
    assert_eq!(places.cluster.value("local", rows), "1,2,50,51,52");
    assert_eq!(places.cluster.value("neon", "SELECT to_regclass('here') IS NULL"), "t");
    let backends = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'";
    eventually("the places left behind to be left", Duration::from_secs(10), || {
        (places.cluster.value("postgres", backends) == "1").then_some(())
    });
}

#[test]
fn what_is_sent_behind_the_statement_runs_where_it_leads() {
    let places = Places::start(Major::V15);
    let database = |messages: &[Message]| {
        let row = messages.iter().find(|message| message.tag == b'D');
        row.map(|row| row.columns()[0].clone().unwrap())
    };
    let mut session = session(&places, "unit_tests");
    for (task, place) in [
        ("run_verification", "neon"),
        ("unit_tests", "local"),
        ("spanning", "neon"),
        ("unit_tests", "local"),
        ("run_verification", "neon"),
        ("spanning", "neon"),
    ] {
        let set = format!("SET authority.task = '{task}'");
        session.send(&Frames::new().query(&set).query(WHERE)).unwrap();
        assert_eq!(database(&session.receive_until(b'Z')), None);
        assert_eq!(database(&session.receive_until(b'Z')).as_deref(), Some(place), "{task}");
    }
    for (task, place) in
        [("unit_tests", "local"), ("spanning", "neon"), ("run_verification", "neon")]
    {
        let set = format!("SET authority.task = '{task}'");
        let pipeline = Frames::new().run(&set, &[]).sync().run(WHERE, &[]).sync();
        session.send(&pipeline).unwrap();
        assert_eq!(database(&session.receive_until(b'Z')), None);
        assert_eq!(database(&session.receive_until(b'Z')).as_deref(), Some(place), "{task}");
        let configured = "SELECT set_config('authority.task', 'spanning', false)";
        session.send(&Frames::new().query(configured).query("DELETE FROM r1")).unwrap();
        session.receive_until(b'Z');
        session.receive_until(b'Z');
    }
    // a write that follows the task is never where it was before
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM r1"), "3");
    // before the Sync it is the same transaction, in the same place, or nothing
    let shared = |task: &str| {
        Frames::new().run(&format!("SET authority.task = '{task}'"), &[]).run(WHERE, &[]).sync()
    };
    for place in ["neon", "local"] {
        assert_eq!(session.value(WHERE), place);
        for task in ["schema_experiments", "run_verification"] {
            let messages = session.exchange(&shared(task));
            assert_eq!(database(&messages), None, "{task}");
            let refused = messages.iter().find(|message| message.tag == b'E').unwrap().fields();
            assert!(refused.detail().contains("rule task.change"), "{refused}");
            assert_eq!(session.value(WHERE), place);
        }
        session.sql("SET authority.task = 'unit_tests'");
    }
}

#[test]
fn what_cannot_come_along_keeps_the_session_where_it_is() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    let set = "SET authority.task = 'run_verification'";
    for (obstacle, remedy, named) in [
        ("CREATE TEMPORARY TABLE own (a int)", "DISCARD TEMP", "temporary relation \"own\""),
        (
            "CREATE FUNCTION pg_temp.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DISCARD TEMP",
            "temporary routine or type \"own\"",
        ),
        ("CREATE DOMAIN pg_temp.own AS int", "DISCARD TEMP", "temporary routine or type \"own\""),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE ALL", "cursor \"c\" WITH HOLD"),
        ("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock_all()", "an advisory lock"),
        ("SET ROLE pg_monitor", "RESET ROLE", "role \"pg_monitor\""),
        (
            "DELETE FROM r1; PREPARE p AS SELECT 1",
            "DEALLOCATE p",
            "prepared statement \"p\" by PREPARE",
        ),
    ] {
        if obstacle.contains("ROLE") {
            places.cluster.sql("postgres", "GRANT pg_monitor TO app");
        }
        session.sql(obstacle);
        let error = session.error(set);
        assert_eq!(error.code(), "25001", "{error}");
        assert!(error.message().contains(named), "{error}");
        assert!(error.detail().contains("rule task.change, upstream local"), "{error}");
        assert_eq!(session.value("SHOW authority.task"), "unit_tests");
        assert_eq!(session.value(WHERE), "local");
        session.sql(remedy);
    }
    let blocked = places.proxy.events("statement_blocked");
    assert_eq!(blocked.len(), 7);
    assert_eq!(blocked[0]["rule"], "task.change");
    assert_eq!(blocked[0]["upstream"], "local");
    session.sql("BEGIN");
    assert!(session.error(set).message().contains("inside a transaction"));
    session.sql("ROLLBACK");
    assert!(session.error("SET LOCAL authority.task = 'spanning'").message().contains("SET LOCAL"));
    // what the session asserts, it asserts of every place
    session.sql("SET authority.expect_role = 'staging'");
    let error = session.error(set);
    assert!(error.message().contains("expects \"staging\""), "{error}");
    assert_eq!(session.value(WHERE), "local");
    session.sql("RESET authority.expect_role");
    session.sql(set);
    assert_eq!(session.value(WHERE), "neon");
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM r1"), "3", "nothing ran again");

    // and from a session of two legs
    session.sql("SET authority.task = 'spanning'");
    session.sql("CREATE TEMPORARY TABLE own (a int)");
    let error = session.error("SET authority.task = 'unit_tests'");
    assert!(error.message().contains("temporary relation"), "{error}");
    assert_eq!(session.value("SHOW authority.task"), "spanning");
    session.sql("INSERT INTO w1 VALUES (61, 'still local')");
    assert_eq!(session.value(WHERE), "neon");
    session.sql("DISCARD TEMP");
    session.sql("SET authority.task = 'unit_tests'");
    assert_eq!(session.value(WHERE), "local");
}

#[test]
fn a_confirmation_stays_behind() {
    let places = Places::start(Major::V15);
    let login = places
        .proxy
        .login("nova")
        .options("-c authority.task=unit_tests -c authority.confirm_prod_migrations=true");
    let mut session = places.proxy.try_connect(&login).unwrap();
    session.sql("SET authority.confirm_prod_migrations = true; SET authority.ticket = 'OPS-1'");
    session.sql("SET authority.task = 'run_verification'");
    assert_eq!(session.value("SHOW authority.ticket"), "OPS-1");
    let error = session.error("CREATE TABLE here (a int)");
    assert!(error.detail().contains("rule prod."), "{error}");
    session.sql("RESET ALL");
    assert_eq!(session.value(WHERE), "local", "the task of the startup packet is in force again");
    session.sql("SET authority.task = 'run_verification'; ".trim_end_matches("; "));
    session.error("CREATE TABLE here (a int)");
    session.sql("SET authority.confirm_prod_migrations = true");
    session.sql("CREATE TABLE here (a int)");
    assert_eq!(places.cluster.value("neon", "SELECT to_regclass('here') IS NOT NULL"), "t");
}

#[test]
fn a_cancel_request_reaches_the_place_that_a_session_moved_to() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    for task in ["run_verification", "spanning", "unit_tests"] {
        session.sql(&format!("SET authority.task = '{task}'"));
        session.send(&Frames::new().query("SELECT pg_sleep(60)")).unwrap();
        eventually("the statement to run", Duration::from_secs(10), || {
            let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            (places.cluster.value("postgres", sleeps) == "1").then_some(())
        });
        session.cancel().unwrap();
        let messages = session.receive_until(b'Z');
        let error = messages.iter().find(|message| message.tag == b'E').unwrap().fields();
        assert_eq!(error.code(), "57014", "{task}");
    }
}

#[test]
fn a_place_that_cannot_be_reached_is_an_error_and_no_end() {
    let mut apart = Apart::start();
    let login = apart.proxy.login("both").options("-c authority.task=unit_tests");
    let mut session = apart.proxy.try_connect(&login).unwrap();
    session.sql("INSERT INTO w1 VALUES (2, 'b')");
    apart.neon.kill();
    let error = session.error("SET authority.task = 'run_verification'");
    assert!(error.code().starts_with("08"), "{error}");
    assert_eq!(session.value("SHOW authority.task"), "unit_tests");
    session.sql("INSERT INTO w1 VALUES (3, 'c')");
    assert_eq!(apart.local.value("app", "SELECT count(*) FROM w1"), "3");
    apart.neon.start();
    session.sql("SET authority.task = 'run_verification'");
    assert_eq!(session.value("SELECT b FROM r1"), "one");
    // notifications of the new place arrive
    session.sql("LISTEN here");
    apart.neon.sql("app", "NOTIFY here, 'news'");
    let told = session.receive_until(b'A');
    assert!(String::from_utf8_lossy(&told.last().unwrap().body).contains("news"));
}

#[test]
fn where_the_server_authenticates_the_client_it_has_to_connect_again() {
    let cluster = Cluster::builder().start();
    let proxy = Proxy::builder()
        .upstream("neon", super::support::proxy::PROD, &cluster)
        .upstream("local", super::support::proxy::STAGING, &cluster)
        .entry("nova", "auth = \"relay\"\nneon = \"neon\"\nlocal = \"local\"")
        .start();
    let login = Login::new("app", "nova").options("-c authority.task=unit_tests");
    let mut session = proxy.try_connect(&login.password(PASSWORD)).unwrap();
    let error = session.error("SET authority.task = 'run_verification'");
    assert_eq!(error.code(), "25001");
    assert!(error.hint().contains("connect again with options="), "{error}");
    assert_eq!(session.value("SHOW authority.task"), "unit_tests");
    session.sql("SET authority.task = 'integration_tests'");
}
