//! Code that runs unseen within a plain statement, and does to the session what the next statement is
//! judged by: its `search_path`, its temporary relations, what it has prepared.

use super::support::proxy::PROD;
use super::support::wire::Frames;
use super::support::{Cluster, Major, Message, Proxy, Wire};

/// `public.sp` only reads, `ev.sp` makes a table; each trigger does something to the session.
const WORLD: &str = "
    CREATE SCHEMA ev; GRANT ALL ON SCHEMA public, ev TO PUBLIC;
    SET ROLE app;
    CREATE TABLE public.kept ();
    CREATE FUNCTION public.sp(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION ev.sp(int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'CREATE TABLE public.pwned ()'; RETURN 1; END $$;
    CREATE FUNCTION to_ev() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM set_config('search_path', 'ev, public', false); RETURN 1; END $$;
    CREATE VIEW leads_away AS SELECT to_ev() AS a;
    CREATE TABLE by_default (a int DEFAULT to_ev());
    CREATE DOMAIN checked AS int CHECK (VALUE = to_ev());
    CREATE TABLE by_domain (a checked);
    CREATE TABLE by_rule (a int);
    CREATE RULE r AS ON INSERT TO by_rule DO ALSO SELECT to_ev();";

/// What a trigger does, by the name of its table.
const TRIGGERS: &[(&str, &str)] = &[
    ("drops", "DROP TABLE pg_temp.kept;"),
    ("renames", "ALTER TABLE pg_temp.kept RENAME TO other;"),
    ("leads_away_t", "PERFORM to_ev();"),
    ("sets", "SET search_path = ev, public;"),
    ("puts_temp_last", "SET search_path = public, pg_temp;"),
    ("prepares", "PREPARE made AS SELECT ev.sp(1);"),
    ("prepares_anew", "DEALLOCATE known; PREPARE known AS SELECT ev.sp(1);"),
];

/// Messages, of which the last does what none may.
const ATTACKS: &[&[&str]] = &[
    &["CREATE TEMP TABLE kept ()", "INSERT INTO drops VALUES (1)", "DROP TABLE kept"],
    &["CREATE TEMP TABLE kept ()", "INSERT INTO renames VALUES (1)", "DROP TABLE kept"],
    &["CREATE TEMP TABLE kept ()", "INSERT INTO puts_temp_last VALUES (1)", "DROP TABLE kept"],
    &["INSERT INTO leads_away_t VALUES (1)", "SELECT sp(1)"],
    &["INSERT INTO sets VALUES (1)", "SELECT sp(1)"],
    &["SELECT * FROM leads_away", "SELECT sp(1)"],
    &["INSERT INTO by_default DEFAULT VALUES", "SELECT sp(1)"],
    &["INSERT INTO by_domain VALUES (1)", "SELECT sp(1)"],
    &["INSERT INTO by_rule VALUES (1)", "SELECT sp(1)"],
    &["INSERT INTO prepares VALUES (1)", "EXECUTE made"],
    &["PREPARE known AS SELECT 1", "INSERT INTO prepares_anew VALUES (1)", "EXECUTE known"],
];

/// Whether something permanent was made or dropped; undone again.
fn is_harmed(cluster: &Cluster, database: &str) -> bool {
    let harmed = cluster.value(
        database,
        "SELECT to_regclass('public.kept') IS NULL OR to_regclass('public.pwned') IS NOT NULL",
    );
    cluster.sql(
        database,
        "DROP TABLE IF EXISTS public.pwned; SET ROLE app; SET client_min_messages = error; \
         CREATE TABLE IF NOT EXISTS public.kept ()",
    );
    harmed == "t"
}

/// A proxy in front of one of its databases, as prod.
fn proxy(cluster: &Cluster, database: &str) -> Proxy {
    Proxy::builder()
        .upstream_at("prod", PROD, &cluster.url("app", database), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"prod\"")
        .start()
}

fn sends(session: &mut Wire, texts: &[&str], extended: bool) -> Vec<Message> {
    let mut answers = Vec::new();
    for text in texts {
        let frames = Frames::new();
        let frames = if extended { frames.run(text, &[]).sync() } else { frames.query(text) };
        answers = session.exchange(&frames);
    }
    answers
}

/// `up` only reads where `$user` is the login, and makes a table where it is `boss`.
const ROLES: &str = "
    CREATE ROLE boss; GRANT boss TO app;
    CREATE SCHEMA boss AUTHORIZATION boss; GRANT ALL ON SCHEMA public, boss TO PUBLIC;
    CREATE FUNCTION public.up() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION public.pwn(text) RETURNS bool LANGUAGE plpgsql AS
        $$ BEGIN EXECUTE 'CREATE TABLE public.pwned ()'; RETURN true; END $$;
    CREATE FUNCTION boss.up() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.pwn(''); RETURN 1; END $$;
    CREATE FUNCTION public.definer() RETURNS int SECURITY DEFINER LANGUAGE plpgsql AS
        $$ BEGIN RETURN up(); END $$;
    ALTER FUNCTION public.definer() OWNER TO boss;
    CREATE FUNCTION public.as_boss() RETURNS int LANGUAGE plpgsql SET role = boss AS
        $$ BEGIN RETURN up(); END $$;
    CREATE DOMAIN public.checked AS text CHECK (public.pwn(VALUE));
    SET ROLE app; CREATE TABLE public.kept ();";

#[test]
fn another_role_has_another_path() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", ROLES);
    let proxy = proxy(&cluster, "app");
    for (role, text) in
        [("boss", "SELECT up()"), ("app", "SELECT definer()"), ("app", "SELECT as_boss()")]
    {
        for extended in [false, true] {
            let mut direct = cluster.connect("app");
            direct.sql(&format!("SET SESSION AUTHORIZATION app; SET ROLE {role}"));
            sends(&mut direct, &[text], extended);
            drop(direct);
            assert!(is_harmed(&cluster, "app"), "{role}: {text} does nothing");
            for login in [
                proxy.login("nova").options(&format!("-c role={role}")),
                proxy.login("nova").parameter("role", role),
            ] {
                let mut session = proxy.try_connect(&login).unwrap();
                sends(&mut session, &[text], extended);
                drop(session);
                assert!(!is_harmed(&cluster, "app"), "{role}: {text}");
            }
        }
    }
    let mut session = proxy.connect("nova");
    assert_eq!(session.value("SELECT up()"), "1");
}

#[test]
fn what_execute_gives_is_of_the_types_that_prepare_names() {
    let cluster = Cluster::builder().start();
    cluster.sql("app", ROLES);
    let proxy = proxy(&cluster, "app");
    let prepare = "PREPARE p (checked) AS SELECT 1";
    for text in
        ["EXECUTE p ('x')", "EXPLAIN EXECUTE p ('x')", "CREATE TEMP TABLE t AS EXECUTE p ('x')"]
    {
        for extended in [false, true] {
            let mut direct = cluster.connect("app");
            direct.sql("SET SESSION AUTHORIZATION app");
            sends(&mut direct, &[prepare, text], extended);
            drop(direct);
            assert!(is_harmed(&cluster, "app"), "{text} does nothing");
            let mut session = proxy.connect("nova");
            session.sql("SET authority.confirm_prod_migrations = true");
            session.sql(prepare);
            session.sql("SET authority.confirm_prod_migrations = false");
            sends(&mut session, &[text], extended);
            drop(session);
            assert!(!is_harmed(&cluster, "app"), "{text}");
        }
    }
}

fn unseen_code_disturbs(major: Major) {
    let cluster = Cluster::builder().major(major).start();
    for database in ["direct", "judged"] {
        cluster.sql("postgres", &format!("CREATE DATABASE {database} OWNER app"));
        cluster.sql(database, WORLD);
        for (name, body) in TRIGGERS {
            let text = format!(
                "SET ROLE app; CREATE TABLE {name} (a int);
                 CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN {body} RETURN NULL; END $$;
                 CREATE TRIGGER t AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION {name}()"
            );
            cluster.sql(database, &text);
        }
    }
    let proxy = proxy(&cluster, "judged");
    for texts in ATTACKS {
        for extended in [false, true] {
            let mut direct = cluster.connect("direct");
            direct.sql("SET SESSION AUTHORIZATION app");
            sends(&mut direct, texts, extended);
            assert!(is_harmed(&cluster, "direct"), "{texts:?} does nothing");
            let mut session = proxy.connect("nova");
            sends(&mut session, texts, extended);
            drop(session);
            assert!(!is_harmed(&cluster, "judged"), "{texts:?}, extended: {extended}");
        }
    }
    // what is not disturbed is judged as before
    let mut session = proxy.connect("nova");
    session.sql("CREATE TEMP TABLE own (a int)");
    session.sql("INSERT INTO own VALUES (1)");
    session.sql("SELECT sp(1)");
    session.sql("DROP TABLE own");
}

#[test]
fn unseen_code_disturbs_15() {
    unseen_code_disturbs(Major::V15);
}

#[test]
fn unseen_code_disturbs_18() {
    unseen_code_disturbs(Major::V18);
}
