//! Random scripts give what one database with the tables of both places would give, and the place
//! where sessions read stays as it was.

use super::generator::script;
use super::item::{Item, Session};
use super::places::Places;
use super::random::{Random, scripts};
use super::shrink::shrink;
use super::support::cluster::PASSWORD;
use super::support::transcript::difference;
use super::support::{Login, Major, Wire};

/// What a script says and leaves behind.
fn run(places: &Places, split: bool, items: &[Item], apart: bool) -> Vec<String> {
    let (port, database) = match split {
        true => (places.proxy.port, "both"),
        false => (places.cluster.port(), "whole"),
    };
    // a parameter that exists from the start: one that SET LOCAL makes stays behind, empty, on the
    // leg that the transaction reached
    let login = Login::new("app", database).password(PASSWORD).options("-c x.y=start");
    let mut wire = Wire::tcp(port, &login).unwrap();
    let mut session = Session::new(&mut wire, apart);
    session.run(items);
    let mut transcript = session.transcript;
    // what a locking read reads is local, and the session says so once; and what it reads from neon
    // once its temporary namesake is gone
    for said in ["the tables that this statement reads are the local ones", "this reads from neon"]
    {
        transcript.retain(|line| !line.contains(said));
    }
    // a portal that has run transaction control is gone, and cannot be run again on one server
    for line in &mut transcript {
        if line.contains("C=\"34000\"") || line.contains("cannot be run") {
            *line = "   ErrorResponse: nothing to run".into();
        }
    }
    drop(wire);
    let left = places.written(if split { "local" } else { "whole" });
    transcript.extend(left.lines().map(|line| format!("left: {line}")));
    transcript
}

fn differs(places: &Places, items: &[Item], apart: bool) -> Option<String> {
    places.fill();
    let before = places.contents("neon");
    let direct = run(places, false, items, apart);
    let split = run(places, true, items, apart);
    let difference = difference("split", &direct, &split);
    let after = places.contents("neon");
    // whatever it would share a transaction with may be on either leg; and one server plans anew
    let other = ["a Query in a pipeline without its Sync", "cannot change its place"];
    if split.iter().any(|line| other.iter().any(|why| line.contains(why))) {
        return None;
    }
    match before == after {
        true => difference,
        false => Some(format!("neon has changed:\n{before}\nto\n{after}")),
    }
}

fn two_places_answer_as_one(major: Major) {
    let places = Places::start(major);
    let mut faults = Vec::new();
    for seed in scripts(60) {
        let mut random = Random::new(seed);
        let apart = random.chance(40);
        let length = 4 + random.below(30);
        let items = script(&mut random, length);
        let Some(said) = differs(&places, &items, apart) else { continue };
        let (shortest, said) = shrink(items, said, |shorter| differs(&places, shorter, apart));
        faults.push(format!("STATE_SEED={seed} (apart: {apart})\n{shortest:#?}\n{said}"));
        if faults.len() == 3 {
            break;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn two_places_answer_as_one_on_15() {
    two_places_answer_as_one(Major::V15);
}

#[test]
fn two_places_answer_as_one_on_18() {
    two_places_answer_as_one(Major::V18);
}
