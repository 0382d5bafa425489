//! What is shipped beside the binary, checked with the real tools: the systemd unit, logrotate's
//! configuration under load, the Dockerfile, and the documents against the code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pgauthority::audit::{AuditLog, Event, EventKind, Outcome};
use pgauthority::config::{AuditSettings, AuditTarget, StatementText};
use pgauthority::observe::Metrics;
use pgauthority::policy::Rule;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The tool, where it is installed; the test says what it skips.
fn tool(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|at| at.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

#[test]
fn systemd_takes_the_unit_and_calls_it_safe() {
    let Some(systemd_analyze) = tool("systemd-analyze") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("pgauthority.service");
    // The binary that the unit starts need not be installed here.
    let text = read("deploy/systemd/pgauthority.service")
        .replace("/usr/bin/pgauthority", env!("CARGO_BIN_EXE_pgauthority"));
    fs::write(&unit, text).unwrap();
    let verified =
        Command::new(&systemd_analyze).args(["verify", "--man=no"]).arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && !said.contains("pgauthority.service"), "{said}");

    let judged = Command::new(&systemd_analyze)
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(judged.status.success(), "exposure above 2.0:\n{said}");
}

#[test]
fn logrotate_rotates_under_load_and_nothing_is_lost() {
    let Some(logrotate) = tool("logrotate") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let path = at("audit.jsonl");
    let owner = Command::new("id").arg("-un").output().unwrap().stdout;
    let group = Command::new("id").arg("-gn").output().unwrap().stdout;
    let su = format!(
        "su {} {}",
        String::from_utf8_lossy(&owner).trim(),
        String::from_utf8_lossy(&group).trim()
    );
    let configuration = read("deploy/logrotate/pgauthority")
        .replace("/var/log/pgauthority/audit.jsonl", path.to_str().unwrap())
        .replace("su pgauthority pgauthority", &su);
    assert!(configuration.contains(&su));
    fs::write(at("logrotate.conf"), configuration).unwrap();
    fs::set_permissions(at("logrotate.conf"), fs::Permissions::from_mode(0o644)).unwrap();

    let settings = AuditSettings {
        target: AuditTarget::File(path.clone()),
        statement: StatementText::None,
        fsync: false,
    };
    let log = AuditLog::open(&settings).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let mut acknowledged = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let id = uuid::Uuid::now_v7();
                let kind = EventKind::StatementBlocked;
                let event = Event::new(id, kind, Arc::default(), Arc::default());
                log.record(event).wait().unwrap();
                acknowledged.push(id.to_string());
                thread::sleep(Duration::from_millis(1));
            }
            acknowledged
        })
    };
    for _ in 0..3 {
        // Longer than the second that tells the rotated files' names apart.
        thread::sleep(Duration::from_millis(1100));
        let rotated = Command::new(&logrotate)
            .args(["--force", "--state"])
            .arg(at("state"))
            .arg(at("logrotate.conf"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&rotated.stderr).into_owned();
        assert!(rotated.status.success(), "{said}");
    }
    thread::sleep(Duration::from_millis(50));
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = writer.join().unwrap();

    let mut found = Vec::new();
    let mut files = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("audit.jsonl") {
            continue;
        }
        files += 1;
        let text = match name.ends_with(".gz") {
            true => Command::new("zcat").arg(&file).output().unwrap().stdout,
            false => fs::read(&file).unwrap(),
        };
        for line in String::from_utf8(text).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            found.push(value["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(files, 4);
    acknowledged.sort();
    found.sort();
    assert_eq!(found, acknowledged);
}

#[test]
fn the_dockerfile_copies_what_exists_and_is_let_in() {
    let dockerfile = read("deploy/docker/Dockerfile");
    let admitted = read("deploy/docker/Dockerfile.dockerignore");
    let context = tempfile::tempdir().unwrap();
    let mut copied = 0;
    for line in dockerfile.lines() {
        let Some(rest) = line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--")) else {
            continue;
        };
        let words: Vec<_> = rest.split_whitespace().collect();
        for source in words.iter().take(words.len() - 1) {
            assert!(root().join(source).exists(), "{source} does not exist");
            assert!(admitted.lines().any(|line| line == format!("!{source}")), "{source}");
            let copy =
                Command::new("cp").arg("-r").arg(root().join(source)).arg(context.path()).status();
            assert!(copy.unwrap().success());
            copied += 1;
        }
    }
    assert!(copied >= 4, "{dockerfile}");
    // Cargo finds every target of the manifest in what is copied, and the lock file fits.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"])
        .current_dir(context.path())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let image = dockerfile.split("FROM rust:").nth(1).unwrap().split('-').next().unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let manifest = read("Cargo.toml");
    let needed = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(minor(image) >= minor(needed), "the image's Rust {image} is older than {needed}");
}

#[test]
fn every_rule_has_its_section() {
    let page = read("docs/rules.md");
    let sections: Vec<_> = page.split("\n## ").skip(1).collect();
    let titles: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    let distinct: BTreeSet<_> = titles.iter().copied().collect();
    let rules: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.id()).collect();
    assert_eq!(distinct, rules);
    assert_eq!(titles.len(), rules.len(), "a rule is described twice");
    for rule in Rule::ALL {
        let section = sections.iter().find(|section| section.starts_with(rule.id())).unwrap();
        let code = format!("SQLSTATE {}", rule.sqlstate());
        assert!(section.contains(&code), "{} does not say {code}", rule.id());
    }
}

#[test]
fn the_audit_page_shows_every_event_as_it_is_written() {
    let page = read("docs/audit-log.md");
    let fields: Vec<_> = page
        .split("## Fields")
        .nth(1)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .take_while(|field| *field != "normalized")
        .collect();
    let mut shown = BTreeSet::new();
    for example in page.split("```json\n").skip(1) {
        let line = example.lines().next().unwrap();
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().collect();
        let order: Vec<_> = keys
            .iter()
            .map(|key| {
                fields.iter().position(|field| field == *key).unwrap_or_else(|| panic!("{key}"))
            })
            .collect();
        assert!(order.is_sorted(), "fields out of order: {keys:?}");
        if let Some(rule) = value["rule"].as_str() {
            let rule = Rule::ALL.iter().find(|known| known.id() == rule).unwrap();
            assert_eq!(value["sqlstate"], rule.sqlstate());
        }
        assert!(value["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok(), "{line}");
        shown.insert(value["event"].as_str().unwrap().to_owned());
    }
    let kinds: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    assert_eq!(shown, kinds);
    for outcome in Outcome::ALL {
        assert!(page.contains(&format!("`{}`", outcome.as_str())), "{}", outcome.as_str());
    }
    for link in page.split("rules.md#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        let known = Rule::ALL.iter().any(|rule| rule.id().replace('.', "") == anchor);
        assert!(known, "rules.md has no #{anchor}");
    }
}

#[test]
fn the_operations_page_lists_every_metric() {
    let metrics = Metrics::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = AuditSettings {
        target: AuditTarget::File(folder.path().join("audit.jsonl")),
        statement: StatementText::None,
        fsync: false,
    };
    metrics.watch_audit(AuditLog::open(&settings).unwrap().watch());
    let rendered = metrics.render();
    let served: BTreeSet<_> = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let page = read("docs/operations.md");
    let listed: BTreeSet<_> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`');
            let kind = cells.next()?;
            ["counter", "gauge", "histogram"].contains(&kind).then_some((name, kind))
        })
        .collect();
    assert_eq!(listed, served);
}
