//! What one of the places does not take: an error like any other, and the session goes on.

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Major, Wire};
use super::told::codes;

const WRITE: &str = "DELETE FROM w1 WHERE false";
const READ: &str = "SELECT current_user || ' ' || current_setting('transaction_timeout')";
const PLAIN: &str = "app 0";

/// What the place that writes, of an older version, does not take, and how it is set back.
const SETS: [(&str, &str, &str); 3] = [
    ("SET transaction_timeout = '1h'", "transaction_timeout", "RESET transaction_timeout"),
    ("SELECT set_config('transaction_timeout', '1h', false)", "transaction_timeout", "RESET ALL"),
    ("SET ROLE onlyneon", "onlyneon", "RESET ROLE"),
];

fn places() -> Places {
    let places = Places::on_two(Major::V18, Major::V15);
    places.cluster.sql("postgres", "CREATE ROLE onlyneon; GRANT onlyneon TO app");
    places
}

fn goes_on(session: &mut Wire) {
    assert_eq!(session.status(), 'I');
    assert_eq!(session.value(READ), PLAIN);
    session.sql(WRITE);
}

#[test]
fn what_the_other_leg_does_not_take_is_set_nowhere() {
    let places = places();
    for (text, what, _) in SETS {
        let mut session = places.session();
        session.sql(WRITE);
        let error = session.error(text);
        assert!(error.message().contains(what), "{text}: {error}");
        goes_on(&mut session);
        let answers = session.exchange(&Frames::new().run(text, &[]).sync());
        assert_eq!(codes(&answers).len(), 1, "{text}: {answers:?}");
        goes_on(&mut session);
        for in_pipeline in [false, true] {
            session.sql("BEGIN");
            session.sql(WRITE);
            session.sql(READ);
            match in_pipeline {
                true => {
                    let answers = session.exchange(&Frames::new().run(text, &[]).sync());
                    assert_eq!(codes(&answers).len(), 1, "{text}: {answers:?}");
                }
                false => assert!(session.error(text).message().contains(what), "{text}"),
            }
            assert_eq!(session.status(), 'E');
            session.sql("ROLLBACK");
            goes_on(&mut session);
        }
        let error = session.error(&format!("{READ}; {text}; {WRITE}"));
        assert!(error.message().contains(what), "{text}: {error}");
        goes_on(&mut session);
    }
    // where that is written is told of the client's own text
    let mut session = places.session();
    session.sql(WRITE);
    places.cluster.sql("neon", "CREATE TYPE mine AS ENUM ('here')");
    let error = session.error("SELECT set_config('x.y', 'here'::mine::text, false)");
    assert_eq!((error.code(), error.get('P')), ("42704", "34"), "{error}");
}

#[test]
fn a_leg_that_comes_later_fails_what_needs_it_and_not_the_session() {
    let places = places();
    for (text, what, back) in SETS {
        for extended in [false, true] {
            let frames = |text: &str| match extended {
                true => Frames::new().run(text, &[]).sync(),
                false => Frames::new().query(text),
            };
            let mut session = places.session();
            assert_eq!(codes(&session.exchange(&frames(text))), [""; 0], "{text}");
            for first in ["SELECT 1", "BEGIN", "SELECT 1"] {
                session.sql(first);
                session.sql(READ);
                let answers = session.exchange(&frames(WRITE));
                let error = answers.iter().find(|message| message.tag == b'E').unwrap().fields();
                assert_eq!(error.get('S'), "ERROR", "{error}");
                assert!(error.message().contains(what), "{text}: {error}");
                assert!(error.detail().contains(text), "{text}: {error}");
                if session.status() != 'I' {
                    session.sql("ROLLBACK");
                }
                session.sql(READ);
            }
            assert_eq!(codes(&session.exchange(&frames(back))), [""; 0], "{back}");
            goes_on(&mut session);
            assert_eq!(codes(&session.exchange(&frames("SET work_mem = '7MB'"))), [""; 0]);
            let shown = "INSERT INTO w1 VALUES (90, current_setting('work_mem')) RETURNING b";
            assert_eq!(session.value(shown), "7MB");
            session.sql("DELETE FROM w1 WHERE a = 90");
        }
    }
    // so does DISCARD ALL
    let mut session = places.session();
    session.sql("SET ROLE onlyneon");
    session.error(WRITE);
    session.sql("DISCARD ALL");
    goes_on(&mut session);
}
