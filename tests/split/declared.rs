//! What SHOW tells of the task is what the session is under, whatever code has set on the server.

use super::places::Places;
use super::support::proxy::STAGING;
use super::support::wire::{Frames, Message};
use super::support::{Major, Proxy, Wire};

fn session(places: &Places, task: &str) -> Wire {
    let login = places.proxy.login("nova").options(&format!("-c authority.task={task}"));
    places.proxy.try_connect(&login).unwrap()
}

/// The message of the WARNING in an exchange.
fn warning(messages: &[Message]) -> Option<String> {
    let notice = messages.iter().find(|message| message.tag == b'N')?.fields();
    assert_eq!(notice.code(), "01000", "{notice}");
    Some(notice.message().to_owned())
}

fn row(messages: &[Message]) -> Option<String> {
    messages.iter().find(|message| message.tag == b'D')?.columns()[0].clone()
}

const PUT_BACK: &str =
    "authority.task was \"integration_tests\" on the server, and is \"unit_tests\" again";
const SHOW: &str = "SHOW authority.task";

/// Objects that set the task when they are used.
const CODE: &str = "
    CREATE FUNCTION sets() RETURNS text LANGUAGE sql AS
    $$ SELECT set_config('authority.task', 'integration_tests', false) $$;
    CREATE FUNCTION computes(name text) RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT set_config(name, 'integration_tests', false) $$;
    CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('authority.task', 'integration_tests', false); RETURN NEW; END $$;
    CREATE TABLE watched (a int); CREATE TRIGGER t BEFORE INSERT ON watched
    FOR EACH ROW EXECUTE FUNCTION fires(); CREATE VIEW seen AS SELECT sets() AS a;
    GRANT ALL ON watched, seen TO PUBLIC";

#[test]
fn what_code_sets_is_put_back_before_it_is_shown() {
    let places = Places::start(Major::V15);
    places.cluster.sql("local", CODE);
    let mut session = session(&places, "unit_tests");
    for code in [
        "SELECT sets()",
        "SELECT computes('authority.' || 'task')",
        "DO $$ BEGIN PERFORM set_config('authority.' || 'task', 'integration_tests', false); END $$",
        "DO $$ BEGIN EXECUTE 'SET authority.task = integration_tests'; END $$",
        "INSERT INTO watched VALUES (1)",
        "SELECT set_config('authority.' || 'task', 'integration_tests', false)",
        "PREPARE p AS SELECT sets(); EXECUTE p; DEALLOCATE p",
        "EXPLAIN ANALYZE SELECT sets()",
    ] {
        for show in [SHOW, "SELECT current_setting('authority.task')"] {
            session.sql(code);
            let shown = session.exchange(&Frames::new().query(show));
            assert_eq!(row(&shown).as_deref(), Some("unit_tests"), "{code}");
            assert_eq!(warning(&shown).as_deref(), Some(PUT_BACK), "{code}");
            let shown = session.exchange(&Frames::new().query(show));
            assert_eq!(row(&shown).as_deref(), Some("unit_tests"), "{code}");
            assert_eq!(warning(&shown), None, "{code}");
        }
        // without waiting for the answers, and in the extended protocol
        let both = Frames::new().query(code).run(SHOW, &[]).sync();
        session.send(&both).unwrap();
        session.receive_until(b'Z');
        let shown = session.receive_until(b'Z');
        assert_eq!(row(&shown).as_deref(), Some("unit_tests"), "{code}");
        assert_eq!(warning(&shown).as_deref(), Some(PUT_BACK), "{code}");
    }
    let named = Frames::new().parse("shows", SHOW, &[]).parse("", "SELECT 'mine'", &[]).sync();
    session.exchange(&named);
    let writes = Frames::new().parse("w", "INSERT INTO watched VALUES (2)", &[]);
    session.exchange(&writes.bind("", "w", &[]).execute("", 0).sync());
    let shown = session.exchange(&Frames::new().bind("", "shows", &[]).execute("", 0).sync());
    assert_eq!(row(&shown).as_deref(), Some("unit_tests"));
    assert_eq!(warning(&shown).as_deref(), Some(PUT_BACK));
    let own = session.exchange(&Frames::new().bind("", "", &[]).execute("", 0).sync());
    assert_eq!(row(&own).as_deref(), Some("mine"), "its unnamed statement is there");
    // what a later statement's code sees is the session's task as well
    session.sql("SELECT sets()");
    session.sql("CREATE TABLE stamped AS SELECT current_setting('authority.task') AS task");
    assert_eq!(places.cluster.value("local", "SELECT task FROM stamped"), "unit_tests");
    assert_eq!(session.value("SELECT current_database()"), "local");
}

#[test]
fn in_a_transaction_too_and_whatever_is_rolled_back() {
    let places = Places::start(Major::V15);
    places.cluster.sql("local", CODE);
    let mut session = session(&places, "unit_tests");
    session.sql("BEGIN");
    session.sql("SELECT sets()");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("SAVEPOINT a");
    session.sql("SELECT sets()");
    session.sql("SAVEPOINT b");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("ROLLBACK TO b");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("ROLLBACK TO a");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("SELECT sets()");
    session.error("SELECT 1/0");
    assert_eq!(session.error(SHOW).code(), "25P02");
    session.sql("ROLLBACK");
    assert_eq!(session.value(SHOW), "unit_tests");
    // nothing that a transaction has to begin with comes too late
    session.sql("INSERT INTO watched VALUES (1)");
    session.sql("BEGIN");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    session.sql("SELECT sets()");
    session.sql("COMMIT");
    assert_eq!(session.value(SHOW), "unit_tests");
    // what has been declared meanwhile counts
    session.sql("SELECT sets()");
    session.sql("SET authority.task = 'schema_experiments'");
    assert_eq!(session.value(SHOW), "schema_experiments");
    session.sql("SELECT sets()");
    session.sql("RESET ALL");
    assert_eq!(session.value(SHOW), "unit_tests");
    session.sql("SELECT sets()");
    session.sql("SET authority.task = 'run_verification'");
    assert_eq!(session.value(SHOW), "run_verification");
    assert_eq!(session.value("SELECT current_database()"), "neon");
}

#[test]
fn on_production_what_the_catalog_shows_is_known() {
    let places = Places::start(Major::V15);
    places.cluster.sql("neon", &CODE.replace("integration_tests", "historical_truth"));
    let mut session = session(&places, "run_verification");
    for code in [
        "SELECT sets()",
        "SELECT computes('authority.ticket')",
        "SELECT * FROM seen",
        "INSERT INTO watched VALUES (1)",
    ] {
        if session.try_sql(code).is_ok() {
            assert_eq!(session.value(SHOW), "run_verification", "{code}");
        }
    }
    session.sql("SELECT sets()");
    session.sql("SELECT * FROM seen");
    // and on both legs
    let mut session = self::session(&places, "spanning");
    places.cluster.sql("local", CODE);
    session.sql("DO $$ BEGIN EXECUTE 'SET authority.task = unit_tests'; END $$");
    assert_eq!(session.value(SHOW), "spanning");
    session.sql("SELECT sets()");
    session.sql("CREATE TABLE stamped AS SELECT current_setting('authority.task') AS task");
    assert_eq!(places.cluster.value("local", "SELECT task FROM stamped"), "spanning");
}

#[test]
fn a_part_of_a_statement_declares_no_task() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    let set = "set_config('authority.task', 'integration_tests', false)";
    for text in [
        format!("SELECT {set} WHERE false"),
        format!("SELECT CASE WHEN false THEN {set} END"),
        format!("DO $$ BEGIN IF false THEN PERFORM {set}; END IF; END $$"),
        format!("PREPARE p AS SELECT {set}"),
        "DO $$ BEGIN IF false THEN SET authority.task = integration_tests; END IF; END $$".into(),
    ] {
        let error = session.error(&text);
        assert_eq!(error.code(), "25001", "{text}: {error}");
        assert!(error.hint().contains("SET authority.task = 'integration_tests'"), "{error}");
        assert_eq!(session.value(SHOW), "unit_tests");
    }
    session.sql(&format!("SELECT {set}"));
    assert_eq!(session.value(SHOW), "integration_tests");
}

#[test]
fn the_task_is_not_changed_inside_a_transaction_be_it_implicit() {
    let places = Places::start(Major::V15);
    for task in ["unit_tests", "spanning"] {
        let mut session = session(&places, task);
        let set = "SET authority.task = 'schema_experiments'";
        let refused = |messages: &[Message], place: &str, hint: &str| {
            let errors: Vec<_> = messages.iter().filter(|message| message.tag == b'E').collect();
            let [error] = errors[..] else { panic!("{messages:?}") };
            let error = error.fields();
            assert_eq!(error.code(), "25001", "{error}");
            assert!(error.message().contains(place), "{error}");
            assert!(error.detail().contains("rule task.change"), "{error}");
            assert!(error.hint().starts_with(hint), "{error}");
        };
        let query = |text: &str| Frames::new().query(text);
        let block = "inside a transaction block";
        let first = "COMMIT or ROLLBACK first, then: ";
        for (text, hint) in [
            (set, set),
            ("RESET authority.task", "RESET authority.task"),
            ("SET authority.task TO DEFAULT", "RESET authority.task"),
            ("SELECT set_config('authority.task', 'schema_experiments', false)", set),
        ] {
            for begun in ["", "INSERT INTO w1 VALUES (70, 'a')", "SELECT b FROM r1 LIMIT 0"] {
                session.sql("BEGIN");
                session.sql(begun);
                refused(&session.exchange(&query(text)), block, &format!("{first}{hint}"));
                session.sql("ROLLBACK");
                session.sql("BEGIN");
                session.sql(begun);
                let run = Frames::new().run(text, &[]).sync();
                refused(&session.exchange(&run), block, &format!("{first}{hint}"));
                session.sql("ROLLBACK");
            }
            // before the Sync it is one transaction
            for before in ["INSERT INTO w1 VALUES (70, 'a')", "SELECT b FROM r1 LIMIT 0"] {
                let run = Frames::new().run(before, &[]).run(text, &[]).sync();
                let hint = format!("behind a Sync: {hint}");
                refused(&session.exchange(&run), "in a pipeline behind others", &hint);
                assert_eq!(session.value("SELECT count(*) FROM w1 WHERE a = 70"), "0");
                let run = Frames::new().run(text, &[]).flush().run(before, &[]).sync();
                let error = "an earlier one of the pipeline changes what applies to it";
                refused(&session.exchange(&run), error, "send a Sync after SET authority.task");
            }
        }
        for text in [format!("SELECT 1; {set}"), format!("{set}; SELECT 1")] {
            let answer = session.exchange(&query(&text));
            assert!(answer.iter().all(|message| message.tag != b'C'), "{answer:?}");
            let error = answer.iter().find(|message| message.tag == b'E').unwrap().fields();
            assert_eq!(error.code(), "25001", "{error}");
            assert!(error.message().contains("in a string"), "{error}");
        }
        let local = "SET LOCAL authority.task = 'schema_experiments'";
        let hint = format!("outside a transaction: {set}");
        refused(&session.exchange(&query(local)), "with SET LOCAL", &hint);
        session.sql("BEGIN");
        refused(&session.exchange(&query(local)), "with SET LOCAL", &hint);
        session.sql("ROLLBACK");
        assert_eq!(session.value(SHOW), task);
        // RESET ALL changes it too, where it has been set
        session.sql("BEGIN");
        session.sql("RESET ALL");
        session.sql("COMMIT");
        let other = if task == "spanning" { "unit_tests" } else { "integration_tests" };
        session.sql(&format!("SET authority.task = '{other}'"));
        session.sql("BEGIN");
        refused(&session.exchange(&query("RESET ALL")), block, &format!("{first}RESET ALL"));
        session.sql("ROLLBACK");
        let run = Frames::new().run("SELECT 1", &[]).run("RESET ALL", &[]).sync();
        refused(&session.exchange(&run), "in a pipeline", "behind a Sync: RESET ALL");
        session.sql("RESET ALL");
        assert_eq!(session.value(SHOW), task);
    }
}

#[test]
fn an_entry_with_tasks_serves_these_alone() {
    let places = Places::start(Major::V15);
    let proxy = Proxy::builder()
        .upstream_at("local", STAGING, &places.cluster.url("app", "local"), "")
        .entry(
            "ci",
            "auth = \"trust\"\nusers = [\"app\"]\nlocal = \"local\"\n\
             tasks = [\"unit_tests\", \"integration_tests\"]",
        )
        .start();
    let login = |task: &str| proxy.login("ci").options(&format!("-c authority.task={task}"));
    let mut session = proxy.try_connect(&login("unit_tests")).unwrap();
    for task in ["run_verification", "spanning", "schema_experiments"] {
        let error = session.error(&format!("SET authority.task = '{task}'"));
        assert_eq!(error.code(), "28000", "{error}");
        assert!(error.message().contains("is none of those that this entry serves"), "{error}");
        assert!(error.hint().contains("integration_tests, unit_tests"), "{error}");
        let refused = proxy.try_connect(&login(task)).map(|_| ()).unwrap_err().fields();
        assert!(refused.message().contains("is none of those"), "{refused}");
    }
    session.sql("SET authority.task = 'integration_tests'");
    assert_eq!(session.value("SHOW authority.task"), "integration_tests");
    // the example in the hint is a task that it serves
    let undeclared = proxy.try_connect(&proxy.login("ci")).map(|_| ()).unwrap_err().fields();
    assert!(undeclared.hint().contains("authority.task=unit_tests'"), "{undeclared}");
    assert!(undeclared.hint().contains("the tasks are integration_tests, unit_tests"));
}

#[test]
fn a_portal_may_be_closed_behind_what_changes_the_task() {
    let places = Places::start(Major::V15);
    let mut session = session(&places, "unit_tests");
    for text in ["SET authority.task = 'spanning'", "RESET ALL", "DISCARD ALL"] {
        let closed = Frames::new().run(text, &[]).close_portal("").sync();
        let messages = session.exchange(&closed);
        let tags: Vec<u8> = messages.iter().map(|message| message.tag).collect();
        assert!(tags.contains(&b'3') && !tags.contains(&b'E'), "{text}: {messages:?}");
    }
    assert_eq!(session.value(SHOW), "unit_tests");
}
