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
    wire.sql("SELECT latest()");
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
