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
