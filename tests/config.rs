//! The configuration as an operator meets it: the shipped examples load, every key is documented,
//! and every fault prints as the golden files beside this one say.
//!
//! `BLESS=1 cargo nextest run --test config` writes the golden files and the reference anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pgauthority::config::keys::{KEYS, reference};
use pgauthority::config::{self, Config, EntryTarget, Faults};

#[path = "config/check.rs"]
mod check;
#[path = "config/environment.rs"]
mod environment;
#[path = "config/loading.rs"]
mod loading;
#[path = "config/reload.rs"]
mod reload;
mod support;
use support::certificates::CertificateAuthority;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// Compares with a golden file, or writes it.
fn golden(path: &Path, actual: &str) {
    if blessing() {
        fs::write(path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs; BLESS=1 writes it anew", path.display());
}

fn load_example(name: &str) -> Config {
    let path = root().join("config").join(name);
    config::load(&path).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn the_examples_load_without_a_warning() {
    for name in ["pgauthority.toml", "minimal.toml"] {
        assert_eq!(load_example(name).warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_full_example_says_what_it_seems_to_say() {
    let config = load_example("pgauthority.toml");
    assert_eq!(config.upstreams.len(), 3);
    assert_eq!(config.entry("nova_prod").unwrap().name, "nova_prod");
    assert_eq!(config.entry("test_42").unwrap().name, "test_");
    assert!(config.entry("tes").is_none() && config.entry("Nova").is_none());
    assert!(config.decisions.lookup("billing_reports").is_some());
    assert!(config.contract.migration_tables.contains("alembic_version"));
    let EntryTarget::Routed { neon, local, task } = &config.entry("nova").unwrap().target else {
        panic!("not routed");
    };
    assert_eq!(neon.as_ref().unwrap().name, "neon-replica");
    assert_eq!(local.as_ref().unwrap().name, "local");
    assert_eq!(task.as_deref(), Some("unit_tests"));
}

#[test]
fn the_full_example_loads_with_what_it_leaves_in_comments() {
    let folder = tempfile::tempdir().unwrap();
    let authority = CertificateAuthority::new();
    authority.server(&["localhost"]).write(folder.path(), "server");
    fs::write(folder.path().join("clients-ca.crt"), authority.pem()).unwrap();
    fs::write(folder.path().join("userlist.txt"), "\"app\" \"secret\"\n").unwrap();
    fs::write(folder.path().join("neon.password"), "secret\n").unwrap();
    fs::write(folder.path().join("backstop.key"), format!("{}\n", "5e".repeat(32))).unwrap();
    let text = fs::read_to_string(root().join("config/pgauthority.toml")).unwrap();
    // what is commented out begins with a key or a table
    let is_setting = |line: &str| {
        let key = line.split([' ', '=', ']']).next().unwrap_or_default();
        line.starts_with("[server.tls]")
            || KEYS.iter().any(|known| known.name == key && line[key.len()..].starts_with(" = "))
    };
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) => setting,
            _ => line,
        })
        // a user's password has four sources, an upstream's two: one is enough
        .filter(|line| !line.starts_with("password_env"))
        .filter(|line| !line.starts_with("backstop_key_env"))
        .filter(|line| !line.starts_with("password_file = \"nova.password\""))
        .collect();
    assert!(uncommented.iter().filter(|line| !line.starts_with('#')).count() > 60);
    let path = folder.path().join("pgauthority.toml");
    let config = config::parse(&path, &uncommented.join("\n"), &|_| None)
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert!(config.server.tls.config.is_some() && config.server.tls.client_certificates);
    assert!(config.users.contains_key("app"));
    assert!(config.upstreams["neon-prod"].endpoint.password.is_some());
    assert!(config.upstreams["neon-prod"].backstop.is_some());
}

#[test]
fn the_example_shows_every_key() {
    let text = fs::read_to_string(root().join("config/pgauthority.toml")).unwrap();
    let mut section = String::new();
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') {
            let name = line.trim_start_matches('[').split(']').next().unwrap();
            section = match name.split_once('.') {
                Some((head @ ("upstreams" | "databases" | "users"), _)) => format!("{head}.*"),
                _ => name.to_owned(),
            };
        }
        // several keys may be named on one line of a comment
        for part in line.split([',', ' ']) {
            shown.entry(section.clone()).or_default().push(part.to_owned());
        }
    }
    let missing: Vec<String> = KEYS
        .iter()
        .filter(|key| {
            !shown.get(key.section).is_some_and(|keys| keys.iter().any(|k| k == key.name))
        })
        .map(|key| format!("{}.{}", key.section, key.name))
        .collect();
    assert!(missing.is_empty(), "not in config/pgauthority.toml: {}", missing.join(", "));
}

#[test]
fn the_documentation_has_a_row_for_every_key() {
    const BEGIN: &str = "<!-- reference: made by `BLESS=1 cargo nextest run --test config` -->\n";
    const END: &str = "<!-- end of reference -->\n";
    let path = root().join("docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the mark that begins the reference");
    let (_, tail) = rest.split_once(END).expect("the mark that ends the reference");
    golden(&path, &format!("{head}{BEGIN}\n{}{END}{tail}", reference()));
    for key in KEYS {
        assert!(!key.meaning.is_empty() && !key.kind.is_empty() && !key.default.is_empty());
    }
    for (variable, _) in config::VARIABLES {
        assert!(text.contains(&format!("| `{variable}` |")), "{variable} is not documented");
    }
}

/// What the faulty files may find beside them, and in the environment.
struct Surroundings {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Surroundings {
    fn new() -> Surroundings {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let authority = CertificateAuthority::new();
        authority.server(&["localhost"]).write(folder.path(), "server");
        authority.server(&["other"]).write(folder.path(), "other");
        fs::write(at("ca.crt"), authority.pem()).unwrap();
        fs::write(at("empty.pem"), "").unwrap();
        fs::write(
            at("encrypted.key"),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        fs::write(at("two-lines"), "hunter2\nhunter2\n").unwrap();
        fs::write(at("userlist.txt"), format!("\"old\" \"md5{}\"\n", "0".repeat(32))).unwrap();
        fs::write(at("bad-userlist.txt"), "\"nova\" hunter2\n").unwrap();
        fs::write(at(".pgpass"), "*:*:*:*:hunter2\n").unwrap();
        fs::set_permissions(at(".pgpass"), fs::Permissions::from_mode(0o644)).unwrap();
        let home = folder.path().display().to_string();
        let variables = BTreeMap::from([
            ("HOME", home),
            ("ROLE", "primary".to_owned()),
            ("SECRET_URL", "postgresql://app:hunter2@h:x/d".to_owned()),
        ]);
        Surroundings { folder, variables }
    }

    fn judge(&self, name: &str, text: &str) -> Result<Config, Faults> {
        let lookup = |variable: &str| self.variables.get(variable).cloned();
        config::parse(&self.folder.path().join(name), text, &lookup)
    }

    /// The faults as printed, without the folder's name.
    fn printed(&self, faults: &Faults) -> String {
        format!("{}/", self.folder.path().display())
            .split("\0")
            .fold(format!("{faults}\n"), |text, folder| text.replace(folder, ""))
    }
}

fn faulty_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/config/faults"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_faulty_file_prints_its_golden_faults() {
    let surroundings = Surroundings::new();
    let files = faulty_files();
    assert!(files.len() > 20, "only {} faulty files", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let faults = match surroundings.judge(name, &text) {
            Err(faults) => faults,
            Ok(_) => panic!("{name} has no fault"),
        };
        assert_eq!(faults.exit_code(), 78);
        let printed = surroundings.printed(&faults);
        assert!(!printed.contains("hunter2"), "a secret in {name}:\n{printed}");
        golden(&file.with_extension("txt"), &printed);
    }
}
