//! The drift detector over small trees, its history, its formats. Each tree of `drift/trees/` is one
//! text: files behind `=== PATH` lines, then what must be found behind `=== expect`.
//! `PGAUTHORITY_WRITE_TREES=1` writes what is found into them, for review.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "drift/formats.rs"]
mod formats;
#[path = "drift/history.rs"]
mod history;
mod support;
#[path = "drift/walk.rs"]
mod walk;
#[path = "drift/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pgauthority::governance::drift::{Needs, Rule};
use serde_json::Value;

const TREES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drift/trees");

/// The program in a folder, with a cache of that folder's own.
fn drift(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgauthority"));
    command.arg("drift").args(arguments).current_dir(folder);
    command.env("XDG_CACHE_HOME", folder.join(".git/cache")).env_remove("PGAUTHORITY_CONFIG");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with these files.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// `PATH:LINE RULE` of every finding.
fn found(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["--no-history", "--format", "json"], arguments].concat();
    let output = drift(folder, &arguments);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {}", text(&output.stderr)));
    let findings = report["findings"].as_array().unwrap();
    let line = |finding: &Value| {
        let word = |key: &str| finding[key].as_str().unwrap().to_owned();
        format!("{}:{} {}", word("path"), finding["line"], word("rule"))
    };
    findings.iter().map(line).collect()
}

/// The files of a tree's text, and what is expected.
fn parts(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("=== ") {
            files.push((path.to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            writeln!(text, "{line}").unwrap();
        }
    }
    let (name, expected) = files.pop().unwrap();
    assert_eq!(name, "expect");
    (files, expected.lines().map(str::to_owned).collect())
}

fn trees() -> Vec<PathBuf> {
    let entries = fs::read_dir(TREES).unwrap().map(|entry| entry.unwrap().path());
    let mut trees: Vec<PathBuf> = entries.collect();
    trees.sort();
    assert!(trees.len() >= 10, "found {trees:?}");
    trees
}

#[test]
fn every_tree_has_its_findings_and_no_others() {
    let write = std::env::var_os("PGAUTHORITY_WRITE_TREES").is_some();
    let mut faults = String::new();
    for path in trees() {
        let whole = fs::read_to_string(&path).unwrap();
        let (files, expected) = parts(&whole);
        let borrowed: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let folder = tree(&borrowed);
        let config = files.iter().any(|(path, _)| path == "pgauthority.toml");
        let arguments: &[&str] = if config { &["--config", "pgauthority.toml"] } else { &[] };
        let found = found(folder.path(), arguments);
        if write {
            let start = whole.find("=== expect\n").unwrap() + "=== expect\n".len();
            let lines: String = found.iter().map(|line| format!("{line}\n")).collect();
            fs::write(&path, format!("{}{lines}", &whole[..start])).unwrap();
        } else if found != expected {
            let missing = expected.iter().filter(|line| !found.contains(line));
            let extra = found.iter().filter(|line| !expected.contains(line));
            writeln!(
                faults,
                "{}:\n  not found: {:?}\n  not expected: {:?}",
                path.display(),
                missing.collect::<Vec<_>>(),
                extra.collect::<Vec<_>>()
            )
            .unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_rule_of_files_is_found_in_some_tree_and_is_documented() {
    let expected: BTreeSet<String> = trees()
        .iter()
        .flat_map(|path| parts(&fs::read_to_string(path).unwrap()).1)
        .map(|line| line.split(' ').next_back().unwrap().to_owned())
        .collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drift.md");
    let page = fs::read_to_string(page).unwrap();
    for rule in Rule::ALL {
        assert!(page.contains(&format!("| `{rule}` |")), "{rule} is not in docs/drift.md");
        if rule.needs() != Needs::Connect {
            assert!(expected.contains(rule.id()), "no tree has {rule}");
        }
    }
}

#[test]
fn no_secret_is_in_any_report_or_cache() {
    for path in trees() {
        let (files, _) = parts(&fs::read_to_string(&path).unwrap());
        let borrowed: Vec<(&str, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let folder = tree(&borrowed);
        for format in ["table", "json", "csv", "sarif", "github", "html"] {
            let output = drift(folder.path(), &["--format", format]);
            let shown = text(&output.stdout) + &text(&output.stderr);
            assert!(!shown.contains("s3cr"), "{}: {shown}", path.display());
        }
        let history = folder.path().join(".db_authority_drift_history.json");
        assert!(!fs::read_to_string(history).unwrap().contains("s3cr"));
        let cache = folder.path().join(".git/cache/pgauthority");
        for file in fs::read_dir(cache).unwrap() {
            let kept = fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(!kept.contains("s3cr"), "{}: {kept}", path.display());
        }
    }
}
