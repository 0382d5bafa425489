//! The demo: its application on servers of a test, whose rows are looked at where they are and where
//! they are not, and the whole tour as whoever types `make demo` sees it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::Command;

use support::process::run;
use support::proxy::{PROD, PROGRAM, STAGING};
use support::tools::{repository, tool};
use support::{CertificateAuthority, Cluster, Proxy};

/// Runs Python in the demo's folder, on a database.
fn python(arguments: &[&str], url: &str) -> String {
    run(Command::new("python3")
        .args(arguments)
        .current_dir(repository().join("demo"))
        .env("PYTHONPATH", tool("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DATABASE_URL", url.replace("postgresql:", "postgresql+psycopg:")))
}

/// The rows of a query as psql's bare output has them.
fn rows(cluster: &Cluster, query: &str) -> Vec<String> {
    let cells = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
    let rows = cluster.sql("app", query).into_iter();
    rows.map(|row| cells(row).collect::<Vec<_>>().join("|")).collect()
}

#[test]
fn the_application_reads_from_neon_and_writes_to_local() {
    let authority = CertificateAuthority::new();
    let neon = Cluster::builder().tls(&authority).start();
    let local = Cluster::builder().start();
    for cluster in [&neon, &local] {
        let url = cluster.url("app", "app");
        python(&["-c", "from app.db import init_db; init_db()"], &url);
        python(&["-m", "alembic", "upgrade", "head"], &url);
    }
    let proxy = Proxy::builder()
        .neon_upstream("neon-prod", PROD, &neon)
        .upstream("local", STAGING, &local)
        .trusted("nova_prod", "neon-prod", "")
        .entry(
            "nova",
            "neon = \"neon-prod\"\nlocal = \"local\"\nauth = \"trust\"\nusers = [\"app\"]",
        )
        .start();
    let url = |entry: &str| format!("postgresql://app@127.0.0.1:{}/{entry}", proxy.port);
    python(&["-m", "app.work"], &url("nova_prod"));
    // a sequence ahead of production's shows whose keys the results have
    local.sql("app", "ALTER TABLE test_results ALTER id RESTART 501");
    let said =
        python(&["-m", "app.verify"], &(url("nova") + "?options=-c%20authority.task%3Dspanning"));
    assert_eq!(
        said.trim(),
        "read 2 capabilities and the history of 2 runs, wrote 3 test results, 2 passed"
    );
    let results = "SELECT id, run_id, capability, passed FROM test_results ORDER BY id";
    assert_eq!(rows(&local, results), ["501|1|answer|t", "502|1|fetch|t", "503|2|answer|f"]);
    assert_eq!(rows(&neon, results), [""; 0]);
    let capabilities = "SELECT name, status FROM capabilities ORDER BY name";
    assert_eq!(rows(&neon, capabilities), ["answer|declared", "fetch|trusted"]);
    assert_eq!(rows(&local, capabilities), [""; 0]);
    let history = "SELECT run_id, status FROM status_history ORDER BY id";
    assert_eq!(rows(&neon, history), ["1|running", "1|done", "2|running", "2|failed"]);
    assert_eq!(rows(&local, history), [""; 0]);
    assert_eq!(rows(&local, "SELECT id FROM runs"), [""; 0]);
    assert!(proxy.events("statement_blocked").is_empty());
}

/// The tour itself fails where a step does not do what it says; here is what it prints of the chapter
/// that has rows in two places.
#[test]
fn the_tour_goes_through() {
    let printed = run(Command::new(repository().join("demo/run"))
        .arg("--once")
        .env("NO_COLOR", "1")
        .env("PGAUTHORITY", PROGRAM));
    let chapter = printed
        .split_once("wrote 3 test results, 2 passed")
        .and_then(|(_, rest)| rest.split_once("\n\n"))
        .map(|(chapter, _)| chapter.split_once('\n').unwrap().1)
        .unwrap_or_else(|| panic!("{printed}"));
    let expected = "
     where the rows are, and where they are not (docs/orms.md says what that means):
                     neon: …/nova_prod             local: …/nova_staging
     capabilities    answer  declared              none
                     fetch  trusted
     status_history  run 1  running                none
                     run 1  done
                     run 2  running
                     run 2  failed
     test_results    none                          run 1  answer  passed
                                                   run 1  fetch  passed
                                                   run 2  answer  failed";
    assert_eq!(chapter, expected.trim_start_matches('\n'), "{printed}");
    let title = "8  What the log knows of it";
    assert!(printed.contains(title), "{printed}");
}
