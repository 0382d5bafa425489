//! The oracle: every statement of the golden classes that changes a schema is tried on a guarded
//! database as a superuser. What runs all the same must be what the documentation says of it.

use std::collections::BTreeMap;

use super::ground::Guarded;
use super::support::cluster::Major;
use super::support::wire::Wire;

/// What fires no event trigger, by the beginning of its text; it is in `LIMITS` and in
/// docs/backstop.md.
const UNSEEN: &[&str] = &[
    "TRUNCATE",
    "CLUSTER",
    "VACUUM",
    "EXPLAIN",
    "REASSIGN OWNED",
    "CREATE ROLE",
    "CREATE USER",
    "CREATE GROUP",
    "ALTER ROLE",
    "ALTER USER",
    "ALTER GROUP",
    "DROP ROLE",
    "DROP USER",
    "DROP GROUP",
    "CREATE DATABASE",
    "ALTER DATABASE",
    "DROP DATABASE",
    "CREATE TABLESPACE",
    "ALTER TABLESPACE",
    "DROP TABLESPACE",
    "COMMENT ON DATABASE",
    "COMMENT ON ROLE",
    "COMMENT ON TABLESPACE",
    "CREATE EVENT TRIGGER",
    "ALTER EVENT TRIGGER",
    "DROP EVENT TRIGGER",
    "COMMENT ON EVENT TRIGGER",
    "GRANT app TO",
    "REVOKE app FROM",
    "GRANT SET ON PARAMETER",
    // changes nothing until it is executed
    "PREPARE",
];

/// Catalogs changed by hand, which would wreck the ground; only a superuser can.
fn is_dml(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    ["INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH", "LOCK"].contains(&&*first)
}

/// Objects under the names that the golden statements use.
const SETUP: &str = "
    CREATE TABLE t (id int PRIMARY KEY, a int, b int, c text, n int);
    CREATE TABLE u (id int PRIMARY KEY, a int);
    CREATE TABLE parent (id int, a int) PARTITION BY LIST (id);
    CREATE INDEX i ON t (a);
    CREATE VIEW v AS SELECT 1 AS a;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;
    CREATE SEQUENCE s;
    CREATE TYPE e AS ENUM ('x');
    CREATE DOMAIN d AS int;
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE ROLE joe; CREATE ROLE bob;";

fn golden() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classify");
    let mut statements = Vec::new();
    for file in ["ddl.tsv", "privilege_admin.tsv"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.splitn(4, '\t').collect();
            let ["ddl" | "privilege", _, _, text] = columns.as_slice() else { continue };
            if !is_dml(text) {
                statements.push(text.replace('␤', "\n").replace('␍', "\r"));
            }
        }
    }
    statements
}

#[test]
fn what_runs_all_the_same_is_what_the_documentation_says() {
    let statements = golden();
    assert!(statements.len() > 100, "only {} statements", statements.len());
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let cluster = &guarded.ground.cluster;
        let mut superuser = cluster.connect("app");
        for statement in SETUP.split(';') {
            let token = guarded.token(&mut superuser, statement, 60);
            super::ground::set_token(&mut superuser, &token);
            superuser.sql(statement);
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ran = Vec::new();
        for text in &statements {
            // what ends or changes a session is none of this test's
            let mut session: Wire = cluster.connect("app");
            let outcome = match session.try_sql(text) {
                Err(error) if error.detail().contains("backstop: ") => "refused",
                Err(_) => "failed",
                Ok(_) => {
                    let unseen = |start: &&str| {
                        let head = text.trim_start().get(..start.len());
                        head.is_some_and(|head| head.eq_ignore_ascii_case(start))
                    };
                    let reindex = major == Major::V15 && text.to_uppercase().starts_with("REINDEX");
                    if !UNSEEN.iter().any(unseen) && !reindex {
                        ran.push(text.clone());
                    }
                    "ran"
                }
            };
            *counts.entry(outcome).or_default() += 1;
        }
        assert!(counts["refused"] > 60, "{counts:?}");
        assert_eq!(ran, Vec::<String>::new(), "{major:?} {counts:?}");
        eprintln!("{major:?} {counts:?}");
    }
}

/// Statements that move or change many things at once leave nothing out.
#[test]
fn statements_about_everything_are_seen() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let mut superuser = guarded.ground.cluster.connect("app");
        superuser.sql("SET allow_in_place_tablespaces = on");
        superuser.sql("CREATE TABLESPACE elsewhere LOCATION ''");
        for text in [
            "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE elsewhere",
            "ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE elsewhere",
            "ALTER TABLE runs SET TABLESPACE elsewhere",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            "DROP OWNED BY app CASCADE",
            "IMPORT FOREIGN SCHEMA x FROM SERVER y INTO public",
        ] {
            let error = superuser.error(text);
            assert!(error.detail().contains("backstop: "), "{major:?} {text}: {error}");
        }
    }
}
