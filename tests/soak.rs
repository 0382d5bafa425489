//! What a long life brings: a short run of `tests/soak/soak.py`, as `make soak` runs it at length; and
//! what must not keep the proxy from ending.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::proxy::PROD;
use support::wire::Frames;
use support::{Cluster, Proxy, process, tools};

/// More than all buffers on its way take.
const LARGE: &str = "SELECT repeat('x', 1000) FROM generate_series(1, 300000)";

/// Every step of the soak once, with few clients: full disk, crash, handover, half-open connections.
#[test]
fn a_short_soak_finds_nothing() {
    tools::tool("postgresql-15");
    let soak = Command::new("python3")
        .arg(tools::repository().join("tests/soak/soak.py"))
        .envs([("SOAK_SECONDS", "1"), ("SOAK_IDLE", "60"), ("SOAK_ACTIVE", "20")])
        .env("PGAUTHORITY", env!("CARGO_BIN_EXE_pgauthority"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&soak.stdout);
    let warned = String::from_utf8_lossy(&soak.stderr);
    assert!(soak.status.success(), "{}\n{said}{warned}", soak.status);
    assert!(said.contains(" 0 faults"), "{said}{warned}");
}

/// A log at its size limit is a log that cannot be written: nothing unrecorded runs, blocked stays
/// blocked and is recorded late, all else goes on; and it is over once there is room.
#[test]
fn a_log_at_its_size_limit_is_a_full_disk() {
    let cluster = Cluster::builder().start();
    let proxy =
        Proxy::builder().upstream("prod", PROD, &cluster).trusted("prod", "prod", "").start();
    let mut confirmed = proxy.connect("prod");
    confirmed.sql("SET authority.confirm_prod_migrations = true");
    let limit = |bytes: &str| {
        let pid = proxy.id().to_string();
        process::run(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}")]));
    };
    limit(&format!("{}:unlimited", fs::metadata(proxy.audit_path()).unwrap().len()));
    assert_eq!(confirmed.error("CREATE TABLE unrecorded ()").code(), "58030");
    assert_eq!(proxy.connect("prod").error("DROP TABLE late").code(), "42501");
    assert_eq!(confirmed.value("SELECT count(*) FROM pg_class WHERE relname = 'unrecorded'"), "0");
    assert!(proxy.events("statement_blocked").is_empty());

    limit("unlimited:unlimited");
    process::eventually("the log is written again", Duration::from_secs(60), || {
        confirmed.try_sql("CREATE TABLE IF NOT EXISTS recorded ()").ok()
    });
    let made = proxy.events("ddl_confirmed");
    assert!(
        made.iter().all(|event| event["statement"].to_string().contains(" recorded")),
        "{made:?}"
    );
    let blocked = proxy.events("statement_blocked");
    let late = |event: &Value| event["statement"] == "DROP TABLE late";
    assert_eq!(blocked.iter().filter(|event| late(event)).count(), 1, "{blocked:#?}");
}

/// Clients that do not read what is on its way to them, and one that never said a word: the proxy
/// ends all the same, and the log says that nobody knows what became of a statement.
#[test]
fn no_client_keeps_the_proxy_from_ending() {
    let cluster = Cluster::builder().start();
    let mut proxy = Proxy::builder()
        .server("drain_timeout = \"100ms\"\nlogin_timeout = \"10min\"")
        .upstream("prod", PROD, &cluster)
        .trusted("prod", "prod", "")
        .start();
    let silent = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap();
    let mut reader = proxy.connect("prod");
    reader.send(&Frames::new().query(LARGE)).unwrap();
    let mut migration = proxy.connect("prod");
    migration.sql("SET authority.confirm_prod_migrations = true");
    migration.sql("BEGIN");
    migration.sql("CREATE TABLE half_way ()");
    migration.send(&Frames::new().query(LARGE)).unwrap();
    // the answers have begun
    migration.receive().unwrap();
    reader.receive().unwrap();

    proxy.terminate();
    let status = proxy.wait(Duration::from_secs(60)).expect("it ends");
    assert!(status.success(), "{status}");
    let outcomes = proxy.events("ddl_outcome");
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    assert_eq!(outcomes[0]["outcome"], "unknown");
    drop(silent);
}
