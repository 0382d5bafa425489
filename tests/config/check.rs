//! `pgauthority check`: its report, its exit codes, and a real server beside its declaration.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use pgauthority::cli::check::{self, CheckArgs};
use serde_json::Value;

use crate::support::certificates::{CertificateAuthority, NEON_HOST};
use crate::support::cluster::{Cluster, PASSWORD};
use crate::{golden, root};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    arguments: CheckArgs,
}

/// Runs the command; its exit code and its report.
fn run(config: &Path, arguments: &[&str]) -> (u8, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("report");
    let fixed =
        ["check", "--config", config.to_str().unwrap(), "--output", output.to_str().unwrap()];
    let line = Line::try_parse_from(fixed.iter().chain(arguments)).unwrap();
    let code = format!("{:?}", check::run(line.arguments));
    let code = code.chars().filter(char::is_ascii_digit).collect::<String>();
    let digits = code.trim_start_matches('0');
    let number = if digits.is_empty() { 0 } else { digits.parse().unwrap() };
    (number, fs::read_to_string(&output).unwrap_or_default())
}

#[test]
fn the_report_of_the_example_is_as_the_golden_file_says() {
    let (code, text) = run(&root().join("config/pgauthority.toml"), &[]);
    assert_eq!(code, 0);
    let text = text.replace(&format!("{}/", root().display()), "");
    golden(&root().join("tests/config/check.txt"), &text);
}

#[test]
fn mismatches_exit_1_and_faults_78() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgauthority.toml");
    let text = |env: &str| {
        format!(
            "[upstreams.prod]\nauthority = \"neon\"\nrole = \"prod\"\nenv = \"{env}\"\n\
             url = \"postgresql://app:hunter2@{NEON_HOST}/nova\"\n\
             [databases.nova]\nupstream = \"prod\"\nauth = \"relay\"\n"
        )
    };
    fs::write(&path, text("dev")).unwrap();
    let (code, report) = run(&path, &[]);
    assert_eq!(code, 1);
    assert!(report.contains("role prod is declared with env dev"), "{report}");
    assert!(!report.contains("hunter2"));

    fs::write(&path, text("production")).unwrap();
    let (code, report) = run(&path, &["--format", "json"]);
    assert_eq!(code, 78);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["sound"], false);
    assert_eq!(report["faults"][0]["line"], 4);
    assert_eq!(report["faults"][0]["column"], 7);
    assert_eq!(report["faults"][0]["message"], "unknown env \"production\"");
}

#[test]
fn a_key_without_effect_is_told_and_no_mismatch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgauthority.toml");
    let text = "[server.admin]\nusers = [\"sre\"]\n[upstreams.u]\nauthority = \"local\"\n\
                role = \"staging\"\nenv = \"dev\"\nurl = \"postgresql://localhost:1/d\"\n\
                [databases.d]\nupstream = \"u\"\nauth = \"relay\"\n";
    fs::write(&path, text).unwrap();
    let (code, report) = run(&path, &["--connect"]);
    assert_eq!(code, 0, "{report}");
    assert!(report.contains("[server.admin] users has no effect"), "{report}");
    assert!(report.contains("to look at \"u\", name a user for it: url = "), "{report}");
}

#[test]
fn json_has_what_the_tables_have() {
    let (code, report) = run(&root().join("config/pgauthority.toml"), &["--format", "json"]);
    assert_eq!(code, 0);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["sound"], true);
    assert_eq!(report["upstreams"].as_array().unwrap().len(), 3);
    assert_eq!(report["decisions"].as_array().unwrap().len(), 14);
    let nova =
        report["databases"].as_array().unwrap().iter().find(|e| e["name"] == "nova").unwrap();
    assert_eq!((&nova["neon"], &nova["task"]), (&"neon-replica".into(), &"unit_tests".into()));
    let row = |task: &str| {
        let mut rows = nova["decisions"].as_array().unwrap().iter();
        rows.find(|row| row["task"] == task).unwrap().clone()
    };
    assert_eq!(row("run_verification")["reads"], "neon-replica");
    assert_eq!(row("unit_tests")["writes"], "local");
    assert!(row("spanning")["reads"].is_null(), "its login is relayed");
    assert!(row("spanning")["refused"].as_str().unwrap().contains("relayed login"));
}

#[test]
fn places_of_an_entry_that_read_otherwise_are_warned_of() {
    let cluster = Cluster::builder().start();
    for name in ["neon", "local"] {
        cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgauthority.toml");
    let upstream = |name: &str, role: &str, env: &str| {
        let url = cluster.url("app", name);
        format!(
            "[upstreams.{name}]\nauthority = \"{name}\"\nrole = \"{role}\"\nenv = \"{env}\"\n\
             url = \"{url}\"\n"
        )
    };
    let text = upstream("neon", "prod", "prod-like") + &upstream("local", "staging", "dev");
    let entry = "[databases.both]\nneon = \"neon\"\nlocal = \"local\"\nauth = \"trust\"\n\
                 users = [\"app\"]\n";
    fs::write(&path, text + entry).unwrap();
    // a cluster of the test's is no host of neon's
    let (before, report) = run(&path, &["--connect"]);
    assert!(!report.contains("\nwarnings\n"), "{report}");
    cluster.sql("postgres", "ALTER DATABASE local SET standard_conforming_strings = off");
    let (code, report) = run(&path, &["--connect"]);
    assert_eq!(code, before, "{report}");
    let said = "entry \"both\": upstreams \"neon\" and \"local\" begin with other \
                standard_conforming_strings on and off (hint: ";
    assert!(report.contains(said), "{report}");
    let (_, report) = run(&path, &["--connect", "--format", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["warnings"][0].as_str().unwrap().contains("begin with other"), "{report}");
}

/// Declared beside observed, on a primary and its replica declared rightly, and then swapped.
#[test]
fn real_servers_are_held_against_their_declarations() {
    let authority = CertificateAuthority::new();
    let primary = Cluster::builder().tls_for(&authority, &[NEON_HOST, "localhost"]).start();
    let replica = primary.replica();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let path = folder.path().join("pgauthority.toml");
    let text = |prod: u16, replica: u16| {
        let upstream = |name: &str, port: u16| {
            format!(
                "[upstreams.{name}]\nauthority = \"neon\"\nrole = \"{name}\"\nenv = \"prod-like\"\n\
                 url = \"postgresql://app:{PASSWORD}@{NEON_HOST}:{port}/app?sslmode=verify-full\
                 &sslrootcert=ca.crt&connect_timeout=5\"\nhostaddr = \"127.0.0.1\"\n"
            )
        };
        upstream("prod", prod)
            + &upstream("replica", replica)
            + "[databases.nova]\nupstream = \"prod\"\nauth = \"relay\"\n"
    };
    fs::write(&path, text(primary.port(), replica.port())).unwrap();
    let (code, report) = run(&path, &["--connect"]);
    assert_eq!(code, 0, "{report}");
    assert!(report.contains("TLSv1") || report.contains("TLS 1"), "{report}");
    assert!(!report.contains(PASSWORD), "{report}");

    fs::write(&path, text(replica.port(), primary.port())).unwrap();
    let (code, report) = run(&path, &["--connect"]);
    assert_eq!(code, 1, "{report}");
    assert!(report.contains("declared prod, and is in recovery"), "{report}");
    assert!(report.contains("declared replica, and is not in recovery"), "{report}");

    fs::write(&path, text(primary.port(), 1).replace("connect_timeout=5", "connect_timeout=1"))
        .unwrap();
    let (code, report) = run(&path, &["--connect", "--format", "json"]);
    assert_eq!(code, 1, "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["observed"][0]["in_recovery"], false);
    assert!(report["observed"][1]["error"].is_string(), "{report}");
}
