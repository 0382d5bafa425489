//! `--from-env`: the four declarations, and the same quality of faults as a file's.

use std::collections::BTreeMap;
use std::path::Path;

use pgauthority::config::{self, ClientAuth, Config, EntryTarget, Faults};

use crate::{golden, root};

fn load(variables: &[(&str, &str)]) -> Result<Config, Faults> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    config::from_environment(&|name| variables.get(name).map(|&value| value.to_owned()))
}

const SOUND: [(&str, &str); 4] = [
    ("DB_AUTHORITY", "neon"),
    ("DB_ROLE", "prod"),
    ("DB_ENV", "prod-like"),
    ("PGAUTHORITY_UPSTREAM_URL", "postgresql://ep-x.aws.neon.tech/nova?sslmode=require"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    SOUND.iter().chain(more).copied().collect()
}

#[test]
fn four_variables_are_a_configuration() {
    let config = load(&SOUND).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.server.listen[0].to_string(), "127.0.0.1:7432");
    assert_eq!(config.source, "environment");
    let entry = config.entry("nova").unwrap();
    assert_eq!(entry.auth, ClientAuth::Relay);
    assert!(entry.users.is_none());
    let EntryTarget::Pinned(upstream) = &entry.target else { panic!("not pinned") };
    assert_eq!(upstream.name, "nova");
    assert_eq!(upstream.declaration.role.as_str(), "prod");
}

#[test]
fn the_others_are_optional() {
    let url = "postgresql://app:x@localhost/nova?sslmode=disable";
    let config = load(&[
        ("DB_AUTHORITY", "local"),
        ("DB_ROLE", "staging"),
        ("DB_ENV", "dev"),
        ("PGAUTHORITY_UPSTREAM_URL", url),
        ("PGAUTHORITY_LISTEN", "127.0.0.1:6000, unix:/run/pgauthority"),
        ("PGAUTHORITY_AUTH", "trust"),
    ])
    .unwrap_or_else(|faults| panic!("{faults}"));
    let listen: Vec<String> = config.server.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:6000", "unix:/run/pgauthority:6000"]);
    let users = config.entry("nova").unwrap().users.clone().unwrap();
    assert_eq!(users.into_iter().collect::<Vec<_>>(), ["app"]);
}

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn the_backstop_has_its_key_from_a_file_or_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backstop.key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    for given in [("PGAUTHORITY_BACKSTOP_KEY_FILE", &*file), ("PGAUTHORITY_BACKSTOP_KEY", KEY)] {
        let config = load(&[&SOUND[..], &[given]].concat()).unwrap_or_else(|f| panic!("{f}"));
        let EntryTarget::Pinned(upstream) = &config.entry("nova").unwrap().target else {
            panic!("not pinned")
        };
        let key = pgauthority::contract::backstop::Key::parse(KEY).unwrap();
        assert_eq!(upstream.backstop.as_ref().unwrap().fingerprint(), key.fingerprint());
    }
    assert!(load(&with(&[("PGAUTHORITY_BACKSTOP_KEY", "")])).is_ok(), "empty is not set");
}

#[test]
fn the_applications_variables_are_not_read() {
    let theirs = [("DATABASE_URL", SOUND[3].1), ("CONFIRM_PROD_MIGRATIONS", "true")];
    let faults = load(&[&SOUND[..3], &theirs].concat()).unwrap_err();
    assert_eq!(faults.iter().count(), 1);
    assert!(load(&with(&theirs)).is_ok());
}

#[test]
fn faults_are_printed_as_the_golden_file_says() {
    let cases: &[(&str, Vec<(&str, &str)>)] = &[
        ("nothing is set", vec![]),
        ("empty is not set", vec![("DB_AUTHORITY", ""), SOUND[1], SOUND[2], SOUND[3]]),
        (
            "misspelled",
            vec![
                ("DB_AUTHORITY", "Neon"),
                ("DB_ROLE", "production"),
                ("DB_ENV", "postgresql://app:hunter2@h/d"),
                ("PGAUTHORITY_UPSTREAM_URL", "mysql://app:hunter2@h/d"),
                ("PGAUTHORITY_LISTEN", "localhost:7432,7433"),
                ("PGAUTHORITY_AUTH", "relais"),
            ],
        ),
        ("local and prod", with(&[("DB_AUTHORITY", "local")])),
        ("needs a file", with(&[("PGAUTHORITY_AUTH", "scram-sha-256")])),
        (
            "trust beyond loopback, without a user",
            with(&[("PGAUTHORITY_AUTH", "trust"), ("PGAUTHORITY_LISTEN", "0.0.0.0:7432")]),
        ),
        (
            "no password",
            with(&[
                ("PGAUTHORITY_AUTH", "trust"),
                ("PGAUTHORITY_UPSTREAM_URL", "postgresql://app@x.neon.tech/nova"),
            ]),
        ),
        (
            "a loop",
            with(&[
                ("PGAUTHORITY_UPSTREAM_URL", "postgresql://localhost:7432/nova"),
                ("PGAUTHORITY_LISTEN", "0.0.0.0:7432"),
            ]),
        ),
        (
            "two backstop keys",
            with(&[
                ("PGAUTHORITY_BACKSTOP_KEY_FILE", "backstop.key"),
                ("PGAUTHORITY_BACKSTOP_KEY", KEY),
            ]),
        ),
        ("the key in place of its file", with(&[("PGAUTHORITY_BACKSTOP_KEY_FILE", KEY)])),
        ("no key", with(&[("PGAUTHORITY_BACKSTOP_KEY", "hunter2")])),
        ("no such file", with(&[("PGAUTHORITY_BACKSTOP_KEY_FILE", "/none/backstop.key")])),
        (
            "a backstop on staging",
            vec![
                ("DB_AUTHORITY", "local"),
                ("DB_ROLE", "staging"),
                ("DB_ENV", "dev"),
                ("PGAUTHORITY_UPSTREAM_URL", "postgresql://localhost/nova?sslmode=disable"),
                ("PGAUTHORITY_BACKSTOP_KEY", KEY),
            ],
        ),
        (
            "two faults of one URL",
            with(&[("PGAUTHORITY_UPSTREAM_URL", "postgresql://app:hunter2@h?sslmode=x")]),
        ),
    ];
    let mut printed = String::new();
    for (title, variables) in cases {
        let faults = match load(variables) {
            Err(faults) => faults,
            Ok(_) => panic!("{title}: no fault"),
        };
        assert_eq!(faults.exit_code(), 78);
        printed.push_str(&format!("--- {title}\n{faults}\n\n"));
    }
    assert!(!printed.contains("hunter2") && !printed.contains(KEY), "a secret:\n{printed}");
    golden(&root().join(Path::new("tests/config/environment.txt")), &printed);
}
