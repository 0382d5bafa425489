//! The places where a statement or an expression can stand inside a statement.
//!
//! Those of the grammar are read from it ([`super::generate::Generator::places`]), those of
//! PL/pgSQL are held against the list of what its compiler makes of a body. Some whole contexts that
//! take more than one of them are written by hand.

use std::collections::BTreeSet;
use std::fs;

use super::generate::{Sentence, text};
use super::grammar::libpg_query;

/// What a place of the grammar takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An expression.
    Value,
    /// A call of a function, and nothing else.
    Call,
    /// A query; in most such places DML too.
    Query,
    /// A query in parentheses.
    Subquery,
    /// A whole statement.
    Statement,
    /// What CREATE SCHEMA takes.
    Element,
}

/// The symbols that are filled.
pub const HOLDERS: &[(&str, Kind)] = &[
    ("a_expr", Kind::Value),
    ("b_expr", Kind::Value),
    ("c_expr", Kind::Value),
    ("func_expr", Kind::Call),
    ("func_expr_windowless", Kind::Call),
    ("func_application", Kind::Call),
    ("SelectStmt", Kind::Query),
    ("select_no_parens", Kind::Query),
    ("select_clause", Kind::Query),
    ("PreparableStmt", Kind::Query),
    ("ExplainableStmt", Kind::Query),
    ("RuleActionStmt", Kind::Query),
    ("select_with_parens", Kind::Subquery),
    ("stmt", Kind::Statement),
    ("toplevel_stmt", Kind::Statement),
    ("routine_body_stmt", Kind::Statement),
    ("schema_stmt", Kind::Element),
];

/// What may be put into a place.
pub struct Filling {
    /// By which it is found out whether the place takes such a thing.
    pub harmless: &'static str,
    pub effects: &'static [&'static str],
}

impl Kind {
    /// What may stand there while a context is grown, its tokens divided by blanks. What is in
    /// parentheses would not do where they are the place's own.
    pub fn samples(self) -> [&'static str; 2] {
        match self {
            Kind::Value => ["( SELECT 1 )", "COALESCE ( 1 )"],
            Kind::Subquery => ["( SELECT 1 )", "( SELECT 1 )"],
            Kind::Call => ["f ( )", "f ( )"],
            Kind::Query | Kind::Statement => ["SELECT 1", "SELECT 1"],
            Kind::Element => ["CREATE TABLE n ( )", "CREATE TABLE n ( )"],
        }
    }

    /// What is tried there.
    pub fn fillings(self) -> &'static [Filling] {
        match self {
            Kind::Value => VALUES,
            Kind::Call => CALLS,
            Kind::Query | Kind::Subquery => QUERIES,
            Kind::Statement => STATEMENTS,
            Kind::Element => ELEMENTS,
        }
    }

    /// A filling as it is written there.
    fn written(self, filling: &str) -> String {
        match self {
            Kind::Subquery => format!("({filling})"),
            _ => filling.to_owned(),
        }
    }
}

const VALUES: &[Filling] = &[
    Filling {
        harmless: "1",
        effects: &[
            "(nextval('q')::int)",
            "(SELECT lo_create(2)::int)",
            "h_write(1)",
            "h_pick('x'::text)",
            "(SELECT setval('q', 5)::int FROM x LIMIT 1)",
        ],
    },
    Filling {
        harmless: "(x)",
        effects: &["(x + nextval('q')::int)", "(SELECT nextval('q')::int + x)", "h_write(x)"],
    },
    Filling {
        harmless: "(true)",
        effects: &[
            "(nextval('q') > 0)",
            "EXISTS (SELECT nextval('q'))",
            "(SELECT pg_try_advisory_lock(1) AND lo_create(2) > 0)",
            "(h_write(1) > 0)",
            "(x IN (SELECT nextval('q')::int))",
        ],
    },
    Filling {
        harmless: "('x'::text)",
        effects: &[
            "(nextval('q')::text)",
            "(SELECT lo_create(2)::text)",
            "(h_write(1)::text)",
            "set_config('work_mem', '1MB', false)",
        ],
    },
    Filling {
        harmless: "('{}'::jsonb)",
        effects: &["to_jsonb(nextval('q'))", "(SELECT to_jsonb(h_write(1)))"],
    },
    Filling {
        harmless: "('<x/>'::xml)",
        effects: &["xmlparse(content nextval('q')::text)", "(SELECT xmlforest(h_write(1) AS x))"],
    },
    Filling {
        harmless: "('$'::jsonpath)",
        effects: &["(('$[' || nextval('q') || ']')::jsonpath)"],
    },
    Filling {
        harmless: "(ARRAY[1])",
        effects: &["(ARRAY[nextval('q')::int])", "ARRAY(SELECT nextval('q')::int)"],
    },
    Filling { harmless: "ROW(1, 1)", effects: &["ROW(nextval('q')::int, h_write(1))"] },
    Filling { harmless: "(now())", effects: &["(now() + nextval('q') * '1 s'::interval)"] },
    Filling { harmless: "('1 s'::interval)", effects: &["(nextval('q') * '1 s'::interval)"] },
    Filling { harmless: "('x'::bytea)", effects: &["(nextval('q')::text::bytea)"] },
];

const CALLS: &[Filling] = &[
    Filling {
        harmless: "f()",
        effects: &["lo_create(2)", "nextval('q')", "h_write(1)", "h_poly(now())"],
    },
    Filling { harmless: "x(1)", effects: &["nextval('q')", "h_write(1)", "h_rows()"] },
    Filling { harmless: "count(*)", effects: &["h_agg(1)", "count(nextval('q'))"] },
    Filling {
        harmless: "lower('x')",
        effects: &["set_config('work_mem', '1MB', false)", "lower(nextval('q')::text)"],
    },
    Filling { harmless: "p()", effects: &["h_call(1)", "p(nextval('q')::int)"] },
    Filling { harmless: "a(x)", effects: &["a(nextval('q')::int)", "h_agg(x)"] },
    Filling {
        harmless: "COALESCE(x, 1)",
        effects: &["COALESCE(nextval('q')::int, 1)", "GREATEST(h_write(1), 2)"],
    },
];

const QUERIES: &[Filling] = &[
    Filling {
        harmless: "SELECT 1",
        effects: &[
            "SELECT nextval('q')::int",
            "SELECT x FROM x FOR UPDATE",
            "SELECT h_write(1)",
            "WITH o AS (DELETE FROM x RETURNING x) SELECT x FROM o",
            "SELECT x INTO o FROM x",
            "SELECT x INTO TEMP o FROM x",
            "VALUES (nextval('q')::int)",
            "INSERT INTO x VALUES (7) RETURNING x",
            "UPDATE x SET y = 4 RETURNING x",
            "DELETE FROM x RETURNING x",
            "MERGE INTO x USING z ON x.x = z.x WHEN MATCHED THEN DELETE",
            "CREATE TABLE o AS SELECT 1",
            "CREATE MATERIALIZED VIEW o AS SELECT 1",
            "UPDATE alembic_version SET version_num = '1'",
            "NOTIFY x",
        ],
    },
    Filling {
        harmless: "SELECT x, y, z FROM x",
        effects: &[
            "SELECT nextval('q')::int, 1, 'x'",
            "SELECT x, y, z FROM x FOR SHARE",
            "WITH o AS (UPDATE x SET y = 3 RETURNING *) SELECT x, y, z FROM o",
            "VALUES (h_write(1), 1, 'x')",
        ],
    },
    Filling {
        harmless: "SELECT true",
        effects: &["SELECT nextval('q') > 0", "SELECT h_write(1) > 0"],
    },
    Filling {
        harmless: "SELECT 'x'::text",
        effects: &["SELECT nextval('q')::text", "SELECT query_to_xml('x', true, true, '')::text"],
    },
    Filling {
        harmless: "SELECT 1, 1",
        effects: &["SELECT 1, nextval('q')::int", "SELECT h_write(1), 1"],
    },
    Filling { harmless: "SELECT '{}'::jsonb", effects: &["SELECT to_jsonb(nextval('q'))"] },
];

const STATEMENTS: &[Filling] = &[Filling { harmless: "SELECT 1", effects: INNER }];
const ELEMENTS: &[Filling] = &[Filling {
    harmless: "CREATE TABLE o (x int)",
    effects: &["CREATE VIEW o AS SELECT nextval('q')", "GRANT SELECT ON x TO x"],
}];

/// A statement with a place of the grammar that is to be filled.
#[derive(Clone, Debug)]
pub struct Place {
    before: String,
    after: String,
    pub kind: Kind,
}

impl Place {
    /// These tokens of a sentence stand for what is put there.
    pub fn new(sentence: Sentence, (kind, from, to): (Kind, usize, usize)) -> Place {
        let mut before = sentence;
        let after = before.split_off(to);
        before.truncate(from);
        Place { before: text(&before), after: text(&after), kind }
    }

    /// The statement with this there.
    pub fn filled(&self, filling: &str) -> String {
        let filling = self.kind.written(filling);
        format!("{} {filling} {}", self.before, self.after).trim().to_owned()
    }
}

/// Statements that run with most of what a symbol may be: what stands before it and behind it.
pub const FRAMES: &[(&str, &str, &str)] = &[
    ("a_expr", "SELECT", "FROM x"),
    ("c_expr", "SELECT", "FROM x"),
    ("func_expr", "SELECT", "FROM x"),
    ("b_expr", "SELECT 1 BETWEEN", "AND 2"),
    ("b_expr", "SELECT 'x' BETWEEN", "AND 'y'"),
    ("b_expr", "SELECT true BETWEEN", "AND true"),
    ("Typename", "SELECT NULL ::", ""),
    ("row", "SELECT", "= ROW ( 1 , 1 )"),
    ("indirection", "SELECT n", "FROM ( SELECT ARRAY [ 1 ] ) o ( n )"),
    ("table_ref", "SELECT 1 FROM", ""),
    ("joined_table", "SELECT 1 FROM", ""),
    ("func_table", "SELECT 1 FROM", ""),
    ("xmltable", "SELECT 1 FROM", ""),
    (
        "xml_namespace_list",
        "SELECT * FROM XMLTABLE ( XMLNAMESPACES (",
        ") , 'x' PASSING '<x/>' COLUMNS n text )",
    ),
    (
        "xmltable_column_option_el",
        "SELECT * FROM XMLTABLE ( 'x' PASSING '<x/>' COLUMNS n text",
        ")",
    ),
    ("json_table_column_definition", "SELECT * FROM JSON_TABLE ( '[1]' , '$[*]' COLUMNS (", ") )"),
    ("tablesample_clause", "SELECT 1 FROM x", ""),
    ("join_qual", "SELECT 1 FROM x JOIN z", ""),
    ("sortby", "SELECT x , y , z FROM x ORDER BY", ""),
    ("group_by_item", "SELECT count ( * ) FROM x GROUP BY", ""),
    ("insert_rest", "INSERT INTO z", "ON CONFLICT DO NOTHING"),
    ("opt_on_conflict", "INSERT INTO z VALUES ( 1 , 1 , 'x' )", ""),
    ("set_clause_list", "UPDATE x SET", ""),
    ("merge_when_clause", "MERGE INTO x USING z ON x . x = z . x", ""),
    ("merge_update", "MERGE INTO x USING z ON x . x = z . x WHEN MATCHED THEN", ""),
    ("merge_insert", "MERGE INTO x USING z ON false WHEN NOT MATCHED THEN", ""),
    ("alter_table_cmds", "ALTER TABLE x", ""),
    ("index_params", "CREATE INDEX ON x (", ")"),
    ("index_including_params", "CREATE INDEX ON x ( x ) INCLUDE (", ")"),
    ("part_params", "CREATE TABLE n ( x int ) PARTITION BY range (", ")"),
    ("stats_params", "CREATE STATISTICS n ON", "FROM x"),
    ("PartitionBoundSpec", "CREATE TABLE n PARTITION OF p", ""),
    ("ColConstraintElem", "CREATE TABLE n ( n int", ")"),
    ("DomainConstraintElem", "CREATE DOMAIN n AS int", ""),
    ("ExclusionConstraintList", "CREATE TABLE n ( x int , EXCLUDE (", ") )"),
    (
        "func_args_with_defaults_list",
        "CREATE FUNCTION n (",
        ") RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ),
    (
        "routine_body_stmt",
        "CREATE FUNCTION n ( ) RETURNS int LANGUAGE sql BEGIN ATOMIC",
        "; SELECT 1 ; END",
    ),
    ("RuleActionStmt", "CREATE RULE n AS ON INSERT TO z DO ALSO", ""),
    ("TriggerWhen", "CREATE TRIGGER n BEFORE INSERT ON z FOR EACH ROW", "EXECUTE FUNCTION t ( )"),
    ("RowSecurityOptionalExpr", "CREATE POLICY n ON x", ""),
    ("RowSecurityOptionalWithCheck", "CREATE POLICY n ON x", ""),
];

/// Places that chance does not find, with `{}` for what is put there.
pub const BY_HAND: &[(Kind, &str)] = &[
    (Kind::Call, "CREATE TABLE n ( x int ) PARTITION BY range ( {} )"),
    (Kind::Call, "CREATE TABLE n ( x int ) PARTITION BY range ( {} , x )"),
    (Kind::Call, "CREATE TABLE n ( x int ) PARTITION BY range ( x , {} )"),
    (Kind::Value, "CREATE TABLE n ( x int ) PARTITION BY range ( ( {} ) )"),
    (Kind::Query, "CREATE RULE n AS ON INSERT TO x DO ALSO ( {} ; SELECT 1 )"),
    (Kind::Value, "SELECT * FROM JSON_TABLE ( {} , '$' COLUMNS ( x int PATH '$' ) )"),
    (Kind::Value, "SELECT * FROM x , LATERAL JSON_TABLE ( {} , '$' COLUMNS ( x int PATH '$' ) )"),
    (Kind::Value, "SELECT * FROM XMLTABLE ( 'x' PASSING '<x/>' COLUMNS n int path {} )"),
    (
        Kind::Value,
        "SELECT * FROM XMLTABLE ( 'x' PASSING '<x/>' COLUMNS n int DEFAULT {} path 'x' )",
    ),
    (
        Kind::Value,
        "SELECT * FROM XMLTABLE ( 'x' PASSING '<x/>' COLUMNS n int path 'x' DEFAULT {} )",
    ),
    (Kind::Value, "SELECT NOT between = {} FROM ( SELECT true ) x ( between )"),
    (Kind::Value, "SELECT x IN ( {} ) FROM x"),
    (Kind::Value, "SELECT x NOT IN ( {} ) FROM x"),
    (Kind::Value, "SELECT x = ANY ( {} ) FROM x"),
    (Kind::Value, "SELECT ( {} ) FROM x"),
    (Kind::Value, "SELECT ROW ( {} ) FROM x"),
    (Kind::Value, "SELECT ROW ( {} , now ( ) ) OVERLAPS ROW ( now ( ) , now ( ) )"),
    (Kind::Query, "WITH time AS ( {} ) TABLE time"),
    (Kind::Value, "SELECT n [ {} ] FROM ( SELECT ARRAY [ 1 ] ) o ( n )"),
    (Kind::Value, "SELECT n [ {} ] [ 1 ] FROM ( SELECT ARRAY [ 1 ] ) o ( n )"),
    (Kind::Value, "SELECT n [ 1 ] [ {} ] FROM ( SELECT ARRAY [ 1 ] ) o ( n )"),
    (Kind::Value, "SELECT ( ARRAY [ 1 ] ) [ {} ] FROM x"),
    (Kind::Value, "SELECT ( ARRAY [ 1 ] ) [ {} ] [ 1 ] FROM x"),
    (Kind::Value, "SELECT ( ARRAY [ 1 ] ) [ 1 ] [ {} ] FROM x"),
    (Kind::Value, "SELECT ( ARRAY [ 1 ] ) [ {} : 1 ] FROM x"),
    (Kind::Value, "SELECT ( ARRAY [ 1 ] ) [ 1 : {} ] FROM x"),
];

/// Each with `{}` for a statement. Those in which PostgreSQL's grammar refuses it are left out by
/// whoever parses them.
pub const PLACES: &[&str] = &[
    "EXPLAIN {}",
    "EXPLAIN ANALYZE {}",
    "EXPLAIN (ANALYZE false, VERBOSE) {}",
    "EXPLAIN (ANALYZE, COSTS off, TIMING off) {}",
    "EXPLAIN ANALYZE CREATE TABLE n AS {}",
    "PREPARE n AS {}",
    "PREPARE n AS {}; EXECUTE n",
    "PREPARE n AS {}; EXPLAIN ANALYZE EXECUTE n",
    "PREPARE n AS {}; CREATE TABLE n AS EXECUTE n",
    "DECLARE n CURSOR FOR {}",
    "DECLARE n CURSOR FOR {}; FETCH ALL FROM n",
    "COPY ({}) TO STDOUT",
    "CREATE TABLE n AS {}",
    "CREATE TEMP TABLE n AS {}",
    "CREATE MATERIALIZED VIEW n AS {}",
    "CREATE VIEW n AS {}",
    "CREATE TEMP VIEW n AS {}",
    "WITH n AS ({}) SELECT * FROM n",
    "WITH n AS MATERIALIZED ({}) SELECT 1",
    "WITH n AS (WITH o AS ({}) SELECT 1) SELECT 1 FROM n",
    "SELECT (WITH n AS ({}) SELECT 1 LIMIT 1)",
    "SELECT ({})",
    "SELECT ARRAY({})",
    "SELECT EXISTS ({})",
    "SELECT 1 WHERE 1 IN ({})",
    "SELECT * FROM ({}) AS n",
    "SELECT * FROM x, LATERAL ({}) AS n",
    "SELECT x FROM x ORDER BY ({} LIMIT 1)",
    "({}) UNION ALL ({})",
    "VALUES (({}))",
    "INSERT INTO x {}",
    "INSERT INTO x VALUES (({}))",
    "UPDATE x SET y = ({})",
    "DELETE FROM x WHERE y = ({})",
    "MERGE INTO x USING ({}) n ON false WHEN NOT MATCHED THEN DO NOTHING",
    "CREATE RULE n AS ON INSERT TO x DO ALSO {}",
    "CREATE RULE n AS ON DELETE TO x DO INSTEAD ({}; {})",
    "CREATE FUNCTION n() RETURNS void LANGUAGE sql BEGIN ATOMIC {}; END",
    "CREATE PROCEDURE n() LANGUAGE sql BEGIN ATOMIC {}; {}; END",
    "CREATE SCHEMA n {}",
    "CREATE SCHEMA n CREATE TABLE o (a int) {}",
    "DO $do$ BEGIN PERFORM * FROM ({}) AS n; END $do$",
    "DO $do$ DECLARE n int; BEGIN n := ({}); END $do$",
    "SELECT 1; {}",
    "{}; SELECT 1",
    "BEGIN; {}; ROLLBACK",
    "SAVEPOINT n; {}; RELEASE n",
    "SELECT query_to_xml($sql${}$sql$, true, false, '')",
    "SELECT * FROM ts_stat($sql${}$sql$)",
];

/// Statements with effects, for the places where one can stand.
pub const INNER: &[&str] = &[
    "SELECT 1",
    "SELECT x FROM x",
    "SELECT nextval('q')",
    "SELECT setval('q', 5)",
    "SELECT lo_create(2)",
    "SELECT x FROM x FOR UPDATE",
    "SELECT x INTO o FROM x",
    "SELECT x INTO TEMP o FROM x",
    "INSERT INTO x VALUES (7)",
    "INSERT INTO x VALUES (7) RETURNING x",
    "UPDATE x SET y = 4 RETURNING x",
    "DELETE FROM x RETURNING x",
    "MERGE INTO x USING z ON x.x = z.x WHEN MATCHED THEN DELETE",
    "WITH o AS (DELETE FROM x RETURNING x) SELECT x FROM o",
    "UPDATE alembic_version SET version_num = '1'",
    "UPDATE pg_class SET relname = 'o' WHERE relname = 'x'",
    "DELETE FROM pg_depend WHERE false",
    "CREATE TABLE o (a int)",
    "CREATE TEMP TABLE o (a int)",
    "CREATE TABLE o AS SELECT 1",
    "CREATE VIEW o AS SELECT 1",
    "CREATE INDEX ON x (y)",
    "CREATE SEQUENCE o",
    "GRANT SELECT ON x TO x",
    "TRUNCATE x",
    "DROP TABLE z",
    "ALTER TABLE x ADD o int",
    "NOTIFY x",
    "LOCK TABLE x",
    "REFRESH MATERIALIZED VIEW m",
    "CALL p()",
    "EXECUTE x",
    "FETCH x",
    "ANALYZE x",
    "SET search_path = x",
    "VALUES (nextval('q'))",
    "SELECT * FROM x, LATERAL (SELECT nextval('q')) n",
    "COMMENT ON TABLE x IS 'x'",
    "DO 'BEGIN CREATE TABLE o (a int); END'",
];

/// What a place of PL/pgSQL takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// Statements.
    Statements,
    Int,
    Bool,
    Text,
    Array,
    /// A query of one column `int`.
    Query,
}

impl Wants {
    /// What is put there.
    pub fn effects(self) -> &'static [&'static str] {
        match self {
            Wants::Statements => &[
                "INSERT INTO x VALUES (7)",
                "PERFORM nextval('q')",
                "CREATE TABLE o (a int)",
                "TRUNCATE x",
                "CALL h_call(1)",
                "EXECUTE 'CREATE TABLE o (a int)'",
            ],
            Wants::Int => &["nextval('q')", "(SELECT h_write(1))", "lo_create(2)::int"],
            Wants::Bool => &["nextval('q') > 0", "EXISTS (SELECT h_write(1))"],
            Wants::Text => &["nextval('q')::text", "(SELECT h_write(1)::text)"],
            Wants::Array => &["ARRAY[nextval('q')]", "ARRAY(SELECT h_write(1))"],
            Wants::Query => &[
                "SELECT nextval('q')::int",
                "SELECT x FROM x FOR UPDATE",
                "INSERT INTO x VALUES (7) RETURNING x",
                "WITH o AS (DELETE FROM x RETURNING x) SELECT x FROM o",
            ],
        }
    }

    /// What holds the word `here`.
    fn marked(self) -> &'static str {
        match self {
            Wants::Statements => "DELETE FROM here",
            Wants::Query => "SELECT here",
            _ => "here",
        }
    }
}

/// Bodies with `{}` for what they want, each with what a function of it returns. Those of `void` and
/// no other run as a DO block too.
pub const PLPGSQL: &[(&str, Wants, &str)] = &[
    ("void", Wants::Statements, "BEGIN {}; END"),
    ("void", Wants::Statements, "BEGIN PERFORM 1; BEGIN {}; END; END"),
    ("void", Wants::Statements, "BEGIN PERFORM 1/0; EXCEPTION WHEN others THEN {}; END"),
    (
        "void",
        Wants::Statements,
        "BEGIN PERFORM 1/0; EXCEPTION WHEN unique_violation THEN NULL; WHEN division_by_zero THEN {}; END",
    ),
    ("void", Wants::Statements, "BEGIN IF true THEN {}; END IF; END"),
    ("void", Wants::Statements, "BEGIN IF false THEN NULL; ELSIF true THEN {}; END IF; END"),
    ("void", Wants::Statements, "BEGIN IF false THEN NULL; ELSE {}; END IF; END"),
    ("void", Wants::Bool, "BEGIN IF {} THEN NULL; END IF; END"),
    ("void", Wants::Bool, "BEGIN IF false THEN NULL; ELSIF {} THEN NULL; END IF; END"),
    ("void", Wants::Int, "BEGIN CASE {} WHEN 77 THEN NULL; ELSE NULL; END CASE; END"),
    ("void", Wants::Int, "BEGIN CASE 1 WHEN {} THEN NULL; ELSE NULL; END CASE; END"),
    ("void", Wants::Bool, "BEGIN CASE WHEN {} THEN NULL; ELSE NULL; END CASE; END"),
    ("void", Wants::Statements, "BEGIN CASE 1 WHEN 1 THEN {}; END CASE; END"),
    ("void", Wants::Statements, "BEGIN CASE 1 WHEN 2 THEN NULL; ELSE {}; END CASE; END"),
    ("void", Wants::Statements, "BEGIN LOOP {}; EXIT; END LOOP; END"),
    ("void", Wants::Bool, "BEGIN WHILE {} LOOP EXIT; END LOOP; END"),
    ("void", Wants::Statements, "BEGIN WHILE true LOOP {}; EXIT; END LOOP; END"),
    ("void", Wants::Int, "BEGIN FOR n IN {} .. 99 LOOP EXIT; END LOOP; END"),
    ("void", Wants::Int, "BEGIN FOR n IN 1 .. {} LOOP EXIT; END LOOP; END"),
    ("void", Wants::Int, "BEGIN FOR n IN REVERSE 9 .. 1 BY {} LOOP EXIT; END LOOP; END"),
    ("void", Wants::Statements, "BEGIN FOR n IN 1 .. 1 LOOP {}; END LOOP; END"),
    ("void", Wants::Query, "DECLARE n record; BEGIN FOR n IN {} LOOP NULL; END LOOP; END"),
    ("void", Wants::Statements, "DECLARE n record; BEGIN FOR n IN SELECT 1 LOOP {}; END LOOP; END"),
    (
        "void",
        Wants::Int,
        "DECLARE n CURSOR (a int) FOR SELECT a; BEGIN FOR o IN n ({}) LOOP NULL; END LOOP; END",
    ),
    (
        "void",
        Wants::Statements,
        "DECLARE n CURSOR FOR SELECT 1; BEGIN FOR o IN n LOOP {}; END LOOP; END",
    ),
    ("void", Wants::Query, "DECLARE n CURSOR FOR {}; BEGIN FOR o IN n LOOP NULL; END LOOP; END"),
    ("void", Wants::Query, "DECLARE n CURSOR FOR {}; BEGIN OPEN n; MOVE ALL IN n; CLOSE n; END"),
    ("void", Wants::Int, "DECLARE n CURSOR (a int) FOR SELECT a; BEGIN OPEN n ({}); CLOSE n; END"),
    ("void", Wants::Query, "DECLARE n refcursor; BEGIN OPEN n FOR {}; MOVE ALL IN n; END"),
    (
        "void",
        Wants::Text,
        "DECLARE n refcursor; BEGIN OPEN n FOR EXECUTE 'SELECT ' || length({}); CLOSE n; END",
    ),
    (
        "void",
        Wants::Int,
        "DECLARE n refcursor; BEGIN OPEN n FOR EXECUTE 'SELECT $1' USING {}; CLOSE n; END",
    ),
    (
        "void",
        Wants::Int,
        "DECLARE n CURSOR FOR SELECT 1; o int; BEGIN OPEN n; FETCH RELATIVE {} FROM n INTO o; END",
    ),
    ("void", Wants::Array, "DECLARE n int; BEGIN FOREACH n IN ARRAY {} LOOP NULL; END LOOP; END"),
    (
        "void",
        Wants::Statements,
        "DECLARE n int; BEGIN FOREACH n IN ARRAY ARRAY[1] LOOP {}; END LOOP; END",
    ),
    ("void", Wants::Int, "DECLARE n int = {}; BEGIN RETURN; END"),
    ("void", Wants::Int, "DECLARE n CONSTANT int NOT NULL DEFAULT {}; BEGIN RETURN; END"),
    ("void", Wants::Query, "DECLARE n record = ROW(({})); BEGIN RETURN; END"),
    ("void", Wants::Int, "DECLARE n int; BEGIN n := {}; END"),
    ("void", Wants::Int, "DECLARE n int[]; BEGIN n[{}] := 1; END"),
    ("void", Wants::Int, "DECLARE n c; BEGIN n.x = {}; END"),
    ("void", Wants::Int, "DECLARE n int; BEGIN SELECT {} INTO n; END"),
    ("void", Wants::Query, "DECLARE n int; BEGIN n := ({}); END"),
    ("void", Wants::Int, "BEGIN PERFORM {}; END"),
    ("void", Wants::Int, "BEGIN PERFORM 1 FROM x WHERE x = {}; END"),
    ("void", Wants::Int, "BEGIN CALL p({}::int); END"),
    ("void", Wants::Text, "BEGIN EXECUTE 'SELECT ' || length({}); END"),
    ("void", Wants::Int, "BEGIN EXECUTE 'SELECT $1' USING {}; END"),
    (
        "void",
        Wants::Text,
        "DECLARE n int; BEGIN FOR n IN EXECUTE 'SELECT ' || length({}) LOOP NULL; END LOOP; END",
    ),
    (
        "void",
        Wants::Int,
        "DECLARE n int; BEGIN FOR n IN EXECUTE 'SELECT $1' USING {} LOOP NULL; END LOOP; END",
    ),
    (
        "void",
        Wants::Statements,
        "DECLARE n int; BEGIN FOR n IN EXECUTE 'SELECT 1' LOOP {}; END LOOP; END",
    ),
    ("void", Wants::Bool, "BEGIN LOOP EXIT WHEN {}; END LOOP; END"),
    ("void", Wants::Bool, "BEGIN FOR n IN 1 .. 2 LOOP CONTINUE WHEN {}; END LOOP; END"),
    ("void", Wants::Int, "BEGIN RAISE NOTICE '%', {}; END"),
    ("void", Wants::Text, "BEGIN RAISE NOTICE USING MESSAGE = {}; END"),
    ("void", Wants::Text, "BEGIN RAISE NOTICE 'x' USING HINT = 'x', DETAIL = {}; END"),
    ("void", Wants::Bool, "BEGIN ASSERT {}; END"),
    ("void", Wants::Text, "BEGIN ASSERT false, {}; EXCEPTION WHEN others THEN NULL; END"),
    ("void", Wants::Int, "DECLARE n int; BEGIN PERFORM {}; GET DIAGNOSTICS n = ROW_COUNT; END"),
    ("int", Wants::Int, "BEGIN RETURN {}; END"),
    ("SETOF int", Wants::Int, "BEGIN RETURN NEXT {}; END"),
    ("SETOF int", Wants::Query, "BEGIN RETURN QUERY {}; END"),
    ("SETOF int", Wants::Text, "BEGIN RETURN QUERY EXECUTE 'SELECT ' || length({}); END"),
    ("SETOF int", Wants::Int, "BEGIN RETURN QUERY EXECUTE 'SELECT $1' USING {}; END"),
];

/// Bodies of the SQL standard, and the strings of SQL functions, in the same manner.
const SQL: &[(&str, Wants, &str)] = &[
    ("int", Wants::Int, "RETURN ({})::int"),
    ("int", Wants::Query, "BEGIN ATOMIC {}; END"),
    ("int", Wants::Query, "BEGIN ATOMIC {}; SELECT 1; END"),
    ("int", Wants::Int, "BEGIN ATOMIC SELECT ({})::int; END"),
    ("int", Wants::Int, "AS $do$ SELECT ({})::int $do$"),
    ("int", Wants::Query, "AS $do$ {}; SELECT 1 $do$"),
    ("SETOF int", Wants::Query, "AS $do$ {} $do$"),
];

/// Contexts for a statement: those by hand, and DO blocks.
pub fn contexts() -> Vec<String> {
    let takes = |wants: &Wants| matches!(wants, Wants::Statements | Wants::Query);
    let bodies = PLPGSQL.iter().filter(|(returns, wants, _)| *returns == "void" && takes(wants));
    let blocks = bodies.map(|(_, _, body)| format!("DO $do$ {body} $do$"));
    PLACES.iter().map(|place| (*place).to_owned()).chain(blocks).collect()
}

/// DO blocks with effects.
pub fn blocks() -> Vec<String> {
    let bodies = PLPGSQL.iter().filter(|(returns, ..)| *returns == "void");
    bodies
        .flat_map(|(_, wants, body)| {
            let whole = |effect: &&str| format!("DO $do$ {} $do$", nested(body, effect));
            wants.effects().iter().map(whole)
        })
        .collect()
}

/// Functions with all these bodies, to be made in a database, each with a statement that calls it.
pub fn functions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (language, list) in [("plpgsql", PLPGSQL), ("sql", SQL)] {
        for (returns, wants, body) in list {
            for effect in wants.effects() {
                let name = format!("h_body_{}", found.len());
                let body = match language {
                    "plpgsql" => format!("AS $do$ {} $do$", nested(body, effect)),
                    _ => nested(body, effect),
                };
                let made = format!(
                    "CREATE FUNCTION {name}() RETURNS {returns} LANGUAGE {language} {body}"
                );
                found.push((made, format!("SELECT * FROM {name}()")));
            }
        }
    }
    found
}

/// What PL/pgSQL's compiler makes of a body: nodes, and those of their fields that hold expressions
/// or statements.
pub fn places_of_plpgsql() -> BTreeSet<(String, String)> {
    let source = libpg_query().join("src/pg_query_json_plpgsql.c");
    let text = fs::read_to_string(source).unwrap();
    let argument = |line: &str, name: &str| {
        let rest = line.trim().strip_prefix(name)?.strip_prefix('(')?;
        Some(rest.split([',', ')']).next()?.trim_matches('"').to_owned())
    };
    let (mut found, mut node) = (BTreeSet::new(), String::new());
    for line in text.lines() {
        if let Some(name) = argument(line, "WRITE_NODE_TYPE") {
            node = name;
        }
        let lists = line.contains("PLpgSQL_expr,").then(|| argument(line, "WRITE_LIST_FIELD"));
        let fields =
            ["WRITE_EXPR_FIELD", "WRITE_STATEMENTS_FIELD"].map(|name| argument(line, name));
        for field in fields.into_iter().chain([lists.flatten()]).flatten() {
            found.insert((node.clone(), field));
        }
    }
    found
}

/// Those of them at which the bodies above have their place.
pub fn places_of_bodies() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (returns, wants, body) in PLPGSQL {
        let body = nested(body, wants.marked());
        let text =
            format!("CREATE FUNCTION n() RETURNS {returns} LANGUAGE plpgsql AS $do$ {body} $do$");
        let tree = pg_query::parse_plpgsql(&text).unwrap_or_else(|e| panic!("{body}\n{e}"));
        let before = found.len();
        note(&tree, &mut Vec::new(), &mut found);
        assert!(before <= found.len() && text.contains("here"), "{body}");
    }
    found
}

/// Notes the nodes and fields on the way to every text with the mark in it.
fn note(
    tree: &serde_json::Value,
    way: &mut Vec<(String, String)>,
    found: &mut BTreeSet<(String, String)>,
) {
    match tree {
        serde_json::Value::String(text) if text.contains("here") => {
            found.extend(way.iter().cloned());
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| note(item, way, found)),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_object().filter(|_| name.starts_with("PLpgSQL_")) {
                    Some(fields) => {
                        for (field, value) in fields {
                            way.push((name.clone(), field.clone()));
                            note(value, way, found);
                            way.pop();
                        }
                    }
                    None => note(value, way, found),
                }
            }
        }
        _ => {}
    }
}

/// A statement at a place.
pub fn nested(place: &str, statement: &str) -> String {
    place.replace("{}", statement.trim_end_matches([';', ' ']))
}
