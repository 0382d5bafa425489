//! What was harmless when it was looked at, and is not when it runs: routines, checks, views and
//! triggers that the session itself replaces while it has confirmed, and runs when it has not. And
//! texts that differ in nothing but their literals from ones that were let through before.

use super::attack::{Attack, assault, assault_behind_changes, attack, messages};
use super::ground::Ground;
use super::support::Major;
use super::support::wire::Frames;

const GONE: &str = "-relation public.victims";
const CONFIRM: &str = "SET authority.confirm_prod_migrations = true";
const WITHDRAW: &str = "SET authority.confirm_prod_migrations = false";
const LOCALLY: &str = "SET LOCAL authority.confirm_prod_migrations = true";
const NO_LONGER: &str = "SET LOCAL authority.confirm_prod_migrations = false";
const ROUTINE: &str = "CREATE OR REPLACE FUNCTION harmless() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE victims; RETURN 1; END'";
const CHECK: &str = "CREATE OR REPLACE FUNCTION harmless_check(int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN DROP TABLE IF EXISTS victims; RETURN true; END'";
const VIEW: &str = "CREATE OR REPLACE VIEW harmless_view AS SELECT drop_it() AS n";
/// What was a trap before is harmless for as long as this counts.
const DISARMED: &str =
    "CREATE OR REPLACE FUNCTION drop_it() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'";
const DISARMED_VIEW: &str = "CREATE OR REPLACE VIEW drop_view AS SELECT 1 AS n";
const ORDER: &str = "CREATE OPERATOR CLASS json_order DEFAULT FOR TYPE json USING btree AS \
    OPERATOR 1 <##, OPERATOR 3 =##, FUNCTION 1 drop_comparing(json, json)";
const SORTED: &str = "SELECT j FROM (VALUES (json '1'), (json '2')) v (j) ORDER BY 1";
const PATH: &str = "UPDATE pg_settings SET setting = 'evil, pg_catalog' WHERE name = 'search_path'";
const TRIGGER: &str = "CREATE OR REPLACE FUNCTION harmless_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE victims; RETURN NEW; END'";

const TEMP_VIEW: &str = "CREATE TEMP VIEW v AS SELECT * FROM with_trigger";
const TEMP_TABLE: &str = "CREATE TEMP TABLE v (LIKE with_default INCLUDING ALL)";

/// Everything as it was: also the table, where an attack got through.
pub const RESTORE: &str = "CREATE OR REPLACE FUNCTION harmless() RETURNS int LANGUAGE plpgsql AS \
    'BEGIN RETURN 1; END'; \
    CREATE OR REPLACE FUNCTION harmless_check(int) RETURNS boolean LANGUAGE plpgsql AS \
    'BEGIN RETURN true; END'; \
    CREATE OR REPLACE FUNCTION harmless_trigger() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN RETURN NEW; END'; \
    CREATE OR REPLACE VIEW harmless_view AS SELECT 1 AS n; \
    DROP TRIGGER IF EXISTS x ON bystanders; \
    DROP OPERATOR FAMILY IF EXISTS json_order USING btree CASCADE; \
    CREATE TABLE IF NOT EXISTS victims (id int PRIMARY KEY, name text)";

/// On prod alone: nobody replaces anything on a replica.
pub const REPLACED: &[Attack] = &[
    attack(
        "a routine",
        &["SELECT harmless()", CONFIRM, ROUTINE, WITHDRAW, "SELECT harmless()"],
        GONE,
    ),
    attack(
        "a routine, in a transaction",
        &["BEGIN", LOCALLY, ROUTINE, NO_LONGER, "SELECT harmless()", "COMMIT"],
        GONE,
    ),
    attack(
        "a routine, behind a savepoint",
        &[
            "BEGIN",
            LOCALLY,
            "SAVEPOINT s",
            ROUTINE,
            "RELEASE s",
            NO_LONGER,
            "SELECT harmless()",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a routine, in a serializable transaction",
        &[
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1",
            LOCALLY,
            ROUTINE,
            NO_LONGER,
            "SELECT harmless()",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a view, in a serializable transaction",
        &[
            "BEGIN ISOLATION LEVEL SERIALIZABLE",
            "SELECT 1",
            LOCALLY,
            VIEW,
            NO_LONGER,
            "TABLE harmless_view",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a routine that a savepoint brings back",
        &[
            "BEGIN",
            LOCALLY,
            "SAVEPOINT s",
            DISARMED,
            NO_LONGER,
            "SELECT drop_it()",
            "ROLLBACK TO s",
            NO_LONGER,
            "SELECT drop_it()",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a view that a savepoint brings back",
        &[
            "BEGIN",
            LOCALLY,
            "SAVEPOINT s",
            DISARMED_VIEW,
            NO_LONGER,
            "TABLE drop_view",
            "ROLLBACK TO s",
            NO_LONGER,
            "TABLE drop_view",
            "COMMIT",
        ],
        GONE,
    ),
    messages(
        "a routine that a rollback brings back in a pipeline",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(DISARMED),
                f().query(NO_LONGER),
                f().query("SELECT drop_it()"),
                f().run("ROLLBACK", &[]).run("SELECT drop_it()", &[]).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a view that a rollback brings back in a pipeline",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(DISARMED_VIEW),
                f().query(NO_LONGER),
                f().query("TABLE drop_view"),
                f().run("ROLLBACK", &[]).run("TABLE drop_view", &[]).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a view that a failed pipeline brings back",
        |_| {
            vec![
                f().run(LOCALLY, &[])
                    .run(DISARMED_VIEW, &[])
                    .run(NO_LONGER, &[])
                    .run("TABLE drop_view", &[])
                    .run("SELECT 1/0", &[])
                    .sync()
                    .query("TABLE drop_view"),
            ]
        },
        GONE,
    ),
    messages(
        "a routine that a failed pipeline brings back to the next",
        |_| {
            vec![
                f().run(LOCALLY, &[])
                    .run(DISARMED, &[])
                    .run(NO_LONGER, &[])
                    .run("SELECT drop_it()", &[])
                    .run("SELECT 1/0", &[])
                    .sync()
                    .run("SELECT drop_it()", &[])
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a view that the COMMIT of a failed transaction brings back",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(DISARMED_VIEW),
                f().query(NO_LONGER),
                f().query("TABLE drop_view"),
                f().query("SELECT 1/0").query("COMMIT").query("TABLE drop_view"),
            ]
        },
        GONE,
    ),
    messages(
        "a view that a rollback brings back in a string",
        |_| {
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(DISARMED_VIEW),
                f().query(NO_LONGER),
                f().query("TABLE drop_view"),
                f().query("ROLLBACK; TABLE drop_view"),
            ]
        },
        GONE,
    ),
    attack(
        "the path, by pg_settings",
        &[CONFIRM, PATH, WITHDRAW, "SELECT lower('X'::text)", "RESET search_path"],
        GONE,
    ),
    attack(
        "the path, by pg_settings in a transaction",
        &["BEGIN", LOCALLY, PATH, NO_LONGER, "SELECT lower('X'::text)", "COMMIT"],
        GONE,
    ),
    attack(
        "what a temporary table hides, by pg_settings",
        &[
            CONFIRM,
            "UPDATE pg_settings SET setting = 'public, pg_temp' WHERE name = 'search_path'",
            WITHDRAW,
            "CREATE TEMP TABLE victims (n int)",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a routine, in EXECUTE",
        &["PREPARE p AS SELECT harmless()", CONFIRM, ROUTINE, WITHDRAW, "EXECUTE p"],
        GONE,
    ),
    attack(
        "a routine, in a cursor",
        &[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT harmless()",
            LOCALLY,
            ROUTINE,
            NO_LONGER,
            "FETCH c",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a routine, in DO",
        &[
            "DO $$ BEGIN PERFORM harmless(); END $$",
            CONFIRM,
            ROUTINE,
            WITHDRAW,
            "DO $$ BEGIN PERFORM harmless(); END $$",
        ],
        GONE,
    ),
    attack(
        "a check, in EXECUTE",
        &["PREPARE p(harmless_int) AS SELECT $1", CONFIRM, CHECK, WITHDRAW, "EXECUTE p(1)"],
        GONE,
    ),
    attack("an order of json", &[SORTED, CONFIRM, ORDER, WITHDRAW, SORTED], GONE),
    attack(
        "an order of json, in a transaction",
        &["BEGIN", LOCALLY, ORDER, NO_LONGER, "SELECT GREATEST('1'::json, '2')", "COMMIT"],
        GONE,
    ),
    attack(
        "a view",
        &["TABLE harmless_view", CONFIRM, VIEW, WITHDRAW, "TABLE harmless_view"],
        GONE,
    ),
    attack(
        "a view, in a transaction",
        &[
            "BEGIN",
            "TABLE harmless_view",
            LOCALLY,
            VIEW,
            NO_LONGER,
            "TABLE harmless_view",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a trigger",
        &[
            "INSERT INTO harmless_table SELECT 1 WHERE false",
            CONFIRM,
            TRIGGER,
            WITHDRAW,
            "INSERT INTO harmless_table VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a trigger, by COPY",
        &[
            CONFIRM,
            "CREATE TRIGGER x BEFORE INSERT ON bystanders EXECUTE FUNCTION drop_for_a_trigger()",
            WITHDRAW,
            "COPY bystanders FROM STDIN",
        ],
        GONE,
    ),
    attack("a temporary view", &[CONFIRM, TEMP_VIEW, WITHDRAW, "INSERT INTO v VALUES (1)"], GONE),
    attack(
        "a temporary view, in a transaction",
        &["BEGIN", LOCALLY, TEMP_VIEW, NO_LONGER, "INSERT INTO v VALUES (1)", "COMMIT"],
        GONE,
    ),
    attack(
        "the name of a temporary view",
        &[
            CONFIRM,
            TEMP_VIEW,
            "SELECT harmless()",
            "ALTER VIEW v RENAME TO w",
            WITHDRAW,
            "INSERT INTO w VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "the name of a temporary table",
        &[
            CONFIRM,
            TEMP_TABLE,
            "SELECT harmless()",
            "ALTER TABLE v RENAME TO w",
            WITHDRAW,
            "INSERT INTO w (id) VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "the name of a temporary table, in a transaction",
        &[
            CONFIRM,
            TEMP_TABLE,
            WITHDRAW,
            "BEGIN",
            LOCALLY,
            "SELECT harmless()",
            "ALTER TABLE v RENAME TO w",
            "SELECT harmless()",
            "COMMIT",
            "SELECT 1 FROM harmless_table",
            "INSERT INTO w (id) VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a version table behind a temporary view",
        &[
            CONFIRM,
            "CREATE TEMP VIEW v AS SELECT * FROM alembic_version",
            WITHDRAW,
            "UPDATE v SET version_num = 'loot'",
        ],
        "-row public.alembic_version",
    ),
    messages(
        "a routine, bound before",
        |_| {
            vec![
                f().query("BEGIN"),
                f().parse("s", "SELECT harmless()", &[]).bind("p", "s", &[]).sync(),
                f().query(LOCALLY),
                f().query(ROUTINE),
                f().query(NO_LONGER),
                f().execute("p", 0).sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, parsed before",
        |_| {
            vec![
                f().parse("s", "SELECT harmless()", &[]).sync(),
                f().query(CONFIRM),
                f().query(ROUTINE),
                f().query(WITHDRAW),
                f().bind("", "s", &[]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, all in one pipeline",
        |_| {
            vec![
                f().run(LOCALLY, &[])
                    .run(ROUTINE, &[])
                    .run(NO_LONGER, &[])
                    .run("SELECT harmless()", &[])
                    .sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, by the fastpath",
        |ground| {
            let oid = ground.value("SELECT 'harmless()'::regprocedure::oid").parse().unwrap();
            vec![
                f().function_call(oid, &[]),
                f().query(CONFIRM),
                f().query(ROUTINE),
                f().query(WITHDRAW),
                f().function_call(oid, &[]),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, by the fastpath in a transaction",
        |ground| {
            let oid = ground.value("SELECT 'harmless()'::regprocedure::oid").parse().unwrap();
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(ROUTINE),
                f().query(NO_LONGER),
                f().function_call(oid, &[]),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, by the fastpath in a row",
        |ground| {
            let oid = ground.value("SELECT 'harmless()'::regprocedure::oid").parse().unwrap();
            vec![
                f().query(CONFIRM),
                f().query("BEGIN")
                    .query(ROUTINE)
                    .query(NO_LONGER)
                    .function_call(oid, &[])
                    .query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a routine, by the fastpath behind a pipeline",
        |ground| {
            let oid = ground.value("SELECT 'harmless()'::regprocedure::oid").parse().unwrap();
            vec![
                f().run(LOCALLY, &[])
                    .run(ROUTINE, &[])
                    .run(NO_LONGER, &[])
                    .function_call(oid, &[])
                    .sync(),
            ]
        },
        GONE,
    )
    .until(Major::V17),
    messages(
        "a check of a parameter's type, parsed before",
        |ground| {
            let oid = ground.value("SELECT 'harmless_int'::regtype::oid").parse().unwrap();
            vec![
                f().parse("s", "SELECT $1", &[oid]).sync(),
                f().query(CONFIRM),
                f().query(CHECK),
                f().query(WITHDRAW),
                f().bind("", "s", &[Some("1")]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
    messages(
        "a check of a parameter's type, in a transaction",
        |ground| {
            let oid = ground.value("SELECT 'harmless_int'::regtype::oid").parse().unwrap();
            vec![
                f().query("BEGIN"),
                f().query(LOCALLY),
                f().query(CHECK),
                f().query(NO_LONGER),
                f().parse("s", "SELECT $1", &[oid])
                    .bind("", "s", &[Some("1")])
                    .execute("", 0)
                    .sync(),
                f().query("COMMIT"),
            ]
        },
        GONE,
    ),
    messages(
        "a check of a parameter's type that the server finds",
        |_| {
            vec![
                f().parse("s", "SELECT $1::harmless_int", &[]).sync(),
                f().query(CONFIRM),
                f().query(CHECK),
                f().query(WITHDRAW),
                f().bind("", "s", &[Some("1")]).execute("", 0).sync(),
            ]
        },
        GONE,
    ),
];

/// The same shape, let through until its literals say something else.
pub const LITERALS: &[Attack] = &[
    attack(
        "table_to_xml",
        &[XML, XML, XML, "SELECT table_to_xml('drop_view', true, true, '')"],
        GONE,
    ),
    attack(
        "query_to_xml",
        &[QUERY, QUERY, QUERY, "SELECT query_to_xml('SELECT drop_it()', true, true, '')"],
        GONE,
    ),
    attack(
        "a name cast to regclass",
        &[
            "SELECT table_to_xml('bystanders'::regclass, true, true, '')",
            XML,
            "SELECT table_to_xml('drop_view'::regclass, true, true, '')",
        ],
        GONE,
    ),
    attack(
        "a name that is cut by its type",
        &[
            "SELECT table_to_xml('bystanders'::varchar(20)::regclass, true, true, '')",
            "SELECT table_to_xml('drop_viewX'::varchar(9)::regclass, true, true, '')",
        ],
        GONE,
    ),
    attack(
        "EXPLAIN's option",
        &[
            "EXPLAIN (ANALYZE 0) SELECT drop_it()",
            "EXPLAIN (ANALYZE 0) SELECT drop_it()",
            "EXPLAIN (ANALYZE 1) SELECT drop_it()",
        ],
        GONE,
    ),
    attack(
        "VACUUM's option",
        &["VACUUM (FULL 0) victims", "VACUUM (FULL 0) victims", "VACUUM (FULL 1) victims"],
        GONE,
    ),
    attack(
        "a DO block",
        &[
            "DO 'BEGIN PERFORM 1; END'",
            "DO 'BEGIN PERFORM 1; END'",
            "DO 'BEGIN DROP TABLE victims; END'",
        ],
        GONE,
    ),
    attack(
        "a DO block in dollar quotes",
        &[
            "DO $$BEGIN PERFORM 1; END$$",
            "DO $$BEGIN PERFORM 1; END$$",
            "DO $$BEGIN PERFORM drop_it(); END$$",
        ],
        GONE,
    ),
    attack(
        "a language",
        &[
            "DO LANGUAGE plpgsql 'BEGIN END'",
            "DO LANGUAGE 'plpgsql' 'BEGIN DROP TABLE victims; END'",
        ],
        GONE,
    ),
    attack(
        "a setting",
        &[
            "SET search_path = 'public'",
            "SET search_path = 'public'",
            "SET search_path = 'evil', 'pg_catalog'",
            "SELECT lower('X')",
        ],
        GONE,
    ),
    attack(
        "a setting by set_config",
        &[
            "SELECT set_config('search_path', 'public', false)",
            "SELECT set_config('search_path', 'public', false)",
            "SELECT set_config('search_path', 'evil,pg_catalog', false)",
            "SELECT lower('X')",
        ],
        GONE,
    ),
    attack(
        "a domain's input",
        &[
            "SELECT domain_in('1', 23, -1) IS NULL",
            "SELECT domain_in('1', 'checked'::regtype, -1) IS NULL",
        ],
        GONE,
    ),
    attack(
        "a type's name as a literal",
        &["SELECT CAST('1' AS int)", "SELECT CAST('1' AS checked)"],
        GONE,
    ),
    attack(
        "a FETCH",
        &[
            "BEGIN",
            "DECLARE a CURSOR FOR SELECT 1",
            "DECLARE b CURSOR FOR SELECT drop_it()",
            "FETCH 1 a",
            "FETCH 1 b",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "a text of ts_stat",
        &[
            "SELECT ts_stat('SELECT to_tsvector(''a'')')",
            "SELECT ts_stat('SELECT to_tsvector(drop_it()::text)')",
        ],
        GONE,
    ),
    attack(
        "a call where a literal was",
        &["SELECT 1 AS a", "SELECT 1 AS b", "SELECT drop_it() AS b"],
        GONE,
    ),
];

const XML: &str = "SELECT table_to_xml('bystanders', true, true, '')";
const QUERY: &str = "SELECT query_to_xml('SELECT 1', true, true, '')";

fn f() -> Frames {
    Frames::new()
}

#[test]
fn what_was_replaced_is_judged_anew() {
    assault_behind_changes(&mut Ground::start(), REPLACED, RESTORE);
}

#[test]
fn literals_that_decide_are_looked_at_each_time() {
    assault(&mut Ground::start(), LITERALS);
}
