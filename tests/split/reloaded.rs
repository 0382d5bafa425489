//! A reload that makes the row of a session's task lead elsewhere: it goes there by itself.

use std::time::Duration;
use std::{fs, thread};

use super::places::Places;
use super::support::process::eventually;
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Major, Proxy, Wire};

const AWAY: &str = "SET authority.task = 'run_verification'";
const WHERE: &str = "SELECT current_database()";

fn session(proxy: &Proxy, task: &str) -> Wire {
    let login = proxy.login("nova").options(&format!("-c authority.task={task}"));
    proxy.try_connect(&login).unwrap()
}

fn rows(cluster: &Cluster, database: &str) -> String {
    cluster.value(database, "SELECT count(*) FROM w1")
}

/// Reloads with a configuration that this makes of the present one.
pub fn reload(proxy: &mut Proxy, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(&proxy.config).unwrap();
    let loaded = proxy.events("config_loaded").len();
    fs::write(&proxy.config, change(&text)).unwrap();
    proxy.reload();
    eventually("the configuration to be loaded", Duration::from_secs(10), || {
        (proxy.events("config_loaded").len() > loaded).then_some(())
    });
    thread::sleep(Duration::from_millis(100));
}

/// Makes this task work elsewhere.
fn lead(proxy: &mut Proxy, task: &str, read: &str, write: &str) {
    let row =
        format!("\n[[decision]]\ntask = \"{task}\"\nread = \"{read}\"\nwrite = \"{write}\"\n");
    reload(proxy, |text| text.to_owned() + &row);
}

fn row(messages: &[Message]) -> Option<String> {
    let row = messages.iter().find(|message| message.tag == b'D')?;
    row.columns()[0].clone()
}

fn error(messages: &[Message]) -> String {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.map(|error| error.fields().to_string()).unwrap_or_default()
}

#[test]
fn the_next_statement_outside_a_transaction_runs_there() {
    let mut places = Places::start(Major::V15);
    let proxy = &mut places.proxy;
    let mut query = session(proxy, "run_verification");
    query.sql("SET work_mem = '7MB'");
    let mut begins = session(proxy, "run_verification");
    let mut parses = session(proxy, "run_verification");
    let mut binds = session(proxy, "run_verification");
    binds.exchange(&Frames::new().parse("s", WHERE, &[]).sync());
    let mut unnamed = session(proxy, "run_verification");
    unnamed.exchange(&Frames::new().parse("", WHERE, &[]).sync());
    let mut calls = session(proxy, "run_verification");
    let mut inside = session(proxy, "run_verification");
    inside.sql("BEGIN");
    inside.sql("SAVEPOINT a");
    let mut sends = session(proxy, "run_verification");
    lead(proxy, "run_verification", "local", "local");

    let messages = query.exchange(&Frames::new().query("INSERT INTO w1 VALUES (601)"));
    let tags: String = messages.iter().map(|message| char::from(message.tag)).collect();
    assert!(tags.ends_with("CZ") && tags.matches('Z').count() == 1, "{tags}");
    assert!(tags.starts_with('S'), "the new place's reports: {tags}");
    assert_eq!(query.value(WHERE), "local");
    assert_eq!(query.value("SHOW work_mem"), "7MB");
    assert_eq!(query.value("SHOW authority.task"), "run_verification");
    assert_eq!(query.value("SHOW authority.authority"), "local");
    begins.sql("BEGIN");
    begins.sql("INSERT INTO w1 VALUES (602)");
    begins.sql("COMMIT");
    let bound = parses.exchange(&Frames::new().run("INSERT INTO w1 VALUES (603)", &[]).sync());
    assert_eq!(error(&bound), "");
    let bound = binds.exchange(&Frames::new().bind("", "s", &[]).execute("", 0).sync());
    assert_eq!(row(&bound).as_deref(), Some("local"));
    // the unnamed statement would be lost, so that one stays a moment longer
    let run = Frames::new().bind("", "", &[]).execute("", 0).sync();
    assert!(error(&unnamed.exchange(&run)).contains("since a reload"));
    assert_eq!(unnamed.value(WHERE), "local");
    // a function's OID: now()
    let called = calls.exchange(&Frames::new().function_call(1299, &[]));
    assert_eq!(error(&called), "");
    assert_eq!(calls.value(WHERE), "local");
    for _ in 0..2 {
        let refused = inside.error("INSERT INTO w1 VALUES (604)");
        assert!(refused.hint().contains("declare the task again"), "{refused}");
        inside.sql("ROLLBACK TO a");
    }
    inside.sql("ROLLBACK");
    inside.sql("INSERT INTO w1 VALUES (605)");
    // without waiting, in both protocols
    let frames = Frames::new().query("INSERT INTO w1 VALUES (606)").query(WHERE).run(WHERE, &[]);
    sends.send(&frames.sync()).unwrap();
    assert_eq!(error(&sends.receive_until(b'Z')), "");
    assert_eq!(row(&sends.receive_until(b'Z')).as_deref(), Some("local"));
    assert_eq!(row(&sends.receive_until(b'Z')).as_deref(), Some("local"));
    assert_eq!(rows(&places.cluster, "neon"), "0");
    let written = "SELECT string_agg(a::text, ',' ORDER BY a) FROM w1 WHERE a > 600";
    assert_eq!(places.cluster.value("local", written), "601,602,603,605,606");
}

#[test]
fn it_stays_while_something_hinders_and_says_what() {
    let mut places = Places::start(Major::V15);
    let mut one = session(&places.proxy, "run_verification");
    one.sql("PREPARE p AS SELECT 1");
    let mut other = session(&places.proxy, "run_verification");
    let mut both = session(&places.proxy, "spanning");
    both.sql("INSERT INTO w1 VALUES (600)");
    both.sql("PREPARE p AS SELECT 1; SET my.own = 'a'");
    let mut other_both = session(&places.proxy, "spanning");
    let mut fourth = session(&places.proxy, "spanning");
    lead(&mut places.proxy, "run_verification", "local", "local");
    lead(&mut places.proxy, "spanning", "local", "local");
    let insert = "INSERT INTO w1 VALUES (601)";
    let refused = one.error(insert);
    assert!(refused.message().contains("leads to other upstreams since a reload"), "{refused}");
    assert!(refused.hint().contains("declare the task again"), "{refused}");
    assert!(refused.detail().contains("rule task.denied"), "{refused}");
    assert!(refused.detail().contains("prepared statement \"p\" by PREPARE"), "{refused}");
    let event = &places.proxy.events("statement_blocked")[0];
    assert_eq!((&event["rule"], &event["command_tag"]), (&"task.denied".into(), &"INSERT".into()));
    one.error("SELECT 1");
    one.sql("SET my.own = 'a'");
    let refused = one.error(AWAY);
    assert!(refused.message().contains("by PREPARE"), "{refused}");
    one.error(insert);
    one.sql("DEALLOCATE p");
    one.sql(insert);
    assert_eq!(one.value(WHERE), "local");
    assert_eq!(one.value("SHOW my.own"), "a");
    other.sql("RESET ALL");
    assert_eq!(other.value(WHERE), "local");
    // a split session goes once it says so
    let again = "SET authority.task = 'spanning'";
    for _ in 0..2 {
        let refused = both.error("INSERT INTO w1 VALUES (602)");
        assert!(refused.hint().contains("declare the task again"), "{refused}");
        both.error("SELECT * FROM r1");
        let refused = both.error(again);
        assert!(refused.message().contains("prepared statement \"p\" by PREPARE"), "{refused}");
    }
    assert_eq!(rows(&places.cluster, "local"), "4");
    both.sql("DEALLOCATE p");
    both.error("INSERT INTO w1 VALUES (602)");
    both.sql(again);
    assert_eq!(both.value(WHERE), "local");
    assert_eq!(both.value("SHOW my.own"), "a");
    both.sql("INSERT INTO w1 VALUES (602)");
    other_both.sql("SET authority.task = 'unit_tests'");
    assert_eq!(other_both.value(WHERE), "local");
    let reset = "RESET authority.task";
    let answers = fourth.exchange(&Frames::new().run(reset, &[]).sync());
    assert_eq!(error(&answers), "");
    assert_eq!(fourth.value(WHERE), "local");
    assert_eq!(rows(&places.cluster, "neon"), "0");
    assert_eq!(rows(&places.cluster, "local"), "5");
}

#[test]
fn it_goes_to_two_places_and_only_where_it_is_let_in() {
    let mut places = Places::start(Major::V15);
    let mut session = session(&places.proxy, "unit_tests");
    lead(&mut places.proxy, "unit_tests", "neon", "local");
    places.cluster.sql("postgres", "ALTER DATABASE neon CONNECTION LIMIT 0");
    places.cluster.sql("postgres", "ALTER DATABASE local CONNECTION LIMIT 0");
    let refused = session.error("INSERT INTO w1 VALUES (610)");
    assert!(refused.detail().contains("too many connections"), "{refused}");
    assert!(refused.hint().contains("declare the task again"), "{refused}");
    assert_eq!(refused.code(), "42501");
    places.cluster.sql("postgres", "ALTER DATABASE neon CONNECTION LIMIT -1");
    places.cluster.sql("postgres", "ALTER DATABASE local CONNECTION LIMIT -1");
    session.sql("INSERT INTO w1 VALUES (611)");
    assert_eq!(session.value(WHERE), "neon");
    assert_eq!(rows(&places.cluster, "local"), "3");
}

#[test]
fn a_leg_that_is_opened_behind_a_reload_is_under_its_law() {
    let mut places = Places::start(Major::V15);
    let mut both = session(&places.proxy, "spanning");
    assert_eq!(both.value(WHERE), "neon");
    lead(&mut places.proxy, "spanning", "local", "local");
    let refused = both.error("INSERT INTO w1 VALUES (620)");
    assert!(refused.message().contains("since a reload"), "{refused}");
    assert_eq!(rows(&places.cluster, "local"), "2");
}
