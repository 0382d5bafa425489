//! A database with the backstop in it, and what is needed to come round the proxy.

use std::path::{Path, PathBuf};

use pgauthority::contract::backstop::{Backend, Key, PARAMETER, token};

use super::support::cluster::{Cluster, Major};
use super::support::process::Folder;
use super::support::proxy::{PROD, Proxy, program};
use super::support::wire::Login;
use super::support::{Wire, cluster::PASSWORD};

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the program.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let output = program(arguments, environment);
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A cluster, and a configuration that declares its database `app` as `neon-prod`.
pub struct Ground {
    pub cluster: Cluster,
    pub config: PathBuf,
    pub folder: Folder,
}

impl Ground {
    pub fn new(major: Major) -> Ground {
        // what a server logs must not hold the key either
        let cluster = Cluster::builder().major(major).setting("log_statement", "all").start();
        let (config, folder) = configured(&cluster, "");
        Ground { cluster, config, folder }
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.join("backstop.key")
    }

    /// The URL of the superuser, who may create event triggers.
    pub fn superuser(&self) -> String {
        self.cluster.url("postgres", "app")
    }

    /// `pgauthority backstop …` on the upstream, as the superuser.
    pub fn backstop(&self, arguments: &[&str]) -> Said {
        self.backstop_as(&self.superuser(), arguments)
    }

    pub fn backstop_as(&self, url: &str, arguments: &[&str]) -> Said {
        let config = self.config.display().to_string();
        let fixed = ["--config", &config, "--upstream", "neon-prod", "--url", url];
        run(&[&["backstop"], arguments, &fixed].concat(), &[])
    }

    /// Lets the configuration have the key.
    pub fn give_key(&mut self) {
        let lines = format!("backstop_key_file = \"{}\"", self.key_file().display());
        let (config, folder) = configured(&self.cluster, &lines);
        let key = self.key_file();
        std::fs::copy(&key, folder.join("backstop.key")).unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        let at = folder.join("backstop.key").display().to_string();
        std::fs::write(&config, text.replace(&key.display().to_string(), &at)).unwrap();
        (self.config, self.folder) = (config, folder);
    }

    /// A client of the user `app` that comes round the proxy.
    pub fn round(&self) -> Wire {
        self.round_with(Login::new("app", "app"))
    }

    pub fn round_with(&self, login: Login) -> Wire {
        Wire::tcp(self.cluster.port(), &login.password(PASSWORD)).unwrap()
    }
}

fn configured(cluster: &Cluster, lines: &str) -> (PathBuf, Folder) {
    Proxy::builder()
        .upstream_at("neon-prod", PROD, &cluster.url("app", "app"), lines)
        .trusted("prod", "neon-prod", "")
        .write()
}

/// A ground with the backstop installed by the command, tables of `app` in it, and its key.
pub struct Guarded {
    pub ground: Ground,
    pub key: Key,
}

const SETUP: &str = "SET ROLE app;
    CREATE TABLE runs (id serial PRIMARY KEY, note text DEFAULT 'x', n int);
    CREATE INDEX runs_n ON runs (n);
    CREATE TABLE parts (n int) PARTITION BY LIST (n);
    CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
    CREATE VIEW notes AS SELECT note FROM runs;
    CREATE MATERIALIZED VIEW totals AS SELECT id, n FROM runs;
    CREATE UNIQUE INDEX ON totals (id);
    CREATE FUNCTION does(what text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE what; END $$;
    CREATE FUNCTION pretends(what text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN
            PERFORM set_config('authority.confirm_prod_migrations', 'true', false);
            PERFORM set_config('authority.role', 'staging', false);
            PERFORM set_config('pgauthority.token', 'true', false);
            EXECUTE what;
        END $$;
    CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'DROP VIEW notes'; RETURN NULL; END $$;
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
    CREATE FUNCTION evil.current_query() RETURNS text LANGUAGE sql AS $$ SELECT 'SELECT 1' $$;
    CREATE FUNCTION evil.same(bytea, bytea) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
    CREATE OPERATOR evil.= (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = evil.same);
    CREATE TABLE evil.t (n int);
    CREATE TABLE traps (n int);
    CREATE TRIGGER trap AFTER INSERT ON traps EXECUTE FUNCTION drops();";

impl Guarded {
    pub fn start(major: Major) -> Guarded {
        let ground = Ground::new(major);
        ground.cluster.sql("app", SETUP);
        let path = ground.key_file().display().to_string();
        let said = ground.backstop(&["install", "--key-file", &path, "--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        let key = key_of(&ground.key_file());
        Guarded { ground, key }
    }

    /// A token for a text in a session, lasting until `seconds` from now by the server's clock.
    pub fn token(&self, session: &mut Wire, text: &str, seconds: i64) -> String {
        let backend = backend(session);
        let now = session.value("SELECT extract(epoch FROM clock_timestamp())::bigint");
        token(&self.key, backend, now.parse::<i64>().unwrap() + seconds, text.as_bytes())
    }
}

pub fn key_of(path: &Path) -> Key {
    Key::parse(std::fs::read_to_string(path).unwrap().trim_end()).unwrap()
}

/// The backend of a session.
pub fn backend(session: &mut Wire) -> Backend {
    let started = "SELECT (extract(epoch FROM backend_start) * 1000000)::bigint \
                   FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    Backend {
        process_id: session.value("SELECT pg_backend_pid()").parse().unwrap(),
        started: session.value(started).parse().unwrap(),
    }
}

/// Sets a token, as anybody can.
pub fn set_token(session: &mut Wire, token: &str) {
    session.sql(&format!("SET {PARAMETER} = '{token}'"));
}
