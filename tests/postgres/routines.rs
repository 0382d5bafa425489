//! Calls of routines through the proxy: what their bodies do decides, as the catalog tells it.

use std::time::{Duration, Instant};

use super::law::CONFIRM_OPTION;
use super::support::proxy::{PROD, REPLICA};
use super::support::wire::Frames;
use super::support::{Cluster, Major, Proxy, Wire};

const ROUTINES: &str = "
    SET ROLE app;
    CREATE TABLE things (a int);
    CREATE FUNCTION looks() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM things';
    CREATE FUNCTION doubles(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
    CREATE FUNCTION adds() RETURNS int LANGUAGE sql AS 'INSERT INTO things VALUES (1) RETURNING a';
    CREATE FUNCTION makes() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN CREATE TABLE IF NOT EXISTS made (a int); RETURN 1; END $$;
    CREATE FUNCTION guesses(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; END $$;
    CREATE FUNCTION hides() RETURNS int LANGUAGE sql STABLE AS 'SELECT makes(); SELECT 1';
    CREATE VIEW innocent AS SELECT makes();
    CREATE FUNCTION pretends() RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN RETURN set_config('authority.role', 'staging', false); END $$;
    CREATE FUNCTION kills() RETURNS bool LANGUAGE sql AS 'SELECT pg_terminate_backend(0)';";

struct Ground {
    cluster: Cluster,
    proxy: Proxy,
}

fn ground(major: Major) -> Ground {
    let cluster = Cluster::builder().major(major).start();
    cluster.sql("app", ROUTINES);
    let proxy = Proxy::builder()
        .upstream("prod", PROD, &cluster)
        .upstream("replica", REPLICA, &cluster)
        .trusted("prod", "prod", "")
        .relayed("app", "prod", "")
        .trusted("replica", "replica", "")
        .start();
    Ground { cluster, proxy }
}

impl Ground {
    fn confirmed(&self) -> Wire {
        let login = self.proxy.login("prod").options(CONFIRM_OPTION);
        self.proxy.try_connect(&login).unwrap()
    }
}

fn rule(wire: &mut Wire, text: &str) -> String {
    let detail = wire.error(text).detail().to_owned();
    let rule = detail.strip_prefix("rule ").and_then(|rest| rest.split(',').next());
    rule.unwrap_or(&detail).to_owned()
}

fn bodies_decide(major: Major) {
    let ground = ground(major);
    // in the very first statement of a session, also one whose password the proxy never sees
    for entry in ["prod", "app"] {
        for (text, blocked) in [
            ("SELECT makes()", "prod.ddl_unconfirmed"),
            ("SELECT * FROM innocent", "prod.ddl_unconfirmed"),
            ("SELECT hides()", "prod.ddl_unconfirmed"),
            ("SELECT guesses('x')", "prod.opaque_unconfirmed"),
            ("SELECT kills()", "prod.admin_blocked"),
            ("SELECT pretends()", "prod.admin_blocked"),
        ] {
            assert_eq!(rule(&mut ground.proxy.connect(entry), text), blocked, "{entry}: {text}");
        }
        for text in ["SELECT looks()", "SELECT doubles(2)", "SELECT adds()"] {
            ground.proxy.connect(entry).sql(text);
        }
    }
    let mut wire = ground.proxy.connect("replica");
    assert_eq!(wire.value("SELECT doubles(21)"), "42");
    assert_eq!(wire.value("SELECT looks()"), "2");
    assert_eq!(rule(&mut wire, "SELECT adds()"), "replica.write");
    assert_eq!(rule(&mut wire, "BEGIN; SELECT looks()"), "replica.read_only");
}

#[test]
fn bodies_decide_on_15() {
    bodies_decide(Major::V15);
}

#[test]
fn bodies_decide_on_18() {
    bodies_decide(Major::V18);
}

/// The first pipeline of a session: BEGIN and a call before the first Sync.
#[test]
fn a_call_in_the_middle_of_a_pipeline_is_known() {
    let ground = ground(Major::V15);
    for (call, ended) in [("SELECT looks()", "C"), ("SELECT makes()", "E")] {
        let mut wire = ground.proxy.connect("prod");
        let frames = Frames::new().run("BEGIN", &[]).run(call, &[]).sync();
        let messages = wire.exchange(&frames);
        let last = messages.iter().rev().find(|one| b"CE".contains(&one.tag)).unwrap();
        assert_eq!(char::from(last.tag).to_string(), ended, "{call}");
    }
}

/// A batch of calls, as drivers send it: what the catalog shows to change no catalog is no reason to
/// doubt it.
#[test]
fn calls_behind_calls_are_known() {
    let ground = ground(Major::V15);
    ground.cluster.sql(
        "app",
        "SET ROLE app; CREATE FUNCTION covers() RETURNS int LANGUAGE plpgsql AS \
         $$ BEGIN CREATE TEMP TABLE things (a int); RETURN 1; END $$",
    );
    let mut wire = ground.proxy.connect("prod");
    wire.sql("SELECT adds(); SELECT adds(), looks(); SELECT doubles(2)");
    let batch = Frames::new().parse("s", "SELECT adds()", &[]);
    let batch = (0..50).fold(batch, |batch, _| batch.bind("", "s", &[]).execute("", 0));
    let messages = wire.exchange(&batch.run("SELECT looks()", &[]).sync());
    assert_eq!(messages.iter().filter(|one| one.tag == b'C').count(), 51);
    // what makes temporary relations, and what is not known, is one
    for doubtful in ["covers()", "guesses('x')"] {
        let mut wire = ground.confirmed();
        let withdraw = "SET authority.confirm_prod_migrations = off";
        let text = format!("SELECT {doubtful}; {withdraw}; SELECT adds()");
        assert_eq!(rule(&mut wire, &text), "prod.opaque_unconfirmed", "{doubtful}");
    }
    nothing_was_made(&ground);
}

/// The look is the proxy's own: the client's unnamed statement, its transaction and its portals
/// are as they were.
#[test]
fn a_look_leaves_no_trace() {
    let ground = ground(Major::V15);
    let mut wire = ground.proxy.connect("prod");
    wire.exchange(&Frames::new().parse("", "SELECT 7", &[]).sync());
    ground.cluster.sql(
        "app",
        "SET ROLE app; CREATE FUNCTION later() RETURNS int STABLE LANGUAGE sql AS 'SELECT 8'",
    );
    wire.exchange(&Frames::new().parse("named", "SELECT later()", &[]).sync());
    let messages = wire.exchange(&Frames::new().bind("", "", &[]).execute("", 0).sync());
    assert!(messages.iter().any(|one| one.tag == b'D' && one.columns() == [Some("7".into())]));
    wire.sql("BEGIN ISOLATION LEVEL SERIALIZABLE");
    wire.exchange(&Frames::new().parse("", "SELECT 9", &[]).bind("held", "", &[]).sync());
    ground.cluster.sql(
        "app",
        "SET ROLE app; CREATE FUNCTION latest() RETURNS int STABLE LANGUAGE sql AS 'SELECT 10'",
    );
    // the transaction cannot see what it is
    wire.sql("SAVEPOINT s");
    assert_eq!(rule(&mut wire, "SELECT latest()"), "prod.opaque_unconfirmed");
    wire.sql("ROLLBACK TO s");
    let messages = wire.exchange(&Frames::new().execute("held", 0).sync());
    assert!(messages.iter().any(|one| one.tag == b'D' && one.columns() == [Some("9".into())]));
    wire.sql("COMMIT");
}

/// What changes elsewhere counts within seconds, what this session changes at once.
#[test]
fn changes_are_noticed() {
    let ground = ground(Major::V15);
    let mut wire = ground.proxy.connect("prod");
    wire.sql("SELECT looks()");
    let worse = "CREATE OR REPLACE FUNCTION looks() RETURNS bigint LANGUAGE plpgsql AS \
                 $$ BEGIN CREATE TABLE IF NOT EXISTS made (a int); RETURN 1; END $$";
    ground.cluster.sql("app", &format!("SET ROLE app; {worse}"));
    let began = Instant::now();
    while wire.try_sql("SELECT looks()").is_ok() {
        assert!(began.elapsed() < Duration::from_secs(15), "never noticed");
        std::thread::sleep(Duration::from_millis(100));
    }
    // through the proxy: at once, for others too, and in the transaction itself
    let mut confirmed = ground.confirmed();
    let killer = "CREATE OR REPLACE FUNCTION doubles(int) RETURNS int LANGUAGE plpgsql AS \
                  $$ BEGIN PERFORM pg_terminate_backend(0); RETURN 1; END $$";
    confirmed.sql("BEGIN");
    confirmed.sql(killer);
    assert_eq!(rule(&mut confirmed, "SELECT doubles(1)"), "prod.admin_blocked");
    confirmed.sql("ROLLBACK");
    assert_eq!(confirmed.value("SELECT doubles(1)"), "2");
    confirmed.sql(killer);
    assert_eq!(rule(&mut wire, "SELECT doubles(1)"), "prod.admin_blocked");
    // behind it in one pipeline, and in one string
    confirmed.sql("CREATE FUNCTION calm() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'");
    let worse = "CREATE OR REPLACE FUNCTION calm() RETURNS int LANGUAGE plpgsql AS \
                 $$ BEGIN PERFORM pg_terminate_backend(0); RETURN 1; END $$";
    let mut frames = Frames::new().query(worse);
    frames = frames.query("SELECT calm()");
    confirmed.send(&frames).unwrap();
    confirmed.receive_until(b'Z');
    let second = confirmed.receive_until(b'Z');
    let error = second.iter().find(|one| one.tag == b'E').expect("it is refused");
    assert!(error.fields().detail().starts_with("rule prod.admin_blocked"), "{error:?}");
}

/// Who may not read the catalog is not trusted to call anything.
#[test]
fn an_unreadable_catalog_means_the_stricter_answer() {
    let ground = ground(Major::V15);
    ground.cluster.sql("app", "REVOKE ALL ON pg_catalog.pg_proc FROM PUBLIC");
    let mut wire = ground.proxy.connect("prod");
    assert_eq!(rule(&mut wire, "SELECT looks()"), "prod.opaque_unconfirmed");
    wire.sql("SELECT count(*) FROM things");
    wire.sql("SELECT now()");
}

/// A parameter of a domain runs its checks when it is bound, whatever the text says.
#[test]
fn the_type_of_a_parameter_counts() {
    let ground = ground(Major::V15);
    let domain = "SET ROLE app; CREATE FUNCTION checks(int) RETURNS bool LANGUAGE sql AS \
                  'SELECT makes() = $1'; CREATE DOMAIN checked AS int CHECK (checks(VALUE))";
    ground.cluster.sql("app", domain);
    let oid = ground.cluster.value("app", "SELECT 'checked'::regtype::oid");
    let mut wire = ground.proxy.connect("prod");
    let harmless = ground.cluster.value("app", "SELECT 'things'::regtype::oid");
    for (oid, refused) in [(oid, true), (harmless, false)] {
        let parse = Frames::new().parse("", "SELECT $1 IS NULL", &[oid.parse().unwrap()]).sync();
        let messages = wire.exchange(&parse);
        let error = messages.iter().find(|one| one.tag == b'E');
        assert_eq!(error.is_some(), refused, "{messages:?}");
        if let Some(error) = error {
            assert!(error.fields().detail().starts_with("rule prod.ddl_unconfirmed"), "{error:?}");
        }
    }
}

/// Longer than a snapshot counts as recent.
const STALE: Duration = Duration::from_millis(5_500);

/// Replaces a harmless function by one that makes a table, round the proxy.
fn turn(ground: &Ground, name: &str) {
    let body = "$$ BEGIN CREATE TABLE IF NOT EXISTS made (a int); RETURN 1; END $$";
    ground.cluster.sql(
        "app",
        &format!("SET ROLE app; CREATE OR REPLACE FUNCTION {name} LANGUAGE plpgsql AS {body}"),
    );
}

fn nothing_was_made(ground: &Ground) {
    let made = ground.cluster.value("app", "SELECT count(*) FROM pg_class WHERE relname = 'made'");
    assert_eq!(made, "0");
}

/// What changed elsewhere is seen by the very first statement after a pause.
#[test]
fn the_first_statement_after_a_pause_sees_what_changed() {
    let ground = ground(Major::V15);
    let mut wire = ground.proxy.connect("prod");
    wire.sql("SELECT doubles(1)");
    turn(&ground, "doubles(int) RETURNS int");
    std::thread::sleep(STALE);
    assert_eq!(rule(&mut wire, "SELECT doubles(1)"), "prod.ddl_unconfirmed");
    nothing_was_made(&ground);
}

/// A transaction that sees an old catalog runs new bodies.
#[test]
fn an_old_view_of_the_catalog_is_not_trusted() {
    let ground = ground(Major::V15);
    let mut wire = ground.proxy.connect("prod");
    wire.sql("BEGIN ISOLATION LEVEL REPEATABLE READ");
    wire.sql("SELECT doubles(1)");
    turn(&ground, "doubles(int) RETURNS int");
    std::thread::sleep(STALE);
    assert!(rule(&mut wire, "SELECT doubles(1)").starts_with("prod."));
    wire.sql("ROLLBACK");
    // reading tables goes on in such a transaction, however long it lasts
    wire.sql("BEGIN ISOLATION LEVEL SERIALIZABLE");
    wire.sql("SELECT count(*) FROM things");
    std::thread::sleep(STALE);
    wire.sql("SELECT count(*) FROM things");
    wire.sql("COMMIT");
    nothing_was_made(&ground);
}

/// Where no look can be taken, what is out of date says nothing about calls.
#[test]
fn what_is_out_of_date_is_not_trusted_where_nothing_newer_can_be_had() {
    let ground = ground(Major::V15);
    let mut failed = ground.proxy.connect("prod");
    let mut piped = ground.proxy.connect("prod");
    let mut prepared = ground.proxy.connect("prod");
    let mut cursor = ground.proxy.connect("prod");
    for wire in [&mut failed, &mut piped, &mut prepared, &mut cursor] {
        wire.sql("SELECT doubles(1)");
    }
    failed.sql("BEGIN");
    failed.error("SELECT 1/0");
    prepared.sql("PREPARE p AS SELECT doubles(1)");
    prepared.sql("BEGIN");
    cursor.sql("BEGIN");
    cursor.sql("DECLARE c CURSOR FOR SELECT adds()");
    assert_eq!(cursor.value("FETCH c"), "1");
    cursor.sql("COMMIT");
    piped.send(&Frames::new().run("SELECT 1", &[]).flush()).unwrap();
    piped.receive_until(b'C');
    turn(&ground, "doubles(int) RETURNS int");
    std::thread::sleep(STALE);
    assert_eq!(failed.error("ROLLBACK; SELECT doubles(1)").code(), "25P02");
    assert!(rule(&mut prepared, "EXECUTE p").starts_with("prod."));
    let messages = piped.exchange(&Frames::new().run("SELECT doubles(1)", &[]).sync());
    assert!(messages.iter().any(|one| one.tag == b'E'), "{messages:?}");
    nothing_was_made(&ground);
}

/// EXPLAIN makes the literals' values: a domain's checks run.
#[test]
fn explain_runs_the_checks_of_literals() {
    let ground = ground(Major::V15);
    let domain = "SET ROLE app; CREATE FUNCTION checks(int) RETURNS bool LANGUAGE sql AS \
                  'SELECT makes() = $1'; CREATE DOMAIN checked AS int CHECK (checks(VALUE)); \
                  CREATE TYPE pair AS (a checked)";
    ground.cluster.sql("app", domain);
    let mut wire = ground.proxy.connect("prod");
    for text in ["EXPLAIN SELECT '{1}'::checked[]", "EXPLAIN SELECT '(1)'::pair"] {
        assert_eq!(rule(&mut wire, text), "prod.ddl_unconfirmed", "{text}");
    }
    nothing_was_made(&ground);
}

/// A relation that was replaced earlier in the string, and read after withdrawing.
#[test]
fn what_a_string_changes_is_not_judged_by_what_was_before() {
    let ground = ground(Major::V15);
    ground.cluster.sql("app", "SET ROLE app; CREATE VIEW plain AS SELECT 1 AS makes");
    let mut wire = ground.confirmed();
    wire.sql("SELECT * FROM plain");
    let text = "CREATE OR REPLACE VIEW plain AS SELECT makes(); \
                SET authority.confirm_prod_migrations = off; SELECT * FROM plain";
    assert!(rule(&mut wire, text).starts_with("prod."));
    nothing_was_made(&ground);
}

/// A look that is cancelled is this session's own trouble, and leaves no trace.
#[test]
fn a_cancelled_look_harms_nobody() {
    let ground = ground(Major::V15);
    let mut victim = ground.proxy.connect("prod");
    let mut noisy = ground.confirmed();
    for round in 0..40 {
        noisy.sql(&format!("CREATE TABLE IF NOT EXISTS t{round} (a int)"));
        noisy.send(&Frames::new().query("SELECT looks()")).unwrap();
        noisy.cancel().unwrap();
        let messages = noisy.receive_until(b'Z');
        assert!(messages.iter().all(|one| one.tag != b'N'), "{messages:?}");
        assert_eq!(victim.value("SELECT looks() >= 0"), "t");
    }
}

/// DO and CALL can commit and roll back unseen, PREPARE TRANSACTION leaves the end to another:
/// the log says so.
#[test]
fn outcomes_that_nobody_saw_are_unknown() {
    let ground = ground(Major::V15);
    let mut wire = ground.confirmed();
    let ends = "DO $$ BEGIN ROLLBACK; END $$";
    wire.exchange(&Frames::new().run("CREATE TABLE gone (a int)", &[]).run(ends, &[]).sync());
    let fails = "DO $$ BEGIN COMMIT; RAISE 'x'; END $$";
    wire.exchange(&Frames::new().run("CREATE TABLE kept (a int)", &[]).run(fails, &[]).sync());
    let outcomes: Vec<String> = ground
        .proxy
        .events("ddl_outcome")
        .iter()
        .filter(|event| event["command_tag"] == "CREATE TABLE")
        .map(|event| event["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["unknown", "unknown"]);
}
