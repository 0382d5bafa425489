//! Projects to audit: files in memory, folders on disk, and what Alembic says of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pgauthority::governance::migrations::audit::families::Families;
use pgauthority::governance::migrations::audit::findings::Options;
use pgauthority::governance::migrations::audit::locate::{Located, SourceFile};
use pgauthority::governance::migrations::audit::{Audit, audit};
use serde_json::{Value, json};

use crate::support::tools::{repository, tool};

/// A file with the head that Alembic writes.
pub fn migration(id: &str, parent: &str, body: &str) -> String {
    format!(
        "\"\"\"{id}\n\nRevision ID: {id}\nCreate Date: 2026-01-21 03:04:05\n\"\"\"\n\
         from alembic import op\nimport sqlalchemy as sa\n\nrevision = {id:?}\n\
         down_revision = {parent}\nbranch_labels = None\ndepends_on = None\n\n\n{body}"
    )
}

pub fn options() -> Options {
    Options {
        families: Families::default(),
        version_length: 128,
        autocommit: false,
        orm_tables: BTreeSet::new(),
    }
}

/// Audits files given by name and text.
pub fn audited(files: &[(&str, String)], options: &Options) -> Audit {
    let files = files.iter().map(|(name, text)| SourceFile {
        path: PathBuf::from(name),
        text: text.clone(),
        modified: None,
        trouble: None,
    });
    let located =
        Located { settings: None, versions: Vec::new(), files: files.collect(), autocommit: false };
    audit(&located, options, &mut |_, _| ()).unwrap()
}

/// Writes files into a folder.
pub fn write(folder: &Path, files: &[(&str, String)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Runs the command.
pub fn run(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgauthority"))
        .args(["migrations", "audit"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Runs the command with `--format json`.
pub fn as_json(arguments: &[&str], folder: &Path) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let output = run(&all, folder);
    let code = output.status.code().unwrap();
    assert!(code < 2, "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What Alembic reports of a script folder, in the words of the command's JSON.
pub fn alembics(arguments: &[&str], folder: &Path) -> Value {
    let output = Command::new("python3")
        .arg(repository().join("tests/migrations_audit/alembic_graph.py"))
        .args(arguments)
        .current_dir(folder)
        .env("PYTHONPATH", tool("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Of the command's JSON what Alembic reports too.
pub fn graph_of(audit: &Value) -> Value {
    let sorted = |value: &Value| {
        let mut items: Vec<String> =
            value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().into()).collect();
        items.sort();
        items
    };
    let mut migrations: Vec<Value> = audit["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            json!({
                "revision": one["revision"],
                "down_revision": sorted(&one["down_revision"]),
                "dependencies": sorted(&one["dependencies"]),
                "branch_labels": sorted(&one["branch_labels"]),
            })
        })
        .collect();
    migrations.sort_by_key(|one| one["revision"].as_str().unwrap().to_owned());
    let graph = &audit["graph"];
    json!({
        "heads": graph["heads"],
        "heads_without_dependents": graph["heads_without_dependents"],
        "bases": graph["bases"],
        "branch_points": graph["branch_points"],
        "merge_points": graph["merge_points"],
        "migrations": migrations,
    })
}

/// The rules of findings, with how often each.
pub fn rules(audit: &Value) -> std::collections::BTreeMap<String, usize> {
    let mut rules = std::collections::BTreeMap::new();
    for finding in audit["findings"].as_array().unwrap() {
        *rules.entry(finding["rule"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    rules
}
