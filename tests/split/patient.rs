//! Clients that are slow, and clients that send much: nothing is lost meanwhile, and nobody waits for them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Major, Message, Wire};

/// Longer than the timeouts of [`short`] allow a session to be idle.
const PAUSE: Duration = Duration::from_millis(4_500);

fn short(session: &mut Wire) {
    session.sql("SET idle_in_transaction_session_timeout = '2500ms'");
    session.sql("SET idle_session_timeout = '2500ms'");
}

fn codes(messages: &[Message]) -> Vec<String> {
    let errors = messages.iter().filter(|message| message.tag == b'E');
    errors.map(|message| message.fields().code().to_owned()).collect()
}

fn count(places: &Places, which: &str) -> String {
    places.cluster.value("local", &format!("SELECT count(*) FROM w1 WHERE {which}"))
}

#[test]
fn a_slow_copy_keeps_the_other_leg_awake() {
    let places = Places::start(Major::V15);
    for (at, extended) in [(200, false), (300, true)] {
        let mut session = places.session();
        short(&mut session);
        session.sql("BEGIN");
        session.value("SELECT b FROM r1 WHERE a = 1");
        session.sql("UPDATE w1 SET b = 'z' WHERE a = 1");
        let copy = "COPY w1 FROM STDIN";
        let asks = match extended {
            true => Frames::new().run(copy, &[]).flush(),
            false => Frames::new().query(copy),
        };
        session.send(&asks).unwrap();
        session.receive_until(b'G');
        // between messages, and within one
        session.send(&Frames::new().copy_data(format!("{at}\tx\n").as_bytes())).unwrap();
        sleep(PAUSE);
        let row = format!("{}\tx\n", at + 1);
        let more = Frames::new().copy_data(row.as_bytes());
        session.send_bytes(&more.bytes[..7]).unwrap();
        sleep(PAUSE);
        session.send_bytes(&more.bytes[7..]).unwrap();
        let done = Frames::new().copy_done();
        let answers = session.exchange(&if extended { done.sync() } else { done });
        assert_eq!(codes(&answers), [""; 0], "{extended}");
        assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
        session.sql("COMMIT");
        assert_eq!(count(&places, &format!("a IN ({at}, {})", at + 1)), "2");
    }
}

#[test]
fn a_client_that_is_slow_to_read_leaves_no_leg_idle() {
    let places = Places::start(Major::V15);
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 60000)";
    let copy = format!("COPY ({rows}) TO STDOUT");
    let returning = "INSERT INTO w1 SELECT 1000 + n, repeat('x', 1000) \
                     FROM generate_series(1, 60000) AS n RETURNING b";
    for (at, text) in [(400, rows), (401, &copy), (402, returning)] {
        let mut session = places.session();
        short(&mut session);
        session.sql("BEGIN");
        session.sql(&format!("INSERT INTO w1 VALUES ({at})"));
        session.value("SELECT b FROM r1 WHERE a = 1");
        session.send(&Frames::new().query(text)).unwrap();
        sleep(PAUSE);
        let answers = session.receive_until(b'Z');
        assert_eq!(codes(&answers), [""; 0], "{text}");
        let rows = answers.iter().filter(|message| b"Dd".contains(&message.tag)).count();
        assert_eq!(rows, 60_000, "{text}");
        // either leg is there
        assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one", "{text}");
        session.sql(&format!("UPDATE w1 SET b = 'z' WHERE a = {at}"));
        session.sql("COMMIT");
        assert_eq!(count(&places, &format!("a = {at} AND b = 'z'")), "1", "{text}");
    }
}

/// As a driver does that sets one before each statement, so that an error can be undone.
#[test]
fn a_transaction_may_have_many_savepoints() {
    let places = Places::start(Major::V15);
    let save = |at: usize, extended: bool| match (at % 2, extended) {
        (_, true) => Frames::new().run("SAVEPOINT autosave", &[]).sync(),
        (0, _) => Frames::new().query("SAVEPOINT autosave"),
        _ => Frames::new().query("SAVEPOINT \"autosave\""),
    };
    // the read leg takes part from the beginning, or comes late, or not at all
    for (reads, extended) in [(Some(0), false), (Some(11_999), true), (None, false)] {
        let mut session = places.session();
        session.sql("BEGIN");
        let started = Instant::now();
        for first in (0..12_000).step_by(100) {
            let mut sent = Frames::new();
            for at in first..first + 100 {
                let text = match reads {
                    Some(then) if then == at => "SELECT b FROM r1 WHERE a = 1".to_owned(),
                    // the versions of a row would cost the server a square
                    _ => format!("INSERT INTO w1 SELECT {at} WHERE {at} % 1000 = 998"),
                };
                sent.bytes.extend(save(at, extended).bytes);
                sent.bytes.extend(match extended {
                    true => Frames::new().run(&text, &[]).sync().bytes,
                    false => Frames::new().query(&text).bytes,
                });
            }
            session.send(&sent).unwrap();
            for _ in 0..200 {
                assert_eq!(codes(&session.receive_until(b'Z')), [""; 0], "{reads:?}, {first}");
            }
        }
        println!("{reads:?}, extended {extended}: {:?}", started.elapsed());
        assert_eq!(session.error("SELECT nope FROM r1").code(), "42703");
        session.sql("ROLLBACK TO autosave");
        for _ in 0..3 {
            session.sql("RELEASE autosave");
        }
        session.sql("COMMIT");
        assert_eq!(count(&places, "a % 1000 = 998"), "12");
        places.fill_written();
    }
}

#[test]
fn savepoints_that_cannot_be_kept_are_an_error_of_their_own() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("BEGIN");
    session.sql("UPDATE w1 SET b = 'z' WHERE a = 1");
    session.sql("SAVEPOINT first");
    let long = format!("SAVEPOINT last -- {}", "x".repeat(5 << 20));
    let error = session.error(&long);
    assert_eq!(error.code(), "0A000");
    assert!(error.message().contains("no more savepoints can be kept"), "{error}");
    assert_eq!(session.status(), 'E');
    session.sql("ROLLBACK TO first");
    session.sql("COMMIT");
    assert_eq!(count(&places, "b = 'z'"), "1");
}

/// Nobody else on the worker is served while it is at it.
#[test]
fn a_pipeline_of_begins_costs_no_square() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.value("SELECT b FROM r1 WHERE a = 1");
    // the session reads as much at once as it once had to
    session.sql(&format!("SELECT length('{}')", "x".repeat(2_000_000)));
    let mut sent = Frames::new();
    for _ in 0..20_000 {
        sent = sent.raw(b'P', b"\0BEGIN\0\0\0");
    }
    let sent = sent.sync();
    let started = Instant::now();
    let answers = session.exchange(&sent);
    assert_eq!(answers.iter().filter(|message| message.tag == b'1').count(), 20_000);
    let taken = started.elapsed();
    println!("20,000 BEGINs: {taken:?}");
    assert!(taken < Duration::from_secs(12), "{taken:?}");
}

#[test]
fn a_parted_string_costs_no_square() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let long = "é".repeat(2_000_000);
    let text = format!(
        "SELECT '{long}' IS NULL FROM r1; {}DELETE FROM w1 WHERE a = 99; SELECT nope",
        "SELECT 1; ".repeat(1_500)
    );
    let started = Instant::now();
    let error = session.error(&text);
    let taken = started.elapsed();
    println!("1,500 parts: {taken:?}");
    assert_eq!(error.code(), "42703");
    let at = text.chars().count() - "nope".len() + 1;
    assert_eq!(error.get('P'), at.to_string());
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn several_statements_in_one_parse_are_the_servers_error() {
    let places = Places::start(Major::V15);
    let texts = ["SELECT 1; SELECT 2", "DELETE FROM w1; SELECT 1", "SELECT 1; CREATE TABLE w9 ()"];
    for text in texts {
        for before in [&[][..], &["BEGIN"], &["BEGIN", "SELECT b FROM r1"]] {
            let mut session = places.session();
            before.iter().for_each(|text| drop(session.sql(text)));
            let answers = session.exchange(&Frames::new().parse("", text, &[]).sync());
            assert_eq!(codes(&answers), ["42601"], "{before:?}; {text}");
            let status = if before.is_empty() { 'I' } else { 'E' };
            assert_eq!(session.status(), status);
        }
    }
}
