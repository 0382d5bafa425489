//! `options` in startup packets: read by us, and by real servers, side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use pgauthority::protocol::options;
use support::{Cluster, Login, Major, Wire};

/// Whatever could be read in two ways. Settings in them are ones that a superuser can make.
const TABLE: &[&str] = &[
    "",
    "   ",
    "-c t.a=1",
    "-ct.a=1",
    "--t.a=1",
    "-c t.a=1 -c T.A=2 --t.a=3",
    "-c t.a=",
    "-c t.a==",
    "-c t.a=b=c",
    "-c t.a='quoted x'",
    "-c t.a=\"q\"",
    "-c t.a=one\\ two",
    "-c t.a=one\\\\two",
    "-c t.a=one\\\\\\ two",
    "-c t.a=tail\\",
    "-c\\ t.a=1",
    "-c \\t.a=1",
    "-c t.a=1\t-c\nt.b=2\r-c\u{b}t.c=3\u{c}-c t.d=4",
    "-c t.a=é\u{a0}x",
    "\\-c t.a=1",
    "-\\c t.a=1",
    "-c work-mem=65kB",
    "--work-mem=66kB",
    "--WORK_mem=67kB",
    "-c search-path=x-y",
    "-S 128",
    "-S128",
    "-S 128 -c work_mem=1MB",
    "-e",
    "-ec t.a=1",
    "-esct.a=1",
    "-s -e -c t.a=1",
    "-e-t.a=1",
    "-e- t.a=1",
    "-s-- t.a=1",
    "-fs",
    "-f n -fm",
    "-fscan",
    "-t e",
    "-tparser -tplanner",
    "-d 2",
    "-d5",
    "-d 0",
    "-d-1",
    "-d x",
    "-d3x",
    "-O",
    "-b -E -j -T",
    "-bEjT -c t.a=1",
    "-D /nowhere -c t.a=1",
    "-D -c t.a=1",
    "-C x -c t.a=1",
    "-r x -c t.a=1",
    "-rx -c t.a=1",
    "-v 3 -c t.a=1",
    "-vct.a=1",
    "-c t.a=1 --",
    "--",
    "-- --",
    "-- -c t.a=1",
    "-",
    "- -c t.a=1",
    "-c",
    "-c t.a",
    "-c =x",
    "--=x",
    "-c\\",
    "-c \\",
    "\\",
    "--t.a",
    "--single",
    "-c t.a=1 x",
    "x -c t.a=1",
    "x",
    "-z",
    "-ez",
    "-:",
    "-;",
    "-A",
    "-o x",
    "-f",
    "-f x",
    "-t p",
    "-t x",
    "-S",
    "-W 0",
    "-c t.a=1 -c",
    "-e -",
];

/// Settings that a server refuses whoever asks, and however well they are written.
fn cannot_be_set(name: &str) -> bool {
    name.is_empty() || name.starts_with(' ')
}

#[test]
fn options_mean_here_what_they_mean_to_postgres() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        for text in TABLE {
            compare(&cluster, text);
        }
    }
}

/// Strings put together at random from pieces that matter, always the same ones.
#[test]
fn random_options_mean_here_what_they_mean_to_postgres() {
    const PIECES: &[&str] = &[
        "-", "--", "c", "-c", "-c ", "e", "s", "O", "f", "t", "S", "W", "D", "v", "z", " ", "  ",
        "\\", "\\\\", "\\ ", "t.a", "T.B", "t-c.x", "=", "=1", "=x y", "work-mem", "=64", "p", ":",
        "\t", "t.a=1", "-ct.b=2", "--t.c=3", "\n",
    ];
    let cluster = Cluster::builder().major(Major::V15).start();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut accepted = 0;
    for _ in 0..600 {
        let text: String = (0..=next(7)).map(|_| PIECES[next(PIECES.len())]).collect();
        let ours = options::parse(text.as_bytes());
        match (connect(&cluster, &text), ours) {
            (Ok(_), Ok(settings)) => {
                accepted += usize::from(!settings.is_empty());
                compare(&cluster, &text);
            }
            (Ok(_), Err(error)) => panic!("{text:?}: refused here alone: {error}"),
            (Err(error), Ok(_)) => {
                assert!(kind(&error).is_none(), "{text:?}: refused there alone: {error}");
            }
            (Err(_), Err(_)) => {}
        }
    }
    assert!(accepted > 20, "only {accepted} made settings");
}

/// Which of the errors in `options` itself a message is.
fn kind(message: &str) -> Option<&'static str> {
    if message.contains("requires a value") || message.contains("must be first argument") {
        Some("value")
    } else if message.contains("invalid command-line argument") {
        Some("argument")
    } else {
        None
    }
}

fn connect(cluster: &Cluster, text: &str) -> Result<Wire, String> {
    let socket: PathBuf = cluster.socket_folder().join(format!(".s.PGSQL.{}", cluster.port()));
    let login = Login::new("postgres", "postgres").options(text);
    Wire::unix(&socket, &login).map_err(|failure| failure.fields().message().to_owned())
}

fn compare(cluster: &Cluster, text: &str) {
    let context = format!("{:?}: options={text:?}", cluster.major());
    let settings = match options::parse(text.as_bytes()) {
        Ok(settings) => settings,
        Err(ours) => {
            let theirs = connect(cluster, text).err().unwrap_or_else(|| {
                panic!("{context}: refused here ({ours}) and not by the server")
            });
            assert!(kind(&theirs).is_some(), "{context}: {theirs}");
            assert_eq!(kind(&ours.to_string()), kind(&theirs), "{context}: {ours} / {theirs}");
            return;
        }
    };
    if settings.iter().any(|(name, _)| cannot_be_set(name)) {
        assert!(connect(cluster, text).is_err(), "{context}");
        return;
    }
    let mut wire = connect(cluster, text).unwrap_or_else(|error| panic!("{context}: {error}"));
    // what is said here last of a name is in force there
    let mut last = BTreeMap::new();
    for (name, value) in &settings {
        last.insert(name.to_ascii_lowercase(), String::from_utf8(value.to_vec()).unwrap());
    }
    for (name, value) in &last {
        // once more by SET, so that the server's own spelling of the value is compared
        let shown = wire.value(&format!("SHOW {name}"));
        let quoted = value.replace('\'', "''");
        let config = format!("SELECT set_config('{name}', '{quoted}', false)");
        let expected = match name.as_str() {
            "post_auth_delay" | "search_path" => value.clone(),
            _ => wire.value(&config),
        };
        assert_eq!(shown, expected, "{context}: {name}");
    }
    // and nothing else is: neither custom parameters nor others
    for name in ["t.a", "t.b", "t.c", "t.d"] {
        if !last.contains_key(name) {
            let query = format!("SELECT current_setting('{name}', true) IS NULL");
            assert_eq!(wire.value(&query), "t", "{context}: {name} is set");
        }
    }
    let others = "SELECT string_agg(name, ',' ORDER BY name) FROM pg_settings \
                  WHERE source = 'client' AND name NOT IN ('application_name')";
    let set_there: Vec<String> = connect(cluster, text)
        .unwrap()
        .value(others)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let set_here: Vec<&String> = last.keys().filter(|name| !name.contains('.')).collect();
    assert_eq!(set_there.iter().collect::<Vec<_>>(), set_here, "{context}");

    // and written again, it means the same
    let mut written = Vec::new();
    for (name, value) in &settings {
        options::append(&mut written, name, value).unwrap();
    }
    let written = String::from_utf8(written).unwrap();
    let mut again = connect(cluster, &written).unwrap_or_else(|e| panic!("{context}: {e}"));
    let mut fresh = connect(cluster, text).unwrap();
    for name in last.keys() {
        let show = format!("SHOW {name}");
        assert_eq!(again.value(&show), fresh.value(&show), "{context}: {written:?}");
    }
}
