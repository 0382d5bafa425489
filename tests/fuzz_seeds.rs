//! Every committed seed of the fuzz targets, and everything that they once found, through the same
//! functions that the fuzzer calls (`fuzz/src/`). See `make fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// Runs all inputs of a target's folder.
fn run(target: &str, run: fn(&[u8])) {
    // one file, for whoever looks into it: FUZZ_FILE=… FUZZ_TRACE=1
    if let Some(file) = std::env::var_os("FUZZ_FILE") {
        return run(&fs::read(file).unwrap());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let data = fs::read(&path).unwrap();
        count += 1;
        assert!(catch_unwind(|| run(&data)).is_ok(), "{}", path.display());
    }
    assert!(count > 0, "no seeds in {}", folder.display());
}

#[test]
fn frame() {
    run("frame", targets::frame::run);
}

#[test]
fn startup() {
    run("startup", targets::startup::run);
}

#[test]
fn lexer() {
    run("lexer", targets::lexer::run);
}

#[test]
fn classifier() {
    run("classifier", targets::classifier::run);
}

#[test]
fn growth() {
    run("growth", targets::growth::run);
}

#[test]
fn session() {
    run("session", targets::session::run);
}

#[test]
fn gate() {
    run("gate", targets::gate::run);
}

#[test]
fn splitter() {
    run("splitter", targets::splitter::run);
}

/// Scripts by chance, the same in every run: what a fuzzer would begin with.
#[test]
fn scripts_by_chance() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let rounds = std::env::var("FUZZ_ROUNDS").map_or(2000, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let length = random() % 400;
        let data: Vec<u8> = (0..length).map(|_| (random() >> 32) as u8).collect();
        for (target, run) in [
            ("session", targets::session::run as fn(&[u8])),
            ("gate", targets::gate::run),
            ("splitter", targets::splitter::run),
        ] {
            if catch_unwind(|| run(&data)).is_err() {
                let path = std::env::temp_dir().join(format!("pgauthority-{target}-{round}"));
                fs::write(&path, &data).unwrap();
                panic!("{target}: kept as {}", path.display());
            }
        }
    }
}
