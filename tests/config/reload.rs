//! Reloading: the new file whole, or the old configuration kept; and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use pgauthority::config::{self, Config};

struct File {
    folder: tempfile::TempDir,
}

const BASE: &str = r#"
[upstreams.local]
authority = "local"
role = "staging"
env = "dev"
url = "postgresql://nova:first@localhost/nova"

[databases.nova]
upstream = "local"
auth = "relay"
"#;

impl File {
    fn new() -> File {
        File { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pgauthority.toml")
    }

    fn load(&self, text: &str) -> Config {
        fs::write(self.path(), text).unwrap();
        config::load(&self.path()).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn reload(&self, current: &Config, text: &str) -> Result<(Config, Vec<String>), String> {
        fs::write(self.path(), text).unwrap();
        config::reload(current, &self.path()).map_err(|faults| faults.to_string())
    }
}

#[test]
fn an_unchanged_file_changes_nothing() {
    let file = File::new();
    let current = file.load(BASE);
    let (_, changes) = file.reload(&current, BASE).unwrap();
    assert_eq!(changes, [""; 0]);
}

#[test]
fn changes_are_told_by_their_keys_and_without_secrets() {
    let file = File::new();
    let current = file.load(BASE);
    let text = BASE
        .replace("nova:first@localhost/nova", "nova:second@localhost/other")
        .replace("auth = \"relay\"", "auth = \"relay\"\nusers = [\"nova\"]\nconfirm = \"never\"")
        + "[server]\nmax_client_connections = 7\n[contract]\nconfirm_max_age = \"1h\"\n\
           [users.nova]\npassword = \"third\"\n\
           [[decision]]\ntask = \"unit_tests\"\nread = \"deny\"\nwrite = \"local\"\n\
           [databases.more]\nupstream = \"local\"\nauth = \"relay\"\n";
    let (new, changes) = file.reload(&current, &text).unwrap();
    assert_eq!(
        changes,
        [
            "server.max_client_connections changed",
            "contract.confirm_max_age changed",
            "decision row of task \"unit_tests\" changed: read",
            "upstream \"local\" changed: address, password",
            "entry \"more\" added",
            "entry \"nova\" changed: users, confirm",
            "user \"nova\" added",
        ]
    );
    assert_eq!(new.server.limits.max_client_connections, 7);
    let (_, back) = file.reload(&new, BASE).unwrap();
    assert!(back.contains(&"entry \"more\" removed".to_owned()), "{back:?}");
    assert!(back.contains(&"user \"nova\" removed".to_owned()), "{back:?}");
}

#[test]
fn what_needs_a_restart_is_kept_and_told() {
    let file = File::new();
    let current = file.load(BASE);
    let text = format!(
        "{BASE}\n[server]\nlisten = [\"127.0.0.1:6000\"]\nworker_threads = 1023\nio_uring = false\n\
         [server.admin]\nlisten = \"127.0.0.1:6001\"\n\
         [audit]\npath = \"audit.jsonl\"\nstatement = \"none\"\nfsync = true\n"
    );
    let (new, changes) = file.reload(&current, &text).unwrap();
    let waits: Vec<String> = [
        "server.listen",
        "server.admin.listen",
        "server.worker_threads",
        "server.io_uring",
        "audit.path",
        "audit.statement",
        "audit.fsync",
    ]
    .iter()
    .map(|key| format!("{key} changed: it takes effect at the next restart"))
    .collect();
    assert_eq!(changes, waits);
    assert_eq!(new.server.listen, current.server.listen);
    assert_eq!(new.server.admin_listen, current.server.admin_listen);
    assert_eq!(new.server.worker_threads, current.server.worker_threads);
    assert!(new.server.io_uring);
    assert_eq!(new.audit.target, current.audit.target);
}

#[test]
fn a_faulty_file_is_refused_whole() {
    let file = File::new();
    let current = file.load(BASE);
    let faults = file.reload(&current, &BASE.replace("staging", "prod")).unwrap_err();
    assert!(faults.contains("the local database's role is staging"), "{faults}");
    fs::remove_file(file.path()).unwrap();
    let gone = config::reload(&current, &file.path()).unwrap_err().to_string();
    assert!(gone.contains("no such file"), "{gone}");
    assert!(config::load(Path::new("/")).unwrap_err().to_string().contains("it is a folder"));
}

/// The listeners of the new file are not the ones that clients reach until a restart.
#[test]
fn trust_is_judged_by_what_is_listened_on_now() {
    let file = File::new();
    let current = file.load(&format!("{BASE}\n[server]\nlisten = [\"0.0.0.0:7432\"]\n"));
    let text = BASE.replace("auth = \"relay\"", "auth = \"trust\"\nusers = [\"nova\"]");
    let faults = file.reload(&current, &text).unwrap_err();
    assert!(faults.contains("the proxy listens on 0.0.0.0:7432"), "{faults}");
    file.load(&text);
}
