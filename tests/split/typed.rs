//! What the legs' catalogs do not share: OIDs of the database's own types, and what routines are.

use super::places::Places;
use super::support::Major;
use super::support::wire::Frames;
use super::told::codes;

#[test]
fn a_plan_is_that_of_where_the_statement_runs() {
    let places = Places::start(Major::V15);
    places.cluster.sql("neon", "SET ROLE app; CREATE TABLE there (a int)");
    places.cluster.sql("local", "SET ROLE app; CREATE TABLE here (a int)");
    let mut session = places.session();
    for (plan, works) in [
        ("SELECT a FROM there", true),
        ("SELECT look(a) FROM there", true),
        ("SELECT a FROM here", false),
        ("SELECT a FROM here FOR UPDATE", true),
        ("SELECT nextval('s'), a FROM here", true),
        ("SELECT note('planned'), a FROM here", true),
        ("SELECT note('planned'), a FROM there", false),
        ("WITH gone AS (DELETE FROM here RETURNING a) TABLE gone", true),
    ] {
        let text = format!("EXPLAIN (COSTS OFF) {plan}");
        for frames in [Frames::new().query(&text), Frames::new().run(&text, &[]).sync()] {
            let answers = session.exchange(&frames);
            let expected: &[&str] = if works { &[] } else { &["42P01"] };
            assert_eq!(codes(&answers), expected, "{text}: {answers:?}");
        }
    }
    assert_eq!(places.cluster.value("local", "SELECT is_called FROM s"), "f");
}

#[test]
fn routines_that_ask_the_writing_connection_run_there() {
    let places = Places::start(Major::V15);
    let made = "SET ROLE app; \
        CREATE FUNCTION latest_of_all() RETURNS bigint LANGUAGE plpgsql STABLE \
        AS $$BEGIN RETURN lastval(); END$$; \
        CREATE FUNCTION standard() RETURNS bigint LANGUAGE sql STABLE RETURN currval('s'); \
        CREATE FUNCTION deep() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT latest()'; \
        CREATE FUNCTION opens(refcursor) RETURNS refcursor LANGUAGE plpgsql STABLE \
        AS $$BEGIN OPEN $1 FOR SELECT current_database(); RETURN $1; END$$; \
        CREATE FUNCTION place() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_database()'";
    for database in ["neon", "local"] {
        places.cluster.sql(database, made);
    }
    let mut session = places.session();
    session.sql("SELECT nextval('s'); SELECT nextval('s')");
    for call in ["latest()", "latest_of_all()", "standard()", "deep()"] {
        assert_eq!(session.value(&format!("SELECT {call}")), "2", "{call}");
        let frames = Frames::new().run(&format!("SELECT {call}"), &[]).sync();
        assert_eq!(codes(&session.exchange(&frames)), [""; 0], "{call}");
    }
    assert_eq!(session.value("SELECT place()"), "neon");
    session.sql("BEGIN");
    session.sql("SELECT opens('c')");
    assert_eq!(session.value("FETCH c"), "local");
    session.sql("COMMIT");
}
