//! Real clients and tools, each with its own default settings, TLS and SCRAM on both legs: their
//! ordinary traffic raises no false alarm on a prod entry, their DDL is blocked, and runs once
//! confirmed. The drivers are in `tests/clients/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::process::{Command, Stdio};

use support::cluster::PASSWORD;
use support::proxy::{PROD, REPLICA, STAGING};
use support::{CertificateAuthority, Cluster, Proxy, tools, traffic};

const SETUP: &str = "
SET ROLE app;
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price > 0));
INSERT INTO items VALUES (1, 'anvil', 9.50), (2, 'bellows', 20), (3, 'chisel', NULL);
CREATE TABLE lines (id serial PRIMARY KEY, item int REFERENCES items, note text);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE FUNCTION tell(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
";

/// Starts servers and proxy, runs `program` with a file of `tests/clients/`, gives the audit log's
/// blocked statements. `auth`: how the entries authenticate (`own`: SCRAM by the proxy, `relay`).
fn drive(program: &str, arguments: &[&str], file: &str, auth: &str) -> Vec<serde_json::Value> {
    let authority = CertificateAuthority::new();
    let primary = traffic::logged(Cluster::builder().tls(&authority).tls_only()).start();
    primary.sql("app", SETUP);
    let replica = primary.replica();
    let staging = traffic::logged(Cluster::builder().tls(&authority).tls_only()).start();
    staging.sql("app", SETUP);
    let builder = Proxy::builder()
        .tls(&authority, "require")
        .neon_upstream("neon-prod", PROD, &primary)
        .neon_upstream("neon-replica", REPLICA, &replica)
        .neon_upstream("local", STAGING, &staging);
    let entries = [("prod", "neon-prod"), ("replica", "neon-replica"), ("staging", "local")];
    let span = "neon = \"neon-prod\"\nlocal = \"local\"\ntask = \"spanning\"\n\
                auth = \"scram-sha-256\"\nusers = [\"app\"]";
    let builder = builder.entry("span", span);
    let builder = builder.entry("routed", &span.replace("task = \"spanning\"\n", ""));
    let proxy = entries
        .into_iter()
        .fold(builder, |builder, (entry, upstream)| match auth {
            "relay" => builder.relayed(entry, upstream, ""),
            _ => builder.scram(entry, upstream, ""),
        })
        .start();
    let ca = proxy.folder().join("ca.crt");
    let folder = tools::repository().join("tests/clients");
    let output = Command::new(program)
        .args(arguments)
        .arg(folder.join(file))
        .current_dir(&folder)
        .env("PYTHONPATH", format!("{}:{}", tools::tool("python").display(), folder.display()))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NODE_PATH", tools::tool("node_modules"))
        .env("HOST", "localhost")
        .env("PORT", proxy.port.to_string())
        .env("DBUSER", "app")
        .env("PASSWORD", PASSWORD)
        .env("CA", &ca)
        .env("PROD", "prod")
        .env("STAGING", "staging")
        .env("REPLICA", "replica")
        .env("SPAN", "span")
        .env("ROUTED", "routed")
        .env("CONFIRM", "-c authority.confirm_prod_migrations=true")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{file} ({auth}): {}\n{}{}\n-- blocked\n{:#?}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        proxy.events("statement_blocked"),
    );
    if traffic::is_recorded() && auth != "relay" {
        let client = file.split('.').next().unwrap_or(file).trim_end_matches("_driver");
        traffic::record(&client.to_ascii_lowercase(), &[&primary, &replica, &staging]);
    }
    proxy.events("statement_blocked")
}

/// Blocks that are no part of what the driver means to provoke are false alarms.
fn only_intended(blocked: &[serde_json::Value]) {
    let alarms: Vec<_> = blocked
        .iter()
        .filter(|event| !matches!(event["class"].as_str(), Some("ddl" | "migration_state")))
        .collect();
    assert!(alarms.is_empty(), "false alarms:\n{alarms:#?}");
    assert!(!blocked.is_empty(), "nothing was blocked");
}

fn python(file: &str, auth: &str) {
    only_intended(&drive("python3", &[], file, auth));
}

#[test]
fn psycopg_3() {
    python("psycopg3_driver.py", "own");
}

#[test]
fn psycopg_3_relayed() {
    python("psycopg3_driver.py", "relay");
}

#[test]
fn psycopg_2() {
    python("psycopg2_driver.py", "own");
}

#[test]
fn asyncpg() {
    python("asyncpg_driver.py", "own");
}

#[test]
fn asyncpg_relayed() {
    python("asyncpg_driver.py", "relay");
}

#[test]
fn pg8000() {
    python("pg8000_driver.py", "own");
}

#[test]
fn sqlalchemy() {
    python("sqlalchemy_driver.py", "own");
}

#[test]
fn alembic() {
    python("alembic_driver.py", "own");
}

#[test]
fn postgresql_tools() {
    python("tools_driver.py", "own");
}

#[test]
fn node_postgres() {
    only_intended(&drive("node", &[], "node_postgres.js", "own"));
}

#[test]
fn postgres_js() {
    only_intended(&drive("node", &[], "postgres_js.js", "own"));
}

#[test]
fn jdbc() {
    only_intended(&drive("java", &["-cp", "/usr/share/java/postgresql.jar"], "Jdbc.java", "own"));
}

/// Sessions that read from neon and write to local: no client notices but by what it sees.
fn spans(program: &str, arguments: &[&str], file: &str) {
    let blocked = drive(program, arguments, file, "spanning");
    assert!(blocked.is_empty(), "false alarms:\n{blocked:#?}");
}

#[test]
fn python_clients_span_both_places() {
    spans("python3", &[], "span_driver.py");
}

#[test]
fn node_postgres_spans_both_places() {
    spans("node", &[], "span_node.js");
}

#[test]
fn jdbc_spans_both_places() {
    spans("java", &["-cp", "/usr/share/java/postgresql.jar"], "SpanJdbc.java");
}

#[test]
fn the_hint_of_a_session_without_a_task_works_as_typed() {
    spans("python3", &[], "hint_driver.py");
}

#[test]
fn jdbc_relayed() {
    only_intended(&drive("java", &["-cp", "/usr/share/java/postgresql.jar"], "Jdbc.java", "relay"));
}
