//! Where the seal and the key should be, the database's owner, who is no superuser, has made
//! something of its own: none of it runs for whoever looks, seals or installs, nor for whoever logs in.

use super::ground::{Said, run};
use super::support::Wire;
use super::support::cluster::{Cluster, Major, PASSWORD};
use super::support::process::Folder;
use super::support::proxy::{PROD, Proxy, REPLICA};
use super::support::wire::Login;

/// What each piece of code does: it leaves a mark in the server's log, and takes what it can get.
const CODE: &str = "CREATE SCHEMA pgauthority;
    CREATE FUNCTION pgauthority.f() RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        RAISE LOG 'ran as %', 'the login';
        PERFORM set_config('default_transaction_read_only', 'off', false);
        PERFORM set_config('search_path', 'evil, pg_catalog, public', false);
        BEGIN EXECUTE 'SET ROLE postgres'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'ALTER ROLE app SUPERUSER'; EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN EXECUTE 'DROP TABLE IF EXISTS public.victim'; EXCEPTION WHEN OTHERS THEN NULL; END;
        RETURN true;
    END $$;
    CREATE FUNCTION pgauthority.g() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pgauthority.f(); RETURN NEW; END $$;
    CREATE FUNCTION pgauthority.i(boolean) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN RETURN pgauthority.f(); END $$;
    CREATE SCHEMA evil;
    GRANT USAGE ON SCHEMA pgauthority, evil TO PUBLIC;";

const TABLE: &str =
    "CREATE TABLE pgauthority.seal (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        authority text, role text, env text, sealed_at timestamptz, sealed_by text);
    GRANT SELECT ON pgauthority.seal TO PUBLIC;
    INSERT INTO pgauthority.seal VALUES (true, 'neon', 'prod', 'prod-like', now(), 'app');";

/// Seals, each with whether its owner can read it: where it is a table without policies.
fn seals() -> Vec<(&'static str, String, bool)> {
    let row = "'neon'::text AS authority, 'prod'::text AS role, 'prod-like'::text AS env,
        now() AS sealed_at, pgauthority.f()::text AS sealed_by";
    let on_table = |more: &str| format!("{TABLE} {more}");
    vec![
        (
            "view",
            format!(
                "CREATE VIEW pgauthority.seal AS SELECT {row};
                 GRANT SELECT ON pgauthority.seal TO PUBLIC"
            ),
            false,
        ),
        (
            "policy",
            on_table(
                "ALTER TABLE pgauthority.seal ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                 CREATE POLICY p ON pgauthority.seal USING (pgauthority.f())",
            ),
            false,
        ),
        ("index", on_table("CREATE INDEX ON pgauthority.seal (pgauthority.i(true))"), true),
        (
            "check",
            on_table("ALTER TABLE pgauthority.seal ADD CHECK (pgauthority.i(true)) NOT VALID"),
            true,
        ),
        (
            "trigger",
            on_table(
                "CREATE TRIGGER g BEFORE INSERT OR UPDATE OR DELETE ON pgauthority.seal
                 FOR EACH ROW EXECUTE FUNCTION pgauthority.g()",
            ),
            true,
        ),
        (
            "default",
            on_table("ALTER TABLE pgauthority.seal ALTER only_row SET DEFAULT pgauthority.f()"),
            true,
        ),
        (
            "role of the database",
            on_table(
                "CREATE TRIGGER g BEFORE INSERT OR UPDATE OR DELETE ON pgauthority.seal
                 FOR EACH ROW EXECUTE FUNCTION pgauthority.g();
                 ALTER DATABASE app SET role = app; ALTER DATABASE app SET search_path = evil;
                 ALTER DATABASE app SET constraint_exclusion = on",
            ),
            true,
        ),
    ]
}

struct Ground {
    cluster: Cluster,
    config: String,
    folder: Folder,
}

impl Ground {
    fn start(major: Major) -> Ground {
        let cluster = Cluster::builder().major(major).start();
        let builder = Proxy::builder()
            .upstream_at("prod", PROD, &cluster.url("postgres", "app"), "")
            .trusted("prod", "prod", "");
        let (config, folder) = builder.write();
        Ground { cluster, config: config.display().to_string(), folder }
    }

    /// As the database's owner.
    fn hostile(&self, statements: &str) {
        let login = Login::new("app", "app").password(PASSWORD);
        let mut wire = Wire::tcp(self.cluster.port(), &login).unwrap();
        wire.sql(&format!("DROP SCHEMA IF EXISTS pgauthority, evil CASCADE; {CODE} {statements}"));
    }

    fn command(&self, command: &[&str]) -> Said {
        let fixed = ["--config", &self.config, "--upstream", "prod"];
        run(&[command, &fixed].concat(), &[("CONFIRM_PROD_MIGRATIONS", "true")])
    }

    fn ran(&self) -> usize {
        self.cluster.log().matches("ran as the login").count()
    }

    fn is_superuser(&self) -> bool {
        let query = "SELECT rolsuper FROM pg_roles WHERE rolname = 'app'";
        self.cluster.value("postgres", query) == "t"
    }
}

#[test]
fn commands_run_nothing_of_a_strange_seal() {
    for major in Major::ALL {
        let ground = Ground::start(major);
        for (name, statements, readable) in seals() {
            ground.hostile(&statements);
            let before = ground.ran();
            for arguments in [
                &["seal", "--show"][..],
                &["seal"],
                &["seal", "--force"],
                &["backstop", "status"],
                &["backstop", "install", "--key-file", "/dev/null"],
            ] {
                let said = ground.command(arguments);
                assert_eq!(ground.ran(), before, "{name} {arguments:?} {said:?}");
                match arguments {
                    // no policy holds for a superuser
                    ["seal", "--show"] => {
                        let shown = readable || name == "policy";
                        assert_eq!(said.code == 0, shown, "{name} {said:?}");
                    }
                    _ => assert_ne!(said.code, 0, "{name} {arguments:?} {said:?}"),
                }
            }
            let said = run(&["check", "--connect", "--config", &ground.config], &[]);
            assert_eq!(ground.ran(), before, "{name} {said:?}");
            assert!(!ground.is_superuser(), "{name}");
        }
    }
}

#[test]
fn commands_run_nothing_of_a_strange_key() {
    let columns = "sha256('x') AS key, pgauthority.f()::text AS fingerprint,
        ''::bytea AS inner_block, ''::bytea AS outer_block";
    for major in Major::ALL {
        let ground = Ground::start(major);
        let file = ground.folder.join("strange.key");
        let path = file.display().to_string();
        for (name, statements) in [
            ("view", format!("CREATE VIEW pgauthority.key AS SELECT {columns}")),
            (
                "matview",
                format!(
                    "CREATE MATERIALIZED VIEW pgauthority.key AS SELECT {columns};
                     CREATE INDEX ON pgauthority.key (pgauthority.i(true))"
                ),
            ),
            ("matview alone", {
                let plain = columns.replace("pgauthority.f()::text", "'0011'::text");
                format!("CREATE MATERIALIZED VIEW pgauthority.key AS SELECT {plain}")
            }),
        ] {
            ground.hostile(&format!("{statements}; GRANT SELECT ON pgauthority.key TO PUBLIC"));
            let before = ground.ran();
            for arguments in [
                &["backstop", "key", "--key-file", &path, "--force"][..],
                &["backstop", "status"],
                &["backstop", "install", "--key-file", &path, "--force"],
                &["backstop", "install", "--key-file", &path, "--force", "--new-key"],
            ] {
                let said = ground.command(arguments);
                assert_eq!(ground.ran(), before, "{name} {arguments:?} {said:?}");
                assert_eq!(said.code, 1, "{name} {arguments:?} {said:?}");
                assert!(!file.exists(), "{name} {arguments:?} {said:?}");
            }
            assert!(!ground.is_superuser(), "{name}");
        }
    }
}

/// `backstop sql` is applied by others' means, under whatever search_path the database's owner has set.
#[test]
fn the_printed_script_finds_nothing_of_the_search_path() {
    for major in Major::ALL {
        let ground = Ground::start(major);
        let script = ground.command(&["backstop", "sql"]);
        assert_eq!(script.code, 0, "{script:?}");
        let operator = |name: &str, left: &str, right: &str, result: &str, value: &str| {
            format!(
                "CREATE FUNCTION evil.o({left}, {right}) RETURNS {result} LANGUAGE plpgsql AS $$
                 BEGIN PERFORM pgauthority.f(); RETURN {value}; END $$;
                 CREATE OPERATOR evil.{name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = evil.o);"
            )
        };
        ground.hostile(&format!(
            "{} {} {} {} {} ALTER DATABASE app SET search_path = evil, pg_catalog",
            operator("=", "name", "name", "boolean", "true"),
            operator("||", "bytea", "bytea", "bytea", "''::bytea"),
            operator("#", "int", "int", "int", "1"),
            operator("<>", "oid", "oid", "boolean", "true"),
            operator("<>", "\"char\"", "\"char\"", "boolean", "false"),
        ));
        // the schema is then the superuser's, who takes what is in it for its own
        let owner = "ALTER SCHEMA pgauthority OWNER TO postgres";
        ground.cluster.sql("postgres", "ALTER DATABASE app RESET search_path");
        ground.cluster.sql("app", owner);
        ground.cluster.sql("postgres", "ALTER DATABASE app SET search_path = evil, pg_catalog");
        let before = ground.ran();
        ground.cluster.sql("app", &format!("BEGIN; {} COMMIT;", script.out));
        assert_eq!(ground.ran(), before);
        assert!(!ground.is_superuser());
    }
}

#[test]
fn a_login_runs_nothing_of_a_strange_seal() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).setting("log_statement", "all").start();
        let url = cluster.url("app", "app");
        let required = "require_seal = true";
        let proxy = Proxy::builder()
            .upstream_at("prod", PROD, &url, required)
            .upstream_at("replica", REPLICA, &url, required)
            .trusted("prod", "prod", "")
            .trusted("replica", "replica", "")
            .start();
        let ground = Ground { cluster, config: String::new(), folder: Folder::new() };
        for (name, statements, readable) in seals() {
            ground.hostile(&format!(
                "CREATE TABLE IF NOT EXISTS public.victim (n int); {statements}"
            ));
            let before = ground.ran();
            for entry in ["prod", "replica"] {
                let reached = proxy.try_connect(&proxy.login(entry));
                assert_eq!(ground.ran(), before, "{name} {entry}");
                match reached {
                    Ok(mut session) => {
                        assert!(readable, "{name}");
                        let path = if name.contains("role") { "evil" } else { "\"$user\", public" };
                        assert_eq!(session.value("SHOW search_path"), path, "{name}");
                        let guarded = session.value("SHOW default_transaction_read_only");
                        assert_eq!(guarded == "on", entry == "replica", "{name} {entry}");
                    }
                    Err(refused) => {
                        let refused = refused.fields();
                        assert!(
                            !readable && refused.detail().contains("seal.missing"),
                            "{refused}"
                        );
                    }
                }
            }
        }
        // in one round trip, and the state is what is read last
        let log = ground.cluster.log();
        let sealed = log.rfind("COPY pgauthority.seal").unwrap();
        assert!(log[sealed..].contains("current_setting('search_path')"));
    }
}

/// Only the database's owner, a superuser and members of theirs are believed, and may seal.
#[test]
fn a_strangers_seal_is_not_believed() {
    for major in Major::ALL {
        let ground = Ground::start(major);
        ground.cluster.sql(
            "app",
            &format!(
                "CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE deploy LOGIN PASSWORD \
                 '{PASSWORD}'; GRANT CREATE ON DATABASE app TO guest, deploy"
            ),
        );
        let as_role = |role: &str, more: &[&str]| {
            let url = ground.cluster.url(role, "app");
            ground.command(&[&["seal", "--url", &url], more].concat())
        };
        let said = as_role("guest", &["--confirm"]);
        assert!(said.code == 2 && said.err.contains("neither a superuser nor"), "{said:?}");
        let guest = Login::new("guest", "app").password(PASSWORD);
        let mut guest = Wire::tcp(ground.cluster.port(), &guest).unwrap();
        guest.sql(&format!(
            "CREATE SCHEMA pgauthority; GRANT USAGE ON SCHEMA pgauthority TO PUBLIC; {TABLE}"
        ));
        for role in ["guest", "app", "postgres"] {
            let said = as_role(role, &["--show"]);
            assert!(said.code == 1 && said.out.contains("do not both belong"), "{said:?}");
        }
        ground.cluster.sql("app", "DROP SCHEMA pgauthority CASCADE; GRANT app TO deploy");
        let said = as_role("deploy", &["--confirm"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(as_role("guest", &["--show"]).code, 0);
    }
}
