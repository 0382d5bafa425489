//! What a person sees of a split session.

use super::places::Places;
use super::support::Major;
use super::support::wire::Frames;

#[test]
fn reads_come_from_neon_and_writes_go_to_local() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
    session.sql("INSERT INTO w1 VALUES (10, 'local')");
    session.sql("BEGIN; ".trim_end_matches("; "));
    assert_eq!(session.value("SELECT count(*) FROM r1"), "3");
    session.sql("UPDATE w1 SET b = 'changed' WHERE a = 10");
    assert_eq!(session.status(), 'T');
    session.sql("COMMIT");
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 10"), "changed");
    assert_eq!(places.cluster.value("neon", "SELECT count(*) FROM w1"), "0");
    let error = session.error("SELECT pg_export_snapshot()");
    assert_eq!(error.code(), "0A000");
    assert!(error.detail().contains("rule task.split"), "{error}");
}

#[test]
fn a_pipeline_that_changes_leg_keeps_its_order_and_fails_as_one() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let tags = |messages: &[super::support::Message]| {
        messages.iter().map(|message| message.tag as char).collect::<String>()
    };
    let pipeline = Frames::new()
        .run("SELECT b FROM r1 WHERE a = 2", &[])
        .run("INSERT INTO w1 VALUES (20, 'a')", &[])
        .run("SELECT 1", &[])
        .sync();
    assert_eq!(tags(&session.exchange(&pipeline)), "12DC12C12DCZ");
    let failing = Frames::new()
        .run("INSERT INTO w1 VALUES (21, 'b')", &[])
        .run("SELECT 1 / 0", &[])
        .run("INSERT INTO w1 VALUES (22, 'c')", &[])
        .sync();
    let messages = session.exchange(&failing);
    assert!(tags(&messages).ends_with("EZ"), "{}", tags(&messages));
    let rows = places.cluster.value("local", "SELECT string_agg(a::text, ',' ORDER BY a) FROM w1");
    assert_eq!(rows, "1,2,20");
}
