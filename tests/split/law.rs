//! What the law of a leg says of what both are told: before either has done it.

use super::places::Places;
use super::reloaded::reload;
use super::support::Major;
use super::support::wire::Frames;
use super::told::codes;

const READ: &str = "SELECT b FROM r1 WHERE a = 1";
const WRITE: &str = "UPDATE w1 SET b = 'c' WHERE a = 1 RETURNING a";

#[test]
fn what_one_leg_could_not_be_told_later_is_refused_at_once() {
    let places = Places::start(Major::V15);
    for (text, code) in [
        // as it is where the session reads
        ("SET authority.expect_role = 'prod'", "28000"),
        ("SELECT set_config('authority.expect_authority', 'neon', false)", "28000"),
        // and where it writes
        ("SET authority.expect_role = 'staging'", "28000"),
        ("SET authority.expect_role = 'replica'", "28000"),
        ("SET standard_conforming_strings = off", "0A000"),
    ] {
        for frames in [Frames::new().query(text), Frames::new().run(text, &[]).sync()] {
            // only one leg is there
            let mut session = places.session();
            assert_eq!(codes(&session.exchange(&frames)), [code], "{text}");
            assert_eq!(session.value(WRITE), "1", "{text}");
            // both are
            assert_eq!(codes(&session.exchange(&frames)), [code], "{text}");
            assert_eq!([session.value(READ), session.value(WRITE)], ["one", "1"], "{text}");
            // only one takes part
            for first in [READ, WRITE] {
                session.sql("BEGIN");
                session.sql(first);
                assert_eq!(codes(&session.exchange(&frames)), [code], "{text}");
                session.sql("ROLLBACK");
                assert_eq!([session.value(READ), session.value(WRITE)], ["one", "1"], "{text}");
            }
        }
    }
    let mut session = places.session();
    session.sql("SET authority.expect_role = ''");
    assert_eq!([session.value(READ), session.value(WRITE)], ["one", "1"]);
}

#[test]
fn a_string_is_held_against_the_law_of_a_reload() {
    let mut places = Places::start(Major::V15);
    let mut session = places.session();
    let text =
        "SELECT nextval('s'); SET authority.confirm_prod_migrations = true; SELECT b FROM r1";
    session.sql(text);
    reload(&mut places.proxy, |text| {
        text.replace("[databases.\"both\"]", "[databases.\"both\"]\nconfirm = \"never\"")
    });
    let last = || places.cluster.value("local", "SELECT last_value FROM s");
    let before = last();
    let error = session.error(text);
    assert_eq!(error.code(), "42501", "{error}");
    assert_eq!(last(), before, "none of it has run");
}
