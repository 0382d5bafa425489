//! Three databases: where sessions read, where they write, and both in one. On one cluster, or the
//! first two on clusters of their own, each with the third beside it.

use std::net::{Ipv4Addr, TcpListener};

use super::support::proxy::{PROD, STAGING};
use super::support::{Cluster, FINGERPRINT, Major, Proxy, Wire};

/// The tables that scripts read, as they are where sessions read.
const READ: &str = "CREATE TABLE r1 (a int PRIMARY KEY, b text); \
     INSERT INTO r1 VALUES (1, 'one'), (2, 'two'), (3, 'three'); \
     CREATE TABLE r2 (a int); INSERT INTO r2 SELECT generate_series(1, 300); \
     CREATE FUNCTION look(int) RETURNS text LANGUAGE sql STABLE \
     AS 'SELECT b FROM r1 WHERE a = $1';";

/// The tables that scripts write, as they are where sessions write.
const WRITE: &str = "CREATE TABLE w1 (a int PRIMARY KEY, b text); \
     INSERT INTO w1 VALUES (1, 'x'), (2, 'y'); \
     CREATE TABLE w2 (a int REFERENCES w1 DEFERRABLE INITIALLY DEFERRED); CREATE SEQUENCE s;";

/// Routines that run where sessions write, known in both places.
const WRITING: &str = "CREATE FUNCTION latest() RETURNS bigint LANGUAGE sql STABLE \
     AS 'SELECT currval(''s'')'; \
     CREATE FUNCTION note(text) RETURNS int LANGUAGE plpgsql AS \
     'DECLARE added int; BEGIN INSERT INTO w1 SELECT max(a) + 100, $1 FROM w1 RETURNING a INTO added; \
     RETURN added; END'; \
     CREATE PROCEDURE put(text) LANGUAGE sql AS 'INSERT INTO w1 SELECT max(a) + 100, $1 FROM w1'; \
     CREATE PROCEDURE store(int) LANGUAGE sql AS 'INSERT INTO w1 VALUES ($1, ''cut'')'; \
     CREATE FUNCTION keep(int) RETURNS int LANGUAGE sql \
     AS 'INSERT INTO w1 VALUES ($1, ''cut'') RETURNING a';";

/// The same names elsewhere: whoever sees these rows is in the wrong place.
const DECOYS_OF_READ: &str = "CREATE TABLE r1 (a int PRIMARY KEY, b text); \
     INSERT INTO r1 VALUES (1, 'wrong place'); CREATE TABLE r2 (a int); \
     CREATE FUNCTION look(int) RETURNS text LANGUAGE sql STABLE \
     AS 'SELECT ''wrong place''::text';";
const DECOYS_OF_WRITE: &str = "CREATE TABLE w1 (a int PRIMARY KEY, b text); \
     CREATE TABLE w2 (a int REFERENCES w1); CREATE SEQUENCE s START 1000;";

/// Where sessions read, where they write, and the proxy in front.
pub struct Places {
    /// Where sessions read, and where they write unless that has a cluster of its own.
    pub cluster: Cluster,
    local: Option<Cluster>,
    pub proxy: Proxy,
}

impl Places {
    pub fn start(major: Major) -> Places {
        Places::on(Cluster::builder().major(major).start())
    }

    /// The same on a cluster with settings of its own.
    pub fn on(cluster: Cluster) -> Places {
        Places::of(cluster, None)
    }

    /// The same on two clusters: where sessions read, and where they write.
    pub fn on_two(read: Major, write: Major) -> Places {
        let start = |major| Cluster::builder().major(major).start();
        Places::of(start(read), Some(start(write)))
    }

    fn of(cluster: Cluster, local: Option<Cluster>) -> Places {
        for cluster in [&cluster].into_iter().chain(&local) {
            cluster.sql("postgres", "CREATE ROLE bob; GRANT bob TO app");
            for name in ["whole", "neon", "local"] {
                cluster.sql("postgres", &format!("CREATE DATABASE {name} OWNER app"));
                cluster.sql(name, "GRANT ALL ON SCHEMA public TO PUBLIC");
            }
            cluster.sql("neon", FINGERPRINT);
        }
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"";
        let writes = local.as_ref().unwrap_or(&cluster).url("app", "local");
        let proxy = Proxy::builder()
            .upstream_at("neon", PROD, &cluster.url("app", "neon"), "")
            .upstream_at("local", STAGING, &writes, "")
            .entry("nova", entry)
            .entry("both", &format!("{entry}\ntask = \"spanning\""))
            .start();
        let places = Places { cluster, local, proxy };
        places.fill();
        places
    }

    /// The cluster where sessions write.
    pub fn local(&self) -> &Cluster {
        self.local.as_ref().unwrap_or(&self.cluster)
    }

    /// The tables as every script finds them.
    pub fn fill(&self) {
        self.fill_neon();
        self.fill_written();
    }

    /// Where sessions read.
    pub fn fill_neon(&self) {
        make(&self.cluster, "neon", [READ, DECOYS_OF_WRITE]);
    }

    /// Where sessions write, and where both is in one.
    pub fn fill_written(&self) {
        for cluster in [&self.cluster].into_iter().chain(&self.local) {
            make(cluster, "whole", [READ, WRITE]);
        }
        make(self.local(), "local", [DECOYS_OF_READ, WRITE]);
    }

    /// Where sessions write, with what they read as well.
    pub fn fill_local_with_both(&self) {
        make(self.local(), "local", [READ, WRITE]);
    }

    /// A session that spans both.
    pub fn session(&self) -> Wire {
        self.proxy.connect("both")
    }

    /// Another proxy, one of whose places accepts connections and says nothing. `lines`: of `[server]`.
    pub fn silent(&self, silent: &str, lines: &str) -> (TcpListener, Proxy) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = |name: &str| match name == silent {
            true => format!("postgresql://app:x@127.0.0.1:{port}/app?connect_timeout=60"),
            false => self.cluster.url("app", name),
        };
        let entry = "auth = \"trust\"\nusers = [\"app\"]\nneon = \"neon\"\nlocal = \"local\"";
        let proxy = Proxy::builder()
            .server(lines)
            .upstream_at("neon", PROD, &url("neon"), "")
            .upstream_at("local", STAGING, &url("local"), "")
            .entry("nova", entry)
            .entry("both", &format!("{entry}\ntask = \"spanning\""))
            .start();
        (listener, proxy)
    }

    /// Everything that there is where sessions read: catalogs, rows, sequences, large objects.
    pub fn neon(&self) -> String {
        self.cluster.value("neon", "SELECT watch.fingerprint() || watch.contents()")
    }

    /// The rows that were written.
    pub fn written(&self, database: &str) -> String {
        written(self.local(), database)
    }
}

/// The rows that scripts wrote in a database.
pub fn written(cluster: &Cluster, database: &str) -> String {
    cluster.value(
        database,
        "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
         SELECT 'w1 ' || w1::text AS line FROM w1 UNION ALL SELECT 'w2 ' || w2::text FROM w2 \
         UNION ALL SELECT 's ' || s.last_value || s.is_called::text FROM s \
         UNION ALL SELECT 'c ' || relname FROM pg_class WHERE relname LIKE 'w%') AS everything",
    )
}

/// Makes the schema of a database anew.
fn make(cluster: &Cluster, database: &str, [first, second]: [&str; 2]) {
    let text = format!(
        "SET client_min_messages = error; DROP SCHEMA public CASCADE; \
         CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC; \
         SET ROLE app; {first} {second} {WRITING} \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC"
    );
    cluster.sql(database, &text);
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
