//! Random scripts give what one database with the tables of both places would give, and the place
//! where sessions read stays as it was.

use super::generator::script;
use super::item::{Item, Session};
use super::places::{Places, written};
use super::random::{Random, scripts};
use super::shrink::shrink;
use super::support::cluster::PASSWORD;
use super::support::transcript::difference;
use super::support::{Cluster, Login, Major, Wire};

/// What a session with one database or with two is told where it differs by intent. What it was told
/// before that is held against the other all the same.
const APART: &[&str] = &[
    // whatever it would share a transaction with may be on either leg
    "a Query in a pipeline without its Sync",
    // one server plans anew
    "cannot change its place",
    // what keeps a session from moving to another task's place
    "rule task.change",
];

/// The same of a session that moves: the values of sequences do not come along.
const LEFT: &str = "is not yet defined in this session";

/// The places, and where scripts run.
struct Ground {
    places: Places,
    /// What there is where sessions read.
    neon: String,
    /// Scripts go to other tasks as well.
    moves: bool,
}

/// A line of a transcript, without what need not be the same: which of two errors tells that there
/// is nothing to run (a portal that has run transaction control is gone, and cannot be run again on one
/// server; a Query that fails leaves its unnamed portal to a failed transaction), and where in its source
/// a server says that a transaction has failed.
pub fn alike(line: &str) -> String {
    const FAILED: &str = "ErrorResponse C=\"25P02\"";
    let unbound = line.contains("C=\"34000\"") || line.contains("cannot be run");
    if unbound || line.contains(FAILED) && line.contains("exec_execute_message") {
        return "   ErrorResponse: nothing to run".into();
    }
    if line.contains(FAILED) { format!("   {FAILED}") } else { line.to_owned() }
}

/// What a script says and leaves behind.
fn run(port: u16, database: &str, items: &[Item], apart: bool, left: &Cluster) -> Vec<String> {
    // a parameter that exists from the start: one that SET LOCAL makes stays behind, empty, on the
    // leg that the transaction reached
    let login = Login::new("app", database).password(PASSWORD).options("-c x.y=start");
    let mut wire = Wire::tcp(port, &login).unwrap();
    let mut session = Session::new(&mut wire, apart);
    session.run(items);
    let mut transcript = session.transcript;
    // what a locking read reads is local, and the session says so once; and what it reads from neon
    // once its temporary namesake is gone
    let other = [
        "the tables that this statement reads are the local ones",
        "this reads from neon",
        // since 17 who has every privilege may do that as well
        "can vacuum it",
    ];
    transcript.retain(|line| !other.iter().any(|said| line.contains(said)));
    transcript.iter_mut().for_each(|line| *line = alike(line));
    drop(wire);
    let database = if database == "both" { "local" } else { database };
    transcript.extend(written(left, database).lines().map(|line| format!("left: {line}")));
    transcript
}

/// For which statements a pipeline is a block depends on the major.
fn warns_by_major(line: &str) -> bool {
    line.contains("NoticeResponse") && line.contains("can only be used in transaction blocks")
}

fn is_report(line: &str) -> bool {
    line.starts_with("   ParameterStatus")
}

/// What is expected of two places of different majors: what either says, and the reports (search_path
/// is one on 18 alone) of the place that reads.
fn either(read: Vec<String>, write: &[String], split: &[String]) -> Vec<String> {
    let mut others = write.iter().filter(|line| !is_report(line));
    let choose = |(index, line): (usize, String)| {
        if is_report(&line) {
            return line;
        }
        let other = others.next().filter(|other| split.get(index) == Some(other));
        other.cloned().unwrap_or(line)
    };
    read.into_iter().enumerate().map(choose).collect()
}

impl Ground {
    fn new(places: Places, moves: bool) -> Ground {
        let neon = places.neon();
        Ground { places, neon, moves }
    }

    fn differs(&mut self, items: &[Item], apart: bool) -> Option<String> {
        let places = &self.places;
        places.fill_written();
        if self.moves {
            places.fill_local_with_both();
        }
        let (read, write) = (&places.cluster, places.local());
        let mut split = run(places.proxy.port, "both", items, apart, write);
        let mut direct = run(read.port(), "whole", items, apart, read);
        if read.major() != write.major() {
            let mut other = run(write.port(), "whole", items, apart, write);
            for transcript in [&mut split, &mut direct, &mut other] {
                transcript.retain(|line| !warns_by_major(line));
            }
            direct = either(direct, &other, &split);
        }
        let neon = places.neon();
        if neon != self.neon {
            places.fill_neon();
            let before = std::mem::replace(&mut self.neon, places.neon());
            return Some(format!("neon has changed:\n{before}\nto\n{neon}"));
        }
        if self.moves {
            // the new place reports all that it has
            for transcript in [&mut split, &mut direct] {
                transcript.retain(|line| !is_report(line));
            }
        }
        let left = if self.moves { &[LEFT][..] } else { &[] };
        let apart = APART.iter().chain(left);
        let until = split.iter().position(|line| apart.clone().any(|why| line.contains(why)));
        if let Some(until) = until {
            split.truncate(until);
            direct.truncate(until);
        }
        difference("split", &direct, &split)
    }
}

fn two_places_answer_as_one(places: Places, moves: bool, count: usize) {
    let mut ground = Ground::new(places, moves);
    let mut faults = Vec::new();
    for seed in scripts(count) {
        let mut random = Random::new(seed);
        let apart = random.chance(40);
        let length = 4 + random.below(30);
        let items = script(&mut random, length, moves);
        let Some(said) = ground.differs(&items, apart) else { continue };
        let (shortest, said) = shrink(items, said, |shorter| ground.differs(shorter, apart));
        faults.push(format!("STATE_SEED={seed} (apart: {apart})\n{shortest:#?}\n{said}"));
        if faults.len() == 3 {
            break;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn two_places_answer_as_one_on_15() {
    two_places_answer_as_one(Places::start(Major::V15), false, 50);
}

#[test]
fn two_places_answer_as_one_on_18() {
    two_places_answer_as_one(Places::start(Major::V18), false, 50);
}

#[test]
fn a_new_place_and_an_old_one_answer_as_one() {
    two_places_answer_as_one(Places::on_two(Major::V18, Major::V15), false, 16);
}

#[test]
fn an_old_place_and_a_new_one_answer_as_one() {
    two_places_answer_as_one(Places::on_two(Major::V15, Major::V18), false, 16);
}

#[test]
fn a_session_that_moves_is_answered_as_one_that_stays() {
    two_places_answer_as_one(Places::start(Major::V15), true, 40);
}
