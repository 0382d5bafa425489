//! What the legs' catalogs do not share: OIDs of the database's own types, and what routines are.

use super::places::Places;
use super::support::Major;
use super::support::wire::Frames;
use super::told::codes;

const SETS: &str = "SELECT set_config('x.y', $1::text, false)";

#[test]
fn a_parameter_of_the_databases_own_type_is_not_set_on_both_legs() {
    let places = Places::start(Major::V15);
    // another OID there
    places.cluster.sql("local", "CREATE TYPE other AS ENUM ('a')");
    for database in ["neon", "local"] {
        places.cluster.sql(database, "CREATE TYPE mood AS ENUM ('sad', 'glad')");
    }
    let mut session = places.session();
    session.sql("DELETE FROM w1 WHERE false");
    let oid = session.value("SELECT 'mood'::regtype::oid").parse().unwrap();
    let typed = Frames::new().parse("", SETS, &[oid]).bind("", "", &[Some("glad")]);
    let answers = session.exchange(&typed.execute("", 0).sync());
    assert_eq!(codes(&answers), ["0A000"], "{answers:?}");
    let error = answers.iter().find(|message| message.tag == b'E').unwrap().fields();
    assert!(error.message().contains("one of the database's own types"), "{error}");
    assert!(error.hint().contains("$1::text"), "{error}");
    // as the hint says
    let cast = "SELECT set_config('x.y', $1::text::mood::text, false)";
    let answers = session.exchange(&Frames::new().run(cast, &[Some("glad")]).sync());
    assert_eq!(codes(&answers), [""; 0], "{answers:?}");
    assert_eq!(session.value("SELECT current_setting('x.y')"), "glad");
    session.sql("INSERT INTO w1 VALUES (80, current_setting('x.y'))");
    assert_eq!(places.cluster.value("local", "SELECT b FROM w1 WHERE a = 80"), "glad");
}

#[test]
fn what_could_not_be_set_on_the_other_leg_is_named() {
    let places = Places::start(Major::V15);
    places.cluster.sql("neon", "CREATE TYPE mine AS ENUM ('here')");
    let text = "SELECT set_config('x.y', 'here'::mine::text, false)";
    for early in [true, false] {
        let mut session = places.session();
        if early {
            session.sql("DELETE FROM w1 WHERE false");
        } else {
            // the other leg is told once it is there
            session.sql(text);
        }
        let error = session.error(if early { text } else { "DELETE FROM w1 WHERE false" });
        assert_eq!((error.get('S'), error.code()), ("ERROR", "42704"), "{error}");
        assert!(error.message().contains("type \"mine\" does not exist"), "{error}");
        assert!(early || error.detail().contains(text), "{error}");
        session.sql("RESET ALL");
        session.sql("DELETE FROM w1 WHERE false");
    }
}

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
