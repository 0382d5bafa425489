//! What is walked, and that the cache changes nothing but the time.

use std::fs;
use std::time::{Duration, SystemTime};

use super::{drift, found, text, tree};

const BAD: &str = "DATABASE_URL=postgres://localhost/x\n";

#[test]
fn what_git_leaves_out_is_left_out() {
    let folder = tree(&[
        (".gitignore", ".env\nbuild/\n"),
        (".ignore", "vendor/\n"),
        (".env", BAD),
        ("build/a.env", BAD),
        ("vendor/a.env", BAD),
        ("node_modules/x/a.env", BAD),
        ("venv/pyvenv.cfg", ""),
        ("venv/a.env", BAD),
        ("kept/a.env", BAD),
        (".github/a.env", BAD),
        ("a.md", BAD),
    ]);
    let at = folder.path();
    let kept = [".github/a.env:1 declare.missing", "kept/a.env:1 declare.missing"];
    assert_eq!(found(at, &[]), kept);
    let all = found(at, &["--ignored"]);
    assert!(all.contains(&".env:1 declare.missing".to_owned()), "{all:?}");
    assert!(!all.iter().any(|line| line.starts_with("node_modules")), "{all:?}");
    assert_eq!(
        found(at, &[".env", "node_modules/x"]),
        [".env:1 declare.missing", "node_modules/x/a.env:1 declare.missing"]
    );
}

#[test]
fn the_cache_changes_nothing() {
    let folder = tree(&[
        (".env", BAD),
        ("a.py", "import os\nimport b\nurl = os.environ['DATABASE_URL']\n"),
        ("b.py", "import c\n"),
        ("c.py", "import pgauthority_guard\n"),
    ]);
    let at = folder.path();
    // old enough to be kept
    let age = |name: &str| {
        let file = fs::File::options().write(true).open(at.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    };
    let first = found(at, &[]);
    assert_eq!(first, [".env:1 declare.missing"]);
    for name in [".env", "a.py", "b.py", "c.py"] {
        age(name);
    }
    assert_eq!(found(at, &[]), first);
    assert_eq!(found(at, &[]), first);
    assert_eq!(found(at, &["--no-cache"]), first);
    fs::write(at.join("c.py"), "import os\n").unwrap();
    fs::write(at.join(".env"), "DATABASE_URL=sqlite://localhost/x12345\n").unwrap();
    assert_eq!(found(at, &[]), ["a.py:3 declare.unchecked"]);
    // a cache that is no cache is none
    for file in fs::read_dir(at.join(".git/cache/pgauthority")).unwrap() {
        fs::write(file.unwrap().path(), "rubbish").unwrap();
    }
    assert_eq!(found(at, &[]), ["a.py:3 declare.unchecked"]);
}

#[test]
fn a_file_nested_without_end_is_told_and_ends_nothing() {
    let concatenated = format!("const databaseUrl = {}'x';\n", "'a' +\n".repeat(50_000));
    let called = format!("database_url = {}1{}\n", "f(".repeat(50_000), ")".repeat(50_000));
    let listed = format!("database_url: {}{}\n", "[".repeat(50_000), "]".repeat(50_000));
    let folder = tree(&[
        ("a.js", &concatenated),
        ("b.py", &called),
        ("c.yml", &listed),
        ("d.json", &listed.replace("database_url: ", "").replace("[]", "[\"postgres\"]")),
        (".env", BAD),
    ]);
    let wanted = [
        ".env:1 declare.missing",
        "a.js:1 file.unparsed",
        "b.py:1 file.unparsed",
        "c.yml:1 file.unparsed",
    ];
    let found = found(folder.path(), &[]);
    for line in wanted {
        assert!(found.iter().any(|found| found == line), "{line}: {found:?}");
    }
}

#[test]
fn nothing_on_standard_error_in_a_pipe() {
    let folder = tree(&[(".env", BAD)]);
    let output = drift(folder.path(), &["--no-history"]);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_examples_of_the_help_work_as_typed() {
    let folder = tree(&[
        ("backend/x.py", ""),
        ("scripts/x.sh", ""),
        (".github/x.yml", ""),
        ("pgauthority.toml", include_str!("../../config/minimal.toml")),
    ]);
    let help = text(&drift(folder.path(), &["--help"]).stdout);
    let examples: Vec<&str> =
        help.lines().filter_map(|line| line.trim().strip_prefix("pgauthority drift ")).collect();
    assert!(examples.len() >= 5, "{help}");
    for example in examples.into_iter().filter(|example| !example.contains("--connect")) {
        let arguments: Vec<&str> = example.split(' ').collect();
        let output = drift(folder.path(), &arguments);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{example}: {code:?} {}", text(&output.stderr));
    }
}
