//! A session that reads from a standby, which has no SERIALIZABLE transactions (manual, "Hot
//! Standby") and cannot notify.

use super::support::proxy::{Declared, STAGING};
use super::support::wire::Frames;
use super::support::{Cluster, Proxy, Wire};
use super::told::{codes, hears};

/// A read that only a snapshot can answer, and how its transaction is isolated.
const READ: &str = "SELECT a::text || ' ' || current_setting('transaction_isolation') FROM r1";
/// The same of a write.
const WRITE: &str = "INSERT INTO w1 VALUES (1) RETURNING a::text || ' ' || \
     current_setting('transaction_isolation')";
const SERIALIZABLE: &str = "default_transaction_isolation=serializable";

struct Standby {
    primary: Cluster,
    _standby: Cluster,
    proxy: Proxy,
}

impl Standby {
    fn start() -> Standby {
        let primary = Cluster::builder().start();
        primary.sql(
            "app",
            "CREATE TABLE r1 (a int); INSERT INTO r1 VALUES (7); CREATE TABLE w1 (a int); \
             GRANT ALL ON r1, w1 TO app",
        );
        let standby = primary.replica();
        primary.wait_for_replica(&standby);
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"\n\
                     task = \"spanning\"";
        let replica = Declared("neon", "replica", "prod-like");
        let proxy = Proxy::builder()
            .upstream_at("neon", replica, &standby.url("app", "app"), "")
            .upstream_at("local", STAGING, &primary.url("app", "app"), "")
            .entry("both", entry)
            .entry("alone", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"neon\"")
            .start();
        Standby { primary, _standby: standby, proxy }
    }

    fn serializable(&self, entry: &str) -> Wire {
        let login = self.proxy.login(entry).options(&format!("-c {SERIALIZABLE}"));
        self.proxy.try_connect(&login).unwrap()
    }
}

/// How a read and a write of one block are isolated, in either protocol.
fn isolated(session: &mut Wire) -> Vec<String> {
    let mut seen = Vec::new();
    for text in ["BEGIN", READ, WRITE, "ROLLBACK"] {
        seen.extend(session.sql(text).pop().into_iter().flatten().flatten());
    }
    for text in [READ, WRITE] {
        let answers = session.exchange(&Frames::new().run(text, &[]).sync());
        assert!(codes(&answers).is_empty(), "{text}: {:?}", codes(&answers));
        let row = answers.iter().find(|message| message.tag == b'D').unwrap();
        // a row of one column: two bytes of a count, four of a length
        seen.push(String::from_utf8(row.body[6..].to_vec()).unwrap());
    }
    seen
}

#[test]
fn serializable_is_repeatable_read_on_a_standby() {
    const SET: [&str; 4] =
        ["7 repeatable read", "1 serializable", "7 repeatable read", "1 serializable"];
    const UNSET: [&str; 4] =
        ["7 read committed", "1 read committed", "7 read committed", "1 read committed"];
    let places = Standby::start();
    for (text, expected) in [
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", SET),
        ("SET default_transaction_isolation = serializable", SET),
        ("SET SESSION Default_Transaction_Isolation TO 'Serializable'", SET),
        ("SELECT set_config('default_transaction_isolation', 'serializable', false)", SET),
        ("SET LOCAL default_transaction_isolation = serializable", UNSET),
    ] {
        for (first, simple) in [(false, true), (false, false), (true, true), (true, false)] {
            let mut session = places.proxy.connect("both");
            if first {
                session.sql(READ);
                session.sql(WRITE);
            }
            let frames = Frames::new();
            let frames = if simple { frames.query(text) } else { frames.run(text, &[]).sync() };
            let answers = session.exchange(&frames);
            assert!(codes(&answers).is_empty(), "{text}: {:?}", codes(&answers));
            assert_eq!(isolated(&mut session), expected, "{text}, {first}, {simple}");
            session.sql("RESET default_transaction_isolation");
            assert_eq!(isolated(&mut session), UNSET, "{text}, {first}, {simple}");
            for end in ["ROLLBACK", "COMMIT"] {
                session.sql("BEGIN");
                session.sql(text);
                session.sql(READ);
                session.sql(end);
                let expected = if end == "COMMIT" { expected } else { UNSET };
                assert_eq!(isolated(&mut session), expected, "{text}, {end}");
            }
        }
    }
    let mut session = places.proxy.connect("both");
    for begin in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"] {
        session.sql(begin);
        if begin == "BEGIN" {
            session.sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
        }
        assert_eq!(session.value(READ), SET[0]);
        assert_eq!(session.value(WRITE), SET[1]);
        assert_eq!(session.value("SHOW transaction_isolation"), "serializable");
        session.sql("COMMIT");
    }
}

#[test]
fn a_session_may_begin_serializable_on_a_standby() {
    let places = Standby::start();
    for text in ["SELECT 1", "RESET ALL", "RESET default_transaction_isolation", "DISCARD ALL"] {
        let mut session = places.serializable("both");
        assert_eq!(session.value(READ), "7 repeatable read");
        session.sql(text);
        assert_eq!(session.value(READ), "7 repeatable read", "{text}");
        assert_eq!(session.value(WRITE), "1 serializable", "{text}");
    }
    // one server alone lets it begin, and says what it does not have
    let mut session = places.serializable("alone");
    assert_eq!(session.error("SELECT a FROM r1").code(), "0A000");
    assert_eq!(session.value("SHOW default_transaction_isolation"), "serializable");
}

#[test]
fn a_session_that_leaves_a_standby_is_isolated_as_it_has_said() {
    let places = Standby::start();
    let isolation = "SHOW default_transaction_isolation";
    let serializable = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE";
    let other = "SET default_transaction_isolation = 'repeatable read'";
    for (began, set, expected) in [
        ("", &[serializable][..], "serializable"),
        ("", &["SET default_transaction_isolation = serializable"], "serializable"),
        ("", &[serializable, other], "repeatable read"),
        ("", &[other, serializable], "serializable"),
        ("", &[serializable, "RESET default_transaction_isolation"], "read committed"),
        ("", &[serializable, "RESET ALL"], "read committed"),
        ("", &["BEGIN", "SELECT 1", serializable, "COMMIT"], "serializable"),
        ("", &["BEGIN", "SELECT 1", serializable, "ROLLBACK"], "read committed"),
        (SERIALIZABLE, &[], "serializable"),
        (SERIALIZABLE, &["RESET ALL"], "serializable"),
        (SERIALIZABLE, &[other], "repeatable read"),
    ] {
        for first in ["SELECT 1", WRITE] {
            let options = format!("-c authority.task=spanning -c {began}");
            let login = places.proxy.login("both").options(options.trim_end_matches(" -c "));
            let mut session = places.proxy.try_connect(&login).unwrap();
            session.sql(first);
            set.iter().for_each(|text| drop(session.sql(text)));
            session.sql("SET authority.task = 'unit_tests'");
            assert_eq!(session.value("SHOW authority.upstream"), "local");
            assert_eq!(session.value(isolation), expected, "{began}, {set:?}, {first}");
            // what is no setting of the session's is what it began with
            session.sql("RESET default_transaction_isolation");
            let start = if began.is_empty() { "read committed" } else { "serializable" };
            assert_eq!(session.value(isolation), start, "{began}, {set:?}, {first}");
        }
    }
}

#[test]
fn listen_skips_a_standby() {
    let places = Standby::start();
    let once = Frames::new().query("LISTEN heard");
    let block = Frames::new().query("BEGIN").query("LISTEN heard").query("COMMIT");
    let extended = Frames::new().run("LISTEN heard", &[]).sync();
    for (frames, ready) in [(once, 1), (block, 3), (extended, 1)] {
        let mut session = places.proxy.connect("both");
        session.send(&frames).unwrap();
        for _ in 0..ready {
            let messages = session.receive_until(b'Z');
            assert!(codes(&messages).is_empty(), "{:?}", codes(&messages));
        }
        assert!(hears(&mut session, &places.primary, "app"));
    }
}
