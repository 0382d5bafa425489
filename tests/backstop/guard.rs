//! Who comes round the proxy is refused with the proxy's own message, however the change is hidden;
//! temporary relations pass.

use super::ground::Guarded;
use super::support::Wire;
use super::support::cluster::Major;
use super::support::wire::{Fields, Login};

/// What is refused: the tag in the message, and the text.
const REFUSED: &[(&str, &str)] = &[
    ("CREATE TABLE", "CREATE TABLE fresh (n int)"),
    ("CREATE TABLE AS", "CREATE TABLE fresh AS SELECT 1"),
    ("SELECT INTO", "SELECT 1 INTO fresh"),
    ("DROP TABLE", "DROP TABLE runs CASCADE"),
    ("ALTER TABLE", "ALTER TABLE runs ADD added int"),
    ("ALTER TABLE", "ALTER TABLE traps ALTER n TYPE bigint"),
    ("ALTER TABLE", "ALTER TABLE runs RENAME TO other"),
    ("ALTER TABLE", "ALTER TABLE runs RENAME note TO other"),
    ("ALTER TABLE", "ALTER TABLE runs OWNER TO app"),
    ("ALTER TABLE", "ALTER TABLE parts DETACH PARTITION part"),
    ("ALTER TABLE", "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY"),
    // the parent's row changes with it
    ("CREATE TABLE", "CREATE TEMP TABLE heir () INHERITS (runs)"),
    ("ALTER TABLE", "CREATE TEMP TABLE heir (LIKE runs); ALTER TABLE heir INHERIT runs"),
    ("CREATE INDEX", "CREATE INDEX ON runs (note)"),
    ("CREATE INDEX", "CREATE INDEX CONCURRENTLY ON runs (note)"),
    ("CREATE INDEX", "CREATE INDEX /* x */ conCurrently\non runs (note)"),
    ("DROP INDEX", "DROP INDEX runs_n"),
    ("DROP INDEX", "DROP INDEX CONCURRENTLY runs_n"),
    ("CREATE VIEW", "CREATE VIEW fresh AS SELECT 1"),
    ("DROP VIEW", "DROP VIEW notes"),
    ("CREATE SEQUENCE", "CREATE SEQUENCE fresh"),
    ("ALTER SEQUENCE", "ALTER SEQUENCE runs_id_seq RESTART"),
    ("CREATE SCHEMA", "CREATE SCHEMA fresh CREATE TABLE inside (n int)"),
    ("CREATE FUNCTION", "CREATE FUNCTION fresh() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("CREATE FUNCTION", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    ("DROP FUNCTION", "DROP FUNCTION drops() CASCADE"),
    ("CREATE TYPE", "CREATE TYPE fresh AS ENUM ('a')"),
    ("CREATE TRIGGER", "CREATE TRIGGER t AFTER DELETE ON runs EXECUTE FUNCTION drops()"),
    ("CREATE RULE", "CREATE RULE r AS ON INSERT TO runs DO INSTEAD NOTHING"),
    ("CREATE POLICY", "CREATE POLICY p ON runs"),
    ("COMMENT", "COMMENT ON TABLE runs IS 'x'"),
    ("GRANT", "GRANT SELECT ON runs TO reader"),
    ("REVOKE", "REVOKE ALL ON runs FROM reader"),
    ("ALTER DEFAULT PRIVILEGES", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader"),
    ("DROP OWNED", "DROP OWNED BY app"),
    ("DROP SCHEMA", "DROP SCHEMA pgauthority CASCADE"),
    (
        "CREATE FUNCTION",
        "CREATE OR REPLACE FUNCTION pgauthority.guard() RETURNS event_trigger \
        LANGUAGE plpgsql AS 'BEGIN END'",
    ),
    ("DROP VIEW", "DO $$ BEGIN EXECUTE 'DROP VIEW notes'; END $$"),
    ("DROP TABLE", "SELECT does('DROP TABLE runs CASCADE')"),
    ("DROP TABLE", "SELECT pretends('DROP TABLE runs CASCADE')"),
    ("DROP VIEW", "INSERT INTO traps VALUES (1)"),
    ("CREATE TABLE", "SELECT 1; CREATE TEMP TABLE t (); CREATE TABLE fresh ()"),
];

/// What passes, in this order: data, and temporary relations.
const PASSES: &[&str] = &[
    "INSERT INTO runs (note) VALUES ('a')",
    "REFRESH MATERIALIZED VIEW totals",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
    "CREATE TEMP TABLE t (id serial PRIMARY KEY, a text DEFAULT now(), n int UNIQUE CHECK (n > 0))",
    "CREATE TEMP TABLE IF NOT EXISTS t ()",
    "CREATE INDEX ON t (a)",
    "ALTER TABLE t ADD d int DEFAULT 5",
    "ALTER TABLE t ALTER n TYPE bigint",
    "ALTER TABLE t DROP COLUMN a",
    "CREATE TEMP VIEW v AS SELECT * FROM t",
    "CREATE TEMP SEQUENCE s",
    "ALTER SEQUENCE s RESTART",
    "ALTER TABLE t RENAME TO u",
    "DROP VIEW v",
    "TRUNCATE u",
    "DROP SEQUENCE s",
    "DROP TABLE u",
    "CREATE TEMP TABLE t AS SELECT * FROM runs",
    "SELECT * INTO TEMP u FROM runs",
    "CREATE TEMP VIEW v AS SELECT * FROM t",
    "DROP TABLE t, u CASCADE",
    "BEGIN; CREATE TEMP TABLE t (n int) ON COMMIT DROP; COMMIT",
    "CREATE TEMP TABLE t (n int) PARTITION BY LIST (n)",
    "CREATE TEMP TABLE u PARTITION OF t FOR VALUES IN (1)",
    "DROP TABLE t",
    "CREATE TEMP TABLE t ()",
    "CREATE TEMP TABLE u () INHERITS (t)",
    "ALTER TABLE u NO INHERIT t",
    "ALTER TABLE u INHERIT t",
    "DROP TABLE t CASCADE",
    "DROP TABLE IF EXISTS nothing",
    "DISCARD TEMP",
];

fn expect_refusal(what: &str, tag: &str, error: &Fields) {
    let role = "is role prod and the session has not confirmed";
    let message = format!("{tag} blocked: upstream \"neon-prod\" {role}");
    assert_eq!((error.code(), error.message()), ("42501", &*message), "{what}: {error}");
    let class = if ["GRANT", "REVOKE", "ALTER DEFAULT PRIVILEGES", "DROP OWNED"].contains(&tag) {
        "privilege"
    } else {
        "ddl"
    };
    let detail = format!(
        "rule prod.{class}_unconfirmed, class {class}, upstream neon-prod, authority neon, \
         role prod, env prod-like, backstop: "
    );
    assert!(error.detail().starts_with(&detail), "{what}: {error}");
    assert!(error.hint().contains("SET authority.confirm_prod_migrations = true"), "{error}");
}

/// Everything that an event trigger could see of the schema.
fn catalog(guarded: &Guarded) -> String {
    guarded.ground.cluster.value(
        "app",
        "SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
            SELECT 'c' || oid || relname || relfilenode || coalesce(relacl::text, '') || relowner
                || relhasrules || relhastriggers || relhassubclass AS line FROM pg_class WHERE relpersistence = 'p'
                    AND relname <> 'totals' AND relname <> 'totals_id_idx'
                    AND relnamespace::regnamespace::text !~ '^pg_(toast_)?temp'
            UNION ALL SELECT 'a' || attrelid || attname || atttypid FROM pg_attribute
                JOIN pg_class ON pg_class.oid = attrelid
                WHERE relpersistence = 'p' AND NOT attisdropped
            UNION ALL SELECT 'p' || oid || proname || prosrc FROM pg_proc
            UNION ALL SELECT 'n' || oid || nspname FROM pg_namespace WHERE nspname !~ 'temp'
            UNION ALL SELECT 'd' || objoid || description FROM pg_description
            UNION ALL SELECT 'i' || indexrelid || indisvalid FROM pg_index
                JOIN pg_class ON pg_class.oid = indexrelid WHERE relpersistence = 'p'
            UNION ALL SELECT 'h' || inhrelid || inhparent || inhdetachpending FROM pg_inherits
            UNION ALL SELECT 'e' || evtname || evtenabled::text FROM pg_event_trigger) AS everything",
    )
}

fn refuses_everything(guarded: &Guarded, who: &str, session: &mut Wire) {
    let before = catalog(guarded);
    for (tag, text) in REFUSED {
        match session.try_sql(text) {
            Err(error) => expect_refusal(text, tag, &error),
            Ok(_) => panic!("{who}: ran: {text}"),
        }
    }
    assert_eq!(catalog(guarded), before, "{who}: something changed");
}

#[test]
fn whoever_comes_round_the_proxy_is_refused_as_by_the_proxy() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        refuses_everything(&guarded, "plain", &mut guarded.ground.round());

        // every parameter that there is, set by the client itself
        let mut session =
            guarded
                .ground
                .round_with(Login::new("app", "app").options(
                    "-c authority.confirm_prod_migrations=true -c authority.role=staging",
                ));
        for set in [
            "SET authority.confirm_prod_migrations = true",
            "SET authority.upstream = 'local'",
            "SET authority.authority = 'local'",
            "SET authority.role = 'staging'",
            "SET authority.env = 'dev'",
            "SET authority.task = 'unit_tests'",
            "SET pgauthority.token = 'true'",
            "SET pgauthority.confirmed = true",
        ] {
            session.sql(set);
        }
        refuses_everything(&guarded, "with every parameter", &mut session);
        // whoever has confirmed and is refused all the same is not told just to confirm
        let tells = "pgauthority backstop status --upstream neon-prod";
        let hint = |session: &mut Wire| session.error("CREATE TABLE fresh ()").hint().to_owned();
        assert!(hint(&mut session).contains(tells), "{}", hint(&mut session));
        assert!(!hint(&mut guarded.ground.round()).contains(tells));

        // event triggers that are ENABLE ALWAYS fire on a replica's apply as well
        let mut superuser = guarded.ground.cluster.connect("app");
        superuser.sql("SET session_replication_role = replica");
        let error = superuser.error("CREATE TABLE fresh ()");
        expect_refusal("superuser, replica", "CREATE TABLE", &error);
    }
}

#[test]
fn temporary_relations_pass() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let before = catalog(&guarded);
        let mut session = guarded.ground.round();
        for text in PASSES {
            session.try_sql(text).unwrap_or_else(|error| panic!("{major:?} {text}: {error}"));
        }
        assert_eq!(catalog(&guarded), before);
        // what takes something permanent with it does not
        session.sql("CREATE TEMP SEQUENCE s");
        let text = "ALTER TABLE runs ALTER n SET DEFAULT nextval('pg_temp.s')";
        let token = guarded.token(&mut session, text, 60);
        super::ground::set_token(&mut session, &token);
        session.sql(text);
        let error = session.error("DROP SEQUENCE s CASCADE");
        expect_refusal("cascade", "DROP SEQUENCE", &error);
    }
}

/// No setting of a session changes what the functions mean, for the worse or for the better.
#[test]
fn no_setting_fools_it() {
    for major in Major::ALL {
        let guarded = Guarded::start(major);
        let mut session = guarded.ground.round();
        for set in [
            "SET search_path = evil, pg_catalog, public",
            "SET bytea_output = 'escape'",
            "SET standard_conforming_strings = off",
            "SET escape_string_warning = off",
            "SET DateStyle = 'German'",
            "SET TimeZone = 'Pacific/Kiritimati'",
            "SET extra_float_digits = -15",
            "SET transform_null_equals = on",
            "SET row_security = off",
            "SET quote_all_identifiers = on",
            "SET plan_cache_mode = force_generic_plan",
            "SET client_min_messages = error",
        ] {
            session.sql(set);
        }
        let text = "CREATE TABLE public.fooled ()";
        for token in ["", "true", "1.99999999999.", "1.0.00"] {
            super::ground::set_token(&mut session, token);
            expect_refusal(token, "CREATE TABLE", &session.error(text));
        }
        let forged = format!("1.99999999999.{}", "0".repeat(64));
        super::ground::set_token(&mut session, &forged);
        expect_refusal("forged", "CREATE TABLE", &session.error(text));
        let mut plain = guarded.ground.round();
        let backend = super::ground::backend(&mut session);
        let token = pgauthority::contract::backstop::token(
            &guarded.key,
            backend,
            i64::from(u32::MAX),
            text.as_bytes(),
        );
        super::ground::set_token(&mut plain, &token);
        expect_refusal("another's", "CREATE TABLE", &plain.error(text));
        super::ground::set_token(&mut session, &token);
        session.sql(text);
    }
}
