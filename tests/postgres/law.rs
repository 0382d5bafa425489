//! One cluster behind every kind of entry: what the tests of the contract share.

use super::scripts::SETUP;
use super::support::proxy::{PROD, REPLICA, STAGING};
use super::support::{Cluster, Proxy, Wire};

/// A true confirmation as a startup option.
pub const CONFIRM_OPTION: &str = "-c authority.confirm_prod_migrations=true";

/// Entries, all on one writable cluster (so that nothing but the proxy keeps a "replica" unharmed):
/// `staging`, `prod`, `prod_admin`, `prod_startup`, `prod_never`, `prod_deploy`, `replica`,
/// `scram`, `routed`, `routed_default`.
pub struct Law {
    pub cluster: Cluster,
    pub proxy: Proxy,
}

impl Law {
    pub fn start() -> Law {
        let cluster = Cluster::builder().start();
        cluster.sql("app", &format!("SET ROLE app; {SETUP}"));
        let routed = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"prod\"\nlocal = \"staging\"";
        let deploy = "upstream = \"prod\"\nauth = \"trust\"\nusers = [\"app\", \"postgres\"]\n\
                      confirm_users = [\"postgres\"]";
        let denied = "[[decision]]\ntask = \"look\"\nread = \"neon\"\nwrite = \"deny\"";
        let proxy = Proxy::builder()
            .upstream("staging", STAGING, &cluster)
            .upstream("prod", PROD, &cluster)
            .upstream("replica", REPLICA, &cluster)
            .trusted("staging", "staging", "")
            .trusted("prod", "prod", "")
            .trusted("prod_admin", "prod", "admin = \"confirm\"")
            .trusted("prod_startup", "prod", "confirm = \"startup\"")
            .trusted("prod_never", "prod", "confirm = \"never\"")
            .entry("prod_deploy", deploy)
            .trusted("replica", "replica", "")
            .scram("scram", "prod", "")
            .entry("routed", routed)
            .entry("routed_default", &format!("{routed}\ntask = \"unit_tests\""))
            .raw(denied)
            .start();
        Law { cluster, proxy }
    }

    /// A session on an entry.
    pub fn session(&self, entry: &str) -> Wire {
        self.proxy.connect(entry)
    }

    /// A session that confirmed at startup.
    pub fn confirmed(&self, entry: &str) -> Wire {
        let login = self.proxy.login(entry).options(CONFIRM_OPTION);
        self.proxy.try_connect(&login).unwrap()
    }

    /// What a block must leave as it was: the catalog's relations, routines, roles, databases,
    /// settings and comments, and the rows of the tables.
    pub fn fingerprint(&self) -> String {
        self.cluster.value(
            "app",
            "SELECT md5(string_agg(line, '|' ORDER BY line)) FROM ( \
             SELECT 'r' || oid || relname || relacl::text || relowner AS line FROM pg_class \
             WHERE relkind IN ('r', 'v', 'm', 'i', 'S') AND oid >= 16384 AND relpersistence = 'p' \
             UNION ALL SELECT 'a' || attrelid || attname || attnotnull FROM pg_attribute \
             WHERE attrelid >= 16384 AND NOT attisdropped AND attnum > 0 \
             UNION ALL SELECT 'f' || oid || proname FROM pg_proc WHERE oid >= 16384 \
             UNION ALL SELECT 'u' || oid || rolname || rolsuper FROM pg_roles \
             UNION ALL SELECT 'd' || oid || datname FROM pg_database \
             UNION ALL SELECT 's' || setdatabase || setrole || setconfig::text \
             FROM pg_db_role_setting \
             UNION ALL SELECT 'c' || objoid || description FROM pg_description \
             WHERE objoid >= 16384 \
             UNION ALL SELECT 'x' || extname FROM pg_extension \
             UNION ALL SELECT 'i' || items::text FROM items \
             UNION ALL SELECT 'l' || lines::text FROM lines) AS everything",
        )
    }
}
