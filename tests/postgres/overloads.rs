//! Which of several routines of a name a call means, through the proxy: no call reaches one that it was
//! not judged by.

use super::support::proxy::PROD;
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Major, Proxy, Wire};

const VOID: u32 = 2278;
const INT8: u32 = 20;
const INT4: u32 = 23;
const TEXT: u32 = 25;

/// Of each name one routine reads and another makes a table.
const OVERLOADS: &str = "
    SET ROLE app;
    CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN CREATE TABLE made (a int); RETURN 1; END $$;
    CREATE FUNCTION fewer(int) RETURNS int LANGUAGE sql AS 'SELECT makes()';
    CREATE FUNCTION fewer(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION calm(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION calm(text) RETURNS int LANGUAGE sql AS 'SELECT makes()';
    CREATE FUNCTION wide(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION wide(bigint) RETURNS int LANGUAGE sql AS 'SELECT makes()';
    CREATE PROCEDURE does(int) LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE does(text) LANGUAGE sql AS 'SELECT makes()';
    CREATE FUNCTION shadow(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
    CREATE FUNCTION shadow(record) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RETURN makes(); END $$;
    CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'SELECT makes()';";

/// What the types of arguments tell: the statement, the types of its parameters, and whether it
/// makes the table.
const TOLD: &[(&str, &[u32], bool)] = &[
    ("SELECT calm(1)", &[], false),
    ("SELECT calm('a'::text)", &[], true),
    ("SELECT calm('a')", &[], true),
    ("SELECT calm(NULL::int)", &[], false),
    ("SELECT calm($1)", &[INT4], false),
    ("SELECT calm($1)", &[TEXT], true),
    ("SELECT calm($1::int)", &[0], false),
    ("SELECT wide(1)", &[], false),
    ("SELECT wide(-2147483648)", &[], false),
    ("SELECT wide(2147483648)", &[], true),
    ("SELECT wide(-2147483649)", &[], true),
    ("SELECT wide(99999999999)", &[], true),
    ("SELECT wide($1)", &[INT4], false),
    ("SELECT wide($1)", &[INT8], true),
    ("CALL does(1)", &[], false),
    ("CALL does('a'::text)", &[], true),
    ("CALL does($1)", &[INT4], false),
    ("CALL does($1)", &[TEXT], true),
    ("SELECT shadow('a'::text)", &[], false),
    ("SELECT lower('A'::text)", &[], false),
    ("SELECT lower(1)", &[], true),
];

struct Ground {
    cluster: Cluster,
    proxy: Proxy,
}

fn ground(major: Major) -> Ground {
    let cluster = Cluster::builder().major(major).start();
    cluster.sql("app", OVERLOADS);
    let proxy =
        Proxy::builder().upstream("prod", PROD, &cluster).trusted("prod", "prod", "").start();
    Ground { cluster, proxy }
}

/// The message that a pipeline ended with, ReadyForQuery aside.
fn last(messages: &[Message]) -> char {
    let ends = messages.iter().rev().find(|one| b"CEI".contains(&one.tag));
    char::from(ends.expect("it is answered").tag)
}

/// A statement in the extended protocol, with these types of parameters; each value is NULL.
fn run(wire: &mut Wire, text: &str, types: &[u32], values: usize) -> Vec<Message> {
    let frames = Frames::new().parse("", text, types).bind("", "", &vec![None; values]);
    wire.exchange(&frames.execute("", 0).sync())
}

impl Ground {
    /// Made directly, a call makes the table: an attack that would otherwise prove nothing.
    fn makes(&self, run: impl FnOnce(&mut Wire)) -> bool {
        let mut wire = self.cluster.connect("app");
        run(&mut wire);
        let made = self.cluster.value("app", "SELECT to_regclass('made') IS NOT NULL") == "t";
        self.cluster.sql("app", "DROP TABLE IF EXISTS made");
        made
    }
}

/// PostgreSQL drops arguments that are parameters of type void, whoever made them that.
fn no_argument_vanishes(major: Major) {
    let ground = ground(major);
    for (text, types) in [
        ("SELECT fewer(1, $1)", &[VOID][..]),
        ("SELECT fewer(1, $1::void)", &[]),
        ("SELECT $1::void, fewer(1, $1)", &[]),
        ("SELECT COALESCE(pg_sleep(0), $1), fewer(1, $1)", &[]),
        (
            "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, ''b''::tsquery WHERE makes() > 0', $1)",
            &[VOID],
        ),
    ] {
        let attack = |wire: &mut Wire| drop(run(wire, text, types, 1));
        assert!(ground.makes(attack), "it is no attack: {text}");
        let mut wire = ground.proxy.connect("prod");
        assert_eq!(last(&run(&mut wire, text, types, 1)), 'E', "{text}");
    }
    let prepared = "PREPARE p (void) AS SELECT fewer(1, $1)";
    let attack = |wire: &mut Wire| {
        let _ = wire.try_sql(prepared);
        let _ = wire.try_sql("EXECUTE p (NULL)");
    };
    if ground.makes(attack) {
        let mut wire = ground.proxy.connect("prod");
        let refused = wire.try_sql(prepared).is_err() || wire.try_sql("EXECUTE p (NULL)").is_err();
        assert!(refused, "{prepared}");
    }
    assert_eq!(ground.cluster.value("app", "SELECT to_regclass('made') IS NULL"), "t");
}

#[test]
fn no_argument_vanishes_on_15() {
    no_argument_vanishes(Major::V15);
}

#[test]
fn no_argument_vanishes_on_18() {
    no_argument_vanishes(Major::V18);
}

/// A literal that is judged as SQL hides nothing of what stands behind it.
#[test]
fn a_literal_of_sql_hides_nothing_behind_it() {
    let ground = ground(Major::V15);
    let literal = "CASE WHEN false THEN query_to_xml('LOCK TABLE pg_class IN ACCESS SHARE MODE', true, false, '') END";
    let text = format!("SELECT {literal}, makes()");
    assert!(ground.makes(|wire| drop(wire.sql(&text))));
    ground.proxy.connect("prod").error(&text);
    assert_eq!(ground.cluster.value("app", "SELECT to_regclass('made') IS NULL"), "t");
}

/// The overload that reads may run where the other one may not, in both protocols, whichever comes
/// first: no text has the answer of another one of its shape.
fn types_tell(major: Major) {
    let ground = ground(major);
    let both = TOLD.iter().chain(TOLD.iter().rev());
    let mut wire = ground.proxy.connect("prod");
    for (text, types, makes) in both {
        let all = |wire: &mut Wire| {
            let mut ends = vec![last(&run(wire, text, types, types.len()))];
            if types.is_empty() {
                ends.push(if wire.try_sql(text).is_ok() { 'C' } else { 'E' });
            }
            ends
        };
        assert_eq!(ground.makes(|wire| drop(all(wire))), *makes, "directly: {text} {types:?}");
        let expected = if *makes { 'E' } else { 'C' };
        let ends = all(&mut wire);
        assert!(ends.iter().all(|end| *end == expected), "{text} {types:?}: {ends:?}");
    }
    assert_eq!(ground.cluster.value("app", "SELECT to_regclass('made') IS NULL"), "t");
}

#[test]
fn types_tell_on_15() {
    types_tell(Major::V15);
}

#[test]
fn types_tell_on_18() {
    types_tell(Major::V18);
}

/// What a session did before decides whether types still tell: each script's last statement would
/// make the table, and is refused.
#[test]
fn what_a_name_means_by_now_counts() {
    let ground = ground(Major::V15);
    for script in [
        // a temporary relation's type comes before all others
        &["CREATE TEMP TABLE text (a int)", "SELECT shadow('(1)'::text)"][..],
        &["CREATE TEMP TABLE text (a int); SELECT shadow('(1)'::text)"],
        &["SELECT 1 AS a INTO TEMP text UNION SELECT 2", "SELECT shadow('(1)'::text)"],
        &["EXPLAIN ANALYZE CREATE TEMP TABLE text AS SELECT 1 AS a", "SELECT shadow('(1)'::text)"],
        &["PREPARE p AS SELECT shadow('(1)'::text)", "CREATE TEMP TABLE text (a int)", "EXECUTE p"],
        &["BEGIN", "CREATE TEMP TABLE text (a int)", "SELECT shadow('(1)'::text)"],
        &["PREPARE p (text) AS SELECT calm($1)", "EXECUTE p ('a')"],
        &["PREPARE p AS SELECT calm('a'::text)", "EXECUTE p"],
        &["BEGIN", "DECLARE c CURSOR FOR SELECT calm('a'::text)", "FETCH c"],
    ] {
        let attack = |wire: &mut Wire| {
            let ends: Vec<_> = script.iter().map(|text| wire.try_sql(text).map(drop)).collect();
            let _ = wire.try_sql("COMMIT");
            ends
        };
        assert!(ground.makes(|wire| drop(attack(wire))), "it is no attack: {script:?}");
        attack(&mut ground.proxy.connect("prod"));
        let made = ground.cluster.value("app", "SELECT to_regclass('made') IS NOT NULL");
        assert_eq!(made, "f", "{script:?}");
    }
    // and what is certain in spite of it
    let mut wire = ground.proxy.connect("prod");
    wire.sql("CREATE TEMP TABLE text (a int)");
    wire.sql("SELECT shadow('a'::pg_catalog.text), calm(1)");
    wire.sql("PREPARE p AS SELECT calm(1)");
    wire.sql("EXECUTE p");
}

/// What was prepared keeps the routine that it meant, whatever has come since.
#[test]
fn a_prepared_statement_keeps_what_it_meant() {
    let ground = ground(Major::V15);
    let create = "SET ROLE app; CREATE FUNCTION inner_one() RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION held(bigint) RETURNS int LANGUAGE plpgsql AS \
         $$ BEGIN RETURN inner_one(); END $$";
    let worse = "SET ROLE app; CREATE FUNCTION held(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'; \
                 CREATE OR REPLACE FUNCTION inner_one() RETURNS int LANGUAGE sql AS 'SELECT makes()'";
    let prepare = |wire: &mut Wire| {
        wire.sql("PREPARE p AS SELECT held(1)");
        wire.exchange(&Frames::new().parse("s", "SELECT held($1)", &[INT4]).sync());
        // planned, so that nothing but what it means can be looked up again
        wire.sql("EXECUTE p");
        wire.exchange(&Frames::new().bind("", "s", &[Some("1")]).execute("", 0).sync());
    };
    let execute = |wire: &mut Wire| {
        let first = wire.try_sql("EXECUTE p").is_ok();
        let frames = Frames::new().bind("", "s", &[Some("1")]).execute("", 0).sync();
        (first, last(&wire.exchange(&frames)))
    };
    ground.cluster.sql("app", create);
    let (mut direct, mut proxied) = (ground.cluster.connect("app"), ground.proxy.connect("prod"));
    prepare(&mut direct);
    prepare(&mut proxied);
    ground.cluster.sql("app", worse);
    // until the change is noticed
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert!(execute(&mut direct).0);
    let dropped = ground.cluster.value("app", "SELECT to_regclass('made') IS NOT NULL");
    assert_eq!(dropped, "t", "it is no attack");
    ground.cluster.sql("app", "DROP TABLE made");
    assert_eq!(execute(&mut proxied), (false, 'E'));
    assert_eq!(ground.cluster.value("app", "SELECT to_regclass('made') IS NULL"), "t");
    // what is prepared by now, means the other one
    proxied.sql("SELECT held(1)");
    proxied.sql("DEALLOCATE p; PREPARE p AS SELECT held(1)");
    proxied.sql("EXECUTE p");
}
