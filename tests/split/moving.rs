//! Finer points of a session that moves: what is told of a refused move, and what comes along.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::places::Places;
use super::support::process::eventually;
use super::support::wire::{Frames, Message};
use super::support::{Major, Proxy, Wire};

const AWAY: &str = "SET authority.task = 'run_verification'";
const WHERE: &str = "SELECT current_database()";

fn session(places: &Places, options: &str) -> Wire {
    places.proxy.try_connect(&places.proxy.login("nova").options(options)).unwrap()
}

fn row(messages: &[Message]) -> Option<String> {
    let row = messages.iter().find(|message| message.tag == b'D')?;
    row.columns()[0].clone()
}

#[test]
fn a_server_that_lets_nobody_in_says_why_in_its_own_words() {
    let places = Places::start(Major::V15);
    let mut one = session(&places, "-c authority.task=unit_tests");
    let mut both = session(&places, "-c authority.task=spanning");
    places.cluster.sql("postgres", "ALTER DATABASE neon CONNECTION LIMIT 0");
    places.cluster.sql("postgres", "ALTER DATABASE local CONNECTION LIMIT 0");
    let error = one.error(AWAY);
    assert_eq!(error.code(), "53300", "{error}");
    assert!(error.message().contains("too many connections"), "{error}");
    assert!(error.detail().contains("rule upstream.unreachable"), "{error}");
    assert_eq!(one.value(WHERE), "local");
    let blocked = places.proxy.events("statement_blocked");
    assert_eq!(blocked[0]["sqlstate"], "53300");
    // nor has a split session its other leg
    let error = both.error("INSERT INTO w1 VALUES (700)");
    assert_eq!(error.code(), "53300", "{error}");
    places.cluster.sql("postgres", "ALTER DATABASE neon CONNECTION LIMIT -1");
    one.sql(AWAY);
}

#[test]
fn the_event_of_a_refused_move_has_the_statement() {
    let places = Places::start(Major::V15);
    for task in ["unit_tests", "spanning"] {
        let mut session = session(&places, &format!("-c authority.task={task}"));
        session.sql("CREATE TEMPORARY TABLE own (a int)");
        let before = places.proxy.events("statement_blocked").len();
        let text = format!(" /* ä */ {AWAY}");
        session.error(&text);
        let run = session.exchange(&Frames::new().run(AWAY, &[]).sync());
        assert!(run.iter().any(|message| message.tag == b'E'), "{run:?}");
        let call = "SELECT set_config('authority.task', 'run_verification', false)";
        session.error(call);
        let events = places.proxy.events("statement_blocked");
        let [query, run, called] = &events[before..] else { panic!("{events:?}") };
        assert_eq!(query["statement"], "SET authority.task = $1", "{task}");
        assert_eq!((&query["position"], &run["position"]), (&10.into(), &1.into()), "{task}");
        assert_eq!(query["command_tag"], "SET");
        assert_eq!(query["class"], "session");
        assert_eq!(run["statement"], "SET authority.task = $1");
        assert!(called["statement"].as_str().unwrap().contains("set_config($1, $2"), "{called}");
        assert_eq!(called["rule"], "task.change");
    }
}

#[test]
fn a_statement_of_any_name_comes_along() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "-c authority.task=unit_tests");
    let names = ["pgauthority mine", "pgauthority move"];
    for name in names {
        let frames = Frames::new().parse(name, "SELECT current_database()", &[]);
        session.exchange(&frames.sync());
    }
    for (task, place) in
        [("run_verification", "neon"), ("unit_tests", "local"), ("spanning", "neon")]
    {
        session.sql(&format!("SET authority.task = '{task}'"));
        for name in names {
            let bound = session.exchange(&Frames::new().bind("", name, &[]).execute("", 0).sync());
            assert_eq!(row(&bound).as_deref(), Some(place), "{name}: {bound:?}");
        }
    }
}

#[test]
fn a_role_that_the_session_began_with_is_there_as_well() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "-c authority.task=unit_tests -c role=bob");
    let who = "SELECT current_user";
    assert_eq!(session.value(who), "bob");
    for (task, place) in [
        ("run_verification", "neon"),
        ("spanning", "neon"),
        ("unit_tests", "local"),
        ("spanning", "neon"),
    ] {
        session.sql(&format!("SET authority.task = '{task}'"));
        assert_eq!((session.value(WHERE).as_str(), session.value(who).as_str()), (place, "bob"));
    }
    // another one that it has set cannot come along, none neither
    for (role, set) in [("none", "SET ROLE NONE"), ("app", "SET ROLE app")] {
        session.sql(set);
        let error = session.error(AWAY);
        assert!(error.message().contains(&format!("role \"{role}\"")), "{error}");
        assert!(error.hint().contains("RESET ROLE first"), "{error}");
        assert_eq!(session.value(who), "app");
        session.sql("RESET ROLE");
        assert_eq!(session.value(who), "bob");
    }
    session.sql(AWAY);
    assert_eq!(session.value(WHERE), "neon");
}

/// A session on its way to where nobody answers; it is there once this returns.
fn on_its_way(listener: &TcpListener, proxy: &Proxy) -> (Wire, TcpStream) {
    let login = proxy.login("nova").options("-c authority.task=unit_tests");
    let mut session = proxy.try_connect(&login).unwrap();
    session.sql("SET work_mem = '7MB'");
    session.send(&Frames::new().query(AWAY)).unwrap();
    (session, listener.accept().unwrap().0)
}

fn error_code(messages: &[Message]) -> String {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.map(|error| error.fields().code().to_owned()).unwrap_or_default()
}

#[test]
fn a_cancel_request_ends_a_move_under_way() {
    let places = Places::start(Major::V15);
    let (listener, proxy) = places.silent("neon", "");
    let (mut session, there) = on_its_way(&listener, &proxy);
    let began = Instant::now();
    session.cancel().unwrap();
    assert_eq!(error_code(&session.receive_until(b'Z')), "57014");
    assert!(began.elapsed() < Duration::from_secs(10));
    drop(there);
    assert_eq!(session.value("SHOW authority.task"), "unit_tests");
    assert_eq!(session.value("SHOW work_mem"), "7MB");
    assert_eq!(session.value(WHERE), "local");
    // and what it runs then can be cancelled
    session.send(&Frames::new().query("SELECT pg_sleep(60)")).unwrap();
    eventually("the statement to run", Duration::from_secs(10), || {
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        (places.cluster.value("postgres", sleeps) == "1").then_some(())
    });
    session.cancel().unwrap();
    assert_eq!(error_code(&session.receive_until(b'Z')), "57014");
}

#[test]
fn it_ends_the_question_of_what_the_session_has_too() {
    let places = Places::start(Major::V15);
    for task in ["unit_tests", "spanning"] {
        let mut session = session(&places, &format!("-c authority.task={task}"));
        session.sql("INSERT INTO w1 VALUES (800); DELETE FROM w1 WHERE a = 800");
        let mut other = places.cluster.connect("local");
        other.sql("BEGIN");
        other.sql("LOCK TABLE pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE");
        session.send(&Frames::new().query("SET authority.task = 'run_verification'")).unwrap();
        eventually("the question to wait", Duration::from_secs(10), || {
            let waits = "SELECT count(*) FROM pg_stat_activity \
                         WHERE wait_event_type = 'Lock' AND usename = 'app'";
            (places.cluster.value("postgres", waits) == "1").then_some(())
        });
        session.cancel().unwrap();
        assert_eq!(error_code(&session.receive_until(b'Z')), "57014", "{task}");
        other.sql("ROLLBACK");
        assert_eq!(session.value("SHOW authority.task"), task);
        session.sql(AWAY);
        assert_eq!(session.value(WHERE), "neon");
    }
}

#[test]
fn the_proxys_end_does_not_wait_for_a_move_under_way() {
    let places = Places::start(Major::V15);
    let (listener, mut proxy) = places.silent("neon", "");
    let (mut session, _there) = on_its_way(&listener, &proxy);
    let began = Instant::now();
    proxy.terminate();
    assert_eq!(error_code(&session.receive_until(b'E')), "57P01");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
