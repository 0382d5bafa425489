//! A Query behind messages that have no Sync: behind what is only prepared it is answered as on one
//! server (asyncpg's BEGIN and COPY come like that), behind what has been bound it is refused.

use super::places::Places;
use super::support::transcript::{difference, render};
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};

const READ: &str = "SELECT b FROM r1 ORDER BY a";
const WRITE: &str = "INSERT INTO w1 VALUES (40, 'new') RETURNING a";

/// What comes without a Sync.
fn prepared() -> Vec<Frames> {
    let new = Frames::new;
    vec![
        new().parse("p", READ, &[]).describe_statement("p").flush(),
        new().parse("p", READ, &[]).describe_statement("p"),
        new().parse("p", WRITE, &[]).describe_statement("p").flush(),
        new().parse("p", READ, &[]).parse("q", WRITE, &[]).flush(),
        new().parse("p", "BEGIN", &[]).flush(),
        new().parse("q", READ, &[]).close_statement("q").parse("p", WRITE, &[]),
    ]
}

const QUERIES: [&str; 8] = [
    "BEGIN",
    "UPDATE w1 SET b = 'z' WHERE a = 1",
    "SELECT b FROM r1 WHERE a = 1; UPDATE w1 SET b = 'y' WHERE a = 1",
    "SELECT 1 / 0",
    "SET application_name = 'q'",
    "COMMIT",
    "SAVEPOINT s",
    "",
];

fn hear(wire: &mut Wire, frames: &Frames, seen: &mut Vec<String>) {
    wire.send(frames).unwrap();
    loop {
        let message = wire.receive().unwrap();
        let other = ["this reads from neon", "ParameterStatus"];
        let line = render(&message).filter(|line| !other.iter().any(|word| line.contains(word)));
        // which routine of the server says so depends on what it was asked
        seen.extend(line.map(|line| match line.contains("25P02") {
            true => "25P02".to_owned(),
            false => line,
        }));
        if message.tag == b'Z' {
            return;
        }
    }
}

fn run(places: &Places, split: bool, first: &[&str], frames: &Frames, query: &str) -> Vec<String> {
    places.fill();
    let (port, database, left) = match split {
        true => (places.proxy.port, "both", "local"),
        false => (places.cluster.port(), "whole", "whole"),
    };
    let login = Login::new("app", database).password(super::support::cluster::PASSWORD);
    let mut wire = Wire::tcp(port, &login).unwrap();
    let mut seen = Vec::new();
    for text in first {
        hear(&mut wire, &Frames::new().query(text), &mut seen);
    }
    let message = Frames::new().query(query);
    let all = Frames {
        bytes: [frames.bytes.clone(), message.bytes].concat(),
        labels: [frames.labels.clone(), message.labels].concat(),
    };
    hear(&mut wire, &all, &mut seen);
    hear(&mut wire, &Frames::new().bind("", "p", &[]).execute("", 0).sync(), &mut seen);
    hear(&mut wire, &Frames::new().query("ROLLBACK"), &mut seen);
    drop(wire);
    seen.push(places.written(left));
    seen
}

#[test]
fn a_query_behind_what_is_only_prepared_is_answered() {
    let places = Places::start(Major::V15);
    let mut faults = Vec::new();
    for first in [&[][..], &["BEGIN", "UPDATE w1 SET b = 'x' WHERE a = 2", READ]] {
        for frames in prepared() {
            for query in QUERIES {
                let direct = run(&places, false, first, &frames, query);
                let split = run(&places, true, first, &frames, query);
                if let Some(fault) = difference("split", &direct, &split) {
                    faults.push(format!("{first:?}, {:?}, {query:?}\n{fault}", frames.labels));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM w1"), "0");
}

#[test]
fn a_query_behind_what_is_bound_is_refused() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.exchange(&Frames::new().parse("p", WRITE, &[]).parse("r", READ, &[]).sync());
    for name in ["p", "r"] {
        let bound = Frames::new().bind("", name, &[]).query("SELECT 1");
        let ran = Frames::new().bind("", name, &[]).execute("", 0).query("SELECT 1");
        for frames in [bound, ran] {
            let messages = session.exchange(&frames);
            let error = messages.iter().find(|message| message.tag == b'E').unwrap();
            assert_eq!(error.fields().code(), "0A000", "{:?}", frames.labels);
        }
    }
    session.exchange(&Frames::new().parse("again", READ, &[]).query("SELECT 1"));
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "2");
}

#[test]
fn a_name_that_a_parse_failed_to_take_is_the_next_ones() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    for (name, text) in [("", READ), ("", WRITE), ("own", READ)] {
        // the second is under way before the first has failed
        let failing = Frames::new().parse(name, "SELECT nope FROM r1", &[]).sync();
        session.send(&failing.parse(name, text, &[]).sync()).unwrap();
        let said = [session.receive_until(b'Z'), session.receive_until(b'Z')];
        let kinds = said.map(|messages| messages[0].tag);
        assert_eq!(kinds, *b"E1", "{name}");
        let ran = Frames::new().describe_statement(name).bind("", name, &[]).execute("", 0).sync();
        let messages = session.exchange(&ran);
        assert!(messages.iter().any(|message| message.tag == b'D'), "{name}, {text}: {messages:?}");
    }
}
