//! Every kind of statement that does more than it looks like, or hides another one.

use super::attack::{Attack, assault, attack};
use super::ground::Ground;

const GONE: &str = "-relation public.victims";
const EMPTIED: &str = "-row public.victims";
const LOOT: &str = "+relation public.loot";
const FILE: &str = "+file ";

/// Changes to data: a replica's to refuse.
pub const DATA: &[Attack] = &[
    attack("insert", &["INSERT INTO victims VALUES (9, 'x')"], "+row public.victims").data(),
    attack("update", &["UPDATE victims SET name = 'x'"], EMPTIED).data(),
    attack("merge", &["MERGE INTO victims v USING bystanders b ON v.id = b.id WHEN MATCHED THEN DELETE"], EMPTIED).data(),
    attack("writable CTE", &["WITH d AS (DELETE FROM victims RETURNING 1) SELECT * FROM d"], EMPTIED).data(),
    attack("writable CTE that nothing reads", &["WITH d AS (DELETE FROM victims) SELECT 1"], EMPTIED).data(),
    attack("writable CTE behind others", &["WITH a AS (SELECT 1), b AS MATERIALIZED (UPDATE victims SET name = '' RETURNING id), c AS (TABLE a) TABLE c"], EMPTIED).data(),
    attack("writable CTE in COPY", &["COPY (WITH d AS (DELETE FROM victims RETURNING 1) SELECT * FROM d) TO STDOUT"], EMPTIED).data(),
    attack("writable CTE in PREPARE", &["PREPARE p AS WITH d AS (DELETE FROM victims RETURNING 1) TABLE d", "EXECUTE p"], EMPTIED).data(),
    attack("COPY of DML", &["COPY (DELETE FROM victims RETURNING *) TO STDOUT"], EMPTIED).data(),
    attack("COPY FROM STDIN", &["COPY victims FROM STDIN"], "+row public.victims").data(),
    attack("COPY FROM STDIN, its old form", &["COPY BINARY victims FROM STDIN", "COPY victims FROM STDIN"], "+row public.victims").data(),
    attack("EXPLAIN ANALYZE of DML", &["EXPLAIN ANALYZE DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN (ANALYZE) of DML", &["EXPLAIN (COSTS off, ANALYZE) DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN with ANALYZE said twice", &["EXPLAIN (ANALYZE off, ANALYZE on) DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN with ANALYZE as a number", &["EXPLAIN (ANALYZE 1) DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN with ANALYZE quoted", &["EXPLAIN (\"analyze\" 'TRUE') DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN, British", &["EXPLAIN ANALYSE VERBOSE DELETE FROM victims"], EMPTIED).data(),
    attack("EXPLAIN ANALYZE of EXECUTE", &["PREPARE p AS DELETE FROM victims", "EXPLAIN ANALYZE EXECUTE p"], EMPTIED).data(),
    attack("EXECUTE", &["PREPARE p(int) AS DELETE FROM victims WHERE id > $1", "EXECUTE p(0)"], EMPTIED).data(),
    attack("nextval", &["SELECT nextval('counter')"], "+row public.counter").data(),
    attack("nextval in a default of VALUES", &["VALUES (1), (nextval('counter'))"], "+row public.counter").data(),
    attack("setval, hidden in a subquery", &["SELECT (SELECT setval('counter', 99))"], "+row public.counter").data(),
    attack("setval in LIMIT", &["SELECT 1 LIMIT (SELECT setval('counter', 99))"], "+row public.counter").data(),
    attack("setval in ORDER BY", &["SELECT 1 ORDER BY setval('counter', 99)"], "+row public.counter").data(),
    attack("setval as a table", &["SELECT * FROM LATERAL ROWS FROM (setval('counter', 99)) AS x(n)"], "+row public.counter").data(),
    attack("setval in a cursor", &["BEGIN", "DECLARE c CURSOR FOR SELECT setval('counter', 99)", "FETCH c", "COMMIT"], "+row public.counter").data(),
    attack("setval in a cursor that is moved", &["BEGIN", "DECLARE c CURSOR FOR SELECT setval('counter', 99)", "MOVE ALL c", "COMMIT"], "+row public.counter").data(),
    attack("setval in a cursor WITH HOLD", &["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT setval('counter', 99)", "COMMIT"], "+row public.counter").data(),
    attack("setval in arguments of EXECUTE", &["PREPARE p(bigint) AS SELECT $1", "EXECUTE p(setval('counter', 99))"], "+row public.counter").data(),
    attack("setval with its schema quoted", &["SELECT \"pg_catalog\".\"setval\"('counter', 99)"], "+row public.counter").data(),
    attack("setval with a U& name", &["SELECT U&\"set\\0076al\"('counter', 99)"], "+row public.counter").data(),
    attack("setval by named arguments", &["SELECT setval(VARIADIC ARRAY[1])", "SELECT pg_catalog.setval('counter'::regclass, 99, true)"], "+row public.counter").data(),
    attack("lo_create", &["SELECT lo_create(777)"], "+large object 777").data(),
    attack("lo_creat", &["SELECT lo_creat(-1)"], "+large object").data(),
    attack("lo_from_bytea", &["SELECT lo_from_bytea(777, 'x')"], "+large object 777").data(),
    attack("lo_put", &["SELECT lo_put(4242, 0, 'x')"], "-large object 4242").data(),
    attack("lo_unlink", &["SELECT lo_unlink(4242)"], "-large object 4242").data(),
    attack("lo_open and lowrite", &["BEGIN", "SELECT lowrite(lo_open(4242, 131072), 'x')", "COMMIT"], "-large object 4242").data(),
    attack("lo_open and lo_truncate", &["BEGIN", "SELECT lo_truncate(lo_open(4242, 131072), 1)", "COMMIT"], "-large object 4242").data(),
    attack("PREPARE TRANSACTION", &["BEGIN", "INSERT INTO victims VALUES (9, 'x')", "PREPARE TRANSACTION 'loot'"], "+prepared loot").data(),
    attack("query_to_xml of a writing call", &["SELECT query_to_xml('SELECT setval(''counter'', 99)', true, true, '')"], "+row public.counter").data(),
];

/// Changes to schema, privileges, the cluster, and files.
pub const STRONGER: &[Attack] = &[
    attack("TRUNCATE", &["TRUNCATE victims"], EMPTIED),
    attack("SELECT INTO", &["SELECT 1 AS n INTO loot"], LOOT),
    attack(
        "SELECT INTO behind a CTE",
        &["WITH a AS (SELECT 1 AS n) SELECT * INTO UNLOGGED TABLE loot FROM a"],
        LOOT,
    ),
    attack("SELECT INTO in a UNION", &["SELECT 1 AS n INTO loot UNION SELECT 2"], LOOT),
    attack("SELECT INTO in parentheses", &["(SELECT 1 AS n INTO loot)"], LOOT),
    attack("CREATE TABLE AS", &["CREATE TABLE loot AS SELECT 1"], LOOT),
    attack(
        "CREATE TABLE AS EXECUTE",
        &["PREPARE p AS SELECT 1 AS n", "CREATE TABLE loot AS EXECUTE p"],
        LOOT,
    ),
    attack(
        "EXPLAIN ANALYZE of CREATE TABLE AS",
        &["EXPLAIN ANALYZE CREATE TABLE loot AS SELECT 1"],
        LOOT,
    ),
    attack("EXPLAIN ANALYZE of SELECT INTO", &["EXPLAIN (ANALYZE) SELECT 1 AS n INTO loot"], LOOT),
    attack(
        "EXPLAIN ANALYZE of CREATE MATERIALIZED VIEW",
        &["EXPLAIN ANALYZE CREATE MATERIALIZED VIEW loot AS SELECT 1 AS n"],
        LOOT,
    ),
    attack(
        "a temporary table that is none",
        &["CREATE TEMP TABLE victims (n int); DROP TABLE victims; DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a temporary table rolled back",
        &["BEGIN; CREATE TEMP TABLE victims (n int); ROLLBACK", "DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a temporary table dropped on commit",
        &["BEGIN; CREATE TEMP TABLE victims (n int) ON COMMIT DROP; COMMIT", "DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a temporary table behind public",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "SET search_path = public, pg_temp",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table behind public, by set_config",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "SELECT set_config('search_path', 'public,pg_temp', false)",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table behind public, computed",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "SELECT set_config('search_path', 'public,pg_' || 'temp', false)",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table behind public, by pg_settings",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "UPDATE pg_settings SET setting = 'public, pg_temp' WHERE name = 'search_path'",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table behind public, by pg_settings through a view",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "UPDATE shown_settings SET setting = 'public, pg_temp' WHERE name = 'search_path'",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table discarded",
        &["CREATE TEMP TABLE victims (n int)", "DISCARD TEMP", "DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a temporary table dropped twice",
        &["CREATE TEMP TABLE victims (n int)", "DROP TABLE victims", "DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a temporary table renamed",
        &[
            "CREATE TEMP TABLE victims (n int)",
            "ALTER TABLE victims RENAME TO other",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table moved out of sight by a savepoint",
        &[
            "BEGIN",
            "SAVEPOINT s",
            "CREATE TEMP TABLE victims (n int)",
            "ROLLBACK TO s",
            "DROP TABLE victims",
            "COMMIT",
        ],
        GONE,
    ),
    attack(
        "IF NOT EXISTS that finds it",
        &[
            "CREATE TEMP TABLE IF NOT EXISTS victims (n int)",
            "DROP TABLE victims",
            "DROP TABLE victims",
        ],
        GONE,
    ),
    attack(
        "a temporary table and another in one DROP",
        &["CREATE TEMP TABLE x (n int)", "DROP TABLE x, victims"],
        GONE,
    ),
    attack(
        "a temporary table whose name is cut at 63 bytes",
        &[
            "CREATE TEMP TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnna (n int)",
            "DROP TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnb",
            "DROP TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnc",
        ],
        "-relation public.nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    ),
    attack(
        "a temporary sequence that a column needs",
        &[
            "CREATE TEMP SEQUENCE s",
            "ALTER TABLE victims ALTER id SET DEFAULT nextval('s')",
            "DROP SEQUENCE s CASCADE",
        ],
        "+column public.victims.id",
    )
    .nearest(&["ALTER TABLE victims ALTER id SET DEFAULT nextval('counter')"]),
    attack(
        "pg_temp that a search_path names first",
        &["SET search_path = pg_temp, public", "DROP TABLE victims"],
        GONE,
    ),
    attack(
        "a routine in pg_temp",
        &[
            "CREATE FUNCTION pg_temp.x() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE public.victims; RETURN 1; END'",
            "SELECT pg_temp.x()",
        ],
        GONE,
    ),
    attack(
        "a built-in shadowed in pg_temp",
        &[
            "CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN DROP TABLE public.victims; RETURN 1; END'",
            "SELECT pg_temp.lower('x')",
        ],
        GONE,
    ),
    attack(
        "a catalog shadowed in pg_temp",
        &[
            "CREATE TEMP TABLE pg_proc AS SELECT * FROM pg_catalog.pg_proc WHERE false",
            "SELECT drop_it()",
        ],
        GONE,
    ),
    attack(
        "DO with a text that is put together",
        &["DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE victims'; END $$"],
        GONE,
    ),
    attack("DO with a statement", &["DO LANGUAGE plpgsql 'BEGIN DROP TABLE victims; END'"], GONE),
    attack("DO with escapes", &["DO E'BEGIN DR\\x4fP TABLE victims; END'"], GONE),
    attack("DO with a U& text", &["DO U&'BEGIN DR\\004FP TABLE victims; END'"], GONE),
    attack("DO continued over lines", &["DO 'BEGIN DROP TABLE '\n'victims; END'"], GONE),
    attack(
        "DO with a block in a block",
        &[
            "DO $$ BEGIN BEGIN IF true THEN DROP TABLE victims; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END $$",
        ],
        GONE,
    ),
    attack(
        "DO in an exception's handler",
        &["DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN DROP TABLE victims; END $$"],
        GONE,
    ),
    attack(
        "DO with FOR IN EXECUTE",
        &[
            "DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT drop_it()' LOOP END LOOP; END $$",
        ],
        GONE,
    ),
    attack(
        "DO with OPEN FOR EXECUTE",
        &[
            "DO $$ DECLARE c refcursor; n int; BEGIN OPEN c FOR EXECUTE 'SELECT drop_it()'; FETCH c INTO n; END $$",
        ],
        GONE,
    ),
    attack("DO with a default", &["DO $$ DECLARE n int := drop_it(); BEGIN END $$"], GONE),
    attack("DO with an assignment", &["DO $$ DECLARE n int; BEGIN n := drop_it(); END $$"], GONE),
    attack(
        "DO with an index of an assignment",
        &["DO $$ DECLARE n int[]; BEGIN n[drop_it()] := 1; END $$"],
        GONE,
    ),
    attack("DO with ASSERT", &["DO $$ BEGIN ASSERT drop_it() = 1; END $$"], GONE),
    attack("DO with RAISE", &["DO $$ BEGIN RAISE NOTICE '%', drop_it(); END $$"], GONE),
    attack("DO with CALL", &["DO $$ BEGIN CALL drop_procedure(); END $$"], GONE),
    attack(
        "DO with a comment on its plpgsql",
        &["DO $$ /* ; */ BEGIN -- '\n DROP TABLE victims; END $$"],
        GONE,
    ),
    attack(
        "DO with options of plpgsql",
        &["DO $$ #variable_conflict use_column\nBEGIN DROP TABLE victims; END $$"],
        GONE,
    ),
    attack("DO that commits first", &["DO $$ BEGIN COMMIT; DROP TABLE victims; END $$"], GONE),
    attack("CALL", &["CALL drop_procedure()"], GONE),
    attack("CALL of a built-in name in a schema", &["CALL public.drop_behind_a_commit()"], GONE),
    attack(
        "CREATE RULE of several statements",
        &["CREATE RULE r AS ON INSERT TO bystanders DO (SELECT 1; DELETE FROM victims)"],
        "+rule r",
    ),
    attack(
        "CREATE FUNCTION with statements in it",
        &["CREATE FUNCTION loot() RETURNS int LANGUAGE sql BEGIN ATOMIC; SELECT 1; END"],
        "+routine public.loot",
    ),
    attack(
        "CREATE SCHEMA with elements",
        &["CREATE SCHEMA loot CREATE TABLE t (n int)"],
        "+schema loot",
    ),
    attack("a child by INHERITS", &["CREATE TABLE loot () INHERITS (victims)"], LOOT),
    attack(
        "CREATE EVENT TRIGGER",
        &[
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER loot ON sql_drop EXECUTE FUNCTION e()",
        ],
        "+event trigger loot",
    ),
    attack("CREATE EXTENSION", &["CREATE EXTENSION hstore"], "+extension hstore"),
    attack(
        "CREATE PUBLICATION",
        &["CREATE PUBLICATION loot FOR TABLE victims"],
        "+publication loot",
    ),
    attack("COMMENT", &["COMMENT ON TABLE victims IS 'loot'"], "+comment loot"),
    attack("CLUSTER", &["CLUSTER victims USING victims_pkey"], GONE),
    attack("VACUUM FULL", &["VACUUM (FULL) victims"], GONE),
    attack("REINDEX", &["REINDEX TABLE victims"], "+relation public.victims_pkey"),
    attack("ALTER by another name", &["ALTER INDEX victims_pkey RENAME TO loot"], LOOT),
    attack(
        "system catalog by UPDATE",
        &["UPDATE pg_class SET relname = 'loot' WHERE relname = 'victims'"],
        LOOT,
    ),
    attack(
        "system catalog by DELETE",
        &["DELETE FROM ONLY pg_catalog.pg_description WHERE description = 'kept'"],
        "-comment kept",
    ),
    attack(
        "system catalog in a writable CTE",
        &[
            "WITH u AS (UPDATE pg_catalog.pg_proc SET provolatile = 's' WHERE proname = 'drop_it' RETURNING 1) TABLE u",
        ],
        "+routine public.drop_it",
    ),
    attack("GRANT", &["GRANT ALL ON victims TO PUBLIC"], GONE),
    attack(
        "GRANT of a role",
        &["GRANT pg_read_all_data TO reader"],
        "+member pg_read_all_data reader",
    ),
    attack("CREATE ROLE", &["CREATE ROLE loot SUPERUSER"], "+role loot"),
    attack("CREATE GROUP", &["CREATE GROUP loot"], "+role loot"),
    attack("ALTER ROLE SET", &["ALTER USER reader SET work_mem = '1MB'"], "+setting reader"),
    attack("ALTER OWNER", &["ALTER TABLE victims OWNER TO reader"], GONE),
    attack(
        "ALTER DEFAULT PRIVILEGES",
        &["ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC"],
        "+default acl",
    ),
    attack(
        "REASSIGN OWNED",
        &["ALTER TABLE bystanders OWNER TO reader", "REASSIGN OWNED BY reader TO app"],
        "+relation public.bystanders",
    ),
    attack("SET ROLE first", &["SET ROLE app", "RESET ROLE", "DROP TABLE victims"], GONE),
    attack(
        "SET SESSION AUTHORIZATION first",
        &["SET SESSION AUTHORIZATION postgres", "DROP TABLE victims"],
        GONE,
    ),
    attack("CREATE DATABASE", &["CREATE DATABASE loot"], "+database loot"),
    attack("ALTER SYSTEM", &["ALTER SYSTEM SET work_mem = '1MB'"], "+configuration"),
    attack("pg_reload_conf", &["SELECT pg_reload_conf()"], "+configuration loaded"),
    attack("pg_terminate_backend", &["SELECT pg_terminate_backend({bystander})"], "-bystander"),
    attack(
        "pg_terminate_backend of all",
        &[
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bystander'",
        ],
        "-bystander",
    ),
    attack("pg_stat_reset", &["SELECT pg_stat_reset()"], "+statistics since"),
    attack(
        "a replication slot",
        &["SELECT pg_create_physical_replication_slot('loot')"],
        "+slot loot",
    ),
    attack(
        "a replication origin",
        &["SELECT pg_replication_origin_create('loot')"],
        "+origin loot",
    ),
    attack("COPY to a file", &["COPY victims TO '{loot}/file'"], FILE),
    attack(
        "COPY of a query to a file",
        &["COPY (SELECT 1) TO '{loot}/file' WITH (FORMAT csv)"],
        FILE,
    ),
    attack("COPY to a program", &["COPY (SELECT 1) TO PROGRAM 'cat > {loot}/file'"], FILE),
    attack("COPY from a program", &["COPY victims FROM PROGRAM 'touch {loot}/file'"], FILE),
    attack(
        "COPY to a program in a DO block",
        &["DO $$ BEGIN COPY victims TO PROGRAM 'touch {loot}/file'; END $$"],
        FILE,
    ),
    attack("lo_export", &["SELECT lo_export(4242, '{loot}/file')"], FILE),
    attack("lo_import", &["SELECT lo_import('{loot}/../PG_VERSION', 777)"], "+large object 777"),
    attack(
        "dblink_exec",
        &[
            "SELECT dblink_exec('dbname=app host={socket} port={port} user=postgres', 'DROP TABLE victims')",
        ],
        GONE,
    ),
    attack(
        "dblink_exec on a named connection",
        &[
            "SELECT dblink_connect('c', 'dbname=app host={socket} port={port} user=postgres')",
            "SELECT dblink_exec('c', 'DROP TABLE victims')",
        ],
        GONE,
    ),
    attack(
        "dblink as a table",
        &[
            "SELECT * FROM dblink('dbname=app host={socket} port={port} user=postgres', 'SELECT drop_it()') AS t(n int)",
        ],
        GONE,
    ),
    attack(
        "dblink_send_query",
        &[
            "SELECT dblink_connect('c', 'dbname=app host={socket} port={port} user=postgres')",
            "SELECT dblink_send_query('c', 'SELECT drop_it()')",
            "SELECT * FROM dblink_get_result('c') AS t(n int)",
        ],
        GONE,
    ),
    attack(
        "dblink_open",
        &[
            "SELECT dblink_connect('c', 'dbname=app host={socket} port={port} user=postgres')",
            "SELECT dblink_open('c', 'x', 'SELECT drop_it()')",
            "SELECT * FROM dblink_fetch('c', 'x', 1) AS t(n int)",
            "SELECT dblink_close('c', 'x')",
        ],
        GONE,
    ),
    attack(
        "query_to_xml of a call",
        &["SELECT query_to_xml('SELECT drop_it()', true, true, '')"],
        GONE,
    ),
    attack(
        "cursor_to_xml of a call",
        &[
            "BEGIN",
            "DECLARE c CURSOR FOR SELECT drop_it()",
            "SELECT cursor_to_xml('c', 1, true, true, '')",
            "COMMIT",
        ],
        GONE,
    ),
    attack("ts_stat of a call", &["SELECT ts_stat('SELECT to_tsvector(drop_it()::text)')"], GONE),
    attack(
        "schema_to_xml, which reads every view",
        &["SELECT schema_to_xml('views', true, true, '')"],
        GONE,
    ),
];

#[test]
fn data_stays_as_it_is_on_a_replica() {
    assault(&mut Ground::start(), DATA);
}

#[test]
fn no_statement_hides_a_stronger_one() {
    assault(&mut Ground::start(), STRONGER);
}
