//! What fails: one error for a pipeline, the same transaction for both legs, and a way out of it.

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Major, Message};

/// Each answer as a letter; an error with its SQLSTATE, the end with the status.
fn told(messages: &[Message]) -> String {
    let one = |message: &Message| match message.tag {
        b'E' => format!("E({})", message.fields().code()),
        b'C' => format!("C({})", message.text()),
        b'Z' => format!("Z{}", message.body[0] as char),
        tag => (tag as char).to_string(),
    };
    messages.iter().filter(|message| message.tag != b'N').map(one).collect()
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
