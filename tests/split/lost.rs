//! A leg that cannot be reached, that is lost, or whose commit fails: clean errors, and a local
//! database that has all of a transaction or nothing of it.

use super::places::{Apart, Places};
use super::support::process::free_port;
use super::support::proxy::{PROD, STAGING};
use super::support::wire::{Failure, Frames};
use super::support::{Cluster, Major, Proxy, Wire};

/// The error of what ends the connection.
fn fatal(session: &mut Wire, text: &str) -> String {
    session.send(&Frames::new().query(text)).unwrap();
    loop {
        let message = session.receive().expect("a FATAL error first");
        if message.tag == b'E' {
            let fields = message.fields();
            assert_eq!(fields.get('S'), "FATAL", "{fields}");
            assert!(session.receive().is_err(), "the connection is over");
            return fields.code().to_owned();
        }
    }
}

#[test]
fn statements_for_the_other_leg_go_on_where_local_is_down() {
    let mut apart = Apart::start();
    apart.local.stop();
    let mut session = apart.session();
    assert_eq!(session.value("SELECT b FROM r1"), "one");
    let error = session.error("INSERT INTO w1 VALUES (2, 'b')");
    assert_eq!(error.code(), "08006", "{error}");
    assert_eq!(error.get('S'), "ERROR");
    session.sql("BEGIN");
    assert_eq!(session.value("SELECT b FROM r1"), "one");
    assert_eq!(session.error("DELETE FROM w1").code(), "08006");
    assert_eq!(session.status(), 'E');
    assert_eq!(session.error("SELECT 1").code(), "25P02");
    session.sql("ROLLBACK");
    // a transaction that no leg takes part in
    session.sql("BEGIN");
    assert_eq!(session.error("DELETE FROM w1").code(), "08006");
    assert_eq!(session.error("SELECT 1").code(), "25P02");
    assert_eq!(session.status(), 'E');
    session.sql("COMMIT");
    // what is set meanwhile is there once the leg is
    session.sql("SET application_name = 'patient'");
    apart.local.start();
    session.sql("CREATE TABLE made AS SELECT current_setting('application_name') AS name");
    assert_eq!(apart.local.value("app", "SELECT name FROM made"), "patient");
}

#[test]
fn a_session_begins_on_local_where_neon_is_down() {
    let mut apart = Apart::start();
    apart.neon.stop();
    let mut session = apart.session();
    session.sql("INSERT INTO w1 VALUES (2, 'b')");
    assert_eq!(session.error("SELECT b FROM r1").code(), "08006");
    apart.neon.start();
    assert_eq!(session.value("SELECT b FROM r1"), "one");
}

#[test]
fn a_lost_leg_ends_the_session_and_leaves_nothing_half_done() {
    let apart = Apart::start();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                WHERE usename = 'app' AND backend_type = 'client backend'";
    for steps in 0..4 {
        for lost in [&apart.neon, &apart.local] {
            let mut session = apart.session();
            session.sql("INSERT INTO w1 VALUES (100, 'kept') ON CONFLICT DO NOTHING");
            for step in
                &["BEGIN", "SELECT b FROM r1", "INSERT INTO w1 VALUES (200, 'lost')"][..steps]
            {
                session.sql(step);
            }
            lost.sql("app", kill);
            let code = fatal(&mut session, if steps == 0 { "TABLE r1" } else { "COMMIT" });
            // the server's own word, where it arrived
            assert!(["57P01", "08006"].contains(&code.as_str()), "{code} after {steps} steps");
            let rows = "SELECT string_agg(a::text, ',' ORDER BY a) FROM w1";
            assert_eq!(apart.local.value("app", rows), "1,100", "after {steps} steps");
        }
    }
}

#[test]
fn a_leg_is_not_idle_while_the_other_one_is_at_work() {
    let places = Apart::start();
    for cluster in [&places.neon, &places.local] {
        for name in ["idle_in_transaction_session_timeout", "idle_session_timeout"] {
            cluster.sql("postgres", &format!("ALTER ROLE app SET {name} = '2500ms'"));
        }
    }
    let read = "SELECT b FROM r1";
    let long = "INSERT INTO w1 SELECT max(a) + 1, pg_sleep(3)::text FROM w1";
    let mut session = places.session();
    session.sql("BEGIN");
    assert_eq!(session.value(read), "one");
    session.sql(long);
    assert_eq!(session.value(read), "one");
    session.sql("COMMIT");
    let pipeline = Frames::new().run("BEGIN", &[]).run(read, &[]).run(long, &[]).run(read, &[]);
    let messages = session.exchange(&pipeline.run("COMMIT", &[]).sync());
    assert!(messages.iter().all(|message| message.tag != b'E'), "{messages:?}");
    // outside a block, and where many short statements make it long
    session.sql(long);
    assert_eq!(session.value(read), "one");
    for _ in 0..4 {
        session.sql("INSERT INTO w1 SELECT max(a) + 1, pg_sleep(0.8)::text FROM w1");
    }
    assert_eq!(session.value(read), "one");
    // a client that is idle is (and the leg that takes no part is in no transaction)
    session.sql("BEGIN");
    session.sql(read);
    let told = session.receive().map(|message| message.fields().code().to_owned());
    assert!(matches!(told.ok().as_deref(), Some("25P03" | "57P05")));
}

#[test]
fn a_commit_that_fails_on_either_leg_commits_nothing() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("BEGIN");
    assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
    session.sql("INSERT INTO w2 VALUES (99)");
    assert_eq!(session.error("COMMIT").code(), "23503");
    assert_eq!(session.status(), 'I');
    session.sql("BEGIN");
    session.sql("INSERT INTO w1 VALUES (50, 'no')");
    session.sql("DECLARE held CURSOR WITH HOLD FOR SELECT 1 / (a - 2) FROM r1 ORDER BY a");
    assert_eq!(session.error("COMMIT").code(), "22012");
    assert_eq!(session.status(), 'I');
    let commit = Frames::new()
        .run("BEGIN", &[])
        .run("SELECT count(*) FROM r1", &[])
        .run("INSERT INTO w2 VALUES (98)", &[])
        .run("COMMIT", &[])
        .sync();
    let messages = session.exchange(&commit);
    let tags: String = messages.iter().map(|message| message.tag as char).collect();
    assert_eq!(tags, "12C12DC12C12EZ");
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w2"), "0");
    assert_eq!(places.cluster.value("local", "SELECT count(*) FROM w1"), "2");
}

#[test]
fn a_login_that_cannot_reach_neon_begins_where_it_writes_in_time() {
    let local = Cluster::builder().start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = |port: u16| format!("postgresql://app@127.0.0.1:{port}/app?sslmode=disable");
    let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\ntask = \"spanning\"";
    for neon in [free_port(), silent.local_addr().unwrap().port()] {
        let proxy = Proxy::builder()
            .server("login_timeout = \"6s\"")
            .upstream_at("neon", PROD, &nowhere(neon), "")
            .upstream_at("local", STAGING, &local.url("app", "app"), "")
            .upstream_at("gone", STAGING, &nowhere(neon), "")
            .entry("both", &format!("{entry}\nlocal = \"local\""))
            .entry("neither", &format!("{entry}\nlocal = \"gone\""))
            .start();
        let mut session = proxy.connect("both");
        session.sql("CREATE TEMP TABLE made ()");
        let Err(Failure::Server(error)) = proxy.try_connect(&proxy.login("neither")) else {
            panic!("it was let in")
        };
        assert_eq!(error.code(), "08006", "{error}");
    }
}
