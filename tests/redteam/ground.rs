//! What the attacks share: a server with something to lose, the proxy in front of it, and the eyes
//! of the superuser on what becomes of it.
//!
//! The upstreams log in as the superuser, and the one declared a replica is the writable primary:
//! nothing but the proxy (and the read-only guard that it sets) is in the way of an attack.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::support::cluster::Auth;
use super::support::process::{eventually, give_to_server_user};
use super::support::proxy::{PROD, REPLICA};
use super::support::relay::without_options;
use super::support::{Cluster, Login, Major, Proxy, Wire};

const WORLD: &str = include_str!("world.sql");
const VICTIMS: &str = include_str!("victims.sql");

/// The lines of `witness.world()`.
pub type World = BTreeSet<String>;

pub struct Ground {
    pub cluster: Cluster,
    pub proxy: Proxy,
    witness: Wire,
    bystander: Wire,
    /// A session with a snapshot that others may take over, where an attack asked for one.
    exporter: Option<Wire>,
}

impl Ground {
    pub fn start() -> Ground {
        Ground::on(major())
    }

    pub fn on(major: Major) -> Ground {
        let cluster = Cluster::builder().major(major).auth(Auth::Trust).start();
        fs::create_dir(cluster.data().join("loot")).unwrap();
        give_to_server_user(&cluster.data().join("loot"));
        admit(&cluster, "host replication all 127.0.0.1/32 trust");
        cluster.sql("app", WORLD);
        cluster.sql("app", VICTIMS);
        // mallory is a superuser whose settings say how her texts are read
        cluster.sql(
            "app",
            "CREATE ROLE mallory SUPERUSER LOGIN; \
             ALTER ROLE mallory SET standard_conforming_strings = off; \
             ALTER ROLE mallory SET search_path = evil, pg_catalog, public",
        );
        let url = cluster.url("postgres", "app");
        let mallory = cluster.url("mallory", "app");
        let (own, relay) = (cluster.port().to_string(), without_options(&cluster).to_string());
        let set = url.replace(&format!(":{own}"), &format!(":{relay}"));
        let proxy = Proxy::builder()
            .upstream_at("prod", PROD, &url, "")
            .upstream_at("mallory", PROD, &mallory, "")
            .upstream_at("replica", REPLICA, &url, "")
            .upstream_at("mallory_replica", REPLICA, &mallory, "")
            .upstream_at("set_replica", REPLICA, &set, "")
            .trusted("prod", "prod", "")
            .trusted("prod_startup", "prod", "confirm = \"startup\"")
            .trusted("prod_never", "prod", "confirm = \"never\"")
            .trusted("prod_mallory", "mallory", "")
            .trusted("replica", "replica", "")
            .trusted("replica_mallory", "mallory_replica", "")
            .trusted("replica_set", "set_replica", "")
            .start();
        let (witness, bystander) = watchers(&cluster);
        Ground { cluster, proxy, witness, bystander, exporter: None }
    }

    /// A session of the attacker's through an entry of the proxy's.
    pub fn login(&self, entry: &str) -> Login {
        self.proxy.login(entry)
    }

    /// The same straight to the server.
    pub fn direct(&self, user: &str) -> Login {
        Login::new(user, "app")
    }

    pub fn world(&mut self) -> World {
        let rows = self.witness.sql("SELECT * FROM witness.world()");
        rows.into_iter().filter_map(|mut row| row.remove(0)).collect()
    }

    /// The first column of the first row, as the superuser sees it.
    pub fn value(&mut self, query: &str) -> String {
        self.witness.value(query)
    }

    /// The folder that attacks write files to.
    pub fn loot(&self) -> PathBuf {
        self.cluster.data().join("loot")
    }

    /// A text of an attack with what is known only now.
    pub fn fill(&mut self, text: &str) -> String {
        let text = match text.contains("{snapshot}") {
            true => &text.replace("{snapshot}", &self.snapshot()),
            false => text,
        };
        text.replace("{loot}", &self.loot().display().to_string())
            .replace("{port}", &self.cluster.port().to_string())
            .replace("{socket}", &self.cluster.socket_folder().display().to_string())
            .replace("{bystander}", &self.bystander.key.0.to_string())
    }

    /// A snapshot that a transaction of another session's exports, until the next reset.
    fn snapshot(&mut self) -> String {
        let mut exporter = self.cluster.connect("app");
        exporter.sql("BEGIN ISOLATION LEVEL REPEATABLE READ");
        let name = exporter.value("SELECT pg_export_snapshot()");
        self.exporter = Some(exporter);
        name
    }

    /// Everything as it was at the start, whatever an attack has done.
    pub fn reset(&mut self) {
        self.exporter = None;
        let alive = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bystander'";
        if self.witness.value(alive) != "1" {
            (self.witness, self.bystander) = watchers(&self.cluster);
        }
        let others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                      AND pid <> pg_backend_pid() AND application_name <> 'bystander'";
        eventually("the attacker is gone", Duration::from_secs(10), || {
            (self.witness.value(others) == "0").then_some(())
        });
        for file in fs::read_dir(self.loot()).unwrap() {
            let path = file.unwrap().path();
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
        let leftovers = "
            SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts
            UNION ALL SELECT format('DROP DATABASE %I', datname) FROM pg_database
                WHERE datname NOT IN ('app', 'postgres', 'template0', 'template1')
            UNION ALL SELECT 'ALTER SYSTEM RESET ALL'
            UNION ALL SELECT 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots'
            UNION ALL SELECT 'SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin'
            UNION ALL SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
            UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
            UNION ALL SELECT format('DROP EXTENSION %I CASCADE', extname) FROM pg_extension
                WHERE extname <> 'plpgsql'
            UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
                WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'witness')
            UNION ALL SELECT format('DROP OWNED BY %I CASCADE; DROP ROLE %1$I', rolname)
                FROM pg_roles WHERE rolname !~ '^pg_'
                AND rolname NOT IN ('app', 'postgres', 'reader', 'mallory')
            UNION ALL SELECT format('DROP TABLESPACE %I', spcname) FROM pg_tablespace
                WHERE spcname !~ '^pg_'
            UNION ALL SELECT format('ALTER ROLE %I RESET ALL', rolname) FROM pg_roles
                WHERE rolname IN ('app', 'postgres', 'reader')
            UNION ALL SELECT 'ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC'
            UNION ALL SELECT format('SELECT lo_unlink(%s)', oid) FROM pg_largeobject_metadata
            UNION ALL SELECT 'DELETE FROM pg_description WHERE description = ''loot'''
            UNION ALL SELECT 'CREATE SCHEMA public'
            UNION ALL SELECT 'GRANT ALL ON SCHEMA public TO PUBLIC'";
        for row in self.witness.sql(leftovers) {
            for statement in row[0].as_deref().unwrap().split("; ") {
                let _ = self.witness.try_sql(statement);
            }
        }
        self.witness.sql(VICTIMS);
    }
}

/// The server that is attacked: 15, or what `REDTEAM_MAJOR` says.
pub fn major() -> Major {
    let Some(wanted) = std::env::var_os("REDTEAM_MAJOR") else { return Major::V15 };
    let named = |major: &Major| wanted.to_str() == Some(&format!("{major:?}")[1..]);
    Major::EVERY.into_iter().find(named).unwrap_or_else(|| panic!("REDTEAM_MAJOR={wanted:?}"))
}

/// Lets clients in by a rule that goes before the server's own.
pub fn admit(cluster: &Cluster, rule: &str) {
    let path = cluster.data().join("pg_hba.conf");
    let rules = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{rule}\n{rules}")).unwrap();
    let loaded = "SELECT pg_conf_load_time()";
    let before = cluster.value("postgres", loaded);
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    eventually("the rules are read", Duration::from_secs(5), || {
        (cluster.value("postgres", loaded) != before).then_some(())
    });
}

/// The superuser who looks, and a session that others might end.
fn watchers(cluster: &Cluster) -> (Wire, Wire) {
    let login = Login::new("postgres", "app").parameter("application_name", "bystander");
    let mut witness = cluster.connect("app");
    witness.sql("SET client_min_messages = error");
    (witness, Wire::tcp(cluster.port(), &login).unwrap())
}
