//! The programs of `docs/orms.md`, run as they stand there, block after block, in split sessions on real
//! servers; and the rows of both places behind each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::process::Command;

use support::cluster::PASSWORD;
use support::process::{Folder, run};
use support::proxy::{PROD, STAGING};
use support::tools::{repository, tool};
use support::{Cluster, Proxy, traffic};

const PAGE: &str = "docs/orms.md";

/// The blocks of one language in one section of the page: each with the number of the line that it follows.
fn blocks(section: &str, language: &str) -> Vec<(usize, String)> {
    let page = fs::read_to_string(repository().join(PAGE)).unwrap();
    let (mut heading, mut inside, mut found) = ("", None, Vec::new());
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(_), Some(_)) => inside = None,
            (Some(tag), None) => {
                inside = Some(tag);
                if heading == section && tag == language {
                    found.push((number + 1, String::new()));
                }
            }
            (None, Some(tag)) if heading == section && tag == language => {
                let (_, block) = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => heading = line.strip_prefix("## ").unwrap_or(heading),
            _ => {}
        }
    }
    assert!(!found.is_empty(), "{PAGE} has no {language} under {section:?}");
    found
}

/// The blocks of a section as one program, each line where the page has it, so that errors name its line.
fn program(section: &str, language: &str) -> String {
    let mut text = String::new();
    for (line, block) in blocks(section, language) {
        text.push_str(&"\n".repeat(line - text.lines().count()));
        text.push_str(&block);
    }
    text
}

fn rows(cluster: &Cluster, query: &str) -> Vec<String> {
    let cells = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
    let rows = cluster.sql("app", query).into_iter();
    rows.map(|row| cells(row).collect::<Vec<_>>().join("|")).collect()
}

/// Runs a section's program; `results`: capability and verdict of what local must have then.
fn section(title: &str, language: &str, interpreter: &[&str], results: &[&str]) {
    let [neon, local] = [(); 2].map(|()| traffic::logged(Cluster::builder()).start());
    let tables = &blocks("The example", "sql");
    let [(_, both), (_, of_neon)] = &tables[..] else { panic!("two blocks: {tables:?}") };
    for cluster in [&neon, &local] {
        cluster.sql("app", &format!("SET ROLE app; {both}"));
    }
    neon.sql("app", &format!("SET ROLE app; {of_neon}"));
    let all = "SELECT c.*, r.* FROM capabilities c FULL JOIN test_results r ON false ORDER BY c, r";
    let before = rows(&neon, all);

    let own = "auth = \"scram-sha-256\"\nusers = [\"app\"]";
    let proxy = Proxy::builder()
        .upstream("neon-prod", PROD, &neon)
        .upstream("local", STAGING, &local)
        .entry("nova", &format!("neon = \"neon-prod\"\nlocal = \"local\"\n{own}"))
        .scram("nova_local", "local", "")
        .start();
    let place = format!("localhost:{}", proxy.port);
    let task = "options=-c%20authority.task%3Dspanning";
    let folder = Folder::new();
    let file = folder.write(&format!("Orms.{language}"), program(title, language));
    run(Command::new(interpreter[0])
        .args(&interpreter[1..])
        .arg(file)
        .env("PYTHONPATH", tool("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NODE_PATH", tool("node_modules"))
        .env("DATABASE_URL", format!("postgresql://app:{PASSWORD}@{place}/nova?{task}"))
        .env("LOCAL_URL", format!("postgresql://app:{PASSWORD}@{place}/nova_local"))
        .env(
            "JDBC_URL",
            format!(
                "jdbc:postgresql://{place}/nova?user=app&password={PASSWORD}&{task}\
                 &reWriteBatchedInserts=true"
            ),
        )
        .env("HOST", "localhost")
        .env("PORT", proxy.port.to_string())
        .env("DBUSER", "app")
        .env("PASSWORD", PASSWORD));

    if traffic::is_recorded() {
        let client = title.to_ascii_lowercase().replace('-', "_");
        traffic::record(&format!("split_{client}"), &[&neon, &local]);
    }
    assert_eq!(rows(&neon, all), before, "neon is as it was");
    assert_eq!(
        rows(&local, "SELECT id FROM capabilities"),
        [""; 0],
        "nothing of neon's is in local"
    );
    let query = "SELECT capability_id, verdict FROM test_results ORDER BY capability_id";
    assert_eq!(rows(&local, query), results);
    let blocked = proxy.events("statement_blocked");
    assert!(blocked.is_empty(), "{blocked:#?}");
}

#[test]
fn sqlalchemy() {
    let results = [
        "1|better",
        "3|passed",
        "10|passed",
        "11|bulk",
        "12|bulk",
        "21|streamed",
        "22|streamed",
        "23|streamed",
        "30|autocommit",
    ];
    section("SQLAlchemy", "python", &["python3"], &results);
}

#[test]
fn django() {
    let results =
        ["1|seen", "10|bulk", "11|bulk", "12|passed", "21|streamed", "22|streamed", "23|streamed"];
    section("Django", "python", &["python3"], &results);
}

#[test]
fn asyncpg() {
    let results = [
        "1|passed",
        "10|many",
        "11|many",
        "12|copied",
        "21|streamed",
        "22|streamed",
        "23|streamed",
    ];
    section("asyncpg", "python", &["python3"], &results);
}

#[test]
fn node_postgres() {
    let results =
        ["1|passed", "21|read", "22|read", "23|read", "31|copied", "32|copied", "33|copied"];
    section("node-postgres", "js", &["node"], &results);
}

#[test]
fn jdbc() {
    let results = [
        "1|passed",
        "10|batch",
        "11|batch",
        "12|batch",
        "21|streamed",
        "22|streamed",
        "23|streamed",
    ];
    let java = ["java", "-cp", "/usr/share/java/postgresql.jar"];
    section("JDBC", "java", &java, &results);
}

/// No program of the page is left unrun.
#[test]
fn every_block_is_of_a_language_that_runs() {
    let page = fs::read_to_string(repository().join(PAGE)).unwrap();
    let fences: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("```")).collect();
    let ran = [("SQLAlchemy", "python"), ("Django", "python"), ("asyncpg", "python")];
    let ran = ran.into_iter().chain([("node-postgres", "js"), ("JDBC", "java")]);
    let run: usize = ran.map(|(section, language)| blocks(section, language).len()).sum();
    let tables = blocks("The example", "sql").len();
    assert_eq!(fences.len(), 2 * (run + tables), "a block of {PAGE} that nothing runs");
}
