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
