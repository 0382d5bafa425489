//! A sample of all attacks on the newest server: what its grammar, its built-ins and its way with
//! pipelines change must open no way round either. `REDTEAM_MAJOR=18` carries out all of them there.

use super::attack::{Attack, assault};
use super::ground::Ground;
use super::support::Major;
use super::{confirming, doors, hidden, lexing, messages, read_only, replaced, statements};

/// Every table of attacks.
const TABLES: &[&[Attack]] = &[
    confirming::ATTACKS,
    doors::ATTACKS,
    hidden::CALLS,
    hidden::SHADOWED,
    lexing::ATTACKS,
    messages::ATTACKS,
    read_only::ATTACKS,
    replaced::LITERALS,
    statements::DATA,
    statements::STRONGER,
];

/// Of how many attacks one is taken.
const ONE_OF: usize = 9;

#[test]
fn the_newest_server_opens_no_way_either() {
    let all = TABLES.iter().copied().flatten().copied();
    let sample: Vec<Attack> = all.step_by(ONE_OF).collect();
    assert!(sample.len() > 40, "{}", sample.len());
    assault(&mut Ground::on(Major::V18), &sample);
}
