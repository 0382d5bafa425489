//! What runs in an implicit transaction that is on both legs, and what warns there: as on one server,
//! which counts what has run in the pipeline before.

use super::names::{answers, pipeline, query};
use super::places::Places;
use super::support::Major;
use super::support::wire::Frames;

const READ: &str = "SELECT count(*) FROM r1";
const WRITE: &str = "UPDATE w1 SET b = 'z' WHERE a = 1";
const DECLARE: &str = "DECLARE reader CURSOR FOR SELECT a FROM r2 ORDER BY a";
const ISOLATION: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";

/// Each script is answered as one server answers it.
fn are_the_same(scripts: &[Vec<Frames>]) {
    for major in Major::ALL {
        let places = Places::start(major);
        for script in scripts {
            let [direct, split] = answers(&places, script);
            assert_eq!(split, direct, "{major:?} {script:?}");
        }
    }
}

#[test]
fn what_minds_a_pipeline_minds_what_has_run_on_the_other_leg() {
    let scripts = [
        &[READ, "VACUUM w1"][..],
        &[READ, "DISCARD ALL"],
        &[READ, "LOCK TABLE w1"],
        &[READ, "SET CONSTRAINTS ALL IMMEDIATE"],
        &[READ, "SAVEPOINT one"],
        &[READ, "ROLLBACK TO one"],
        &[WRITE, "RELEASE one"],
        &[WRITE, DECLARE, "FETCH 1 FROM reader"],
        &[WRITE, "SET LOCAL x.y = 'q'", "SHOW x.y"],
        &["SET LOCAL x.y = 'q'", WRITE, "SHOW x.y"],
        &["VACUUM w1", DECLARE],
        &["DISCARD ALL", DECLARE],
        &["", DECLARE],
        &[WRITE, "COMMIT", DECLARE],
        &[READ, "COMMIT", "VACUUM w1"],
        &[READ, WRITE, "ROLLBACK", "VACUUM w1"],
    ];
    are_the_same(&scripts.map(|texts| vec![pipeline(texts), query("SHOW x.y")]));
}

#[test]
fn what_the_proxy_asks_makes_no_pipeline_of_what_is_none() {
    let temporary = query("SELECT 5 AS a INTO TEMP r2");
    let declared = Frames::new().close_statement("b").parse("b", DECLARE, &[]);
    let declared = declared.bind("", "b", &[]).execute("", 0).sync();
    are_the_same(&[vec![temporary, declared]]);
}

#[test]
fn the_isolation_level_is_set_before_any_query_on_either_leg() {
    let level = "INSERT INTO w1 SELECT 20, current_setting('transaction_isolation') FROM w2 \
                 UNION SELECT 21, current_setting('transaction_isolation') RETURNING b";
    let read = "SELECT current_setting('transaction_isolation') FROM r1";
    let planned = |text| Frames::new().parse("a", text, &[]);
    are_the_same(&[
        vec![planned(READ).run("BEGIN", &[]).run(ISOLATION, &[]).sync(), query("ROLLBACK")],
        vec![planned(WRITE).run("BEGIN", &[]).run(ISOLATION, &[]).sync(), query("ROLLBACK")],
        vec![planned(WRITE).run(ISOLATION, &[]).sync()],
        vec![planned("SHOW work_mem").run("BEGIN", &[]).run(WRITE, &[]).sync(), query("COMMIT")],
        vec![pipeline(&["CREATE TEMP TABLE t1 (x int)", ISOLATION])],
        vec![pipeline(&[ISOLATION, level, read]), pipeline(&[level, read])],
        vec![pipeline(&[ISOLATION, read, level])],
    ]);
}

#[test]
fn what_both_legs_do_may_come_behind_rows_that_are_left() {
    let limited = |texts: &[&str]| {
        let rows = Frames::new().parse("", "SELECT a FROM r1 ORDER BY a", &[]);
        let limited = rows.bind("p", "", &[]).execute("p", 1);
        texts.iter().fold(limited, |frames, text| frames.run(text, &[])).sync()
    };
    let show = || query("SHOW x.y");
    are_the_same(&[
        vec![query("SET x.y = 'a'"), limited(&["SET x.y = 'q'"]), show()],
        vec![limited(&["SELECT set_config('x.y', 'q', false)"]), show()],
        vec![query("SET x.y = 'a'"), limited(&["SET work_mem = 'no'"]), show()],
        vec![limited(&["DEALLOCATE ALL"]), query(WRITE)],
        vec![query("SET x.y = 'a'"), limited(&["RESET ALL"]), show()],
        vec![query("BEGIN"), limited(&["SET x.y = 'q'"]), query(WRITE), query("COMMIT"), show()],
        vec![query("BEGIN"), limited(&["SET work_mem = 'no'"]), query("ROLLBACK")],
    ]);
}

#[test]
fn a_block_that_cannot_begin_is_none_on_either_leg() {
    let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
    let planned = |text| Frames::new().parse("a", text, &[]);
    let counts =
        || [query(WRITE), query(READ), query("ROLLBACK"), query("UPDATE w1 SET a = a RETURNING b")];
    let with = |frames: Frames| [vec![frames], counts().into()].concat();
    are_the_same(&[
        with(planned(WRITE).run(begin, &[]).sync()),
        with(planned(WRITE).run(begin, &[]).run(READ, &[]).sync()),
        with(planned(READ).run(begin, &[]).run(WRITE, &[]).sync()),
        with(planned(WRITE).bind("", "a", &[]).run(begin, &[]).run(READ, &[]).sync()),
        with(planned(WRITE).parse("b", "SELECT no FROM r1", &[]).run("BEGIN", &[]).sync()),
        with(planned(READ).parse("b", "DELETE FROM none", &[]).run("BEGIN", &[]).sync()),
        with(planned(READ).run("SELECT 1 / 0", &[]).run("BEGIN", &[]).run(WRITE, &[]).sync()),
    ]);
}

#[test]
fn a_query_may_come_behind_begin_without_a_sync() {
    are_the_same(&[
        vec![
            Frames::new().run("BEGIN", &[]).query("SAVEPOINT a"),
            Frames::new().run(WRITE, &[]).query("SAVEPOINT b"),
            Frames::new().run(READ, &[]).query("RELEASE b"),
            pipeline(&[READ, WRITE]),
            query("COMMIT"),
            query("UPDATE w1 SET a = a RETURNING b"),
        ],
        vec![
            Frames::new().run(WRITE, &[]).run("BEGIN", &[]).query(READ),
            Frames::new().run("SELECT 1 / 0", &[]).query(READ).sync(),
            query("ROLLBACK"),
        ],
    ]);
}

#[test]
fn set_transaction_reaches_each_leg_that_has_joined() {
    let level = "UPDATE w1 SET b = current_setting('transaction_isolation') RETURNING b";
    let read = "SELECT current_setting('transaction_isolation') FROM r1";
    are_the_same(&[
        vec![pipeline(&["SET x.y = '1'", ISOLATION, level, read]), query("SHOW x.y")],
        vec![pipeline(&["SET x.y = '1'", ISOLATION, read, level])],
        vec![pipeline(&["SET default_transaction_isolation = 'serializable'", ISOLATION, read])],
    ]);
}

#[test]
fn a_large_object_is_read_where_it_was_opened() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let oid = session.value("SELECT lo_from_bytea(0, 'abc')");
    session.sql("BEGIN");
    let opened = session.value(&format!("SELECT lo_open({oid}, 262144)"));
    assert_eq!(session.value(&format!("SELECT lo_lseek({opened}, 1, 0)")), "1");
    assert_eq!(session.value(&format!("SELECT lo_tell64({opened})")), "1");
    assert_eq!(session.value(&format!("SELECT loread({opened}, 2)")), "\\x6263");
    assert_eq!(session.value(&format!("SELECT lo_close({opened})")), "0");
    session.sql("COMMIT");
}
