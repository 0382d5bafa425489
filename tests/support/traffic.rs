//! Records what clients send, from the servers' own logs, into the oracle's corpus
//! (`tests/oracle/traffic/`). Off unless the environment variable `RECORD_TRAFFIC` is set:
//! `make traffic`.

use std::collections::BTreeMap;
use std::env;
use std::fs;

use super::cluster::{Builder, Cluster};
use super::tools;

/// Parts of the proxy's own statements: refusals' substitutes, what it asks a new connection, its looks
/// at the catalog, what a split session asks about temporary relations.
const OWN: &[&str] = &[
    "\"pgauthority ",
    "current_setting('authority.upstream', true)",
    "SELECT 'V' AS kind, pg_catalog.",
    "pg_catalog.concat('replaced ', pg_catalog.clock_timestamp())",
    "SELECT relname FROM pg_catalog.pg_class WHERE pg_catalog.pg_my_temp_schema()",
    "CASE WHEN pg_catalog.current_setting('transaction_timeout', true)",
    "SELECT pg_catalog.current_setting('transaction_isolation')",
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL client_encoding = 'UTF8'",
];

/// Whether this run records.
pub fn is_recorded() -> bool {
    env::var_os("RECORD_TRAFFIC").is_some()
}

/// A cluster that writes every statement into a log of JSON, where this run records.
pub fn logged(builder: Builder<'_>) -> Builder<'_> {
    if !is_recorded() {
        return builder;
    }
    builder
        .setting("log_statement", "all")
        .setting("logging_collector", "on")
        .setting("log_destination", "jsonlog")
        .setting("log_directory", "statements")
}

/// Writes what `client` sent to these clusters as the role `app`, without what the proxy
/// itself sends, and without repetitions that differ in numbers alone.
pub fn record(client: &str, clusters: &[&Cluster]) {
    let mut found = BTreeMap::new();
    for cluster in clusters {
        for entry in fs::read_dir(cluster.data().join("statements")).unwrap() {
            let text = fs::read(entry.unwrap().path()).unwrap();
            for line in String::from_utf8_lossy(&text).lines() {
                let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                let message = line["message"].as_str().unwrap_or_default();
                let statement = match message.split_once(": ") {
                    Some(("statement", text)) => text,
                    Some((how, text)) if how.starts_with("execute ") => text,
                    _ => continue,
                };
                let own = OWN.iter().any(|part| statement.contains(part));
                if line["user"] == "app" && !own {
                    found.entry(without_numbers(statement)).or_insert_with(|| one_line(statement));
                }
            }
        }
    }
    assert!(!found.is_empty(), "{client} sent nothing");
    let folder = tools::repository().join("tests/oracle/traffic");
    fs::create_dir_all(&folder).unwrap();
    let mut lines: Vec<String> = found.into_values().collect();
    lines.sort_unstable();
    fs::write(folder.join(format!("{client}.tsv")), lines.join("\n") + "\n").unwrap();
}

/// The golden tables' way to write a statement on one line.
fn one_line(statement: &str) -> String {
    statement.trim().replace("\r\n", "\n").replace('\n', "␤").replace('\r', "␍")
}

fn without_numbers(statement: &str) -> String {
    let mut text = String::with_capacity(statement.len());
    for character in statement.chars() {
        match character.is_ascii_digit() {
            true if text.ends_with('0') => {}
            true => text.push('0'),
            false => text.push(character),
        }
    }
    text
}
