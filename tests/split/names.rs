//! Names over both legs, and what one server would say in their place.

use super::places::Places;
use super::support::cluster::PASSWORD;
use super::support::transcript::render;
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};
use super::told::codes;

/// What one database with the tables of both places answers, and what the session does.
pub fn answers(places: &Places, frames: &[Frames]) -> [Vec<String>; 2] {
    places.fill();
    [(places.cluster.port(), "whole"), (places.proxy.port, "both")].map(|(port, database)| {
        let login = Login::new("app", database).password(PASSWORD);
        let mut wire = Wire::tcp(port, &login).unwrap();
        frames
            .iter()
            .flat_map(|frames| wire.exchange(frames))
            .filter_map(|one| render(&one))
            .filter(|line| !line.contains("are the local ones"))
            .collect()
    })
}

pub fn pipeline(texts: &[&str]) -> Frames {
    texts.iter().fold(Frames::new(), |frames, text| frames.run(text, &[])).sync()
}

pub fn query(text: &str) -> Frames {
    Frames::new().query(text)
}

const READ: &str = "SELECT count(*) FROM r1";
const WRITE: &str = "UPDATE w1 SET b = 'z' WHERE a = 1";

#[test]
fn what_is_prepared_or_declared_on_one_leg_has_its_name_on_both() {
    let places = Places::start(Major::V15);
    let prepared = query("PREPARE p AS UPDATE w1 SET b = 'p' WHERE a = 1");
    let declared = query("DECLARE c CURSOR WITH HOLD FOR SELECT a FROM r2 ORDER BY a");
    let local = "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM own";
    for script in [
        vec![prepared.clone(), pipeline(&["PREPARE p AS SELECT 1"]), query("EXECUTE p")],
        vec![
            prepared.clone(),
            pipeline(&[READ, "PREPARE p AS SELECT 1", READ]),
            query("EXECUTE p"),
        ],
        vec![prepared.clone(), query("SELECT 1; PREPARE p AS SELECT 1"), query("EXECUTE p")],
        vec![prepared.clone(), query("SELECT 1; DEALLOCATE p; PREPARE p AS SELECT 1; EXECUTE p")],
        vec![prepared, query("BEGIN"), query("PREPARE p AS SELECT 1"), query("ROLLBACK")],
        vec![query("CREATE TEMP TABLE own ()"), declared.clone(), query(local), query("FETCH c")],
        vec![
            query("CREATE TEMP TABLE own ()"),
            declared.clone(),
            pipeline(&[local]),
            query("FETCH c"),
        ],
        vec![query("CREATE TEMP TABLE own ()"), declared, query("CLOSE c"), query(local)],
        // that there is no such statement is said first
        vec![
            query("BEGIN"),
            Frames::new().parse("", READ, &[]).bind("p", "", &[]).sync(),
            query(WRITE),
            Frames::new().bind("p", "nobody", &[]).sync(),
        ],
    ] {
        let [direct, split] = answers(&places, &script);
        assert_eq!(split, direct, "{script:?}");
    }
}

#[test]
fn explain_execute_goes_where_the_statement_lives() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("PREPARE writes AS UPDATE w1 SET b = 'p' WHERE a = 1");
    session.sql("PREPARE reads AS SELECT b FROM r1 WHERE a = 1");
    assert!(session.value("EXPLAIN EXECUTE writes").contains("Update on w1"));
    assert!(session.value("EXPLAIN EXECUTE reads").contains("r1"));
    assert!(session.value("EXPLAIN (ANALYZE) EXECUTE writes").contains("Update on w1"));
    let parsed = Frames::new().parse("parsed", WRITE, &[]).sync();
    session.exchange(&parsed);
    assert!(session.value("EXPLAIN EXECUTE parsed").contains("Update on w1"));
    let error = session.error("CREATE TEMP TABLE made AS EXECUTE reads");
    assert_eq!(error.code(), "0A000");
    assert!(error.hint().contains("in the place of EXECUTE"), "{error}");
    assert_eq!(session.error("EXPLAIN EXECUTE nothing").code(), "26000");
}

#[test]
fn transaction_control_in_an_implicit_pipeline_is_answered_once() {
    let places = Places::start(Major::V15);
    let modes = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    for script in [
        vec![pipeline(&[WRITE, modes])],
        vec![pipeline(&[WRITE, modes, READ]), pipeline(&[READ])],
        vec![pipeline(&[READ, modes]), query(WRITE)],
        vec![pipeline(&[READ, WRITE, modes]), query(READ), query(WRITE)],
        vec![pipeline(&["SHOW work_mem", WRITE, modes]), query(READ), query(WRITE)],
        vec![pipeline(&[WRITE, READ, "BEGIN", READ, WRITE]), query("COMMIT"), query(READ)],
        vec![pipeline(&[READ, WRITE, "COMMIT", READ])],
        vec![pipeline(&[WRITE, READ, "ROLLBACK", READ]), query(READ)],
        vec![pipeline(&[READ, "COMMIT"])],
    ] {
        let [direct, split] = answers(&places, &script);
        assert_eq!(split, direct, "{script:?}");
    }
}

#[test]
fn transaction_control_in_a_portal_runs_once() {
    let places = Places::start(Major::V15);
    let bound = |text| Frames::new().parse("s", text, &[]).bind("p", "s", &[]).execute("p", 0);
    let again = || Frames::new().execute("p", 0).sync();
    let end = || query("ROLLBACK");
    for script in [
        vec![bound("BEGIN").execute("p", 0).sync(), end()],
        vec![bound("BEGIN").sync(), again(), query(WRITE), end()],
        vec![bound("BEGIN").sync(), query(WRITE), again(), query(READ), end()],
        vec![query("BEGIN"), query(WRITE), bound("SAVEPOINT one").execute("p", 0).sync(), end()],
        vec![query("BEGIN"), bound("SAVEPOINT one").sync(), query(READ), again(), end()],
        vec![query("BEGIN"), bound("SAVEPOINT one").sync(), query("SELECT nope"), again(), end()],
    ] {
        let [direct, split] = answers(&places, &script);
        let masked = |lines: Vec<String>| -> Vec<String> {
            let aborted = |line: String| match line.contains("C=\"25P02\"") {
                true => "25P02".to_owned(),
                false => line,
            };
            lines.into_iter().map(aborted).collect()
        };
        assert_eq!(masked(split), masked(direct), "{script:?}");
    }
}

#[test]
fn a_malformed_bind_is_an_error_like_any_other() {
    let places = Places::start(Major::V15);
    let truncated = |body: &[u8]| Frames::new().parse("", READ, &[]).raw(b'B', body).sync();
    for script in [
        vec![truncated(b""), query(READ)],
        vec![truncated(b"no end"), query(READ)],
        vec![query("BEGIN"), truncated(b"portal\0no end"), query(WRITE), query("ROLLBACK")],
        vec![query("BEGIN"), query(WRITE), truncated(b"no end"), query(READ), query("ROLLBACK")],
        vec![truncated(b"\0\0\0"), query(READ)],
    ] {
        let [direct, split] = answers(&places, &script);
        let codes = |lines: &[String]| -> Vec<String> {
            let shown = |line: &String| match line.split("C=\"").nth(1) {
                Some(rest) => rest[..5].to_owned(),
                None => line.clone(),
            };
            lines.iter().map(shown).collect()
        };
        assert_eq!(codes(&split), codes(&direct), "{script:?}");
    }
}

#[test]
fn what_is_skipped_behind_an_error_leaves_names_as_they_were() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let reads = || Frames::new().parse("named", READ, &[]).sync();
        let unnamed = || Frames::new().parse("", READ, &[]).sync();
        let bound = |name: &str| Frames::new().bind("", name, &[]).execute("", 0).sync();
        let fails = || Frames::new().run("SELECT 1 / 0", &[]);
        let all = |name: &str| Frames::new().bind("", name, &[]).execute("", 0);
        for script in [
            vec![
                reads(),
                query(WRITE),
                fails().close_statement("named").sync(),
                query(WRITE),
                bound("named"),
            ],
            vec![
                reads(),
                fails().close_statement("named").sync(),
                Frames::new()
                    .parse("named", WRITE, &[])
                    .bind("", "named", &[])
                    .execute("", 0)
                    .sync(),
                bound("named"),
            ],
            vec![
                reads(),
                fails().close_statement("named").parse("named", WRITE, &[]).sync(),
                bound("named"),
            ],
            vec![
                unnamed(),
                Frames::new().execute("none", 0).parse("", WRITE, &[]).sync(),
                bound(""),
            ],
            vec![unnamed(), Frames::new().execute("none", 0).close_statement("").sync(), bound("")],
            vec![unnamed(), Frames::new().parse("", "SELEC", &[]).sync(), bound("")],
            vec![
                Frames::new().parse("", WRITE, &[]).parse("all", "DEALLOCATE ALL", &[]).sync(),
                all("all").bind("", "", &[]).execute("", 0).sync(),
                bound("all"),
            ],
        ] {
            let [direct, split] = answers(&places, &script);
            assert_eq!(split, direct, "{script:?}");
        }
    }
}

#[test]
fn a_name_is_taken_in_a_failed_transaction_too() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let named = Frames::new().parse("named", READ, &[]).sync();
        let ends = |text: &str| Frames::new().parse("named", text, &[]).sync();
        let bound = Frames::new().bind("", "named", &[]).execute("", 0).sync();
        for fails in ["INSERT INTO w1 VALUES (1)", "SELECT 1 / 0"] {
            for before in [READ, WRITE] {
                let script = [
                    named.clone(),
                    query("BEGIN"),
                    query(before),
                    query(fails),
                    ends("ROLLBACK"),
                    ends("SELECT 1"),
                    query("ROLLBACK"),
                    bound.clone(),
                ];
                let [direct, split] = answers(&places, &script);
                assert_eq!(split, direct, "{script:?}");
            }
        }
    }
}

#[test]
fn what_is_prepared_for_a_cursor_finds_it_wherever_it_is() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    let prepared = Frames::new()
        .parse("fetches", "FETCH 1 FROM c", &[])
        .parse("moves", "MOVE 1 FROM c", &[])
        .parse("closes", "CLOSE c", &[])
        .sync();
    assert_eq!(codes(&session.exchange(&prepared)), [""; 0]);
    let writer = "DECLARE c CURSOR FOR SELECT a FROM w1 ORDER BY a FOR UPDATE";
    let reader = "DECLARE c CURSOR FOR SELECT a FROM r2 ORDER BY a";
    for (declare, last) in [(writer, 2), (reader, 3), (writer, 2), (reader, 3)] {
        session.sql("BEGIN");
        session.sql("SAVEPOINT s");
        session.sql(declare);
        for portal in ["", "p"] {
            let fetch = Frames::new().bind_formats(portal, "fetches", 0, &[], 1);
            let answers = session.exchange(&fetch.execute(portal, 0).close_portal(portal).sync());
            let row = answers.iter().find(|message| message.tag == b'D').unwrap();
            let expected = if portal.is_empty() { 1 } else { last };
            // in binary, as it was asked for
            assert_eq!(
                &row.body[6..],
                &i32::to_be_bytes(expected)[..],
                "{declare} {portal}: {answers:?}"
            );
            if portal.is_empty() && last == 3 {
                let moved =
                    session.exchange(&Frames::new().bind("m", "moves", &[]).execute("m", 0).sync());
                assert_eq!(codes(&moved), [""; 0], "{declare}: {moved:?}");
            }
        }
        let close = Frames::new().bind("", "closes", &[]).execute("", 0).sync();
        let answers = session.exchange(&close);
        assert_eq!(codes(&answers), [""; 0], "{declare}: {answers:?}");
        let again = Frames::new().bind("", "fetches", &[]).execute("", 0).sync();
        assert_eq!(codes(&session.exchange(&again)), ["34000"], "{declare}");
        session.sql("ROLLBACK TO s");
        session.sql("COMMIT");
    }
}

#[test]
fn nothing_of_the_proxys_own_is_among_the_sessions_statements() {
    let places = Places::start(Major::V15);
    let mut session = places.session();
    session.sql("INSERT INTO w1 VALUES (700)");
    let (run, read) = (pipeline, "SELECT b FROM r1");
    for (index, frames) in [
        run(&["SET work_mem = '5MB'"]),
        run(&[read, "UPDATE w1 SET b = 'a' WHERE a = 1", read]),
        run(&["BEGIN", read]),
        run(&["UPDATE w1 SET b = 'b' WHERE a = 1"]),
        run(&["COMMIT"]),
        run(&["SET my.own = 'a'", "SELECT 1/0"]),
        run(&["UPDATE w1 SET b = 'c' WHERE a = 1", read, "SELECT 1/0"]),
        run(&["BEGIN", "SET LOCAL work_mem = '6MB'", read, "ROLLBACK"]),
    ]
    .into_iter()
    .enumerate()
    {
        session.exchange(&frames);
        while session.status() != 'I' {
            session.sql("COMMIT");
        }
        let those =
            "(SELECT name FROM pg_prepared_statements UNION ALL SELECT name FROM pg_cursors)";
        let seen = session.value(&format!("SELECT count(*) FROM {those} AS own"));
        assert_eq!(seen, "0", "{index}, where it reads");
        let told = format!("INSERT INTO w1 SELECT 800, name FROM {those} AS own RETURNING b");
        assert_eq!(session.sql(&told), [[None::<String>; 1]; 0], "{index}, where it writes");
    }
    // nor does it take the name of one
    session.exchange(&Frames::new().parse("pgauthority split", read, &[]).sync());
    session.sql("SET authority.task = 'unit_tests'");
    let seen = session.sql("SELECT name FROM pg_prepared_statements");
    assert_eq!(seen, [[Some("pgauthority split".to_owned())]]);
}
