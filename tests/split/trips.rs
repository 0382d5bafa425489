//! Round trips between the proxy and the servers, statement by statement: in a split session beside a
//! session that reads and writes in one place. `docs/split-sessions.md` has the table.

use super::support::wire::Frames;
use super::support::{Major, Wire};
use super::tapped::Tapped;

const READ: &str = "SELECT b FROM r1 ORDER BY a";
const WRITE: &str = "UPDATE w1 SET b = 'trip' WHERE a = 1";
/// Calls of routines: one that reads, one that writes.
const LOOK: &str = "SELECT look(2)";
const NOTE: &str = "SELECT note('trip')";

fn query(text: &str) -> Frames {
    Frames::new().query(text)
}

/// As drivers send a statement: Parse, Bind, Describe, Execute.
fn part(frames: Frames, text: &str) -> Frames {
    frames.parse("", text, &[]).bind("", "", &[]).describe_portal("").execute("", 0)
}

fn extended(texts: &[&str]) -> Frames {
    texts.iter().fold(Frames::new(), |frames, text| part(frames, text)).sync()
}

/// A row: what is sent, step by step, and what each costs in one place and in two.
struct Row {
    what: &'static str,
    steps: Vec<Frames>,
    pinned: &'static [usize],
    split: &'static [usize],
}

fn row(
    what: &'static str,
    steps: Vec<Frames>,
    pinned: &'static [usize],
    split: &'static [usize],
) -> Row {
    Row { what, steps, pinned, split }
}

fn rows() -> Vec<Row> {
    let simple = |texts: &[&str]| texts.iter().map(|text| query(text)).collect::<Vec<_>>();
    let single = |texts: &[&str]| texts.iter().map(|text| extended(&[text])).collect::<Vec<_>>();
    let named = |name: &str| Frames::new().bind("", name, &[]).execute("", 0).sync();
    let prepared = Frames::new().parse("reading", READ, &[]).parse("begin", "BEGIN", &[]);
    let prepared = prepared.parse("writing", WRITE, &[]).sync();
    let led = |name: &str| {
        let begin = Frames::new().bind("", "begin", &[]).execute("", 0);
        begin.bind("", name, &[]).execute("", 0).sync()
    };
    let both = format!("{READ}; {WRITE}");
    vec![
        row("read", simple(&[READ]), &[1], &[1]),
        row("write", simple(&[WRITE]), &[1], &[1]),
        row("read, extended", single(&[READ]), &[1], &[1]),
        row("write, extended", single(&[WRITE]), &[1], &[1]),
        row(
            "prepared",
            vec![
                prepared,
                named("reading"),
                named("writing"),
                led("reading"),
                query("COMMIT"),
                led("writing"),
                query("COMMIT"),
                query("DEALLOCATE ALL"),
            ],
            &[1, 1, 1, 1, 1, 1, 1, 1],
            &[4, 1, 1, 1, 1, 1, 1, 2],
        ),
        row(
            "block of reads",
            simple(&["BEGIN", READ, READ, "COMMIT"]),
            &[1, 1, 1, 1],
            &[0, 2, 1, 1],
        ),
        row(
            "block of both",
            simple(&["BEGIN", READ, WRITE, READ, WRITE, "COMMIT"]),
            &[1, 1, 1, 1, 1, 1],
            &[0, 2, 2, 1, 1, 2],
        ),
        row(
            "block of both, extended",
            single(&["BEGIN", READ, WRITE, READ, WRITE, "COMMIT"]),
            &[1, 1, 1, 1, 1, 1],
            &[1, 1, 1, 1, 1, 5],
        ),
        row(
            "BEGIN with a read in one pipeline",
            vec![extended(&["BEGIN", READ]), extended(&[READ]), extended(&["COMMIT"])],
            &[1, 1, 1],
            &[1, 1, 3],
        ),
        row(
            "BEGIN with a write in one pipeline",
            vec![extended(&["BEGIN", WRITE]), extended(&[WRITE]), extended(&["COMMIT"])],
            &[1, 1, 1],
            &[1, 1, 3],
        ),
        row(
            "a whole block of reads in one pipeline",
            vec![extended(&["BEGIN", READ, READ, "COMMIT"])],
            &[1],
            &[3],
        ),
        row("reads and a write in one pipeline", vec![extended(&[READ, READ, WRITE])], &[1], &[4]),
        row("SET", simple(&["SET work_mem = '5MB'"]), &[1], &[3]),
        row("a string for both", vec![query(&both)], &[1], &[6]),
        row("calls", simple(&[LOOK, NOTE, LOOK, READ, READ]), &[1; 5], &[1, 1, 1, 2, 1]),
        row("calls, extended", single(&[LOOK, NOTE, LOOK, READ, READ]), &[1; 5], &[1, 1, 1, 2, 1]),
        row(
            "block of calls",
            simple(&["BEGIN", LOOK, NOTE, LOOK, NOTE, "COMMIT"]),
            &[1; 6],
            &[0, 2, 2, 1, 1, 2],
        ),
        row(
            "block of calls, extended",
            single(&["BEGIN", LOOK, NOTE, LOOK, NOTE, "COMMIT"]),
            &[1; 6],
            &[1, 2, 1, 1, 1, 5],
        ),
        row(
            "BEGIN by itself, and calls, extended",
            vec![query("BEGIN"), extended(&[LOOK]), extended(&[LOOK]), query("COMMIT")],
            &[1; 4],
            &[0, 2, 1, 1],
        ),
        row(
            "reads behind DDL",
            simple(&["CREATE TEMP TABLE IF NOT EXISTS own (a int)", READ, READ]),
            &[1, 1, 1],
            &[1, 2, 1],
        ),
    ]
}

/// Trips for each step, and the messages that make them up.
fn count(tapped: &Tapped, wire: &mut Wire, steps: &[Frames]) -> (Vec<usize>, String) {
    let mut counts = Vec::new();
    let mut shown = String::new();
    for frames in steps {
        let _ = (tapped.read.trips(), tapped.write.trips());
        let messages = wire.exchange(frames);
        assert!(messages.iter().all(|message| message.tag != b'E'), "{messages:?}");
        let [read, write] = [tapped.read.trips(), tapped.write.trips()];
        counts.push(read.0 + write.0);
        shown += &format!("\n    {} {} | {}", frames.labels.join(", "), read.1, write.1);
    }
    (counts, shown)
}

fn costs_no_more_round_trips_than_it_may(major: Major) {
    let tapped = Tapped::start(major);
    // the tables of both are on the write leg's server: what one place costs
    for tap in [&tapped.read, &tapped.write] {
        tap.arm(None);
    }
    let mut one = tapped.proxy.connect("writing");
    let mut two = tapped.proxy.connect("both");
    for session in [&mut one, &mut two] {
        for text in [READ, WRITE, LOOK, NOTE] {
            session.sql(text);
        }
    }
    let mut wrong = Vec::new();
    for Row { what, steps, pinned, split } in rows() {
        for (session, expected) in [(&mut one, pinned), (&mut two, split)] {
            // a look at the catalog comes on top now and then: not twice in a row
            let (mut counts, mut shown) = (Vec::new(), String::new());
            for _ in 0..2 {
                (counts, shown) = count(&tapped, session, &steps);
                if counts == expected {
                    break;
                }
            }
            if counts != expected {
                wrong.push(format!("{what}: {counts:?} instead of {expected:?}{shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_split_session_costs_no_more_round_trips_than_it_may_on_15() {
    costs_no_more_round_trips_than_it_may(Major::V15);
}

#[test]
fn a_split_session_costs_no_more_round_trips_than_it_may_on_18() {
    costs_no_more_round_trips_than_it_may(Major::V18);
}
