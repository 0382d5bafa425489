//! One cluster with three databases: where sessions read, where they write, and both in one.

use super::support::proxy::{PROD, STAGING};
use super::support::{Cluster, Major, Proxy, Wire};

/// The tables that scripts read, as they are where sessions read.
const READ: &str = "CREATE TABLE r1 (a int PRIMARY KEY, b text); \
     INSERT INTO r1 VALUES (1, 'one'), (2, 'two'), (3, 'three'); \
     CREATE TABLE r2 (a int); INSERT INTO r2 SELECT generate_series(1, 300);";

/// The tables that scripts write, as they are where sessions write.
const WRITE: &str = "CREATE TABLE w1 (a int PRIMARY KEY, b text); \
     INSERT INTO w1 VALUES (1, 'x'), (2, 'y'); \
     CREATE TABLE w2 (a int REFERENCES w1 DEFERRABLE INITIALLY DEFERRED); CREATE SEQUENCE s;";

/// The same names elsewhere: whoever sees these rows is in the wrong place.
const DECOYS_OF_READ: &str = "CREATE TABLE r1 (a int PRIMARY KEY, b text); \
     INSERT INTO r1 VALUES (1, 'wrong place'); CREATE TABLE r2 (a int);";
const DECOYS_OF_WRITE: &str = "CREATE TABLE w1 (a int PRIMARY KEY, b text); \
     CREATE TABLE w2 (a int REFERENCES w1); CREATE SEQUENCE s START 1000;";

/// Where sessions read, where they write, and the proxy in front.
pub struct Places {
    pub cluster: Cluster,
    pub proxy: Proxy,
}

impl Places {
    pub fn start(major: Major) -> Places {
        Places::on(Cluster::builder().major(major).start())
    }

    /// The same on a cluster with settings of its own.
    pub fn on(cluster: Cluster) -> Places {
        cluster.sql("postgres", "CREATE ROLE bob; GRANT bob TO app");
        for name in ["whole", "neon", "local"] {
            cluster.sql("postgres", &format!("CREATE DATABASE {name} OWNER app"));
            cluster.sql(name, "GRANT ALL ON SCHEMA public TO PUBLIC");
        }
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"";
        let proxy = Proxy::builder()
            .upstream_at("neon", PROD, &cluster.url("app", "neon"), "")
            .upstream_at("local", STAGING, &cluster.url("app", "local"), "")
            .entry("nova", entry)
            .entry("both", &format!("{entry}\ntask = \"spanning\""))
            .start();
        let places = Places { cluster, proxy };
        places.fill();
        places
    }

    /// The tables as every script finds them.
    pub fn fill(&self) {
        for (database, tables) in [
            ("whole", [READ, WRITE]),
            ("neon", [READ, DECOYS_OF_WRITE]),
            ("local", [DECOYS_OF_READ, WRITE]),
        ] {
            let [first, second] = tables;
            let text = format!(
                "SET client_min_messages = error; DROP SCHEMA public CASCADE; \
                 CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC; \
                 SET ROLE app; {first} {second} GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; \
                 GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC"
            );
            self.cluster.sql(database, &text);
        }
    }

    /// A session that spans both.
    pub fn session(&self) -> Wire {
        self.proxy.connect("both")
    }

    /// Everything in a database that a script could change.
    pub fn contents(&self, database: &str) -> String {
        self.cluster.value(
            database,
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
             SELECT 'r1 ' || r1::text AS line FROM r1 UNION ALL SELECT 'w1 ' || w1::text FROM w1 \
             UNION ALL SELECT 'w2 ' || w2::text FROM w2 UNION ALL SELECT 's ' || s.last_value::text \
             FROM s UNION ALL SELECT 'c ' || relname || relkind::text FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace) AS everything",
        )
    }

    /// The rows that were written.
    pub fn written(&self, database: &str) -> String {
        self.cluster.value(
            database,
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
             SELECT 'w1 ' || w1::text AS line FROM w1 UNION ALL SELECT 'w2 ' || w2::text FROM w2 \
             UNION ALL SELECT 's ' || s.last_value || s.is_called::text FROM s \
             UNION ALL SELECT 'c ' || relname FROM pg_class WHERE relname LIKE 'w%') AS everything",
        )
    }
}

/// The two places on clusters of their own, so that one can be down.
pub struct Apart {
    pub neon: Cluster,
    pub local: Cluster,
    pub proxy: Proxy,
}

impl Apart {
    pub fn start() -> Apart {
        let (neon, local) = (Cluster::builder().start(), Cluster::builder().start());
        neon.sql(
            "app",
            "SET ROLE app; CREATE TABLE r1 (a int, b text); INSERT INTO r1 VALUES (1, 'one')",
        );
        local.sql(
            "app",
            "SET ROLE app; CREATE TABLE w1 (a int PRIMARY KEY, b text); \
             INSERT INTO w1 VALUES (1, 'a')",
        );
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"\n\
                     task = \"spanning\"";
        let url = |cluster: &Cluster| cluster.url("app", "app") + "?connect_timeout=1";
        let proxy = Proxy::builder()
            .upstream_at("neon", PROD, &url(&neon), "")
            .upstream_at("local", STAGING, &url(&local), "")
            .entry("both", entry)
            .start();
        Apart { neon, local, proxy }
    }

    /// A session that spans both.
    pub fn session(&self) -> Wire {
        self.proxy.connect("both")
    }
}
