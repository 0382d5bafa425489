//! Where unqualified names lead, changed by nothing that the session sent: its role is renamed, the
//! configuration file reloaded.

use std::thread;
use std::time::Duration;

use super::support::cluster::Auth;
use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Major, Proxy};

/// Beyond the five seconds for which a look at the catalog counts.
const OVERDUE: Duration = Duration::from_millis(6500);

const WORLD: &str = "
    CREATE TABLE victim ();
    GRANT ALL ON SCHEMA public TO PUBLIC;
    CREATE ROLE joe SUPERUSER LOGIN;
    CREATE SCHEMA joe;
    CREATE SCHEMA jack;
    CREATE SCHEMA aside;
    CREATE FUNCTION joe.f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION jack.f() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$;
    CREATE FUNCTION public.g() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION aside.g() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$";

fn led_elsewhere(major: Major) {
    let cluster = Cluster::builder().major(major).auth(Auth::Trust).start();
    cluster.sql("app", WORLD);
    let proxy = Proxy::builder()
        .upstream_at("prod", PROD, &cluster.url("joe", "app"), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"prod\"")
        .start();
    for (text, changes) in [
        ("SELECT f()", "ALTER ROLE joe RENAME TO jack"),
        ("SELECT g()", "ALTER SYSTEM SET search_path = aside, public"),
    ] {
        let mut sessions = [proxy.connect("nova"), proxy.connect("nova")];
        for session in &mut sessions {
            session.sql(text);
        }
        cluster.sql("app", changes);
        cluster.sql("app", "SELECT pg_reload_conf()");
        let forms = [Frames::new().query(text), Frames::new().run(text, &[]).sync()];
        for (session, frames) in sessions.iter_mut().zip(forms) {
            thread::sleep(OVERDUE);
            let answers = session.exchange(&frames);
            let error = answers.into_iter().find(|one| one.tag == b'E');
            let error = error.map(|one| one.fields().to_string()).unwrap_or_default();
            assert!(error.contains("blocked"), "{changes}: {error}");
        }
        let kept = cluster.value("app", "SELECT to_regclass('public.victim') IS NOT NULL");
        assert_eq!(kept, "t", "{changes}");
        cluster.sql("app", "ALTER SYSTEM RESET ALL");
        cluster.sql("app", "SELECT pg_reload_conf()");
        cluster.sql(
            "app",
            "DO $$ BEGIN ALTER ROLE jack RENAME TO joe; \
                    EXCEPTION WHEN undefined_object THEN NULL; END $$",
        );
    }
}

#[test]
fn names_that_lead_elsewhere_are_looked_up_there_15() {
    led_elsewhere(Major::V15);
}

#[test]
fn names_that_lead_elsewhere_are_looked_up_there_18() {
    led_elsewhere(Major::V18);
}
