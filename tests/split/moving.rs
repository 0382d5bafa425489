//! Finer points of a session that moves: what is told of a refused move, and what comes along.

use super::places::Places;
use super::support::wire::{Frames, Message};
use super::support::{Major, Wire};

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
