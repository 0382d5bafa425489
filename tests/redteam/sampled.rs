//! A sample of all attacks on the servers that the others do not run on: what their grammar, their
//! built-ins and their way with pipelines change must open no way round either. Which ones goes round
//! with the days; `REDTEAM_TURN` says another turn, and `make redteam` carries out all of them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::attack::{Attack, assault, assault_behind_changes};
use super::ground::Ground;
use super::support::Major;
use super::{
    confirming, doors, encodings, hidden, lexing, messages, migrations, newest, read_only,
    replaced, statements,
};

/// Every table of attacks.
const TABLES: &[&[Attack]] = &[
    confirming::ATTACKS,
    doors::ATTACKS,
    encodings::ATTACKS.as_flattened(),
    encodings::BY_CODE,
    hidden::CALLS,
    hidden::SHADOWED,
    lexing::ATTACKS,
    messages::ATTACKS,
    migrations::ATTACKS,
    newest::ATTACKS,
    read_only::ATTACKS,
    read_only::SET,
    replaced::LITERALS,
    statements::DATA,
    statements::STRONGER,
];

/// Of how many attacks one is taken: in as many days each server sees all of them.
const ONE_OF: usize = 9;

/// The turn that it is: a day's, or what `REDTEAM_TURN` says.
fn turn() -> usize {
    std::env::var("REDTEAM_TURN").map_or_else(
        |_| {
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            usize::try_from(seconds / 86_400).unwrap()
        },
        |turn| turn.parse().unwrap(),
    )
}

fn sample(attacks: impl Iterator<Item = Attack>, turn: usize) -> Vec<Attack> {
    attacks.skip(turn % ONE_OF).step_by(ONE_OF).collect()
}

/// `later` sets the servers apart, so that a day sees three ninths.
fn sampled(major: Major, later: usize) {
    if std::env::var_os("REDTEAM_MAJOR").is_some() {
        return;
    }
    let turn = turn() + later;
    eprintln!("PostgreSQL {major:?}: REDTEAM_TURN={}", turn - later);
    let mut ground = Ground::on(major);
    let attacks = sample(TABLES.iter().copied().flatten().copied(), turn);
    assert!(attacks.len() > 50, "{}", attacks.len());
    assault(&mut ground, &attacks);
    let replaced = sample(replaced::REPLACED.iter().copied(), turn);
    assault_behind_changes(&mut ground, &replaced, replaced::RESTORE);
}

#[test]
fn postgresql_16_opens_no_way_either() {
    sampled(Major::V16, 0);
}

#[test]
fn postgresql_17_opens_no_way_either() {
    sampled(Major::V17, 3);
}

#[test]
fn postgresql_18_opens_no_way_either() {
    sampled(Major::V18, 6);
}
