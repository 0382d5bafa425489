//! Code in the database that a harmless statement runs: routines called in every place where one can
//! be, triggers, rules, views, operators, casts, checks, and names of PostgreSQL's own that lead
//! elsewhere.

use super::attack::{Attack, assault, attack};
use super::ground::Ground;

const GONE: &str = "-relation public.victims";

pub const CALLS: &[Attack] = &[
    attack("a routine", &["SELECT drop_it()"], GONE),
    attack("a routine, quoted", &["SELECT \"public\".\"drop_it\"()"], GONE),
    attack("a routine, a U& name", &["SELECT U&\"drop\\005Fit\"()"], GONE),
    attack("a routine with the database's name", &["SELECT app.public.drop_it()"], GONE),
    attack("a routine as a table", &["SELECT * FROM drop_it()"], GONE),
    attack(
        "a routine in ROWS FROM",
        &["SELECT * FROM ROWS FROM (drop_it(), now()) WITH ORDINALITY"],
        GONE,
    ),
    attack(
        "a routine in LATERAL",
        &["SELECT * FROM bystanders b, LATERAL (SELECT drop_it(b.id)) x"],
        GONE,
    ),
    attack("a routine in WHERE", &["SELECT 1 FROM bystanders WHERE drop_it(id) = 1"], GONE),
    attack("a routine in HAVING", &["SELECT 1 FROM bystanders HAVING drop_it() = 1"], GONE),
    attack("a routine in GROUP BY", &["SELECT 1 FROM bystanders GROUP BY drop_it(id)"], GONE),
    attack("a routine in ORDER BY", &["SELECT 1 ORDER BY drop_it()"], GONE),
    attack("a routine in LIMIT", &["SELECT 1 LIMIT drop_it()"], GONE),
    attack("a routine in OFFSET", &["SELECT 1 OFFSET drop_it()"], GONE),
    attack("a routine in VALUES", &["VALUES (drop_it())"], GONE),
    attack(
        "a routine in a window",
        &["SELECT sum(1) OVER (PARTITION BY drop_it(id)) FROM bystanders"],
        GONE,
    ),
    attack(
        "a routine in a frame",
        &["SELECT sum(1) OVER (ORDER BY id ROWS drop_it() PRECEDING) FROM bystanders"],
        GONE,
    ),
    attack(
        "a routine in FILTER",
        &["SELECT count(*) FILTER (WHERE drop_it(id) = 1) FROM bystanders"],
        GONE,
    ),
    attack(
        "a routine in an aggregate's ORDER BY",
        &["SELECT array_agg(id ORDER BY drop_it(id)) FROM bystanders"],
        GONE,
    ),
    attack(
        "a routine in TABLESAMPLE",
        &["SELECT * FROM bystanders TABLESAMPLE system (drop_it()) REPEATABLE (1)"],
        GONE,
    ),
    attack("a routine in CASE", &["SELECT CASE drop_it() WHEN 1 THEN 2 END"], GONE),
    attack("a routine in COALESCE", &["SELECT coalesce(NULL, drop_it())"], GONE),
    attack("a routine in an array", &["SELECT ARRAY[drop_it()]"], GONE),
    attack("a routine in a subscript", &["SELECT (ARRAY[1])[drop_it()]"], GONE),
    attack("a routine in a row", &["SELECT ROW(drop_it())"], GONE),
    attack("a routine in XML", &["SELECT xmlelement(NAME x, drop_it())"], GONE),
    attack("a routine in IN", &["SELECT 1 IN (2, drop_it())"], GONE),
    attack(
        "a routine in a join",
        &["SELECT 1 FROM bystanders a JOIN bystanders b ON drop_it(a.id) = 1"],
        GONE,
    ),
    attack(
        "a routine in a CTE",
        &["WITH RECURSIVE r AS (SELECT drop_it() UNION SELECT 2) TABLE r"],
        GONE,
    ),
    attack(
        "a routine in DISTINCT ON",
        &["SELECT DISTINCT ON (drop_it(id)) 1 FROM bystanders"],
        GONE,
    ),
    attack("a routine by field notation", &["SELECT bystanders.drop_of FROM bystanders"], GONE),
    attack(
        "a routine by field notation, any table",
        &["SELECT (b).drop_it FROM bystanders b"],
        GONE,
    ),
    attack(
        "a routine by field notation of a row",
        &["SELECT (SELECT b FROM bystanders b LIMIT 1).drop_of"],
        GONE,
    ),
    attack(
        "a routine by VARIADIC and names",
        &["SELECT drop_variadic(VARIADIC numbers => ARRAY[1])"],
        GONE,
    ),
    attack("a routine of its variable arguments", &["SELECT drop_variadic(1, 2, 3)"], GONE),
    attack(
        "a routine with dynamic SQL",
        &["SELECT drop_dynamically() FROM bystanders WHERE id = 1"],
        GONE,
    ),
    attack("a routine called STABLE", &["SELECT pretends_to_be_stable()"], GONE),
    attack("a routine called IMMUTABLE", &["SELECT pretends_to_be_immutable()"], GONE),
    attack(
        "a routine called IMMUTABLE, only explained",
        &["EXPLAIN SELECT pretends_to_be_immutable()"],
        GONE,
    ),
    attack("a routine called STABLE, put in line", &["SELECT * FROM drop_in_line()"], GONE),
    attack("a routine with an SQL-standard body", &["SELECT drop_atomically()"], GONE),
    attack("a routine in EXPLAIN ANALYZE", &["EXPLAIN ANALYZE SELECT drop_it()"], GONE),
    attack("a routine in COPY", &["COPY (SELECT drop_it()) TO STDOUT"], GONE),
    attack(
        "a routine in a cursor",
        &["BEGIN", "DECLARE c CURSOR FOR SELECT drop_it()", "FETCH c", "COMMIT"],
        GONE,
    ),
    attack(
        "a routine in a cursor that is moved",
        &["BEGIN", "DECLARE c CURSOR FOR SELECT drop_it()", "MOVE ALL c", "COMMIT"],
        GONE,
    ),
    attack(
        "a routine in a cursor WITH HOLD",
        &["BEGIN", "DECLARE c CURSOR WITH HOLD FOR SELECT drop_it()", "COMMIT"],
        GONE,
    ),
    attack(
        "a routine in a cursor that a routine opens",
        &["BEGIN", "SELECT open_it()", "FETCH ALL c", "COMMIT"],
        GONE,
    ),
    attack("a routine in PREPARE", &["PREPARE p AS SELECT drop_it()", "EXECUTE p"], GONE),
    attack(
        "a routine in arguments of EXECUTE",
        &["PREPARE p(int) AS SELECT $1", "EXECUTE p(drop_it())"],
        GONE,
    ),
    attack("a routine in CREATE TEMP TABLE AS", &["CREATE TEMP TABLE t AS SELECT drop_it()"], GONE),
    attack("a routine in SELECT INTO TEMP", &["SELECT drop_it() AS n INTO TEMP t"], GONE),
    attack(
        "a routine in a temporary view",
        &["CREATE TEMP VIEW v AS SELECT drop_it()", "TABLE v"],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view",
        &["CREATE TEMP VIEW v AS SELECT * FROM with_trigger", "INSERT INTO v VALUES (1)"],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view that hides a table",
        &[
            "CREATE OR REPLACE TEMP VIEW bystanders AS TABLE with_trigger_and_name",
            "WITH w AS (INSERT INTO bystanders SELECT 9, 'x' WHERE false RETURNING id) TABLE w",
        ],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view of another name",
        &[
            "CREATE TEMP VIEW v AS TABLE with_trigger_and_name",
            "ALTER VIEW pg_temp.v RENAME TO bystanders",
            "INSERT INTO bystanders SELECT 9, 'x' WHERE false",
        ],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view, prepared",
        &[
            "PREPARE p AS INSERT INTO bystanders SELECT 9, 'x' WHERE false",
            "CREATE TEMP VIEW bystanders AS TABLE with_trigger_and_name",
            "EXECUTE p",
        ],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view, in DO",
        &["DO $$ BEGIN CREATE TEMP VIEW bystanders AS TABLE with_trigger_and_name; \
             INSERT INTO bystanders VALUES (9, 'x'); END $$"],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view, by another path",
        &[
            "CREATE TEMP VIEW v AS TABLE with_upper_trigger",
            "SET search_path = evil, pg_catalog",
            "INSERT INTO v VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a trigger behind a temporary view of another name, by another path",
        &[
            "CREATE TEMP VIEW v AS TABLE with_upper_trigger",
            "ALTER VIEW v RENAME TO w",
            "SET search_path = evil, pg_catalog",
            "INSERT INTO w VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "the catalog behind a temporary view",
        &[
            "CREATE TEMP VIEW v AS SELECT oid, relname FROM pg_class",
            "UPDATE v SET relname = 'renamed' WHERE relname = 'victims'",
        ],
        GONE,
    ),
    attack(
        "pg_settings behind a temporary view",
        &[
            "CREATE TEMP VIEW v AS SELECT name, setting FROM pg_settings",
            "UPDATE v SET setting = 'evil, pg_catalog' WHERE name = 'search_path'",
            "SELECT upper('x'::text)",
        ],
        GONE,
    ),
    attack(
        "a domain of a temporary table, in DO",
        &["DO $$ BEGIN CREATE TEMP TABLE t AS SELECT n FROM with_domain; \
             INSERT INTO t VALUES (1); END $$"],
        GONE,
    ),
    attack(
        "a domain of a temporary table, by EXPLAIN",
        &[
            "EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT n FROM with_domain",
            "INSERT INTO t VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a domain of a temporary table, by EXECUTE",
        &[
            "PREPARE p AS SELECT n FROM with_domain",
            "CREATE TEMP TABLE t AS EXECUTE p",
            "INSERT INTO t VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a default of a temporary child",
        &[
            "CREATE TEMP TABLE p (m int)",
            "CREATE TEMP TABLE t (LIKE with_default INCLUDING ALL) INHERITS (p)",
            "INSERT INTO t (id) VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a routine in a temporary default",
        &["CREATE TEMP TABLE t (n int DEFAULT drop_it(), m int)", "INSERT INTO t (m) VALUES (1)"],
        GONE,
    ),
    attack(
        "a routine in a temporary check",
        &["CREATE TEMP TABLE t (n int CHECK (drop_check(n)))", "INSERT INTO t VALUES (1)"],
        GONE,
    ),
    attack(
        "a routine in a temporary index",
        &["CREATE TEMP TABLE t AS SELECT 1 AS n", "CREATE INDEX ON t ((immutable_of(n)))"],
        GONE,
    ),
    attack(
        "a routine in a temporary trigger",
        &[
            "CREATE TEMP TABLE t (n int)",
            "CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION drop_for_a_trigger()",
            "INSERT INTO t VALUES (1)",
        ],
        GONE,
    ),
    attack(
        "a routine in ALTER of a temporary table",
        &[
            "CREATE TEMP TABLE t AS SELECT 1 AS n",
            "ALTER TABLE t ALTER n TYPE int USING drop_it(n)",
        ],
        GONE,
    ),
    attack("a routine in INSERT", &["INSERT INTO bystanders SELECT drop_it() + 40, 'x'"], GONE),
    attack(
        "a routine in RETURNING",
        &["INSERT INTO bystanders VALUES (40, 'x') RETURNING drop_it()"],
        GONE,
    ),
    attack(
        "a routine in ON CONFLICT",
        &["INSERT INTO bystanders VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET id = drop_it()"],
        GONE,
    ),
    attack(
        "a routine in UPDATE",
        &["UPDATE bystanders SET name = drop_it()::text WHERE id = 1"],
        GONE,
    ),
    attack(
        "a routine in MERGE",
        &[
            "MERGE INTO bystanders b USING (VALUES (1)) v(n) ON b.id = n WHEN MATCHED AND drop_it() = 1 THEN DO NOTHING",
        ],
        GONE,
    ),
    attack("a routine in DO", &["DO $$ BEGIN PERFORM drop_it(); END $$"], GONE),
    attack("an aggregate", &["SELECT drop_all(id) FROM bystanders"], GONE),
    attack("an aggregate over a window", &["SELECT drop_all(id) OVER () FROM bystanders"], GONE),
    attack("an operator", &["SELECT b @#@ 1 FROM bystanders b"], GONE),
    attack(
        "an operator by OPERATOR()",
        &["SELECT b OPERATOR(public.@#@) 1 FROM bystanders b"],
        GONE,
    ),
    attack("an operator with ANY", &["SELECT b @#@ ANY (ARRAY[1]) FROM bystanders b"], GONE),
    attack(
        "an operator class, by its operator",
        &["SELECT n FROM (VALUES (2), (1)) v (n) ORDER BY n USING <##"],
        GONE,
    ),
    attack("an operator class, by rows", &["SELECT (1, 2) <## (1, id) FROM bystanders"], GONE),
    attack("a cast", &["SELECT ROW(1)::wrapped::int"], GONE),
    attack("a cast by CAST", &["SELECT CAST(CAST(ROW(1) AS wrapped) AS int)"], GONE),
    attack("a cast to an array", &["SELECT 'a'::text::int[]"], GONE),
    attack("a cast to an array, by its name", &["SELECT 'a'::text::_int4"], GONE),
    attack("a cast to an ARRAY", &["SELECT CAST('a'::text AS int ARRAY)"], GONE),
    attack("a cast to a catalog's row", &["SELECT 'a'::text::pg_catalog.pg_cast"], GONE),
    attack("a cast in a row", &["SELECT ROW(ROW(1)::wrapped)::holding"], GONE),
    attack("a domain", &["SELECT 1::checked"], GONE),
    attack("a domain's name before a literal", &["SELECT checked '1'"], GONE),
    attack("a domain, only explained", &["EXPLAIN SELECT checked '1'"], GONE)
        .nearest(&["EXPLAIN ANALYZE SELECT checked '1'"]),
    attack(
        "a domain's input function",
        &["SELECT domain_in('1', 'checked'::regtype, -1) IS NULL"],
        GONE,
    ),
    attack(
        "a domain in json_populate_record",
        &["SELECT jsonb_populate_record(NULL::with_domain, '{\"n\": 1}')"],
        GONE,
    ),
    attack(
        "a domain in a column definition",
        &["SELECT * FROM json_to_record('{\"n\": 1}') AS x(n checked)"],
        GONE,
    ),
    attack("a domain in an array", &["SELECT '{1}'::checked[]"], GONE),
    attack("a domain as a parameter", &["PREPARE p(checked) AS SELECT $1", "EXECUTE p('1')"], GONE),
    attack("a view", &["SELECT * FROM drop_view"], GONE),
    attack("a view in a view", &["TABLE drop_nested"], GONE),
    attack("a view by COPY", &["COPY (TABLE drop_view) TO STDOUT"], GONE),
    attack(
        "a view by name in query_to_xml",
        &["SELECT table_to_xml('drop_view', true, true, '')"],
        GONE,
    ),
    attack("a materialized view", &["REFRESH MATERIALIZED VIEW drop_stored"], GONE),
    attack("a trigger", &["INSERT INTO with_trigger VALUES (1)"], GONE),
    attack("a trigger by COPY", &["COPY with_trigger_and_name FROM STDIN"], GONE),
    attack("a trigger behind a foreign key", &["DELETE FROM parent"], GONE),
    attack("a rule", &["INSERT INTO with_rule VALUES (1)"], GONE),
    attack("a rule on a view", &["UPDATE written SET name = 'x'"], GONE),
    attack("a default", &["INSERT INTO with_default (id) VALUES (1)"], GONE),
    attack("a default, written out", &["INSERT INTO with_default VALUES (1, DEFAULT)"], GONE),
    attack(
        "a default in an UPDATE",
        &["INSERT INTO with_default VALUES (1, 1)", "UPDATE with_default SET n = DEFAULT"],
        GONE,
    ),
    attack("a column of a domain", &["INSERT INTO with_domain VALUES (1)"], GONE),
    attack("a check", &["INSERT INTO with_check VALUES (1)"], GONE),
    attack(
        "a catalog through a view",
        &["UPDATE shown_catalog SET relname = 'renamed' WHERE relname = 'victims'"],
        GONE,
    ),
    attack("a catalog by a rule", &["INSERT INTO with_catalog_rule VALUES (1)"], GONE),
    attack("a catalog by an SQL-standard body", &["SELECT rename_atomically()"], GONE),
    attack("a catalog through a view, by a routine", &["SELECT rename_through_a_view()"], GONE),
    attack(
        "a function that confirms, and DROP",
        &["SELECT confirm_it()", "DROP TABLE victims"],
        GONE,
    ),
];

/// Names of PostgreSQL's own that lead elsewhere.
pub const SHADOWED: &[Attack] = &[
    attack("search_path", &["SET search_path = evil, pg_catalog", "SELECT lower('X')"], GONE),
    attack(
        "search_path by SET LOCAL",
        &["BEGIN", "SET LOCAL search_path = evil, pg_catalog", "SELECT lower('X')", "COMMIT"],
        GONE,
    ),
    attack("search_path by SET SCHEMA", &["SET SCHEMA 'evil'", "SELECT evil.lower('X')"], GONE),
    attack(
        "search_path in the same string",
        &["SET search_path = evil, pg_catalog; SELECT lower('X')"],
        GONE,
    ),
    attack(
        "search_path by set_config",
        &["SELECT set_config('search_path', 'evil, pg_catalog', false)", "SELECT lower('X')"],
        GONE,
    ),
    attack(
        "search_path by a computed set_config",
        &["SELECT set_config('search' || '_path', 'evil, pg_catalog', false)", "SELECT lower('X')"],
        GONE,
    ),
    attack(
        "search_path by pg_settings",
        &[
            "UPDATE pg_settings SET setting = 'evil, pg_catalog' WHERE name = 'search_path'",
            "SELECT lower('X')",
        ],
        GONE,
    ),
    attack(
        "search_path by pg_settings through a view",
        &[
            "UPDATE shown_settings SET setting = 'evil, pg_catalog' WHERE name = 'search_path'",
            "SELECT lower('X')",
        ],
        GONE,
    ),
    attack(
        "search_path by a routine",
        &["SELECT switch('search_path', 'evil, pg_catalog')", "SELECT lower('X')"],
        GONE,
    ),
    attack(
        "search_path by DO",
        &["DO $$ BEGIN SET search_path = evil, pg_catalog; END $$", "SELECT lower('X')"],
        GONE,
    ),
    attack("search_path at startup", &["SELECT lower('X')"], GONE)
        .login(|login| login.parameter("search_path", "evil, pg_catalog")),
    attack("search_path in startup options", &["SELECT lower('X')"], GONE)
        .login(|login| login.options("-c search_path=evil,pg_catalog")),
    attack("search_path of the role", &["SELECT lower('X')"], GONE).as_mallory(),
    attack(
        "search_path of the role, by RESET",
        &["SET search_path = pg_catalog", "RESET search_path", "SELECT lower('X')"],
        GONE,
    )
    .as_mallory(),
    attack(
        "search_path of the role, by DISCARD ALL",
        &["SET search_path = pg_catalog", "DISCARD ALL", "SELECT lower('X')"],
        GONE,
    )
    .as_mallory(),
    attack(
        "search_path of the role, by a rollback",
        &["BEGIN; SET search_path = pg_catalog", "ROLLBACK", "SELECT lower('X')"],
        GONE,
    )
    .as_mallory(),
    attack(
        "search_path that is \"$user\"",
        &["CREATE SCHEMA postgres", "SELECT evil.lower('x')"],
        GONE,
    ),
    attack("an operator", &["SET search_path = evil, pg_catalog", "SELECT 1 + 1"], GONE),
    attack("an operator, with nothing else of its own", &["SELECT 1 OPERATOR(evil.+) 1"], GONE),
    attack("an overload that fits better", &["SELECT lower(b) FROM bystanders b"], GONE),
    attack("an overload by field notation", &["SELECT b.lower FROM bystanders b"], GONE),
    attack("catalogs of another's", &["SELECT public.drop_it()"], GONE)
        .login(|login| login.parameter("search_path", "evil, pg_catalog, public")),
    attack("catalogs of another's, and settings", &["SELECT public.drop_it()"], GONE)
        .login(|login| login.options("-c search_path=evil,pg_temp,pg_catalog,public")),
    attack(
        "catalogs in pg_temp",
        &[
            "CREATE TEMP TABLE pg_proc (LIKE pg_catalog.pg_proc)",
            "CREATE TEMP TABLE pg_class (LIKE pg_catalog.pg_class)",
            "SELECT public.drop_it()",
        ],
        GONE,
    ),
    attack("settings of another's, and DROP", &["SELECT 1", "DROP TABLE public.victims"], GONE)
        .login(|login| login.parameter("search_path", "evil, pg_catalog, public")),
];

#[test]
fn no_call_hides_what_it_runs() {
    assault(&mut Ground::start(), CALLS);
}

#[test]
fn no_name_of_postgresqls_own_leads_elsewhere_unseen() {
    assault(&mut Ground::start(), SHADOWED);
}
