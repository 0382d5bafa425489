//! PostgreSQL as the judge of the classifier: what fires an event trigger is never judged weaker
//! than `ddl`, what is judged `read` runs in a READ ONLY transaction, and what PostgreSQL ships as
//! SQL is judged without a surprise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pgauthority::sql::{Class, Effect, Judgement, judge};
use support::wire::Frames;
use support::{Cluster, Major, Wire};

/// What the statements of the golden tables talk about.
const SCHEMA: &str = "
    DROP SCHEMA IF EXISTS public CASCADE; DROP SCHEMA IF EXISTS s CASCADE;
    CREATE SCHEMA public; CREATE SCHEMA s;
    CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int, c text, d timestamp);
    CREATE TABLE u (id int PRIMARY KEY, a int, b int);
    CREATE TABLE s.t (id int, a int); CREATE TABLE s.u (id int);
    CREATE TABLE parent (a int) PARTITION BY LIST (a);
    CREATE TABLE p (a int) PARTITION BY LIST (a);
    CREATE TABLE alembic_version (version_num text);
    CREATE TABLE django_migrations (id int);
    CREATE TABLE schema_migrations (version text);
    CREATE TABLE pgbench_accounts (aid int, abalance int);
    CREATE VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;
    CREATE UNIQUE INDEX ON m (a); CREATE INDEX i ON t (b);
    CREATE TYPE e AS ENUM ('a'); CREATE TYPE c AS (a int); CREATE DOMAIN d AS int;
    CREATE SEQUENCE public.s;
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION my_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION my_function(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';";

const WATCH: &str = "
    CREATE SCHEMA oracle;
    CREATE FUNCTION oracle.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'fired: %', tg_tag; END $$;
    CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION oracle.note();
    CREATE ROLE joe;";

fn judged(text: &str) -> Judgement {
    let tables = ["alembic_version", "django_migrations", "schema_migrations"];
    judge(text.as_bytes(), &tables.map(String::from).into())
}

/// The statements of the golden tables that a server may be given: nothing that reaches its files
/// or other sessions, nothing that waits for data.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classify");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            let Some(statement) = line.split('\t').nth(3).filter(|_| !line.starts_with('#')) else {
                continue;
            };
            let statement = statement.replace('␤', "\n").replace('␍', "\r");
            let judgement = judged(&statement);
            let harmless = judgement.strongest < Class::Admin
                && !judgement.statements.iter().any(|one| one.copy_in);
            if harmless {
                found.push(statement);
            }
        }
    }
    found
}

/// The tags for which the event trigger fired, and the error code if there was one.
fn run(wire: &mut Wire, statement: &str) -> (Vec<String>, Option<String>) {
    let mut fired = Vec::new();
    let mut code = None;
    for message in wire.exchange(&Frames::new().query(statement)) {
        match message.tag {
            b'N' => {
                let fields = message.fields();
                fired.extend(fields.message().strip_prefix("fired: ").map(str::to_owned));
            }
            b'E' => code = Some(message.fields().code().to_owned()),
            _ => {}
        }
    }
    (fired, code)
}

/// Statements that leave the transaction they are tried in.
fn ends_transaction(judgement: &Judgement) -> bool {
    judgement.statements.iter().any(|one| {
        matches!(
            one.effect,
            Effect::Commit(_)
                | Effect::Rollback(_)
                | Effect::PrepareTransaction
                | Effect::Begin { .. }
        ) || one.do_or_call
    })
}

#[test]
fn what_fires_an_event_trigger_is_ddl() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).setting("statement_timeout", "5s").start();
        cluster.sql("app", WATCH);
        let mut wire = cluster.connect("app");
        let mut fresh = false;
        let (mut seen, mut wrong) = (0, String::new());
        for statement in statements() {
            if !fresh {
                let (_, error) = run(&mut wire, "DISCARD ALL");
                assert_eq!(error, None);
                let (_, error) = run(&mut wire, SCHEMA);
                assert_eq!(error, None);
            }
            let judgement = judged(&statement);
            fresh = !ends_transaction(&judgement);
            run(&mut wire, "BEGIN");
            let (mut fired, code) = run(&mut wire, &statement);
            run(&mut wire, "ROLLBACK");
            run(&mut wire, "DEALLOCATE ALL");
            // what cannot run in a transaction block
            if code.as_deref() == Some("25001") {
                fresh = false;
                fired = run(&mut wire, &statement).0;
                run(&mut wire, "ROLLBACK");
            }
            let temporary = statement.to_ascii_lowercase().contains("temp");
            for tag in &fired {
                seen += 1;
                let sound = match judgement.strongest {
                    // CONCURRENTLY makes a temporary table of its own
                    Class::Write => temporary || statement.starts_with("REFRESH"),
                    Class::Temp => temporary,
                    class => class >= Class::Ddl,
                };
                if !sound {
                    let class = judgement.strongest;
                    writeln!(wrong, "{statement}\n  fires {tag}, judged {class}").unwrap();
                }
            }
            let tags: Vec<_> = judgement.statements.iter().map(|one| one.tag).collect();
            if let ([tag], [ours]) = (&fired[..], &tags[..])
                && !matches!(*ours, "DO" | "EXPLAIN" | "SELECT" | "???")
                && tag != ours
            {
                writeln!(wrong, "{statement}\n  fires {tag}, our tag is {ours}").unwrap();
            }
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(seen > 90, "only {seen} event triggers fired on {major:?}");
    }
}

#[test]
fn what_is_read_runs_in_a_read_only_transaction() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).setting("statement_timeout", "5s").start();
        cluster.sql("app", WATCH);
        let mut wire = cluster.connect("app");
        assert_eq!(run(&mut wire, SCHEMA).1, None);
        let (mut ran, mut wrong) = (0, String::new());
        for statement in statements() {
            let judgement = judged(&statement);
            if judgement.strongest > Class::Read || ends_transaction(&judgement) {
                continue;
            }
            run(&mut wire, "BEGIN READ ONLY; PREPARE p AS SELECT 1; DECLARE c CURSOR FOR SELECT 1");
            let (fired, code) = run(&mut wire, &statement);
            run(&mut wire, "ROLLBACK");
            run(&mut wire, "DEALLOCATE ALL");
            if code.as_deref() == Some("25006") || !fired.is_empty() {
                writeln!(wrong, "{statement}\n  {code:?} {fired:?}").unwrap();
            }
            ran += usize::from(code.is_none());
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(ran > 80, "only {ran} statements ran on {major:?}");
    }
}

#[test]
fn what_postgresql_ships_as_sql_is_judged() {
    let mut folders = vec![PathBuf::from("/usr/share/postgresql")];
    let tables = BTreeSet::new();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                files += 1;
                let text = fs::read(&path).unwrap();
                let whole = judge(&text, &tables);
                for statement in &whole.statements {
                    assert_ne!(statement.tag, "", "{path:?}");
                }
                // line by line is mostly nonsense, and must be no more than that
                for line in text.split(|byte| *byte == b'\n') {
                    judge(line, &tables);
                }
            }
        }
    }
    assert!(files > 50, "only {files} files were found");
}
