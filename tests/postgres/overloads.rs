//! Which of several routines of a name a call means, through the proxy: no call reaches one that it was
//! not judged by.

use super::support::proxy::PROD;
use super::support::wire::{Frames, Message};
use super::support::{Cluster, Major, Proxy, Wire};

const VOID: u32 = 2278;

/// Of each name one routine reads and another makes a table.
const OVERLOADS: &str = "
    SET ROLE app;
    CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN CREATE TABLE made (a int); RETURN 1; END $$;
    CREATE FUNCTION fewer(int) RETURNS int LANGUAGE sql AS 'SELECT makes()';
    CREATE FUNCTION fewer(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';";

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
