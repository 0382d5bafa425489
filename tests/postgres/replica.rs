//! A replica entry: nothing is written through it, confirmed or not, even where the server itself
//! would let it (contract §4, "guarded"). The upstream here is a writable primary.

use super::law::Law;
use super::support::proxy::REPLICA;
use super::support::transcript::Script;
use super::support::wire::Frames;
use super::support::{Cluster, Proxy};

const BLOCKS: &[(&str, &str)] = &[
    ("CREATE TABLE blocked (n int)", "replica.ddl"),
    ("INSERT INTO lines (item) VALUES (1)", "replica.write"),
    ("UPDATE items SET name = 'x'", "replica.write"),
    ("DELETE FROM lines", "replica.write"),
    ("SELECT * FROM items FOR UPDATE", "replica.write"),
    ("WITH gone AS (DELETE FROM lines RETURNING 1) SELECT * FROM gone", "replica.write"),
    ("EXPLAIN ANALYZE DELETE FROM lines", "replica.write"),
    ("SELECT nextval('lines_id_seq')", "replica.write"),
    ("SELECT lo_create(0)", "replica.write"),
    ("COPY items FROM STDIN", "replica.write"),
    ("NOTIFY news", "replica.write"),
    ("LOCK items", "replica.write"),
    ("SELECT 1; INSERT INTO lines (item) VALUES (1)", "replica.write"),
    ("CREATE TEMP TABLE scratch (n int)", "replica.temp"),
    ("VACUUM items", "replica.maintenance"),
    ("ANALYZE", "replica.maintenance"),
    ("GRANT SELECT ON items TO reader", "replica.privilege"),
    ("ALTER SYSTEM SET work_mem = '1MB'", "replica.admin"),
    ("DO $$ BEGIN NULL; END $$", "replica.opaque"),
    ("CALL nothing()", "replica.opaque"),
    ("TRUNCATE lines", "replica.ddl"),
    ("SET default_transaction_read_only = off", "replica.read_only"),
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "replica.read_only"),
    ("SET TRANSACTION READ WRITE", "replica.read_only"),
    ("SET transaction_read_only = off", "replica.read_only"),
    ("BEGIN READ WRITE", "replica.read_only"),
    ("START TRANSACTION READ WRITE", "replica.read_only"),
    ("RESET transaction_read_only", "replica.read_only"),
    ("SET default_transaction_read_only TO DEFAULT", "replica.read_only"),
    ("COMMIT AND CHAIN", "replica.read_only"),
    ("ROLLBACK AND CHAIN", "replica.read_only"),
    ("SELECT set_config('default_transaction_read_only', 'off', false)", "replica.read_only"),
];

#[test]
fn nothing_is_written_through_a_replica_entry() {
    let law = Law::start();
    let before = law.fingerprint();
    let mut faults = Vec::new();
    for (text, rule) in BLOCKS {
        for confirmed in [false, true] {
            let mut session =
                if confirmed { law.confirmed("replica") } else { law.session("replica") };
            match session.try_sql(text) {
                Ok(_) => faults.push(format!("{text}\n  ran")),
                Err(error) if error.code() != "25006" || !error.detail().contains(rule) => {
                    faults.push(format!("{text}\n  {error}"));
                }
                Err(_) if session.status() != 'I' => faults.push(format!("{text}\n  not idle")),
                Err(_) => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(law.fingerprint(), before);
}

#[test]
fn reading_and_resetting_go_on() {
    let law = Law::start();
    let mut session = law.session("replica");
    for text in [
        "SELECT * FROM items",
        "BEGIN; SELECT 1; COMMIT",
        "BEGIN READ ONLY; DECLARE c CURSOR FOR TABLE items; FETCH c; ROLLBACK",
        "COPY items TO STDOUT",
        "SET work_mem = '1MB'",
        "SET default_transaction_read_only = on",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL",
        "PREPARE p AS TABLE items; EXECUTE p",
        "EXPLAIN ANALYZE SELECT * FROM items",
    ] {
        session.sql(text);
        assert_eq!(session.value("SHOW transaction_read_only"), "on", "{text}");
    }
    session.exchange(&Frames::new().function_call(1397, &["-7"]));
    assert_eq!(session.status(), 'I');
}

/// A routine that writes, and one that tries to switch the guard off first.
#[test]
fn routines_do_not_write_either() {
    let law = Law::start();
    law.cluster.sql(
        "app",
        "CREATE FUNCTION sneak() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config('transaction_read_only', 'off', false); \
         INSERT INTO lines (item) VALUES (1); RETURN 1; END $$; \
         CREATE FUNCTION flip() RETURNS int LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM set_config('default_transaction_read_only', 'off', false); RETURN 1; END $$",
    );
    let before = law.fingerprint();
    for text in ["SELECT sneak()", "SELECT flip(); SELECT sneak()"] {
        let _ = law.session("replica").try_sql(text);
    }
    let mut session = law.session("replica");
    let flip = Frames::new().run("SELECT flip()", &[]).sync().run("SELECT sneak()", &[]).sync();
    let _ = session.send(&flip);
    let _ = session.receive();
    drop(session);
    assert_eq!(law.fingerprint(), before);
}

/// As JDBC sends it where it does not commit by itself: BEGIN and the first statement, then a Sync.
#[test]
fn a_call_may_come_behind_begin_in_a_pipeline() {
    let law = Law::start();
    law.cluster.sql(
        "app",
        "CREATE FUNCTION counts() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM lines'; \
         CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN \
         PERFORM set_config('transaction_read_only', 'off', false); \
         INSERT INTO lines (item) VALUES (1); RETURN 1; END $$",
    );
    let before = law.fingerprint();
    let mut session = law.session("replica");
    for (first, call, runs) in [
        (&["BEGIN"][..], "SELECT counts()", true),
        (&["BEGIN READ ONLY"], "SELECT counts()", true),
        (&["BEGIN ISOLATION LEVEL REPEATABLE READ"], "SELECT counts()", true),
        (&["SELECT 1"], "SELECT counts()", false),
        (&["BEGIN", "SELECT 1"], "SELECT counts()", false),
        (&["BEGIN", "SET work_mem = '1MB'"], "SELECT counts()", false),
        (&["BEGIN READ WRITE"], "SELECT counts()", false),
        (&["BEGIN"], "SELECT writes()", false),
    ] {
        let texts = first.iter().chain([&call]);
        let frames = texts.fold(Frames::new(), |frames, text| frames.run(text, &[])).sync();
        let messages = session.exchange(&frames);
        let error = messages.iter().find(|message| message.tag == b'E');
        assert_eq!(error.is_none(), runs, "{first:?} {call}: {messages:?}");
        assert!(error.is_none_or(|error| error.fields().code() == "25006"), "{messages:?}");
        session.sql("ROLLBACK");
    }
    assert_eq!(law.fingerprint(), before);
}

#[test]
fn a_client_cannot_start_without_the_guard() {
    let law = Law::start();
    for login in [
        law.proxy.login("replica").options("-c default_transaction_read_only=off"),
        law.proxy.login("replica").options("--default-transaction-read-only=off"),
        law.proxy.login("replica").parameter("default_transaction_read_only", "off"),
    ] {
        if let Ok(mut session) = law.proxy.try_connect(&login) {
            assert_eq!(session.value("SHOW default_transaction_read_only"), "on");
        }
    }
}

/// Through a replica entry onto a server that really is one.
#[test]
fn a_real_replica_reads_as_direct() {
    let primary = Cluster::builder().start();
    primary.sql("app", &format!("SET ROLE app; {}", super::scripts::SETUP));
    let replica = primary.replica();
    let proxy = Proxy::builder()
        .upstream("replica", REPLICA, &replica)
        .trusted("replica", "replica", "")
        .start();
    let mut session = proxy.connect("replica");
    let script = Script::new("reads").query("TABLE items").query("SELECT pg_is_in_recovery()");
    let lines = script.run(&mut session, &replica, "app");
    assert!(lines.iter().any(|line| line.contains("anvil")), "{lines:#?}");
    assert_eq!(session.parameters["in_hot_standby"], "on");
}
