//! The environment gate against its table of cases, `tests/guard_cases.json`, and what shells make of its answers.
//!
//! The table is shared with every other implementation of the gate: exact rules, statuses,
//! messages and hints. `PGAUTHORITY_WRITE_CASES=1` writes what is found into it, for review.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

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

/// What a script prints and exits with, run by a shell with nothing of the surrounding environment
/// but its path; `guard` is the program's command.
fn script(shell: &[&str], variables: &[(&str, &str)], text: &str) -> (i32, String) {
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg("-c")
        .arg(format!("guard() {{ \"$PROGRAM\" guard \"$@\"; }}\n{text}"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("PROGRAM", env!("CARGO_BIN_EXE_pgauthority"))
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), stdout.trim_end().to_owned())
}

/// Shells that scripts are written for, as they are started for a script and for a person.
const SHELLS: [&str; 2] = ["dash", "bash"];
const LOCAL: [(&str, &str); 2] = [("DB_AUTHORITY", "local"), ("DB_ENV", "dev")];
const PROD: [(&str, &str); 6] = [
    ("DB_AUTHORITY", "neon"),
    ("DB_ENV", "prod-like"),
    ("DB_ROLE", "prod"),
    ("DB_VIA", "pgauthority"),
    ("DATABASE_URL", "postgresql://app:s3cret@proxy:7432/nova"),
    ("CONFIRM_PROD_MIGRATIONS", "TRUE"),
];

#[test]
fn a_script_that_evals_what_is_not_allowed_ends_there() {
    for shell in SHELLS {
        for (variables, command, code) in [
            (&LOCAL[..1], "env", 78),
            (&LOCAL, "env neon", 1),
            (&LOCAL, "env migrations", 78),
            (&PROD[..5], "env migrations", 1),
            (&PROD, "env local --format json", 1),
        ] {
            for text in [
                format!("eval \"$(guard {command})\"; echo went on"),
                format!("eval \"$(guard {command} || echo exit $?)\"; echo went on"),
                format!("set -e; eval \"$(guard {command})\"; echo went on"),
                format!("ask() {{ eval \"$(guard {command})\"; }}; ask || true; echo went on"),
                format!("guard {command} --output \"$0\" || . \"$0\"; echo went on"),
            ] {
                let file = tempfile::NamedTempFile::new().unwrap();
                let text = text.replace("$0", &file.path().display().to_string());
                assert_eq!(script(&[shell], variables, &text), (code, String::new()), "{text}");
            }
            // a person's shell lives on, and says what was answered
            let text = format!("eval \"$(guard {command})\"; echo $?");
            assert_eq!(script(&[shell, "-i"], variables, &text), (0, code.to_string()), "{text}");
        }
        // a program that is not there, or a command line that it does not know, answers nothing
        let absent = "eval \"$(no-such-program guard env || echo exit $?)\"; echo went on";
        assert_eq!(script(&[shell], &LOCAL, absent), (127, String::new()));
        let unknown = "eval \"$(guard environment || echo exit $?)\"; echo went on";
        assert_eq!(script(&[shell], &LOCAL, unknown), (2, String::new()));
    }
}

#[test]
fn a_script_that_evals_what_is_allowed_has_the_declarations() {
    let show = "sh -c 'printf %s,%s,%s,%s,%s\\\\n \"$DB_AUTHORITY\" \"$DB_ENV\" \"$DB_ROLE\" \
                \"$CONFIRM_PROD_MIGRATIONS\" \"$PGOPTIONS\"'";
    for shell in SHELLS {
        let said = |variables: &[(&str, &str)], command: &str| {
            let text = format!("set -eu; eval \"$(guard {command} || echo exit $?)\"; {show}");
            let (code, said) = script(&[shell], variables, &text);
            assert_eq!(code, 0, "{said}");
            said
        };
        assert_eq!(said(&LOCAL, "env"), "local,dev,,,");
        let expected = "-c authority.expect_authority=neon -c authority.expect_role=prod -c \
                        authority.expect_env=prod-like";
        assert_eq!(said(&PROD, "env neon"), format!("neon,prod-like,prod,true,{expected}"));
        let confirmed = format!("{expected} -c authority.confirm_prod_migrations=true");
        assert_eq!(said(&PROD, "env migrations"), format!("neon,prod-like,prod,true,{confirmed}"));
        // whatever is in the variable, the shell reads it back as it was
        let hostile = "-c a.b='$(echo oops)`echo oops`\"\\ \\\\;\n&-c x.y=*'";
        let variables = [&PROD[..], &[("PGOPTIONS", hostile)]].concat();
        let read = said(&variables, "env");
        let hostile = hostile.replace('\n', " ");
        assert_eq!(read, format!("neon,prod-like,prod,true,{hostile} {expected}"));
        // a variable of the script's own was not judged, and does not stay
        let own = format!("DB_ROLE=prod; eval \"$(guard env)\"; echo \"[$DB_ROLE]\"; {show}");
        assert_eq!(script(&[shell], &LOCAL, &own), (0, "[]\nlocal,dev,,,".to_owned()));
    }
}

#[test]
fn what_a_shell_is_given_holds_no_secret() {
    for (variables, command) in [(&PROD[..], "env migrations"), (&PROD[..5], "env migrations")] {
        let (_, said) = script(&["sh"], variables, &format!("guard {command} 2>&1"));
        assert!(!said.contains("s3cret") && !said.contains("DATABASE_URL"), "{said}");
    }
}

#[test]
fn a_report_has_the_form_that_was_asked_for() {
    let said = |variables: &[(&str, &str)], command: &str| script(&["sh"], variables, command);
    let (code, json) = said(&PROD, "guard migrations --json");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["verdict"], &json["exit_code"]), (0, &json!("allowed"), &json!(0)));
    assert_eq!(json["declared"]["DATABASE_URL"], "postgresql://app:***@proxy:7432/nova");
    let (code, lines) = said(&PROD[..5], "guard migrations --format github");
    assert_eq!(code, 1);
    assert_eq!(
        lines,
        "::error title=pgauthority guard%2C prod.confirmed::DB_ROLE is prod and \
         CONFIRM_PROD_MIGRATIONS is not set%0Ahint: CONFIRM_PROD_MIGRATIONS=true\nrefused"
    );
    // annotations of a script's step: the runner reads either stream
    let (code, lines) = said(&LOCAL[..1], "guard env --format github 2>&1 >/dev/null");
    assert_eq!(code, 78);
    assert!(lines.starts_with("::error title=pgauthority guard%2C env.declared::"), "{lines}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = format!("guard show --output '{}'; echo $?", file.path().display());
    assert_eq!(said(&LOCAL, &output), (0, "0".to_owned()));
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.ends_with("allowed\n") && text.starts_with("DB_AUTHORITY"), "{text}");
    assert_eq!(said(&LOCAL, "guard show --output /nowhere/x").0, 2);
    assert_eq!(said(&LOCAL, "guard show --json --format table").0, 2);
}
