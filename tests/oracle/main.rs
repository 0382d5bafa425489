//! PostgreSQL as the judge of the classifier, on every supported major version.
//!
//! Statements from many corpora are judged, then run on a server that is watched: an event trigger
//! and the catalogs say what is `ddl` and stronger, READ ONLY and the contents say what is `read`.
//! `docs/soundness.md` explains it. `make oracle` runs it large; `make test` a sample.
//!
//! | variable | |
//! |---|---|
//! | `ORACLE_SECONDS` | run everything, then random statements, for so long on each server |
//! | `ORACLE_SEED` | what decides the random part (default 1) |
//! | `ORACLE_STATEMENT` | run this text alone, and say what was seen |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod corpus;
mod generate;
mod grammar;
mod kept;
mod mutate;
mod nest;
mod random;
mod report;
mod run;
mod server;
#[path = "../support/mod.rs"]
mod support;
mod verdict;
mod words;

use support::Major;

#[test]
fn every_production_of_the_grammar_is_generated() {
    let grammar = grammar::Grammar::read();
    let generator = generate::Generator::new(&grammar);
    let mut random = random::Random::new(1);
    let mut missing = String::new();
    let mut known: Vec<&str> =
        kept::PRODUCTIONS.iter().map(|(production, _)| *production).collect();
    for production in 1..grammar.productions.len() {
        let found = generator.is_reachable(production)
            && generator.holding(production, &mut random, run::is_readable).is_some();
        let shown = grammar.shown(production);
        if let Some(at) = known.iter().position(|known| *known == shown) {
            known.remove(at);
            assert!(!found, "{shown} is generated after all");
        } else if !found {
            missing += &format!("{shown}\n");
        }
    }
    assert!(missing.is_empty(), "no statement was found with\n{missing}");
    assert!(known.is_empty(), "not in the grammar: {known:#?}");
}

#[test]
fn every_place_of_the_grammar_is_nested_in() {
    let grammar = grammar::Grammar::read();
    let generator = generate::Generator::new(&grammar);
    let mut random = random::Random::new(1);
    let unreachable: Vec<&str> =
        kept::PRODUCTIONS.iter().map(|(production, _)| *production).collect();
    let mut kept: Vec<_> = kept::PLACES.iter().map(|(part, shown, _)| (*part, *shown)).collect();
    let places = generator.places();
    let mut missing = String::new();
    for place in &places {
        let (part, shown) = (place.1, grammar.shown(place.0));
        let mut attempts = (0..2000).map(|attempt| attempt / 100);
        let found = attempts
            .find_map(|room| generator.place(*place, room, &mut random, run::is_readable))
            .or_else(|| generator.place_by_hand(*place));
        if let Some(at) = kept.iter().position(|known| *known == (part, &shown)) {
            kept.remove(at);
            assert!(found.is_none(), "part {part} of {shown} is nested in after all");
        } else if !unreachable.contains(&&*shown) && found.is_none() {
            missing += &format!("part {part} of {shown}\n");
        }
    }
    println!("{} places", places.len());
    assert!(missing.is_empty(), "no statement was found with these places:\n{missing}");
    assert!(kept.is_empty(), "no places: {kept:#?}");
}

#[test]
fn every_place_of_plpgsql_is_nested_in() {
    let (all, covered) = (nest::places_of_plpgsql(), nest::places_of_bodies());
    let missing: Vec<_> = all.difference(&covered).collect();
    assert!(all.len() > 40 && missing.is_empty(), "of {}: {missing:#?}", all.len());
}

#[test]
fn postgresql_15() {
    run::hold(Major::V15);
}

#[test]
fn postgresql_16() {
    run::hold(Major::V16);
}

#[test]
fn postgresql_17() {
    run::hold(Major::V17);
}

#[test]
fn postgresql_18() {
    run::hold(Major::V18);
}
