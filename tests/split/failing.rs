//! What fails: one error for a pipeline, the same transaction for both legs, and a way out of it.

use super::places::{Apart, Places};
use super::support::wire::Frames;
use super::support::{Major, Message, Wire};

/// Each answer as a letter; an error with its SQLSTATE, the end with the status.
fn told(messages: &[Message]) -> String {
    let one = |message: &Message| match message.tag {
        b'E' => format!("E({})", message.fields().code()),
        b'C' => format!("C({})", message.text()),
        b'Z' => format!("Z{}", message.body[0] as char),
        tag => (tag as char).to_string(),
    };
    messages.iter().filter(|message| !b"NS".contains(&message.tag)).map(one).collect()
}

fn run(text: &str) -> Frames {
    Frames::new().run(text, &[])
}

const DUPLICATE: &str = "INSERT INTO w1 VALUES (1, 'again')";

#[test]
fn a_failed_pipeline_has_one_error() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let mut session = places.session();
        let sets = "SELECT set_config('my.a', $1, false)";
        let prepared =
            Frames::new().parse("reads", "SELECT b FROM r1", &[]).parse("sets", sets, &[]);
        session.exchange(&prepared.sync());
        let long = "v".repeat(70_000);
        for (what, frames) in [
            ("another leg's", run(DUPLICATE).bind("", "reads", &[]).execute("", 0)),
            ("a portal's", Frames::new().execute("none", 0).bind("", "reads", &[]).execute("", 0)),
            ("refused", run(DUPLICATE).run("SELECT pg_export_snapshot()", &[])),
            ("a task", run(DUPLICATE).run("SET authority.task = 'unit_tests'", &[])),
            ("too long", run(DUPLICATE).bind("", "sets", &[Some(&long)]).execute("", 0)),
            ("a name", run(DUPLICATE).parse("reads", "DELETE FROM w1", &[])),
        ] {
            // the names of temporary relations are in doubt
            session.sql("DO $$ BEGIN CREATE TEMP TABLE mine (); DROP TABLE mine; END $$");
            let before = places.proxy.events("statement_blocked").len();
            let answers = told(&session.exchange(&frames.sync()));
            assert_eq!(answers.matches("E(").count(), 1, "{what}: {answers}");
            assert_eq!(places.proxy.events("statement_blocked").len(), before, "{what}");
            assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one", "{what}");
        }
    }
}

/// What the session's settings are on both legs, and its rows in `w1`.
fn seen(session: &mut Wire) -> [String; 2] {
    let read = session.value("SELECT current_setting('search_path')");
    let write =
        session.value("DELETE FROM w1 WHERE a = 1 RETURNING current_setting('search_path')");
    [read, write]
}

#[test]
fn an_error_of_any_length_is_one() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let mut session = places.session();
        let long = "x".repeat(17_000_000);
        // 22P02 quotes the value
        let quotes = || Frames::new().run("INSERT INTO w1 VALUES ($1)", &[Some(&long)]);
        let answers = session.exchange(&quotes().run("SELECT b FROM r1", &[]).sync());
        assert!(answers.iter().any(|answer| answer.body.len() > long.len()));
        assert_eq!(told(&answers), "1E(22P02)ZI");
        let raises = "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 17000000); END $$";
        for fails in [quotes().sync(), Frames::new().query(raises)] {
            session.sql("BEGIN");
            session.sql("SELECT b FROM r1");
            session.sql("SET search_path = other");
            assert!(told(&session.exchange(&fails)).ends_with(")ZE"));
            assert_eq!(session.error("SELECT 1").code(), "25P02");
            let commit = session.exchange(&Frames::new().query("COMMIT"));
            assert_eq!(told(&commit), "C(ROLLBACK)ZI");
        }
        let string = format!("INSERT INTO w1 VALUES (9); SELECT b FROM r1; {raises}; SELECT 1");
        let answers = told(&session.exchange(&Frames::new().query(&string)));
        assert!(answers.ends_with("E(P0001)ZI"), "{answers}");
        assert_eq!(places.written("local").matches("w1 ").count(), 2);
        assert_eq!(seen(&mut session), ["\"$user\", public"; 2]);
    }
}

#[test]
fn a_block_that_failed_before_any_leg_took_part_can_be_ended() {
    let places = Places::start(Major::V15);
    let apart = Apart::start();
    drop(apart.local);
    let refused = "PREPARE TRANSACTION 'x'";
    let sent = |text: &str, extended: bool| match extended {
        true => run(text).sync(),
        false => Frames::new().query(text),
    };
    let sessions = [(places.session(), refused), (apart.proxy.connect("both"), DUPLICATE)];
    for (mut session, fails) in sessions {
        let named = Frames::new().parse("ends", "ROLLBACK", &[]).sync();
        assert_eq!(told(&session.exchange(&named)), "1ZI");
        for extended in [false, true] {
            for (end, ended) in [
                (run("ROLLBACK").sync(), "12C(ROLLBACK)ZI"),
                (run("COMMIT").sync(), "12C(ROLLBACK)ZI"),
                (Frames::new().bind("", "ends", &[]).execute("", 0).sync(), "2C(ROLLBACK)ZI"),
                (Frames::new().query("ROLLBACK"), "C(ROLLBACK)ZI"),
            ] {
                session.exchange(&sent("BEGIN", extended));
                assert!(told(&session.exchange(&sent(fails, extended))).ends_with(")ZE"));
                for text in ["SELECT 1", refused, "BEGIN", "SAVEPOINT a"] {
                    assert_eq!(told(&session.exchange(&run(text).sync())), "E(25P02)ZE", "{text}");
                }
                let back = told(&session.exchange(&run("ROLLBACK TO a").sync()));
                assert_eq!(back, "12E(3B001)ZE");
                assert_eq!(told(&session.exchange(&end)), ended);
                assert_eq!(session.value("SELECT b FROM r1 WHERE a = 1"), "one");
            }
        }
    }
}

#[test]
fn a_function_call_in_a_failed_block_runs_nowhere() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("DELETE FROM w1");
    let before = places.written("local");
    let nextval = || Frames::new().function_call(1574, &["s"]);
    session.sql("BEGIN");
    session.error("PREPARE TRANSACTION 'x'");
    assert_eq!(told(&session.exchange(&nextval())), "E(25P02)ZE");
    session.sql("ROLLBACK");
    // nor where the error is on its way
    session.sql("BEGIN");
    session.sql("SELECT b FROM r1");
    let sent = Frames::new().query("SELECT 1 / 0").function_call(1574, &["s"]);
    assert!(told(&session.exchange(&sent)).ends_with("E(22012)ZE"));
    assert_eq!(told(&session.receive_until(b'Z')), "E(25P02)ZE");
    session.sql("ROLLBACK");
    assert_eq!(places.written("local"), before);
    assert!(told(&session.exchange(&nextval())).ends_with("ZI"));
    assert_ne!(places.written("local"), before);
}
