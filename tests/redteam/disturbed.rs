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

fn sends(session: &mut Wire, texts: &[&str], extended: bool) -> Vec<Message> {
    let mut answers = Vec::new();
    for text in texts {
        let frames = Frames::new();
        let frames = if extended { frames.run(text, &[]).sync() } else { frames.query(text) };
        answers = session.exchange(&frames);
    }
    answers
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
    let proxy = Proxy::builder()
        .upstream_at("prod", PROD, &cluster.url("app", "judged"), "")
        .entry("nova", "auth = \"trust\"\nusers = [\"app\"]\nupstream = \"prod\"")
        .start();
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
