//! What a block looks like (contract §5): the error, and that everything else is as after a
//! server's error.

use super::law::Law;
use super::support::cluster::PASSWORD;
use super::support::transcript::{Script, difference};
use super::support::wire::{Frames, Message};
use super::support::{Login, Wire};

/// On an unconfirmed prod session: the statement, the rule. `^` marks where the position points.
const PROD_BLOCKS: &[(&str, &str)] = &[
    ("^CREATE TABLE blocked (n int)", "prod.ddl_unconfirmed"),
    ("^CREATE TABLE IF NOT EXISTS items (n int)", "prod.ddl_unconfirmed"),
    ("^CREATE TABLE blocked AS SELECT 1", "prod.ddl_unconfirmed"),
    ("^SELECT 1 AS n INTO blocked", "prod.ddl_unconfirmed"),
    ("^ALTER TABLE items ADD blocked int", "prod.ddl_unconfirmed"),
    ("^DROP TABLE lines", "prod.ddl_unconfirmed"),
    ("^DROP TABLE IF EXISTS nothing", "prod.ddl_unconfirmed"),
    ("^TRUNCATE lines", "prod.ddl_unconfirmed"),
    ("^CREATE INDEX blocked ON items (name)", "prod.ddl_unconfirmed"),
    ("^CREATE INDEX CONCURRENTLY blocked ON items (name)", "prod.ddl_unconfirmed"),
    ("^REINDEX TABLE items", "prod.ddl_unconfirmed"),
    ("^CLUSTER items USING items_pkey", "prod.ddl_unconfirmed"),
    ("^VACUUM FULL items", "prod.ddl_unconfirmed"),
    ("^COMMENT ON TABLE items IS 'blocked'", "prod.ddl_unconfirmed"),
    ("^CREATE VIEW blocked AS SELECT 1", "prod.ddl_unconfirmed"),
    ("^CREATE EXTENSION hstore", "prod.ddl_unconfirmed"),
    ("^ALTER TYPE mood ADD VALUE 'blocked'", "prod.ddl_unconfirmed"),
    ("^CREATE FUNCTION blocked() RETURNS int LANGUAGE sql AS 'SELECT 1'", "prod.ddl_unconfirmed"),
    ("^EXPLAIN ANALYZE CREATE TABLE blocked AS SELECT 1", "prod.ddl_unconfirmed"),
    ("^GRANT SELECT ON items TO reader", "prod.privilege_unconfirmed"),
    ("^REVOKE ALL ON items FROM PUBLIC", "prod.privilege_unconfirmed"),
    ("^CREATE ROLE blocked", "prod.privilege_unconfirmed"),
    ("^ALTER ROLE app SET work_mem = '1MB'", "prod.privilege_unconfirmed"),
    ("^ALTER TABLE items OWNER TO reader", "prod.privilege_unconfirmed"),
    ("^DO $$ BEGIN EXECUTE 'DROP TABLE lines'; END $$", "prod.opaque_unconfirmed"),
    ("^SELEC 1", "prod.opaque_unconfirmed"),
    ("SELECT 'größe'; SELECT 2 x ^y", "prod.opaque_unconfirmed"),
    ("^CREATE DATABASE blocked", "prod.admin_blocked"),
    ("^ALTER SYSTEM SET work_mem = '1MB'", "prod.admin_blocked"),
    ("^COPY items TO '/tmp/blocked'", "prod.admin_blocked"),
    ("^COPY items FROM PROGRAM 'true'", "prod.admin_blocked"),
    ("^CHECKPOINT", "prod.admin_blocked"),
    ("^SET session_replication_role = replica", "prod.admin_blocked"),
    ("^SELECT pg_terminate_backend(1)", "prod.admin_blocked"),
    ("SELECT 1; ^DROP TABLE lines; SELECT 2", "prod.ddl_unconfirmed"),
    ("INSERT INTO lines (item) VALUES (1); ^DROP TABLE items", "prod.ddl_unconfirmed"),
    ("SELECT 'größe'; /* ü */ ^DROP TABLE lines", "prod.ddl_unconfirmed"),
    ("-- first\n  ^DROP TABLE lines", "prod.ddl_unconfirmed"),
    ("BEGIN; ^DROP TABLE lines; COMMIT", "prod.ddl_unconfirmed"),
    ("^PREPARE p AS SELECT 1 AS n INTO blocked", "prod.ddl_unconfirmed"),
    ("^SET authority.role = 'staging'", "tag.readonly"),
    ("^SET authority.nonsense = 1", "parameter.unknown"),
    ("^SET authority.confirm_prod_migrations = maybe", "parameter.invalid"),
    ("^SET authority.task = 'nonsense'", "task.unknown"),
    ("^SET authority.expect_role = 'staging'", "expect.mismatch"),
    ("^SET standard_conforming_strings = off", "lexing.unsafe"),
    ("^SET client_encoding = 'SJIS'", "lexing.unsafe"),
];

fn sqlstate(rule: &str) -> &'static str {
    match rule {
        "tag.readonly" => "55P02",
        "parameter.unknown" => "42704",
        "parameter.invalid" => "22023",
        "task.unknown" | "expect.mismatch" => "28000",
        "lexing.unsafe" => "0A000",
        _ if rule.starts_with("replica.") => "25006",
        _ => "42501",
    }
}

#[test]
fn every_block_says_what_where_and_why() {
    let law = Law::start();
    let before = law.fingerprint();
    let mut faults = Vec::new();
    for (marked, rule) in PROD_BLOCKS {
        let text = marked.replacen('^', "", 1);
        let position = marked[..marked.find('^').unwrap()].chars().count() + 1;
        let mut session = law.session("prod");
        let error = match session.try_sql(&text) {
            Err(error) => error,
            Ok(_) => {
                faults.push(format!("{text}\n  ran"));
                continue;
            }
        };
        let mut expect = |what: &str, right: bool| {
            if !right {
                faults.push(format!("{text}\n  {what}: {error}\n  {:?}", error.0));
            }
        };
        expect("severity", error.get('S') == "ERROR" && error.get('V') == "ERROR");
        expect("sqlstate", error.code() == sqlstate(rule));
        expect("rule in the detail", error.detail().contains(rule));
        expect("a hint", !error.hint().is_empty());
        let points = error.get('P') == position.to_string();
        expect("position", points || rule.starts_with("parameter"));
        expect("no internal names", !error.message().contains("nonce"));
        expect("alive and idle", session.status() == 'I');
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(law.fingerprint(), before, "a blocked statement changed something");
    let log = law.cluster.log();
    assert!(!log.contains("SELECT \"pgauthority"), "an idle block reached the server:\n{log}");
}

/// Texts that PostgreSQL's grammar does not take, on any major.
const UNREADABLE: &[&str] = &[
    "SELEC 1",
    "SELECT 1;\nSELECT 2 x y",
    "SELECT 'größe', ü ü ü",
    "SELECT (1",
    "DROP TABLE",
    "SELECT 'not closed",
    "SELECT $x$ not closed $y$",
    "SELECT \"not closed",
    "SELECT 1 /* not closed /* */",
    "SELECT E'\\u00zz'",
    "CREATE TABLE a.b.c.d (n int)",
    "CREATE ROLE x WITH nonsense",
    "SELECT U&'\\zzzz'",
    "  -- nothing\n  SELECT 1 FROM ; SELECT 2",
];

#[test]
fn what_cannot_be_read_is_told_in_the_servers_words() {
    let law = Law::start();
    let mut direct =
        Wire::tcp(law.cluster.port(), &Login::new("app", "app").password(PASSWORD)).unwrap();
    let mut faults = Vec::new();
    for text in UNREADABLE {
        let theirs = direct.try_sql(text).unwrap_err();
        for entry in ["prod", "replica"] {
            let mut session = law.session(entry);
            let mut errors = vec![session.try_sql(text).unwrap_err()];
            let answers = session.exchange(&Frames::new().parse("", text, &[]).sync());
            errors.extend(answers.iter().filter(|one| one.tag == b'E').map(Message::fields));
            assert_eq!(errors.len(), 2, "{text}");
            for ours in errors {
                let said = ours.detail().split_once("PostgreSQL's grammar: ").map(|(_, said)| said);
                let same = said == Some(theirs.message()) && ours.get('P') == theirs.get('P');
                if !same || !ours.hint().starts_with("if this is a typing error, mend it; ") {
                    faults.push(format!("{text} on {entry}\n  {ours}\n  not {theirs:?}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // the log has where, and nothing that is quoted of the text
    let events = law.proxy.events("statement_blocked");
    assert_eq!(events.len(), 4 * UNREADABLE.len());
    for event in &events {
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.contains("cannot be read by PostgreSQL's grammar: "), "{reason}");
        assert!(!reason.contains("not closed") && !reason.contains("nonsense"), "{reason}");
        assert!(event["position"].is_number(), "{event}");
    }
}

#[test]
fn a_body_that_cannot_be_read_says_why() {
    let law = Law::start();
    let mut session = law.session("prod");
    for (text, said) in [
        ("DO $$ BEGIN SELEC 1; END $$", "syntax error at or near \"SELEC\""),
        ("DO $$ BEGIN IF true THEN END $$", "syntax error at end of input"),
        ("DO $$ BEGIN x := 1; END $$", "\"x\" is not a known variable"),
    ] {
        let error = session.try_sql(text).unwrap_err();
        let reason = format!("; has a body that cannot be read: {said}");
        assert!(error.detail().ends_with(&reason), "{text}: {error:?}");
        assert_eq!(error.get('P'), "1");
    }
}

/// Pipelines and transactions with a statement `X` in them: run direct with one that fails in
/// analysis, and proxied with one that is blocked. Nothing else may differ.
fn with_failing(x: &str) -> Vec<Script> {
    let f = Frames::new;
    let insert = "INSERT INTO lines (item) VALUES (1)";
    let count = "SELECT count(*) FROM lines";
    vec![
        Script::new("alone").query(x).query("SELECT 1"),
        Script::new("in a string").query(&format!("{x}; {insert}")).query(count),
        Script::new("in a transaction")
            .query("BEGIN")
            .query(insert)
            .query(x)
            .query(count)
            .query("COMMIT"),
        Script::new("in a failed transaction")
            .query("BEGIN; SELECT 1/0")
            .query(x)
            .query("ROLLBACK"),
        Script::new("after a savepoint")
            .query(&format!("BEGIN; {insert}; SAVEPOINT s"))
            .query(x)
            .query("ROLLBACK TO s")
            .query(count)
            .query("ROLLBACK"),
        Script::new("parse alone")
            .send(f().parse("", x, &[]).sync())
            .ready(1)
            .send(f().parse("named", x, &[]).sync().bind("", "named", &[]).sync())
            .ready(2),
        Script::new("the old unnamed statement is gone")
            .send(f().parse("", "SELECT 1", &[]).sync().parse("", x, &[]).sync())
            .ready(2)
            .send(f().bind("", "", &[]).execute("", 0).sync())
            .ready(1),
        Script::new("a pipeline: before, x, after")
            .send(f().run(insert, &[]).run(x, &[]).run(insert, &[]).sync().run(count, &[]).sync())
            .ready(2),
        Script::new("a pipeline: several syncs")
            .send(f().run(x, &[]).sync().run("SELECT 1", &[]).sync().run(x, &[]).sync())
            .ready(3),
        Script::new("a pipeline with describe and flush")
            .send(f().parse("s", x, &[]).describe_statement("s").flush())
            .until(b'E')
            .send(f().bind("", "s", &[]).execute("", 0).sync())
            .ready(1)
            .query("SELECT 1"),
        Script::new("a pipeline that failed before")
            .send(f().run("SELECT 1/0", &[]).run(x, &[]).sync().run("SELECT 1", &[]).sync())
            .ready(2),
        Script::new("a transaction in a pipeline")
            .send(
                f().run("BEGIN", &[])
                    .run(insert, &[])
                    .run(x, &[])
                    .sync()
                    .run(count, &[])
                    .sync()
                    .run("ROLLBACK", &[])
                    .sync(),
            )
            .ready(3),
        Script::new("queries in a row")
            .send(f().query("SELECT 1").query(x).query("SELECT 2"))
            .ready(3),
        Script::new("a query in an open pipeline")
            .send(f().run("SELECT 1", &[]).query(x).query("SELECT 2").sync())
            .ready(3),
    ]
}

/// The error itself is another; everything around it is the same.
fn without_the_error(transcript: Vec<String>) -> Vec<String> {
    transcript
        .into_iter()
        .filter(|line| !line.starts_with("->"))
        .map(|line| match line.contains(" C=\"42703\"") || line.contains(" C=\"42501\"") {
            true => "   ErrorResponse (x)".to_owned(),
            false => line,
        })
        .collect()
}

#[test]
fn a_block_is_as_a_servers_error() {
    let law = Law::start();
    let direct = with_failing("SELECT no_such_column");
    let blocked = with_failing("CREATE TABLE blocked (n int)");
    let mut faults = Vec::new();
    for (direct, blocked) in direct.iter().zip(&blocked) {
        let login = Login::new("app", "app").password(PASSWORD);
        let mut wire = Wire::tcp(law.cluster.port(), &login).unwrap();
        let clean = "TRUNCATE lines RESTART IDENTITY";
        law.cluster.sql("app", clean);
        let expected = direct.run(&mut wire, &law.cluster, "app");
        law.cluster.sql("app", clean);
        let got = blocked.run(&mut law.session("prod"), &law.cluster, "app");
        let (expected, got) = (without_the_error(expected), without_the_error(got));
        faults.extend(difference(direct.name, &expected, &got));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(law.cluster.value("app", "SELECT to_regclass('blocked') IS NULL"), "t");
}

#[test]
fn a_block_is_in_the_audit_log_before_the_answer() {
    let law = Law::start();
    let login = law.proxy.login("prod").parameter("application_name", "deploy script");
    let mut session = law.proxy.try_connect(&login).unwrap();
    session.sql("SET authority.ticket = 'OPS-7'");
    let error = session.error("SELECT 1; DROP TABLE lines -- 'secret'");
    let events = law.proxy.events("statement_blocked");
    assert_eq!(events.len(), 1, "{events:#?}");
    let event = &events[0];
    for (field, value) in [
        ("rule", "prod.ddl_unconfirmed"),
        ("sqlstate", "42501"),
        ("upstream", "prod"),
        ("authority", "neon"),
        ("role", "prod"),
        ("env", "prod-like"),
        ("database", "prod"),
        ("user", "app"),
        ("application_name", "deploy script"),
        ("class", "ddl"),
        ("command_tag", "DROP TABLE"),
        ("ticket", "OPS-7"),
    ] {
        assert_eq!(event[field], value, "{field}: {event:#}");
    }
    assert_eq!(event["position"], 11);
    assert_eq!(event["confirmed"], false);
    assert!(error.detail().contains(event["id"].as_str().unwrap()), "{error}");
    law.session("prod").error("UPDATE items SET name = 'v4lue'; DROP TABLE lines");
    let text = std::fs::read_to_string(law.proxy.audit_path()).unwrap();
    assert!(!text.contains("v4lue"), "a value is in the log:\n{text}");
}

#[test]
fn a_statement_prepared_while_confirmed_does_not_run_afterwards() {
    let law = Law::start();
    let mut session = law.session("prod");
    session.sql("SET authority.confirm_prod_migrations = on");
    let ddl = "CREATE TABLE later (n int)";
    session.exchange(&Frames::new().parse("s", ddl, &[]).sync());
    session.sql("PREPARE q AS INSERT INTO lines (item) VALUES (1)");
    session.sql("RESET authority.confirm_prod_migrations");
    session.sql("EXECUTE q");
    let answers = session.exchange(&Frames::new().bind("", "s", &[]).execute("", 0).sync());
    let error = answers.iter().find(|message| message.tag == b'E').expect("blocked").fields();
    assert_eq!(error.code(), "42501", "{error}");
    session.sql("SET authority.confirm_prod_migrations = on");
    let answers = session.exchange(&Frames::new().bind("", "s", &[]).execute("", 0).sync());
    assert!(answers.iter().all(|message| message.tag != b'E'), "{answers:?}");
}
