//! The audit log on real files: durability, rotation, full and vanishing disks, kill -9.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pgauthority::audit::{AuditLog, Event, EventKind, Place, Who};
use pgauthority::config::{AuditSettings, AuditTarget, StatementText};

/// Set for the child that `kill_9_loses_no_acknowledged_line` starts: the log's path.
const CHILD: &str = "AUDIT_TEST_CHILD_LOG";

fn settings(path: &Path, fsync: bool) -> AuditSettings {
    AuditSettings {
        target: AuditTarget::File(path.to_owned()),
        statement: StatementText::Full,
        fsync,
    }
}

fn open(path: &Path) -> AuditLog {
    AuditLog::open(&settings(path, false)).unwrap()
}

fn event(kind: EventKind, filler: usize) -> Event {
    let id = uuid::Uuid::now_v7();
    let mut event = Event::new(id, kind, Arc::new(Place::default()), Arc::new(Who::default()));
    event.statement = Some("x".repeat(filler).into());
    event
}

/// The ids in a file, and how many lines could not be read.
fn ids(path: &Path) -> (Vec<String>, usize) {
    let mut broken = 0;
    let mut ids = Vec::new();
    for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()) {
        match serde_json::from_str::<serde_json::Value>(line) {
            Ok(value) => ids.push(value["id"].as_str().unwrap().to_owned()),
            Err(_) => broken += 1,
        }
    }
    (ids, broken)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn events_of_many_threads_are_whole_lines_in_a_file_others_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = open(&path);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let log = log.clone();
            thread::spawn(move || {
                for _ in 0..200 {
                    log.record(event(EventKind::StatementBlocked, 100)).wait().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let (ids, broken) = ids(&path);
    assert_eq!((ids.len(), broken), (1600, 0));
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1600);
    assert_eq!(log.watch().counts(), (1600, 0));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o027, 0);
}

#[test]
fn what_follows_a_half_line_starts_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "{\"ts\":\"2026-01-21T03:0").unwrap();
    let log = AuditLog::open(&settings(&path, true)).unwrap();
    log.record(event(EventKind::StatementBlocked, 1)).wait().unwrap();
    let (ids, broken) = ids(&path);
    assert_eq!((ids.len(), broken), (1, 1));
}

#[test]
fn a_full_device_is_an_error_and_a_problem() {
    let log = open(Path::new("/dev/full"));
    let error = log.record(event(EventKind::DdlConfirmed, 1)).wait().unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(!log.healthy());
    assert_eq!(log.watch().counts(), (0, 1));
    log.record(event(EventKind::DdlOutcome, 1)).wait().unwrap_err();
    log.flush().wait().expect_err("an outcome is still waiting to be written");
}

#[test]
fn a_removed_folder_fails_closed_and_the_log_recovers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("log");
    fs::create_dir(&place).unwrap();
    let path = place.join("audit.jsonl");
    let log = open(&path);
    log.record(event(EventKind::DdlConfirmed, 1)).wait().unwrap();
    fs::remove_dir_all(&place).unwrap();

    let announced = event(EventKind::DdlConfirmed, 1);
    let fact = event(EventKind::DdlOutcome, 1);
    let (announced_id, fact_id) = (announced.id.to_string(), fact.id.to_string());
    log.record(announced).wait().unwrap_err();
    log.record(fact).wait().unwrap_err();
    assert!(!log.healthy());

    fs::create_dir(&place).unwrap();
    until("recovery without any event", || log.healthy());
    log.record(event(EventKind::DdlConfirmed, 1)).wait().unwrap();
    let (found, broken) = ids(&path);
    assert_eq!(broken, 0);
    assert!(found.contains(&fact_id), "what happened is written late");
    assert!(!found.contains(&announced_id), "what was refused never happened");
}

#[test]
fn a_moved_file_is_replaced_without_being_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = open(&path);
    log.record(event(EventKind::StatementBlocked, 1)).wait().unwrap();
    fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
    log.record(event(EventKind::StatementBlocked, 1)).wait().unwrap();
    assert_eq!(ids(&path).0.len(), 1);
}

#[test]
fn rotation_under_load_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = open(&path);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (log, stop) = (log.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let event = event(EventKind::StatementBlocked, 50);
                    acknowledged.push(event.id.to_string());
                    log.record(event).wait().unwrap();
                }
                acknowledged
            })
        })
        .collect();
    for turn in 1..=20 {
        thread::sleep(Duration::from_millis(10));
        fs::rename(&path, folder.path().join(format!("audit.jsonl.{turn}"))).unwrap();
        log.reopen().wait().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged: Vec<_> =
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let mut found = Vec::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let (ids, broken) = ids(&file.unwrap().path());
        assert_eq!(broken, 0);
        found.extend(ids);
    }
    acknowledged.sort();
    found.sort();
    assert_eq!(found, acknowledged);
}

/// A small file system of its own, unmounted on drop; `None` where mounting is not allowed.
struct SmallDisk(PathBuf, #[allow(dead_code)] tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| SmallDisk(folder.path().to_owned(), folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fills_up_and_is_emptied_again() {
    let Some(disk) = SmallDisk::mount("256k") else {
        eprintln!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let path = disk.0.join("audit.jsonl");
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 128 * 1024]).unwrap();
    let log = open(&path);
    let mut acknowledged = Vec::new();
    let mut refused = Vec::new();
    while refused.len() < 5 {
        // An odd length, so that the disk is full in the middle of a line.
        let event = event(EventKind::StatementBlocked, 3_001);
        let id = event.id.to_string();
        match log.record(event).wait() {
            Ok(()) => acknowledged.push(id),
            Err(_) => refused.push(id),
        }
    }
    assert!(!log.healthy());
    assert!(!acknowledged.is_empty());

    fs::remove_file(&ballast).unwrap();
    until("recovery", || log.healthy());
    let last = event(EventKind::DdlConfirmed, 1);
    acknowledged.push(last.id.to_string());
    log.record(last).wait().unwrap();

    let (found, broken) = ids(&path);
    for id in acknowledged.iter().chain(&refused) {
        assert_eq!(found.iter().filter(|found| *found == id).count(), 1, "{id}");
    }
    assert!(broken <= 1, "at most the line in which the disk filled up: {broken}");
}

/// Not a test of its own: the process that is killed. Prints each id once its receipt is there.
#[test]
fn child_that_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let log = open(Path::new(&path));
    loop {
        let event = event(EventKind::DdlConfirmed, 2_000);
        let id = event.id;
        log.record(event).wait().unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {id}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn kill_9_loses_no_acknowledged_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = Vec::new();
        for line in lines {
            let line = line.unwrap_or_default();
            let Some(id) = line.strip_prefix("acknowledged ") else { continue };
            acknowledged.push(id.to_owned());
            if acknowledged.len() == round * 37 {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        let (found, broken) = ids(&path);
        assert_eq!(broken, 0);
        for id in &acknowledged {
            assert!(found.contains(id), "round {round}: {id} was acknowledged and is gone");
        }
    }
}
