//! The running world, on real servers: facts against declarations, staging against prod, the audit
//! log.

use std::fs;

use super::support::cluster::{Cluster, Major, PASSWORD};
use super::support::wire::{Login, Wire};
use super::{drift, text, tree};

fn configuration(prod: &Cluster, staging: &Cluster, more: &str) -> String {
    format!(
        "[audit]\npath = \"audit.jsonl\"\n\n[contract]\nmapping = \"warn\"\n\n\
         # pgauthority: allow config.mapping -- a stand-in\n\
         [upstreams.prod]\nauthority = \"neon\"\nrole = \"prod\"\nenv = \"prod-like\"\n\
         url = \"{}\"\n\n\
         [upstreams.staging]\nauthority = \"local\"\nrole = \"staging\"\nenv = \"test\"\n\
         url = \"{}\"\n{more}\n\
         [databases.work]\nneon = \"prod\"\nlocal = \"staging\"\nauth = \"relay\"\n",
        prod.url("postgres", "app"),
        staging.url("postgres", "app"),
    )
}

const SCHEMA: &str = "CREATE TABLE alembic_version (version_num varchar(128) PRIMARY KEY); \
    CREATE TABLE runs (id bigint PRIMARY KEY, note text)";

#[test]
fn staging_is_held_against_prod() {
    let (prod, staging) = (Cluster::builder().start(), Cluster::builder().start());
    for cluster in [&prod, &staging] {
        cluster.sql("app", SCHEMA);
        cluster.sql("app", "INSERT INTO alembic_version VALUES ('122_registry')");
    }
    let folder = tree(&[("pgauthority.toml", &configuration(&prod, &staging, ""))]);
    let at = folder.path();
    let rules = || {
        let output = drift(
            at,
            &[
                "--no-history",
                "--config",
                "pgauthority.toml",
                "--connect",
                "--audit",
                "--format",
                "csv",
            ],
        );
        assert_eq!(text(&output.stderr), "");
        let rows = text(&output.stdout);
        let rows: Vec<String> = rows.lines().skip(1).map(str::to_owned).collect();
        (output.status.code(), rows)
    };
    let (code, rows) = rules();
    assert_eq!((code, rows.as_slice()), (Some(0), &[][..]));
    // changed by hand; a privilege is no difference of schemas
    prod.sql("app", "ALTER TABLE runs ADD hotfix int");
    prod.sql("app", "GRANT SELECT ON runs TO PUBLIC");
    staging.sql("app", "UPDATE alembic_version SET version_num = '123_next'");
    let (code, rows) = rules();
    assert_eq!(code, Some(1));
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].starts_with("world.heads,error,pgauthority.toml,8,"), "{rows:?}");
    assert!(rows[0].contains("123_next") && rows[0].contains("122_registry"), "{rows:?}");
    assert!(rows[1].starts_with("world.schema,error,pgauthority.toml,8,"), "{rows:?}");
    assert!(rows[1].contains("column public.runs.hotfix only in \"\"prod\"\""), "{rows:?}");
    let log = fs::read_to_string(at.join("audit.jsonl")).unwrap();
    let events: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["event"], "drift");
    assert_eq!(events[0]["rule"], "world.heads");
    assert!(events[0]["reason"].as_str().unwrap().starts_with("pgauthority.toml:8: "));
}

#[test]
fn facts_contradict_declarations() {
    let cluster = Cluster::builder().start();
    let replica = format!(
        "[upstreams.replica]\nauthority = \"neon\"\nrole = \"replica\"\nenv = \"prod-like\"\nurl = \"{}\"\n\
         [upstreams.gone]\nauthority = \"local\"\nrole = \"staging\"\nenv = \"dev\"\n\
         url = \"postgresql://x@127.0.0.1:1/app?sslmode=disable\"\n\
         [upstreams.sealed]\nauthority = \"local\"\nrole = \"staging\"\nenv = \"test\"\n\
         require_seal = true\nurl = \"{}\"\n",
        cluster.url("postgres", "app"),
        cluster.url("postgres", "postgres"),
    );
    let folder = tree(&[("p.toml", &configuration(&cluster, &cluster, &replica))]);
    let output = drift(folder.path(), &["--no-history", "--config", "p.toml", "--connect"]);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stdout);
    for rule in ["world.recovery", "world.same_place", "world.unreachable", "world.seal"] {
        assert!(report.contains(&format!("error {rule}\n")), "no {rule}: {report}");
    }
}

#[test]
fn upstreams_without_a_user_are_named() {
    let config = "[upstreams.a]\nauthority = \"local\"\nrole = \"staging\"\nenv = \"dev\"\n\
                  url = \"postgresql://localhost:1/x?sslmode=disable\"\n\
                  [databases.x]\nupstream = \"a\"\nauth = \"relay\"\n";
    let folder = tree(&[("p.toml", config)]);
    let arguments = ["--no-history", "--config", "p.toml", "--connect", "--format", "json"];
    let output = drift(folder.path(), &arguments);
    let said = text(&output.stderr);
    assert!(said.contains("upstream \"a\" was not looked at: its url names no user"), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["not_looked_at"], serde_json::json!(["a"]));
}

/// Casts of types that somebody has made are neither looked for nor applied, and no policy is.
#[test]
fn nothing_of_a_version_table_runs() {
    for major in Major::ALL {
        let prod = Cluster::builder().major(major).start();
        let staging = Cluster::builder().start();
        staging.sql("app", SCHEMA);
        let mut owner =
            Wire::tcp(prod.port(), &Login::new("app", "app").password(PASSWORD)).unwrap();
        owner.sql(
            "CREATE SCHEMA evil; CREATE TYPE evil.e AS ENUM ('a');
             CREATE FUNCTION evil.ran() RETURNS void LANGUAGE plpgsql AS $$
             BEGIN
                 RAISE LOG 'ran as %', 'the login';
                 PERFORM set_config('default_transaction_read_only', 'off', false);
                 BEGIN EXECUTE 'ALTER ROLE app SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
             END $$;
             CREATE FUNCTION evil.t(evil.e) RETURNS text LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM evil.ran(); RETURN 'x'; END $$;
             CREATE FUNCTION evil.j(evil.e) RETURNS json LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM evil.ran(); RETURN '1'; END $$;
             CREATE CAST (evil.e AS text) WITH FUNCTION evil.t(evil.e);
             CREATE CAST (evil.e AS json) WITH FUNCTION evil.j(evil.e);
             CREATE TABLE evil.alembic_version (version_num evil.e);
             INSERT INTO evil.alembic_version VALUES ('a');
             CREATE TABLE evil.missing (n int); INSERT INTO evil.missing VALUES (1);
             ALTER TABLE evil.missing ADD e evil.e DEFAULT 'a';
             CREATE VIEW evil.schema_migrations AS SELECT evil.t('a') AS version",
        );
        let before = prod.log().matches("ran as the login").count();
        let folder = tree(&[("p.toml", &configuration(&prod, &staging, ""))]);
        let output = drift(folder.path(), &["--no-history", "--config", "p.toml", "--connect"]);
        let report = text(&output.stdout);
        assert!(
            report.contains("evil.alembic_version: \"staging\" has run none; only \"prod\" has a")
        );
        assert!(!report.contains("world.unreachable"), "{report}");
        assert_eq!(prod.log().matches("ran as the login").count(), before);
        let superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = 'app'";
        assert_eq!(prod.value("postgres", superuser), "f");
        // a table that shows its rows by a policy is not read, and that is said
        owner.sql(
            "CREATE FUNCTION evil.p() RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM evil.ran(); RETURN true; END $$;
             ALTER TABLE evil.alembic_version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY p ON evil.alembic_version USING (evil.p())",
        );
        let config = configuration(&prod, &staging, "").replacen("//postgres:", "//app:", 1);
        let folder = tree(&[("p.toml", &config)]);
        let output = drift(folder.path(), &["--no-history", "--config", "p.toml", "--connect"]);
        let report = text(&output.stdout);
        assert!(report.contains("world.unreachable") && report.contains("row-level"), "{report}");
        assert_eq!(prod.log().matches("ran as the login").count(), before);
    }
}

/// COPY reads neither a partitioned table nor what inherits from one.
#[test]
fn partitions_of_a_version_table_are_read() {
    let (prod, staging) = (Cluster::builder().start(), Cluster::builder().start());
    let versions =
        "CREATE TABLE schema_migrations (version text, dirty bool) PARTITION BY LIST (version);
         CREATE TABLE low PARTITION OF schema_migrations FOR VALUES IN ('1', '2');
         CREATE TABLE high PARTITION OF schema_migrations FOR VALUES IN ('3', '4')
             PARTITION BY LIST (version);
         CREATE TABLE higher (dirty bool, version text);
         ALTER TABLE high ATTACH PARTITION higher DEFAULT;
         INSERT INTO schema_migrations VALUES ('1', false), ('3', false), ('4', true);
         CREATE TABLE goose_db_version (version_id int, is_applied bool);
         CREATE TABLE older () INHERITS (goose_db_version);
         INSERT INTO older VALUES (7, true); INSERT INTO goose_db_version VALUES (8, true)";
    for cluster in [&prod, &staging] {
        cluster.sql("app", versions);
    }
    let folder = tree(&[("p.toml", &configuration(&prod, &staging, ""))]);
    let report = || {
        let arguments = ["--no-history", "--config", "p.toml", "--connect", "--only"];
        let arguments = [&arguments[..], &["world.heads,world.unreachable"]].concat();
        text(&drift(folder.path(), &arguments).stdout)
    };
    assert!(!report().contains("world."), "{}", report());
    staging.sql("app", "INSERT INTO schema_migrations VALUES ('2', false)");
    prod.sql("app", "UPDATE higher SET dirty = false; UPDATE older SET version_id = 6");
    let found = report();
    for expected in [
        "public.schema_migrations: only \"staging\" has 2; only \"prod\" has 4",
        "public.goose_db_version: only \"staging\" has 7; only \"prod\" has 6",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    // a foreign table would run what reaches elsewhere
    staging.sql(
        "app",
        "CREATE FOREIGN DATA WRAPPER f; CREATE SERVER s FOREIGN DATA WRAPPER f;
         CREATE FOREIGN TABLE afar PARTITION OF schema_migrations FOR VALUES IN ('9') SERVER s",
    );
    let found = report();
    let expected =
        "version table public.schema_migrations has rows in the foreign table public.afar";
    assert!(found.contains("world.unreachable") && found.contains(expected), "{found}");
}
