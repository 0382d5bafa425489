//! The layering of `src/lib.rs`, read from the sources and held: imports point one way, the core
//! touches neither network, files, clock nor chance, and no file grows beyond what can be read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// A module, and the modules of ours that it may import. The longest prefix counts.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("protocol", &[]),
    ("sql", &[]),
    ("session", &["contract", "protocol", "sql"]),
    ("split", &["contract", "protocol", "sql", "session"]),
    ("policy", &["contract", "protocol", "sql", "session"]),
    ("gate", &["contract", "protocol", "sql", "session", "policy"]),
    ("audit/event", &["contract", "policy", "sql"]),
    ("audit", SHELL),
    ("config", SHELL),
    ("net", SHELL),
    ("upstream", SHELL),
    ("proxy", SHELL),
    ("observe", SHELL),
    ("governance", SHELL),
    ("cli", EVERYTHING),
    ("main.rs", EVERYTHING),
    ("lib.rs", EVERYTHING),
];

const SHELL: &[&str] = &[
    "contract",
    "protocol",
    "sql",
    "session",
    "split",
    "policy",
    "gate",
    "audit",
    "config",
    "net",
    "upstream",
    "proxy",
    "observe",
    "governance",
];

const EVERYTHING: &[&str] = &[
    "contract",
    "protocol",
    "sql",
    "session",
    "split",
    "policy",
    "gate",
    "audit",
    "config",
    "net",
    "upstream",
    "proxy",
    "observe",
    "governance",
    "cli",
];

/// The modules that are pure.
const CORE: &[&str] =
    &["contract", "protocol", "sql", "session", "split", "policy", "gate", "audit/event"];

/// What the core never names: sockets, files, the clock, chance, threads' environment.
const IMPURE: &[&str] = &[
    "tokio",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "std::os::unix::net",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "Uuid::now_v7",
    "Uuid::new_v4",
    "rand::",
    "getrandom",
    "aws_lc_rs::rand",
    "println!",
    "eprintln!",
];

/// The most lines of a source file, its tests apart.
const LONGEST: usize = 420;

/// Files made by a generator, not by hand.
const GENERATED: &[&str] = &["sql/catalog.rs", "sql/routines/catalog.rs"];

/// Files that are still longer. The list only shrinks: one that has become short must leave it.
const STILL_LONG: &[&str] = &[];

struct Source {
    /// Relative to `src/`.
    path: String,
    text: String,
}

impl Source {
    /// The code with comments, strings' contents and test modules blanked, line numbers kept.
    fn code(&self) -> String {
        let text = match self.text.find("#[cfg(test)]\nmod tests") {
            Some(at) => &self.text[..at],
            None => &self.text,
        };
        text.lines().map(without_comment).collect::<Vec<_>>().join("\n")
    }

    /// A file of tests only: `tests.rs`, `startup_tests.rs`.
    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    fn in_module(&self, module: &str) -> bool {
        self.path
            .strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
    }
}

/// A line without its comment; a `//` inside a string literal (a URL) does not start one.
fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    let bytes = line.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            // a quote as a char literal is no string's
            b'"' if at == 0 || bytes[at - 1] != b'\'' => quoted = !quoted,
            b'/' if !quoted && bytes.get(at + 1) == Some(&b'/') => return &line[..at],
            _ => {}
        }
    }
    line
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let path = entry.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                sources.push(Source { path, text: fs::read_to_string(&entry).unwrap() });
            }
        }
    }
    assert!(sources.len() > 10, "found only {} sources", sources.len());
    sources
}

/// The modules of ours that a text names: `crate::a::…`, `crate::{a, b::c}`, `pgauthority::a`.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for prefix in ["crate::", "pgauthority::"] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(first_segments(group).into_iter().map(|module| (line, module)));
            } else {
                found.push((line, path_start(rest)));
            }
        }
    }
    found
}

/// The first segment of each path in a brace group, whose nested groups are skipped.
fn first_segments(group: &str) -> Vec<String> {
    let mut segments = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                segments.push(path_start(group[start..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                segments.push(path_start(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments
}

/// `a` of `a::b`; two segments where the rule distinguishes them (`audit::event`).
fn path_start(path: &str) -> String {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    name(path)
}

fn rule(source: &Source) -> &'static [&'static str] {
    MAY_IMPORT
        .iter()
        .filter(|(module, _)| source.in_module(module))
        .max_by_key(|(module, _)| module.len())
        .unwrap_or_else(|| panic!("src/{}: no rule says what it may import", source.path))
        .1
}

/// The module of `src/` that a file belongs to.
fn top(source: &Source) -> &str {
    let name = source.path.split('/').next().unwrap();
    name.strip_suffix(".rs").unwrap_or(name)
}

#[test]
fn imports_point_one_way() {
    let mut faults = Vec::new();
    for source in sources() {
        let allowed = rule(&source);
        for (line, module) in imports(&source.code()) {
            // a macro or item of the crate's root is no module
            let ours = EVERYTHING.contains(&module.as_str());
            if ours && module != top(&source) && !allowed.contains(&module.as_str()) {
                faults.push(format!("src/{}:{line}: imports {module}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "against the table in src/lib.rs:\n{}", faults.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut faults = Vec::new();
    for source in sources() {
        if source.is_test() || !CORE.iter().any(|module| source.in_module(module)) {
            continue;
        }
        for (index, line) in source.code().lines().enumerate() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("src/{}:{}: names {word}", source.path, index + 1));
            }
        }
    }
    assert!(faults.is_empty(), "the core is bytes and values only:\n{}", faults.join("\n"));
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines = source.code().lines().count();
        let excused = STILL_LONG.contains(&source.path.as_str());
        let readable = source.is_test() || GENERATED.contains(&source.path.as_str());
        if lines > LONGEST && !excused && !readable {
            faults.push(format!("src/{}: {lines} lines, more than {LONGEST}", source.path));
        } else if lines <= LONGEST && excused {
            faults.push(format!("src/{}: short by now, so not STILL_LONG", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_its_one_job() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| format!("src/{}", source.path))
        .collect();
    assert!(silent.is_empty(), "no header comment:\n{}", silent.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_every_form() {
    let code = "use crate::sql::Class;\nuse crate::{net::Stream, policy::{a, b},\n  cli};\n\
                let x = crate::proxy::run();\nuse crate::Thing;\nnot_crate::config::X";
    let modules: Vec<String> = imports(code).into_iter().map(|(_, module)| module).collect();
    assert_eq!(modules, ["sql", "net", "policy", "cli", "proxy", "Thing"]);
    assert_eq!(without_comment("let a = \"b://c\"; // crate::cli"), "let a = \"b://c\"; ");
}
