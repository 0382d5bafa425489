//! What both legs are told: a setting reaches each of them once, in order, and only where it stands.

use super::places::Places;
use super::support::wire::Frames;
use super::support::{Cluster, Major, Message, Wire};

/// A write that says as whom it ran, and with what.
const WRITE: &str = "INSERT INTO w1 SELECT max(a) + 1, current_user || ' ' || \
     current_setting('search_path') || ' ' || coalesce(current_setting('my.a', true), '') FROM w1 \
     RETURNING b";
/// The same of a read.
const READ: &str = "SELECT current_user || ' ' || current_setting('search_path') || ' ' || \
     coalesce(current_setting('my.a', true), '')";
const PLAIN: &str = "app public ";

fn places() -> Places {
    let places = Places::start(Major::V15);
    places.cluster.sql("local", "CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO PUBLIC");
    places
}

fn session(places: &Places) -> Wire {
    let mut session = places.session();
    session.sql("SET search_path = public");
    session
}

/// What the session is on either leg.
fn seen(session: &mut Wire) -> [String; 2] {
    [session.value(READ), session.value(WRITE)]
}

pub fn codes(messages: &[Message]) -> Vec<String> {
    let errors = messages.iter().filter(|message| message.tag == b'E');
    errors.map(|message| message.fields().code().to_owned()).collect()
}

#[test]
fn what_is_set_later_counts() {
    let places = places();
    for (texts, expected) in [
        (&["BEGIN", "SET ROLE bob", "COMMIT", "RESET ROLE"][..], PLAIN),
        (&["SET my.a = '1'; SET search_path = other", "SET search_path = public"], "app public 1"),
        (&["BEGIN", "SET my.a = '1'", "COMMIT", "RESET ALL", "SET search_path = public"], PLAIN),
        (&["BEGIN", "SET my.a = '1'", "COMMIT", "SET my.a = '2'"], "app public 2"),
        (&["SET ROLE bob", "RESET ALL", "SET search_path = public"], "bob public "),
        (&["BEGIN", "SET my.a = '1' -- it ends a line", "SAVEPOINT s", "COMMIT"], "app public 1"),
    ] {
        for both in [false, true] {
            let mut session = session(&places);
            if both {
                session.sql(WRITE);
            }
            for text in texts {
                session.sql(text);
            }
            let seen = seen(&mut session).map(|seen| seen.trim_start().to_owned());
            assert_eq!(seen, [expected, expected].map(str::trim_start), "{texts:?}, both: {both}");
        }
    }
    let mut session = session(&places);
    session.sql(WRITE);
    for text in ["BEGIN", "LISTEN heard", "COMMIT", "BEGIN", "UNLISTEN *", "COMMIT", WRITE] {
        session.sql(text);
    }
    places.cluster.sql("local", "NOTIFY heard");
    let messages = session.exchange(&Frames::new().query(WRITE));
    assert!(messages.iter().all(|message| message.tag != b'A'), "{messages:?}");
}

#[test]
fn what_a_pipeline_rolled_back_is_not_told() {
    let places = places();
    let failing = Frames::new().run("SET ROLE bob", &[]).run("SELECT 1 / 0", &[]).sync();
    let standing = Frames::new().run("SET my.a = '1'", &[]).run("SELECT 1", &[]).sync();
    let mut session = session(&places);
    assert_eq!(codes(&session.exchange(&failing)), ["22012"]);
    assert!(codes(&session.exchange(&standing)).is_empty());
    assert_eq!(seen(&mut session), ["app public 1"; 2]);
    // a leg that was told what it missed in a pipeline that failed is told again
    session.sql("BEGIN");
    session.sql("SET my.a = '2'");
    session.sql(READ);
    session.sql("COMMIT");
    let failing = Frames::new().parse("w", WRITE, &[]).flush().bind("", "w", &[]).execute("", 0);
    let failing = failing.run("SELECT 1 / 0", &[]).sync();
    assert_eq!(codes(&session.exchange(&failing)), ["22012"]);
    assert_eq!(seen(&mut session), ["app public 2"; 2]);
}

#[test]
fn what_a_failed_commit_set_is_set_nowhere() {
    let places = places();
    let failing = "INSERT INTO w2 VALUES (99)";
    for text in ["SET ROLE bob", "SET my.a = '1'", "SET search_path = other"] {
        let block = ["BEGIN", failing, text, READ, "COMMIT"].map(str::to_owned);
        let string = [[failing, text, READ].join("; ")];
        for texts in [&block[..], &string[..]] {
            let mut session = session(&places);
            let code = texts.iter().filter_map(|text| session.try_sql(text).err()).next();
            assert_eq!(code.map(|error| error.code().to_owned()).as_deref(), Some("23503"));
            assert_eq!(seen(&mut session), [PLAIN; 2], "{texts:?}");
        }
        for control in [false, true] {
            let mut session = session(&places);
            let mut frames = Frames::new();
            if control {
                frames = frames.run("BEGIN", &[]);
            }
            frames = frames.run(failing, &[]).run(text, &[]).run(READ, &[]);
            if control {
                frames = frames.run("COMMIT", &[]);
            }
            assert_eq!(codes(&session.exchange(&frames.sync())), ["23503"], "{text}");
            assert_eq!(seen(&mut session), [PLAIN; 2], "pipeline: {text}");
        }
    }
    // a cursor that the read leg has kept is closed again
    let mut session = session(&places);
    for text in ["BEGIN", "DECLARE held CURSOR WITH HOLD FOR SELECT 1", failing] {
        session.sql(text);
    }
    assert_eq!(session.error("COMMIT").code(), "23503");
    assert_eq!(session.error("FETCH 1 FROM held").code(), "34000");
    session.sql("BEGIN");
    session.sql("DECLARE held CURSOR FOR SELECT 1");
    session.sql("COMMIT");
    // what it has set cannot be taken back
    for text in ["BEGIN", "DECLARE held CURSOR WITH HOLD FOR SELECT 1", "SET my.a = '1'", failing] {
        session.sql(text);
    }
    session.send(&Frames::new().query("COMMIT")).unwrap();
    let told = [(); 2].map(|()| session.receive().unwrap().fields().code().to_owned());
    assert_eq!(told, ["23503", "55000"]);
    assert!(session.receive().is_err(), "the connection is over");
}

#[test]
fn what_is_set_behind_an_error_that_is_on_its_way_is_set_on_both() {
    let places = places();
    for both in [false, true] {
        for first in [Frames::new().query("SELECT nope"), Frames::new().run("TABLE x", &[]).sync()]
        {
            let mut session = session(&places);
            if both {
                session.sql(WRITE);
            }
            let set = first.run("SET my.a = '1'", &[]).sync();
            session
                .send(&set.query("SELECT nope").run("PREPARE p AS SELECT 7", &[]).sync())
                .unwrap();
            for code in [&["42703"][..], &[], &["42703"], &[]] {
                let messages = session.receive_until(b'Z');
                let told = codes(&messages);
                assert!(told == code || told == ["42P01"], "{told:?}");
            }
            assert_eq!(seen(&mut session), ["app public 1"; 2], "both: {both}");
            assert_eq!(session.value("EXECUTE p"), "7");
        }
    }
}

#[test]
fn set_local_belongs_to_its_pipeline() {
    let places = places();
    let local = |text| Frames::new().run(text, &[]).run(WRITE, &[]).run(READ, &[]).sync();
    for text in ["SET LOCAL my.a = '1'", "SELECT set_config('my.a', '1', true)"] {
        let mut session = session(&places);
        let messages = session.exchange(&local(text));
        let rows: Vec<_> = messages.iter().filter(|message| message.tag == b'D').collect();
        let last = |back: usize| rows[rows.len() - back].columns()[0].clone().unwrap();
        assert_eq!([last(2), last(1)], ["app public 1"; 2], "{text}");
        assert_eq!(seen(&mut session), [PLAIN; 2], "{text}");
    }
    // until BEGIN makes a block of it, and in it
    let mut session = session(&places);
    let block = Frames::new().run("SET LOCAL my.a = '1'", &[]).run("BEGIN", &[]).sync();
    session.exchange(&block);
    assert_eq!(seen(&mut session), ["app public 1"; 2]);
    session.sql("COMMIT");
    assert_eq!(seen(&mut session), [PLAIN; 2]);
}

#[test]
fn set_config_is_repeated_with_its_parameters() {
    let places = places();
    let set = |value: &str, local: &str| {
        let text = "SELECT set_config('my.a', $1, $2::bool)";
        Frames::new().run(text, &[Some(value), Some(local)]).sync()
    };
    for both in [false, true] {
        let mut session = session(&places);
        if both {
            session.sql(WRITE);
        }
        assert!(codes(&session.exchange(&set("it's", "false"))).is_empty());
        assert_eq!(seen(&mut session), ["app public it's"; 2]);
        assert!(codes(&session.exchange(&set("2", "false"))).is_empty());
        assert_eq!(seen(&mut session), ["app public 2"; 2]);
        // as for row-level security
        session.sql("BEGIN");
        assert!(codes(&session.exchange(&set("3", "true"))).is_empty());
        assert_eq!(seen(&mut session), ["app public 3"; 2]);
        session.sql("ROLLBACK");
        assert_eq!(seen(&mut session), ["app public 2"; 2]);
        session.sql("BEGIN");
        let begun = Frames::new().run("SELECT set_config('my.a', $1, true)", &[Some("4")]);
        session.exchange(&begun.sync());
        session.sql("SAVEPOINT s");
        session.sql("SET LOCAL search_path = other, public");
        assert_eq!(seen(&mut session), ["app other, public 4"; 2]);
        session.sql("COMMIT");
        assert_eq!(seen(&mut session), ["app public 2"; 2]);
    }
    let mut session = session(&places);
    let error = session.error("SELECT set_config('my.a', b, false) FROM r1");
    assert_eq!(error.code(), "0A000", "{error}");
    assert_eq!(session.error("PREPARE p AS SELECT set_config('my.a', $1, false)").code(), "0A000");
    let named = Frames::new().run("SELECT set_config($1, '1', false)", &[Some("my.a")]).sync();
    assert_eq!(codes(&session.exchange(&named)), ["0A000"]);
}

/// A notification that comes for what is done in a database.
pub fn hears(session: &mut Wire, cluster: &Cluster, database: &str) -> bool {
    cluster.sql(database, "NOTIFY heard");
    std::thread::sleep(std::time::Duration::from_millis(200));
    let messages = session.exchange(&Frames::new().query(READ));
    messages.iter().any(|message| message.tag == b'A')
}

#[test]
fn listen_hears_both_places_at_once() {
    let places = places();
    for texts in
        [&["LISTEN heard"][..], &["BEGIN", "LISTEN heard", "COMMIT"], &["LISTEN heard; SELECT 1"]]
    {
        let mut session = session(&places);
        for text in texts {
            session.sql(text);
        }
        assert!(hears(&mut session, &places.cluster, "local"), "{texts:?}");
        assert!(hears(&mut session, &places.cluster, "neon"), "{texts:?}");
    }
    let mut session = session(&places);
    session.exchange(&Frames::new().run("LISTEN heard", &[]).sync());
    assert!(hears(&mut session, &places.cluster, "local"));
    session.sql("BEGIN");
    session.sql("UNLISTEN heard");
    session.sql("ROLLBACK");
    assert!(hears(&mut session, &places.cluster, "local"));
}

#[test]
fn what_no_transaction_undoes_reaches_a_leg_that_takes_no_part() {
    let places = places();
    for (made, all, used, code) in [
        ("PREPARE p AS SELECT b FROM r1", "DEALLOCATE ALL", "EXECUTE p", "26000"),
        ("DECLARE p CURSOR WITH HOLD FOR SELECT b FROM r1", "CLOSE ALL", "FETCH 1 FROM p", "34000"),
    ] {
        for texts in [
            &["BEGIN", "DELETE FROM w1 WHERE a = 99", all, "COMMIT"][..],
            &["BEGIN", "DELETE FROM w1 WHERE a = 99", all, "ROLLBACK"],
            &["BEGIN", all, "COMMIT"],
            &[&format!("DELETE FROM w1 WHERE a = 99; {all}")],
        ] {
            let mut session = session(&places);
            session.sql("BEGIN");
            session.sql(made);
            session.sql("COMMIT");
            for text in texts {
                session.sql(text);
            }
            assert_eq!(session.error(used).code(), code, "{texts:?}");
            // on the leg itself too
            session.sql("BEGIN");
            session.sql(&made.replace("WITH HOLD", ""));
            session.sql("COMMIT");
        }
    }
}

#[test]
fn what_runs_on_one_leg_sets_nothing_there() {
    let places = places();
    let mut session = session(&places);
    for text in [
        "SELECT set_config('my.a', '2', false), nextval('s')",
        "SELECT set_config('my.a', '2', false), pg_try_advisory_lock(1)",
        "SELECT set_config('my.a', '2', false), txid_current()",
        "SELECT set_config('default_transaction_read_only', 'off', false), \
         set_config('search_path', 'other', false)",
        "INSERT INTO w1 VALUES (70) RETURNING set_config('my.a', '2', false)",
        "CREATE TEMP TABLE made AS SELECT set_config('my.a', '2', false)",
        "UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path'",
        "EXECUTE nothing(set_config('my.a', '2', false))",
    ] {
        assert_eq!(session.error(text).code(), "0A000", "{text}");
        let extended = session.exchange(&Frames::new().run(text, &[]).sync());
        assert_eq!(codes(&extended), ["0A000"], "{text}");
    }
    assert_eq!(seen(&mut session), [PLAIN; 2]);
    session.sql("SELECT set_config('default_transaction_read_only', 'off', false)");
    session.sql("SELECT set_config('my.a', '2', false)");
    assert_eq!(seen(&mut session), ["app public 2"; 2]);
}

#[test]
fn what_is_set_in_between_sees_what_was_set_before_it() {
    let places = places();
    let derived = "SELECT set_config('my.a', current_setting('my.b', true), false)";
    for texts in [
        &["SET my.b = '1'", derived, "SET my.b = '2'", "SET my.b = '1'"][..],
        &["SET my.b = '1'", derived, "SET my.b = '1'"],
        &["SET my.b = '0'", derived, "SET my.b = '1'", derived, "SET my.b = '1'"],
        &[
            "SET my.b = ''",
            "SELECT set_config('my.b', current_setting('my.b') || '1', false)",
            derived,
        ],
    ] {
        for begun in [false, true] {
            let mut session = session(&places);
            if begun {
                session.sql("BEGIN");
            }
            texts.iter().for_each(|text| drop(session.sql(text)));
            assert_eq!(seen(&mut session), ["app public 1"; 2], "{texts:?}");
        }
    }
}

#[test]
fn a_long_session_may_set_the_same_for_ever() {
    let places = places();
    const MANY: usize = 6_000;
    let many = |session: &mut Wire, frames: &dyn Fn(usize) -> Frames| {
        for n in 0..MANY {
            let answers = session.exchange(&frames(n));
            assert!(codes(&answers).is_empty(), "{n} {:?}", codes(&answers));
        }
    };
    let value = |n: usize| format!("{n:036}");
    let set = |n: usize| Frames::new().query(&format!("SET my.a = '{}'", value(n)));
    let call = |n: usize, local: &str| {
        let text = format!("SELECT set_config('my.a', $1, {local})");
        Frames::new().run(&text, &[Some(&value(n))]).sync()
    };
    let last = format!("app public {}", value(MANY - 1));
    let mut session = session(&places);
    many(&mut session, &set);
    assert_eq!(seen(&mut session), [last.as_str(); 2]);
    // in a block, where one leg takes part, and where both do
    for both in [false, true] {
        session.sql("BEGIN");
        session.sql(READ);
        if both {
            session.sql(WRITE);
        }
        many(&mut session, &|n| call(n, if both { "true" } else { "false" }));
        assert_eq!(seen(&mut session), [last.as_str(); 2]);
        session.sql("ROLLBACK");
    }
}

#[test]
fn set_config_of_a_row_of_many_is_refused() {
    let places = places();
    let sent = |text: &str, rows: u32| {
        Frames::new().parse("", text, &[]).bind("", "", &[]).execute("", rows)
    };
    let many = "SELECT set_config('my.a', v, false) FROM (VALUES ('1'), ('2')) AS t (v)";
    for begun in [false, true] {
        let mut session = session(&places);
        if begun {
            session.sql(WRITE);
        }
        let answers = session.exchange(&sent(many, 1).sync());
        assert_eq!(codes(&answers), ["0A000"]);
        assert_eq!(seen(&mut session), [PLAIN; 2]);
        assert!(codes(&session.exchange(&sent(many, 2).sync())).is_empty());
        assert_eq!(seen(&mut session), ["app public 2"; 2]);
        // one row, as asyncpg's fetchval asks for it
        let one = sent("SELECT set_config('my.a', '3', false)", 1).execute("", 1);
        let answers = session.exchange(&one.sync());
        assert!(codes(&answers).is_empty(), "{:?}", codes(&answers));
        assert_eq!(answers.iter().map(|one| one.tag as char).collect::<String>(), "12DsCZ");
        assert_eq!(seen(&mut session), ["app public 3"; 2]);
    }
}
