//! The history: regressions, concurrent runs, merges, corruption.

use std::fs;
use std::path::Path;
use std::process::Command;

use pgauthority::governance::drift::history::{FILE, History};

use super::{drift, text, tree};

const ONE: &str = "DATABASE_URL=postgres://localhost/x\n";
const TWO: &str = "DATABASE_URL=postgres://localhost/x\nDB_AUTHORITY=Neon\nDB_ENV=x\n";
const NONE: &str = "DATABASE_URL=postgres://localhost/x\nDB_AUTHORITY=local\nDB_ENV=dev\n";

fn code(folder: &Path, arguments: &[&str]) -> i32 {
    drift(folder, arguments).status.code().unwrap()
}

fn totals(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap();
    History::parse(&text).unwrap().runs().map(|run| run.total).collect()
}

#[test]
fn more_than_the_best_run_on_record_is_a_regression() {
    let folder = tree(&[(".env", TWO)]);
    let at = folder.path();
    assert_eq!(code(at, &[]), 1, "the first run has nothing to be worse than");
    fs::write(at.join(".env"), ONE).unwrap();
    assert_eq!(code(at, &[]), 1);
    fs::write(at.join(".env"), TWO).unwrap();
    let output = drift(at, &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stdout).contains("REGRESSION: the best run on record"));
    assert!(text(&output.stdout).contains("declare.invalid 0 → 2"));
    assert_eq!(code(at, &[]), 3, "a regression stays one");
    fs::write(at.join(".env"), NONE).unwrap();
    assert_eq!(code(at, &[]), 0);
    fs::write(at.join(".env"), ONE).unwrap();
    assert_eq!(code(at, &[]), 3);
    assert_eq!(totals(at), [2, 1, 2, 2, 0, 1]);
}

#[test]
fn only_runs_of_the_same_scope_are_compared() {
    let folder = tree(&[("a/.env", ONE), ("b/.env", TWO)]);
    let at = folder.path();
    assert_eq!(code(at, &["a"]), 1);
    assert_eq!(code(at, &["b"]), 1);
    assert_eq!(code(at, &["b", "--only", "declare.missing"]), 0);
    assert_eq!(code(at, &["./b"]), 1, "the same path in another spelling");
    assert_eq!(code(at, &["--without", "declare.missing", "b"]), 1);
    assert_eq!(totals(at), [1, 2, 0, 2, 2]);
}

#[test]
fn nothing_is_lost_when_many_run_at_once() {
    let folder = tree(&[(".env", ONE)]);
    let mut running: Vec<_> = (0..16)
        .map(|_| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pgauthority"));
            command.args(["drift", "--no-cache"]).current_dir(folder.path());
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for child in &mut running {
        assert_eq!(child.wait().unwrap().code(), Some(1));
    }
    assert_eq!(totals(folder.path()), [1; 16]);
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".env" && name != FILE)
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_merge_by_git_keeps_the_runs_of_both_sides() {
    let folder = tree(&[(".env", TWO), (".gitattributes", &format!("{FILE} merge=union\n"))]);
    let at = folder.path();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        let output = command.current_dir(at).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    drift(at, &[]);
    git(&["add", "."]);
    git(&["commit", "-qm", "base"]);
    git(&["checkout", "-qb", "side"]);
    drift(at, &[]);
    drift(at, &[]);
    git(&["commit", "-qam", "side"]);
    git(&["checkout", "-q", "main"]);
    drift(at, &[]);
    git(&["commit", "-qam", "main"]);
    git(&["merge", "-q", "side", "-m", "merge"]);
    assert_eq!(totals(at), [2; 4]);
    assert_eq!(code(at, &[]), 1);
    assert_eq!(totals(at), [2; 5]);
}

#[test]
fn a_corrupt_history_is_an_error_and_stays_as_it_is() {
    let folder = tree(&[(".env", ONE)]);
    let at = folder.path();
    drift(at, &[]);
    let good = fs::read_to_string(at.join(FILE)).unwrap();
    let conflict = good.replace("\n,", "\n<<<<<<< HEAD\n,");
    for (bad, hint) in
        [(conflict.as_str(), "sed -i -E"), ("", "mv "), (&good[..20], "git checkout")]
    {
        fs::write(at.join(FILE), bad).unwrap();
        for arguments in [&[][..], &["--trend"], &["--format", "json"]] {
            let output = drift(at, arguments);
            assert_eq!(output.status.code(), Some(2));
            let message = text(&output.stderr);
            assert!(message.contains("is corrupt") && message.contains(hint), "{message}");
            assert_eq!(text(&output.stdout), "");
        }
        assert_eq!(fs::read_to_string(at.join(FILE)).unwrap(), bad);
        assert_eq!(code(at, &["--no-history"]), 1);
    }
    // the command of the hint mends it
    fs::write(at.join(FILE), &conflict).unwrap();
    let message = text(&drift(at, &[]).stderr);
    let command = &message[message.find("sed -i").unwrap()..message.find("; and to have").unwrap()];
    assert!(Command::new("sh").args(["-c", command]).current_dir(at).status().unwrap().success());
    assert_eq!(fs::read_to_string(at.join(FILE)).unwrap(), good);
}

#[test]
fn a_run_that_did_not_see_everything_is_no_run_on_record() {
    let folder = tree(&[(".env", ONE)]);
    let at = folder.path();
    assert_eq!(code(at, &["missing"]), 2);
    assert!(!at.join(FILE).exists());
    assert_eq!(code(at, &["--only", "declare.nothing"]), 2);
    assert_eq!(code(at, &["--config", "missing.toml"]), 78);
    fs::write(at.join("bad.toml"), "[upstreams.x]\n").unwrap();
    assert_eq!(code(at, &["--config", "bad.toml"]), 78);
    assert!(!at.join(FILE).exists());
}

#[test]
fn the_trend_is_drawn_by_rule() {
    let folder = tree(&[(".env", TWO)]);
    let at = folder.path();
    assert!(text(&drift(at, &["--trend"]).stdout).contains("no run of \".\" is on record"));
    drift(at, &[]);
    fs::write(at.join(".env"), ONE).unwrap();
    drift(at, &[]);
    let output = drift(at, &["--trend"]);
    assert_eq!(output.status.code(), Some(0));
    let drawn = text(&output.stdout);
    assert!(drawn.contains("2 runs of \".\""), "{drawn}");
    assert!(drawn.contains("declare.invalid      2     0     0  █·"), "{drawn}");
    assert!(drawn.contains("declare.missing      0     0     1  ·█"), "{drawn}");
    assert!(drawn.contains("at the best run on record: 1"), "{drawn}");
    let page = text(&drift(at, &["--trend", "--format", "html"]).stdout);
    assert!(page.contains("<svg") && page.contains("declare.invalid") && !page.contains("<script"));
    let rows = text(&drift(at, &["--trend", "--format", "csv"]).stdout);
    assert_eq!(rows.lines().count(), 1 + 2 * 3);
    assert_eq!(totals(at), [2, 1], "drawing is no run");
}

#[test]
fn the_numbers_of_a_long_trend_are_of_all_runs() {
    let folder = tree(&[(".env", ONE)]);
    let at = folder.path();
    code(at, &[]);
    let text_of = |at: &Path| fs::read_to_string(at.join(FILE)).unwrap();
    let history = text_of(at);
    let run: serde_json::Value =
        serde_json::from_str(history.lines().nth(1).unwrap().trim_start_matches(',')).unwrap();
    let mut lines = vec![history.lines().next().unwrap().to_owned()];
    for number in 0..60_u64 {
        let mut one = run.clone();
        one["id"] = format!("{number:02}").into();
        one["at"] = format!("2026-01-01T00:{number:02}:00Z").into();
        one["total"] = if number == 1 { 3.into() } else { (100 - number).into() };
        lines.push(format!(",{one}"));
    }
    lines.push("]\n".to_owned());
    fs::write(at.join(FILE), lines.join("\n")).unwrap();
    let drawn = text(&drift(at, &["--trend"]).stdout);
    let total: Vec<&str> =
        drawn.lines().find(|line| line.starts_with("total")).unwrap().split_whitespace().collect();
    assert_eq!(total[1..4], ["100", "3", "41"], "{drawn}");
    assert_eq!(total[4].chars().count(), 48);
}

#[test]
fn what_killed_runs_left_behind_is_removed() {
    let folder = tree(&[(".env", ONE)]);
    let at = folder.path();
    let left = at.join(format!("{FILE}.4711.tmp"));
    fs::write(&left, "[").unwrap();
    code(at, &[]);
    assert!(!left.exists());
}
