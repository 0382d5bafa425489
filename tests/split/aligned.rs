//! Fixed scripts that two places answer as one database with the tables of both would.

use super::equal::alike;
use super::places::Places;
use super::support::cluster::PASSWORD;
use super::support::transcript::{difference, render};
use super::support::wire::Frames;
use super::support::{Login, Major, Wire};

/// What the session has, as it is where it reads and where it writes.
const READ: &str =
    "SELECT current_user || ' ' || coalesce(nullif(current_setting('my.a', true), ''), '-')";
const WRITE: &str = "INSERT INTO w1 SELECT max(a) + 1, current_user || ' ' || \
     coalesce(nullif(current_setting('my.a', true), ''), '-') FROM w1 RETURNING b";

fn query(text: &str) -> Frames {
    Frames::new().query(text)
}

/// A pipeline of these.
fn pipeline(texts: &[&str]) -> Frames {
    texts.iter().fold(Frames::new(), |frames, text| frames.run(text, &[])).sync()
}

fn answers(mut wire: Wire, script: &[Frames]) -> Vec<String> {
    let mut lines = Vec::new();
    for frames in script {
        lines.extend(frames.labels.iter().map(|label| format!("-> {label}")));
        lines.extend(wire.exchange(frames).iter().filter_map(render));
    }
    lines.retain(|line| !line.contains("tables that this statement reads are the local ones"));
    lines.iter().map(|line| alike(line)).collect()
}

/// The places answer a script as one database does, and are the same again behind it.
fn holds(places: &Places, script: &[Frames]) {
    let login = Login::new("app", "whole").password(PASSWORD);
    let whole = answers(Wire::tcp(places.cluster.port(), &login).unwrap(), script);
    let split = answers(places.session(), script);
    let difference = difference("split", &whole, &split);
    assert!(difference.is_none(), "{}\n{}", whole.join("\n"), difference.unwrap_or_default());
}

#[test]
fn what_an_error_takes_back_is_reported_with_it() {
    const NAMED: &str = "SET application_name = 'here'";
    const FAILS: &str = "INSERT INTO w1 VALUES (1, 'twice')";
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for failing in [
            query(FAILS),
            query(&format!("SELECT nextval('s'); {FAILS}")),
            pipeline(&[FAILS]),
            pipeline(&["SELECT b FROM r1 WHERE a = 1", FAILS]),
            // abs: a FunctionCall is a write
            Frames::new().function_call(1397, &["x"]),
        ] {
            for set in [query(NAMED), pipeline(&[NAMED]), query("SET LOCAL ROLE bob")] {
                let write = query("INSERT INTO w1 VALUES (3, 'c')");
                let script = [
                    query("BEGIN"),
                    write.clone(),
                    query("SAVEPOINT a"),
                    set,
                    failing.clone(),
                    query("SELECT 1"),
                    query("ROLLBACK TO a"),
                    query(NAMED),
                    query("SAVEPOINT b"),
                    query("SET application_name = 'there'"),
                    failing.clone(),
                    pipeline(&["ROLLBACK TO b"]),
                    query("SHOW application_name"),
                    failing.clone(),
                    query("COMMIT"),
                    query("SHOW application_name"),
                ];
                holds(&places, &script);
            }
        }
        // that one is the write leg's to report
        for failing in [query("SELECT nope FROM r1"), pipeline(&["SELECT nope FROM r1"])] {
            let read_only = query("SET default_transaction_read_only = on");
            let begin = [query("BEGIN"), query("TABLE r1"), read_only];
            holds(&places, &[&begin[..], &[failing, query("ROLLBACK"), query(WRITE)]].concat());
        }
    }
}

#[test]
fn what_has_no_rows_is_described_in_a_failed_transaction_on_either_leg() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let prepared = Frames::new()
            .parse("reads", "SELECT b FROM r1", &[])
            .parse("writes", "INSERT INTO w1 VALUES ($1, 'c')", &[])
            .parse("returns", "DELETE FROM w1 RETURNING a", &[])
            .parse("ends", "ROLLBACK", &[])
            .sync();
        let bound = Frames::new().bind("p", "writes", &[Some("7")]).bind("q", "returns", &[]);
        for (begun, failing) in [
            (bound.sync(), "SELECT nope FROM r1"),
            (Frames::new().bind("p", "reads", &[]).sync(), "SELECT nope FROM r1"),
            (query("TABLE r1"), "DELETE FROM w1 WHERE nope"),
            (Frames::new().bind("p", "reads", &[]).sync(), "DELETE FROM w1 WHERE nope"),
        ] {
            let mut script = vec![prepared.clone(), query("BEGIN"), begun, query(failing)];
            for name in ["reads", "writes", "returns", "ends", "nobody", ""] {
                script.push(Frames::new().describe_statement(name).sync());
            }
            for name in ["p", "q", "nobody", ""] {
                script.push(Frames::new().describe_portal(name).sync());
            }
            script.extend([query("ROLLBACK"), query("TABLE r1"), query(WRITE)]);
            holds(&places, &script);
        }
    }
}

#[test]
fn a_portal_that_goes_back_is_gone_without_a_word() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for failing in ["DELETE FROM w1 WHERE nope", "SELECT nope FROM r1"] {
            let back = Frames::new().parse("", "ROLLBACK TO a", &[]).bind("p", "", &[]);
            let script = [
                query("BEGIN"),
                query(WRITE),
                query("SAVEPOINT a"),
                query(failing),
                back.clone().execute("p", 0).sync(),
                back.execute("p", 0).sync(),
                Frames::new().parse("r", READ, &[]).bind("p", "r", &[]).execute("p", 0).sync(),
                query("COMMIT"),
            ];
            holds(&places, &script);
        }
    }
}

#[test]
fn what_ends_a_pipelines_transaction_inside_ends_it_on_both_legs() {
    const SET: &str = "SET my.a = '1'";
    const LOCAL: &str = "SET LOCAL my.a = '2'";
    const AGAIN: &str = "SET my.a = '3'";
    const COMMITS: &str = "DO $$ BEGIN COMMIT; END $$";
    const UNDOES: &str = "DO $$ BEGIN ROLLBACK; END $$";
    const COMMITS_FIRST: &str = "DO $$ BEGIN COMMIT; PERFORM 1 / 0; END $$";
    const UNDOES_FIRST: &str = "DO $$ BEGIN ROLLBACK; COMMIT; PERFORM 1 / 0; END $$";
    const NOTHING: &str = "DO $$ BEGIN END $$";
    const FAILS: &str = "SELECT 1 / 0";
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for texts in [
            &[SET, COMMITS, FAILS][..],
            &[SET, COMMITS],
            &[SET, COMMITS, AGAIN, FAILS],
            &[SET, COMMITS, AGAIN],
            &[SET, UNDOES],
            &[SET, UNDOES, FAILS],
            &[SET, UNDOES, AGAIN],
            &[SET, NOTHING],
            &[SET, NOTHING, FAILS],
            &[SET, NOTHING, COMMITS, NOTHING, FAILS],
            &[SET, COMMITS_FIRST],
            &[SET, UNDOES_FIRST],
            &[SET, READ, COMMITS, READ, UNDOES, READ],
            &["SET ROLE bob", WRITE, COMMITS, "RESET ROLE", READ, FAILS],
            &["SET ROLE bob", READ, UNDOES, READ, WRITE],
            &["SELECT set_config('my.a', '1', true)", COMMITS, READ, WRITE],
            &["SELECT set_config('my.a', '1', false)", COMMITS, READ, FAILS],
            &[COMMITS, SET, READ, FAILS],
            &[COMMITS, SET, UNDOES, READ],
            &["CALL ends(true)", SET, "CALL ends(true)", FAILS],
            &[SET, "CALL ends(false)", READ],
        ] {
            for first in [READ, WRITE, LOCAL] {
                let body = "'BEGIN IF kept THEN COMMIT; ELSE ROLLBACK; END IF; END'";
                let made = query(&format!(
                    "CREATE OR REPLACE PROCEDURE ends(kept bool) LANGUAGE plpgsql AS {body}"
                ));
                let seen = pipeline(&[READ, WRITE]);
                let ends = [query(READ), query(WRITE), seen, query(READ)];
                let script = [&[made, query(first), pipeline(texts)][..], &ends].concat();
                holds(&places, &script);
            }
        }
    }
}

#[test]
fn begin_within_a_block_sets_its_modes() {
    const ISOLATION: &str = "SHOW transaction_isolation";
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for text in [
            "BEGIN READ ONLY",
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "START TRANSACTION READ WRITE",
            "BEGIN",
        ] {
            for first in ["SHOW work_mem", "SAVEPOINT a", "UPDATE w1 SET b = 'c' WHERE a = 2"] {
                for again in [query(text), pipeline(&[text])] {
                    let script = [query("BEGIN"), query(first), again.clone(), query(ISOLATION)];
                    holds(&places, &[&script[..], &[query(WRITE), query("ROLLBACK")]].concat());
                    let read = [query("BEGIN"), again, query(ISOLATION), query("TABLE r1")];
                    let ends = [query("ROLLBACK TO a"), query("ROLLBACK")];
                    holds(&places, &[&read[..], &[query(WRITE)], &ends].concat());
                }
            }
        }
    }
}

#[test]
fn what_is_bound_and_prepared_lasts_as_long_as_on_one_leg() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let begin = Frames::new().parse("", "BEGIN", &[]).bind("p", "", &[]).execute("p", 0);
        for used in [
            Frames::new().describe_portal("p").sync(),
            Frames::new().parse("", READ, &[]).bind("p", "", &[]).sync(),
            Frames::new().execute("p", 0).sync(),
            Frames::new().parse("", WRITE, &[]).bind("p", "", &[]).sync(),
        ] {
            let waits = [begin.clone().sync(), used, query("ROLLBACK"), query(WRITE)];
            holds(&places, &waits);
        }
        let empty = Frames::new().parse("", "", &[]).bind("", "", &[]).execute("", 0).sync();
        for failing in ["DELETE FROM w1 WHERE nope", "SELECT nope FROM r1"] {
            let begun = [query("BEGIN"), query(WRITE), query(READ), query(failing)];
            holds(&places, &[&begun[..], &[empty.clone(), query("ROLLBACK")]].concat());
        }
        // the question for temporary names makes no pipeline of what the client sends
        let made = "CREATE TEMP TABLE r2 AS SELECT 6 AS a";
        let held = "DECLARE holder CURSOR WITH HOLD FOR SELECT a FROM r2";
        let declared = Frames::new().close_statement("a").run("DECLARE c CURSOR FOR TABLE r2", &[]);
        holds(&places, &[pipeline(&[made]), query(held), query("DO ''"), declared.sync()]);
    }
}

#[test]
fn what_is_wrong_with_a_text_is_told_before_its_name_is_taken() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let named = |text: &str| Frames::new().parse("n", text, &[]).sync();
        let bound = Frames::new().bind("", "n", &[]).execute("", 0).sync();
        for [first, second] in [[READ, WRITE], [WRITE, READ]] {
            for begun in [query("BEGIN"), query("")] {
                let wrong = named(&second.replace("current_user", "nobody"));
                let script = [named(first), begun, wrong, query("ROLLBACK"), named(second)];
                let ends = [bound.clone(), Frames::new().close_statement("n").sync()];
                let again = [named(second), bound.clone()];
                holds(&places, &[&script[..], &ends, &again].concat());
            }
        }
    }
}

#[test]
fn a_notification_comes_behind_what_sent_it() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        for text in [
            "NOTIFY channel; LISTEN channel",
            "LISTEN channel; SELECT pg_notify('channel', 'called')",
            "SET application_name = 'here'; NOTIFY channel",
        ] {
            let block = [query("BEGIN"), query(WRITE), query("NOTIFY channel, 'again'")];
            let script = [query("LISTEN channel"), query("UNLISTEN *"), query(text)];
            holds(&places, &[&script[..], &block, &[query(READ), query("COMMIT")]].concat());
        }
    }
}

#[test]
fn what_is_not_there_is_told_in_a_failed_transaction_that_has_reported() {
    for major in [Major::V15, Major::V18] {
        let places = Places::start(major);
        let named = query("SET application_name = 'here'");
        let script = [query("BEGIN"), query("TABLE r1"), named, query("DELETE FROM w1 WHERE nope")];
        // set and taken back in one string is no report
        let string = query(&format!("SHOW work_mem; SET application_name = 'here'; {WRITE}"));
        let begin = query("BEGIN READ ONLY");
        holds(&places, &[begin, query("TABLE r1"), string, query("ROLLBACK")]);
        let bind = Frames::new().bind("p", "", &[]).sync();
        holds(&places, &[&script[..], &[bind, query("ROLLBACK")]].concat());
    }
}
