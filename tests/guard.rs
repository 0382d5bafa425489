//! The environment gate against its table of cases, `tests/guard_cases.json`.
//!
//! The table is shared with every other implementation of the gate: exact rules, statuses,
//! messages and hints. `PGAUTHORITY_WRITE_CASES=1` writes what is found into it, for review.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pgauthority::contract::Authority;
use pgauthority::governance::gate::{self, Demand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guard_cases.json");

#[derive(Deserialize, Serialize)]
struct Case {
    name: String,
    demand: String,
    variables: BTreeMap<String, String>,
    exit_code: u8,
    verdict: Value,
    checks: Value,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(TABLE).unwrap()).unwrap()
}

fn demand(word: &str) -> Demand {
    match word {
        "show" => Demand::Declared,
        "require neon" => Demand::Authority(Authority::Neon),
        "require local" => Demand::Authority(Authority::Local),
        "migrations" => Demand::Migrations,
        other => panic!("demand {other:?}"),
    }
}

#[test]
fn the_table_of_cases() {
    let write = std::env::var_os("PGAUTHORITY_WRITE_CASES").is_some();
    let mut cases = cases();
    for case in &mut cases {
        let report = gate::judge(&case.variables, demand(&case.demand));
        let found = (report.verdict.exit_code(), json!(report.verdict), json!(report.checks));
        if write {
            (case.exit_code, case.verdict, case.checks) = found;
        } else {
            let wanted = (case.exit_code, case.verdict.clone(), case.checks.clone());
            assert_eq!(found, wanted, "{}", case.name);
        }
    }
    if write {
        std::fs::write(TABLE, serde_json::to_string_pretty(&cases).unwrap() + "\n").unwrap();
    }
}

#[test]
fn the_table_has_every_rule_and_the_page_describes_it() {
    let cases = cases();
    let checks = cases.iter().flat_map(|case| case.checks.as_array().unwrap());
    let rules: BTreeSet<&str> = checks.map(|check| check["rule"].as_str().unwrap()).collect();
    let wanted = [
        "authority.declared",
        "authority.required",
        "env.declared",
        "mapping.authority",
        "mapping.env",
        "mapping.role",
        "prod.confirmed",
        "replica.blocked",
        "role.authority",
        "role.declared",
        "role.migrates",
        "url.declared",
        "url.readable",
        "via.declared",
    ];
    assert_eq!(rules, BTreeSet::from(wanted));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guard.md");
    let page = std::fs::read_to_string(page).unwrap();
    for rule in wanted {
        assert!(page.contains(&format!("| `{rule}` |")), "{rule} is not in docs/guard.md");
    }
}

#[test]
fn no_case_shows_a_password() {
    for case in cases() {
        let report = gate::judge(&case.variables, demand(&case.demand));
        let shown = format!("{report:?}{:?}", gate::declared(&case.variables));
        assert!(!shown.contains("s3cr"), "{}: {shown}", case.name);
    }
}
