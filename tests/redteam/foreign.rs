//! Foreign tables that lead back to the server itself: what is there runs in another session, which
//! nothing has confirmed and no guard holds.

use super::support::cluster::Auth;
use super::support::proxy::{PROD, REPLICA};
use super::support::wire::Frames;
use super::support::{Cluster, Major, Proxy};

const WORLD: &str = "
    CREATE TABLE victim ();
    ALTER TABLE victim OWNER TO app;
    CREATE FUNCTION drops() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN DROP TABLE IF EXISTS public.victim; RETURN 1; END $$;
    CREATE VIEW shows AS SELECT public.drops() AS a;
    CREATE TABLE whole (a int) PARTITION BY LIST (a);
    CREATE EXTENSION postgres_fdw;
    CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw
        OPTIONS (host '127.0.0.1', port '{port}', dbname 'app');
    CREATE USER MAPPING FOR app SERVER itself OPTIONS (user 'app', password_required 'false');
    CREATE FOREIGN TABLE far (a int) SERVER itself
        OPTIONS (schema_name 'public', table_name 'shows');
    CREATE FOREIGN TABLE part PARTITION OF whole DEFAULT SERVER itself
        OPTIONS (schema_name 'public', table_name 'shows');
    CREATE VIEW near AS SELECT a FROM far;
    ALTER VIEW near OWNER TO app;
    GRANT ALL ON shows, whole, far, part, near TO app";

fn leads_back(major: Major) {
    let cluster = Cluster::builder().major(major).auth(Auth::Trust).start();
    cluster.sql("app", &WORLD.replace("{port}", &cluster.port().to_string()));
    let url = cluster.url("app", "app");
    let vouched = "trusted_routines = [\"public.postgres_fdw_handler -- leads elsewhere\"]";
    let proxy = Proxy::builder()
        .upstream_at("prod", PROD, &url, "")
        .upstream_at("replica", REPLICA, &url, "")
        .upstream_at("vouched", PROD, &url, vouched)
        .entry("prod", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"prod\"")
        .entry("replica", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"replica\"")
        .entry("vouched", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"vouched\"")
        .start();
    let is_harmed = || cluster.value("app", "SELECT to_regclass('public.victim') IS NULL") == "t";
    for text in ["SELECT * FROM far", "SELECT * FROM whole", "TABLE near"] {
        for entry in ["prod", "replica"] {
            for frames in [Frames::new().query(text), Frames::new().run(text, &[]).sync()] {
                let answers = proxy.connect(entry).exchange(&frames);
                assert!(!is_harmed(), "{entry}: {text}");
                let error = answers.into_iter().find(|one| one.tag == b'E');
                let error = error.map(|one| one.fields().to_string()).unwrap_or_default();
                assert!(error.contains("blocked"), "{entry}: {text}: {error}");
            }
        }
        assert!(proxy.connect("vouched").try_sql(text).is_ok(), "{text}");
        assert!(is_harmed(), "{text} does nothing");
        cluster.sql("app", "CREATE TABLE victim (); ALTER TABLE victim OWNER TO app");
    }
    // a plan asks nobody
    proxy.connect("prod").sql("EXPLAIN SELECT * FROM far");
}

#[test]
fn foreign_tables_lead_back_to_the_server_15() {
    leads_back(Major::V15);
}

#[test]
fn foreign_tables_lead_back_to_the_server_18() {
    leads_back(Major::V18);
}
