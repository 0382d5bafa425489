//! The catalog against real servers: what a statement runs through routines, views, triggers,
//! types and operators is never judged weaker than what the server is seen to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

#[path = "routines/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path as File;
use std::sync::Arc;

use pgauthority::sql::catalog::{Catalog, Options, Path, Resolved, Row, Trusted};
use pgauthority::sql::routines::{Routine, lookup};
use pgauthority::sql::{Class, Judgement, judge};
use support::wire::Frames;
use support::{Cluster, Login, Major, Wire};

const WATCH: &str = "
    CREATE SCHEMA oracle; GRANT USAGE ON SCHEMA oracle TO PUBLIC;
    CREATE FUNCTION oracle.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE WARNING 'fired: %', tg_tag; END $$;
    CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION oracle.note();";

fn read(name: &str) -> String {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/routines");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn options(trusted: &[&str]) -> Options {
    let tables: BTreeSet<String> = ["alembic_version".to_owned()].into();
    Options {
        migration_tables: Arc::new(tables),
        trusted: trusted.iter().map(|text| Trusted::parse(text).unwrap()).collect(),
    }
}

fn judged(text: &str) -> Judgement {
    judge(text.as_bytes(), &options(&[]).migration_tables)
}

fn rows(wire: &mut Wire) -> Vec<Row> {
    let bytes = |column: Option<String>| column.map(String::into_bytes);
    let rows = wire.sql(Catalog::QUERY);
    rows.into_iter().map(|row| row.into_iter().map(bytes).collect()).collect()
}

fn snapshot(wire: &mut Wire, options: &Options) -> Catalog {
    Catalog::build(rows(wire), options).unwrap()
}

fn public() -> Path {
    Path::of_setting("public", None)
}

/// What all statements of a text are together.
fn resolved(catalog: &Catalog, text: &str, path: &Path, backstop: bool) -> Resolved {
    let judgement = judged(text);
    let all = judgement.statements.iter().map(|one| catalog.resolve(one, path, backstop));
    all.max_by_key(|resolved| resolved.class).unwrap()
}

/// The event triggers that a statement fired, and its error code.
fn run(wire: &mut Wire, statement: &str) -> (Vec<String>, Option<String>) {
    outcome(wire, &Frames::new().query(statement))
}

fn outcome(wire: &mut Wire, frames: &Frames) -> (Vec<String>, Option<String>) {
    let (mut fired, mut code) = (Vec::new(), None);
    for message in wire.exchange(frames) {
        match message.tag {
            b'N' => {
                fired.extend(message.fields().message().strip_prefix("fired: ").map(str::to_owned))
            }
            b'E' => code = Some(message.fields().code().to_owned()),
            _ => {}
        }
    }
    (fired, code)
}

struct Case {
    known: String,
    unknown: String,
    /// It is seen to do what it is judged by.
    fires: bool,
    statement: String,
}

fn cases(file: &str) -> Vec<Case> {
    let table = read(file);
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (classes, statement) = line.split_once('\t').unwrap();
            let (classes, fires) =
                classes.strip_suffix('!').map_or((classes, false), |classes| (classes, true));
            let (known, unknown) = classes.split_once('/').unwrap_or((classes, classes));
            let (known, unknown, statement) = (known.into(), unknown.into(), statement.into());
            Case { known, unknown, fires, statement }
        })
        .collect()
}

#[test]
fn nothing_is_judged_weaker_than_what_the_server_does() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).setting("statement_timeout", "5s").start();
        let mut wire = cluster.connect("app");
        wire.sql(&read("schema.sql"));
        let mut all = cases("cases.tsv");
        if major == Major::V18 {
            wire.sql(&read("schema_18.sql"));
            all.extend(cases("cases_18.tsv"));
        }
        let catalog = snapshot(&mut wire, &options(&[]));
        wire.sql(WATCH);
        // row security does not apply to superusers
        wire.sql("GRANT CREATE ON SCHEMA public, lib TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC");
        let mut plain = Wire::tcp(
            cluster.port(),
            &Login::new("app", "app").password(support::cluster::PASSWORD),
        )
        .unwrap();
        for wire in [&mut wire, &mut plain] {
            wire.sql("SET search_path = public");
        }
        let (mut wrong, mut fires, mut refused) = (String::new(), 0, 0);
        for Case { known, unknown, fires: must_fire, statement } in all {
            let mut fires_here = false;
            for (path, expected) in [(public(), known), (Path::Unknown, unknown)] {
                let found = resolved(&catalog, &statement, &path, false);
                if found.class.as_str() != expected {
                    let Resolved { class, reason, .. } = &found;
                    writeln!(wrong, "{statement}\n  {path:?}: {class}, not {expected}: {reason}")
                        .unwrap();
                }
            }
            let found = resolved(&catalog, &statement, &public(), false);
            for wire in [&mut wire, &mut plain] {
                let simple = Frames::new().query(&statement);
                let extended = Frames::new().run(&statement, &[]).sync();
                let mut fired = Vec::new();
                for frames in [simple, extended] {
                    run(wire, "BEGIN");
                    let (more, _) = outcome(wire, &frames);
                    fired.extend(more);
                    run(wire, "ROLLBACK");
                    run(wire, "DEALLOCATE ALL");
                }
                fires_here |= !fired.is_empty();
                run(wire, "BEGIN READ ONLY");
                let (_, code) = run(wire, &statement);
                run(wire, "ROLLBACK");
                run(wire, "DEALLOCATE ALL");
                fires += usize::from(!fired.is_empty());
                refused += usize::from(code.as_deref() == Some("25006"));
                let temporary =
                    fired.iter().all(|_| statement.contains("TEMP") || statement.contains("temp"));
                if !fired.is_empty() && found.class < Class::Ddl && !temporary
                    || code.as_deref() == Some("25006") && found.class <= Class::Read
                {
                    writeln!(wrong, "{statement}\n  is {found:?}, does {fired:?} {code:?}")
                        .unwrap();
                }
            }
            if must_fire && !fires_here {
                writeln!(wrong, "{statement}\n  fires nothing").unwrap();
            }
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(fires > 100 && refused > 100, "{fires} fired, {refused} were refused");
    }
}

/// What a statement runs that finds it by a type or by an operator: it is the database's affair, so
/// each has its own. What is to be `read` beside it stands behind `reads`.
struct Unnamed {
    setup: &'static str,
    runs: &'static [&'static str],
    reads: &'static [&'static str],
}

const COMPARES: &str = "
    CREATE SCHEMA other; CREATE TABLE ints (a int); INSERT INTO ints SELECT i FROM generate_series(1, 50) i;
    CREATE TABLE texts (a text); INSERT INTO texts VALUES ('a'), ('b');
    CREATE FUNCTION ddl() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN CREATE TABLE public.made (a int); DROP TABLE public.made; RETURN 1; END $$;
    CREATE FUNCTION compare(int, int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN PERFORM public.ddl(); RETURN btint4cmp($1, $2); END $$;
    CREATE FUNCTION hash(int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RETURN $1 * public.ddl(); END $$;
    CREATE FUNCTION less(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'int4lt';
    CREATE FUNCTION same(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'int4eq';
    CREATE FUNCTION more(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'int4gt';
    CREATE OPERATOR <## (FUNCTION = less, LEFTARG = int, RIGHTARG = int, COMMUTATOR = >##);
    CREATE OPERATOR =## (FUNCTION = same, LEFTARG = int, RIGHTARG = int, COMMUTATOR = =##,
        HASHES, MERGES, RESTRICT = eqsel, JOIN = eqjoinsel);
    CREATE OPERATOR >## (FUNCTION = more, LEFTARG = int, RIGHTARG = int, COMMUTATOR = <##);";

const UNNAMED: &[Unnamed] = &[
    Unnamed {
        setup: "
            CREATE FUNCTION compare(json, json) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN bttextcmp($1::text, $2::text); END $$;
            CREATE FUNCTION less(json, json) RETURNS boolean LANGUAGE sql IMMUTABLE AS
                'SELECT $1::text < $2::text';
            CREATE FUNCTION same(json, json) RETURNS boolean LANGUAGE sql IMMUTABLE AS
                'SELECT $1::text = $2::text';
            CREATE FUNCTION more(json, json) RETURNS boolean LANGUAGE sql IMMUTABLE AS
                'SELECT $1::text > $2::text';
            CREATE OPERATOR <## (FUNCTION = less, LEFTARG = json, RIGHTARG = json);
            CREATE OPERATOR =## (FUNCTION = same, LEFTARG = json, RIGHTARG = json);
            CREATE OPERATOR >## (FUNCTION = more, LEFTARG = json, RIGHTARG = json);
            CREATE OPERATOR CLASS json_ops DEFAULT FOR TYPE json USING btree AS
                OPERATOR 1 <##, OPERATOR 3 =##, OPERATOR 5 >##, FUNCTION 1 compare(json, json);
            CREATE TABLE docs (j json); INSERT INTO docs VALUES ('1'), ('2'), ('1');
            CREATE VIEW sorted AS SELECT j FROM docs GROUP BY j",
        runs: &[
            "SELECT j FROM docs ORDER BY j",
            "SELECT DISTINCT j FROM docs",
            "SELECT j FROM docs UNION SELECT j FROM docs",
            "SELECT GREATEST(j, '2') FROM docs",
            "EXPLAIN SELECT GREATEST('1'::json, '2')",
            "SELECT count(DISTINCT j) FROM docs",
            "SELECT row_number() OVER (PARTITION BY j) FROM docs",
            "TABLE sorted",
            "ANALYZE docs",
            "SELECT JSON '1' UNION SELECT JSON '2'",
        ],
        reads: &[],
    },
    Unnamed {
        setup: "
            CREATE FUNCTION is_near(text, text, int, boolean, boolean) RETURNS boolean
                LANGUAGE plpgsql AS $$ BEGIN PERFORM public.ddl(); RETURN true; END $$;
            ALTER OPERATOR FAMILY text_ops USING btree ADD
                FUNCTION 3 (text, int) is_near(text, text, int, boolean, boolean)",
        runs: &[
            "SELECT count(*) OVER (ORDER BY a RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM texts",
        ],
        reads: &[],
    },
    Unnamed {
        setup: "
            CREATE FUNCTION hash(point) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN RETURN public.ddl(); END $$;
            CREATE FUNCTION same(point, point) RETURNS boolean LANGUAGE sql IMMUTABLE AS
                'SELECT $1 ~= $2';
            CREATE OPERATOR =## (FUNCTION = same, LEFTARG = point, RIGHTARG = point, HASHES);
            CREATE OPERATOR CLASS point_ops DEFAULT FOR TYPE point USING hash AS
                OPERATOR 1 =##, FUNCTION 1 hash(point);
            CREATE TABLE points (p point); INSERT INTO points VALUES ('(1,1)'), ('(2,2)')",
        runs: &[
            "SELECT DISTINCT p FROM points",
            "SELECT p, count(*) FROM points GROUP BY p",
            "SELECT p FROM points UNION SELECT p FROM points",
            "SELECT DISTINCT ARRAY[p] FROM points",
            "SELECT DISTINCT point '(1,1)'",
        ],
        reads: &[],
    },
    // one that is like another type may have an order of its own
    Unnamed {
        setup: "
            CREATE FUNCTION compare(varchar, varchar) RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN bttextcmp($1, $2); END $$;
            CREATE OPERATOR CLASS varchar_order DEFAULT FOR TYPE varchar USING btree AS
                FUNCTION 1 compare(varchar, varchar);
            CREATE VIEW greatest_of AS SELECT GREATEST(a::varchar, 'b') FROM texts",
        runs: &["SELECT GREATEST(a::varchar, 'b') FROM texts", "TABLE greatest_of"],
        reads: &[],
    },
    Unnamed {
        setup: "
            CREATE OPERATOR CLASS own_order FOR TYPE int4 USING btree AS
                OPERATOR 1 <##, OPERATOR 3 =##, OPERATOR 5 >##, FUNCTION 1 compare(int, int);
            CREATE VIEW sorted AS SELECT a FROM ints ORDER BY a USING <##;
            CREATE AGGREGATE lowest(int) (SFUNC = int4smaller, STYPE = int, SORTOP = <##)",
        runs: &[
            "SELECT a FROM ints ORDER BY a USING <##",
            "SELECT a FROM (VALUES (2), (1)) v (a) ORDER BY a USING >##",
            "SELECT array_agg(a ORDER BY a USING <##) FROM ints",
            "SELECT * FROM ints WHERE (a, a) <## (1, 2)",
            "TABLE sorted",
        ],
        reads: &[
            "SELECT a FROM texts ORDER BY a",
            "SELECT DISTINCT 1 + 1, GREATEST(1, 2), count(*) FROM texts WHERE a < 'b'",
        ],
    },
    Unnamed {
        setup: "
            CREATE OPERATOR CLASS own_hash FOR TYPE int4 USING hash AS
                OPERATOR 1 =##, FUNCTION 1 hash(int); ANALYZE ints",
        runs: &[
            "SELECT count(*) FROM ints WHERE a =## ANY (ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])",
            "SELECT count(*) FROM ints x JOIN ints y ON x.a =## y.a",
        ],
        reads: &[
            "SELECT DISTINCT a FROM ints WHERE a = 1 ORDER BY a",
            "SELECT count(*) FROM ints x JOIN ints y ON x.a = y.a",
        ],
    },
    // of the families that have an operator, PostgreSQL takes any
    Unnamed {
        setup: "
            CREATE OPERATOR CLASS own_order FOR TYPE int4 USING btree AS OPERATOR 1 <,
                OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(int, int);
            CREATE TABLE ordered (a int); INSERT INTO ordered VALUES (1), (2);
            CREATE INDEX ON ordered (a own_order)",
        runs: &["INSERT INTO ordered VALUES (3)"],
        reads: &[],
    },
    // classes that a temporary relation takes by name
    Unnamed {
        setup: "
            CREATE OPERATOR CLASS int_ops FOR TYPE int4 USING btree AS OPERATOR 1 <##,
                OPERATOR 2 <=, OPERATOR 3 =##, OPERATOR 4 >=, OPERATOR 5 >##,
                FUNCTION 1 compare(int, int);
            CREATE TEMP TABLE ix AS SELECT a FROM ints",
        runs: &[
            "CREATE INDEX ON pg_temp.ix (a int_ops)",
            "ALTER TABLE pg_temp.ix ADD EXCLUDE USING btree (a int_ops WITH =##)",
            "CREATE TEMP TABLE ix2 (a int, EXCLUDE USING btree (a public.int_ops WITH =##))",
            "CREATE TEMP TABLE ix2 (a int) PARTITION BY RANGE (a public.int_ops)",
        ],
        reads: &[],
    },
    // what a temporary relation leads to counts for what makes it
    Unnamed {
        setup: "
            CREATE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN NEW; END $$;
            CREATE TABLE triggered (a int);
            CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION on_insert();
            CREATE VIEW through AS SELECT a FROM triggered;
            CREATE DOMAIN checked AS int CHECK (public.ddl() > 0);
            CREATE TABLE domains (a checked);
            CREATE TABLE defaults (a int, b int DEFAULT public.ddl());
            CREATE FUNCTION fills() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                CREATE TEMP VIEW ints AS TABLE through; INSERT INTO ints VALUES (1);
                RETURN 1; END $$;
            CREATE TEMP VIEW named AS SELECT a FROM triggered",
        runs: &[
            "CREATE TEMP VIEW v AS SELECT a FROM triggered WHERE a > 0 ORDER BY a",
            "CREATE OR REPLACE TEMP VIEW v AS TABLE ONLY through",
            "CREATE VIEW pg_temp.ints AS SELECT a FROM triggered AS ints (a)",
            "ALTER VIEW pg_temp.named RENAME TO ints",
            "ALTER INDEX pg_temp.named RENAME TO ints",
            "DO $$ BEGIN CREATE TEMP VIEW v AS TABLE through; INSERT INTO v VALUES (1); END $$",
            "DO $$ BEGIN CREATE TEMP TABLE v AS SELECT a FROM domains; INSERT INTO v VALUES (1); END $$",
            "DO $$ BEGIN CREATE TEMP TABLE v (LIKE defaults INCLUDING ALL); \
             INSERT INTO v (a) VALUES (1); END $$",
            "SELECT fills()",
        ],
        reads: &["SELECT a FROM triggered, domains, defaults", "TABLE through"],
    },
    // what makes something temporary fires event triggers, whatever else it does
    Unnamed {
        setup: "
            CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
                $$ BEGIN CREATE SEQUENCE public.made; DROP SEQUENCE public.made; END $$;
            CREATE SEQUENCE numbers;
            CREATE EVENT TRIGGER own ON ddl_command_start
                WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW')
                EXECUTE FUNCTION on_ddl()",
        runs: &[
            "DO $$ BEGIN CREATE TEMP TABLE v (a int); INSERT INTO v VALUES (1); END $$",
            "DO $$ BEGIN CREATE TEMP TABLE v (a int); PERFORM pg_notify('a', 'b'); END $$",
            "CREATE TEMP TABLE v AS SELECT nextval('numbers')",
            "SELECT nextval('numbers') INTO TEMP v",
            "CREATE TEMP VIEW v AS SELECT nextval('numbers')",
            "CREATE TEMP TABLE v (a int DEFAULT nextval('numbers'))",
        ],
        reads: &["SELECT a FROM ints"],
    },
    // built-ins in SQL cast what they are given to text, as if that was written
    Unnamed {
        setup: "
            CREATE TYPE en AS ENUM ('a', 'b');
            CREATE FUNCTION said(en) RETURNS text LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN 'x'; END $$;
            CREATE CAST (en AS text) WITH FUNCTION said(en);
            CREATE TABLE ens (e en); INSERT INTO ens VALUES ('a');
            CREATE VIEW joined AS SELECT 'x' || e AS x FROM ens;
            CREATE VIEW quoted AS SELECT quote_literal(e) AS x FROM ens;
            CREATE FUNCTION atomic() RETURNS text STABLE BEGIN ATOMIC SELECT quote_nullable('a'::en); END;
            CREATE FUNCTION body() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'a'::en || 'x'::text $$;
            CREATE FUNCTION defaulted(a text DEFAULT 'x' || 'a'::en) RETURNS int LANGUAGE plpgsql STABLE AS
                $$ BEGIN RETURN 1; END $$;
            CREATE TABLE kept (a int, CHECK ('x' || 'a'::en <> 'y'));
            CREATE TABLE filled (a int, b text DEFAULT 'x' || 'a'::en);
            CREATE AGGREGATE glued(en) (SFUNC = textanycat, STYPE = text, INITCOND = '');
            CREATE OPERATOR |+| (FUNCTION = textanycat, LEFTARG = text, RIGHTARG = anynonarray)",
        runs: &[
            "SELECT 'x' || e FROM ens",
            "SELECT e || 'x'::text FROM ens",
            "SELECT 'x' OPERATOR(pg_catalog.||) 'a'::en",
            "SELECT quote_literal(e) FROM ens",
            "SELECT pg_catalog.quote_nullable(e) FROM ens",
            "SELECT textanycat('x', e), anytextcat(e, 'x') FROM ens",
            "SELECT (e).quote_nullable FROM ens",
            "SELECT x.quote_literal FROM unnest(ARRAY['a'::en]) x",
            "SELECT 1 FROM ens ORDER BY 'x' || e",
            "TABLE joined",
            "TABLE quoted",
            "SELECT atomic()",
            "SELECT body()",
            "SELECT defaulted()",
            "INSERT INTO kept VALUES (1)",
            "INSERT INTO filled VALUES (1)",
            "SELECT glued(e) FROM ens",
            "SELECT 'x' |+| e FROM ens",
            "DO $$ DECLARE x en := 'a'; y text; BEGIN y := quote_literal(x); END $$",
        ],
        reads: &[
            "SELECT e FROM ens WHERE e = 'a' ORDER BY e",
            "SELECT concat(e, 'x'), concat_ws(',', e), format('%s %L %I', e, e, e) FROM ens",
            "SELECT json_build_object('a', e), array_to_string(ARRAY[e], ','), xmlelement(NAME a, e) FROM ens",
            "EXPLAIN SELECT 'x' || e FROM ens",
        ],
    },
    // a cast that is called IMMUTABLE is planned: one that is STRICT, as the built-ins are, is put in line
    Unnamed {
        setup: "
            CREATE TYPE en AS ENUM ('a', 'b');
            CREATE FUNCTION said(en) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS
                $$ BEGIN RETURN 'x'; END $$;
            CREATE CAST (en AS text) WITH FUNCTION said(en);
            CREATE TABLE folds (a int) PARTITION BY LIST (a);
            CREATE TABLE folds_1 PARTITION OF folds
                (CHECK (a < length('x' || 'a'::en) + 1000)) DEFAULT;
            CREATE OR REPLACE FUNCTION said(en) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS
                $$ BEGIN PERFORM public.ddl(); RETURN 'x'; END $$",
        runs: &[
            "SELECT * FROM folds WHERE a = 1",
            "EXPLAIN SELECT 'x' || 'a'::en",
            "EXPLAIN SELECT quote_literal('a'::en)",
        ],
        reads: &[],
    },
    // a cast of one of PostgreSQL's own types
    Unnamed {
        setup: "
            CREATE FUNCTION said(point) RETURNS text LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN 'x'; END $$;
            CREATE CAST (point AS text) WITH FUNCTION said(point)",
        runs: &["SELECT 'x' || '(1,1)'::point", "SELECT quote_literal('(1,1)'::point)"],
        reads: &["SELECT '(1,1)'::point"],
    },
    // built-ins that run SQL with operators of any schema
    Unnamed {
        setup: "
            CREATE FUNCTION is_of(oid, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                IF $1 = $2::oid THEN PERFORM public.ddl(); END IF; RETURN $1 = $2::oid; END $$;
            CREATE OPERATOR = (FUNCTION = is_of, LEFTARG = oid, RIGHTARG = int);
            CREATE VIEW other.listed AS SELECT schema_to_xmlschema('public', true, true, '') AS x",
        runs: &[
            "SELECT schema_to_xml('public', true, true, '')",
            "SELECT schema_to_xmlschema('public', true, true, '')",
            "SELECT pg_catalog.schema_to_xml_and_xmlschema('public', true, true, '')",
            "TABLE other.listed",
        ],
        reads: &["SELECT table_to_xmlschema('ints', true, true, '')"],
    },
    Unnamed {
        setup: "
            CREATE FUNCTION is_like(name, name) RETURNS boolean LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN $1::text ~ $2::text; END $$;
            CREATE OPERATOR ~ (FUNCTION = is_like, LEFTARG = name, RIGHTARG = name);
            CREATE VIEW other.listed AS SELECT database_to_xmlschema(true, true, '') AS x",
        runs: &[
            "SELECT database_to_xmlschema(true, true, '')",
            "SELECT database_to_xml_and_xmlschema(true, true, '')",
            "TABLE other.listed",
        ],
        reads: &[],
    },
    Unnamed {
        setup: "
            CREATE FUNCTION is_oid(oid, oid) RETURNS boolean LANGUAGE plpgsql AS
                $$ BEGIN IF oideq($1, $2) THEN PERFORM public.ddl(); END IF; RETURN oideq($1, $2); END $$;
            CREATE OPERATOR = (FUNCTION = is_oid, LEFTARG = oid, RIGHTARG = oid);
            CREATE VIEW shown AS SELECT 1 AS a;
            CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a;
            CREATE RULE r AS ON INSERT TO ints DO ALSO SELECT 1;
            CREATE VIEW of_views AS SELECT definition FROM pg_views WHERE viewname = 'shown';
            CREATE VIEW of_schema AS SELECT view_definition FROM information_schema.views
                WHERE table_name = 'shown';
            CREATE VIEW of_one AS SELECT pg_get_viewdef('shown'::regclass) AS x;
            SET LOCAL search_path = public, pg_catalog",
        runs: &[
            "SELECT pg_get_viewdef('shown'::regclass)",
            "SELECT pg_get_viewdef('shown', true)",
            "SELECT pg_catalog.pg_get_viewdef('shown'::regclass, 10)",
            "SELECT pg_get_ruledef(oid) FROM pg_rewrite LIMIT 1",
            "SELECT pg_get_ruledef(oid, true) FROM pg_rewrite LIMIT 1",
            "SELECT x.pg_get_viewdef FROM unnest(ARRAY['shown'::regclass::oid]) x",
            "SELECT definition FROM pg_views WHERE viewname = 'shown'",
            "SELECT definition FROM pg_matviews",
            "SELECT definition FROM pg_rules WHERE tablename = 'ints'",
            "SELECT view_definition FROM information_schema.views WHERE table_name = 'shown'",
            "TABLE of_views",
            "TABLE of_schema",
            "TABLE of_one",
        ],
        reads: &["SELECT a FROM shown"],
    },
    // what checks a body makes values of its literals
    Unnamed {
        setup: "
            CREATE FUNCTION is_ok(text) RETURNS boolean LANGUAGE plpgsql AS
                $$ BEGIN PERFORM public.ddl(); RETURN true; END $$;
            CREATE DOMAIN checked AS text CHECK (is_ok(VALUE));
            CREATE FUNCTION body() RETURNS int LANGUAGE sql AS
                $$ SELECT '{x}'::public.checked[]; SELECT 1 $$;
            CREATE VIEW validated AS SELECT fmgr_sql_validator('body'::regproc) IS NULL AS x",
        runs: &[
            "SELECT fmgr_sql_validator('body'::regproc)",
            "SELECT x.fmgr_sql_validator FROM unnest(ARRAY['body'::regproc::oid]) x",
            "TABLE validated",
        ],
        reads: &[],
    },
    // REFRESH in a body fires event triggers, as by itself
    Unnamed {
        setup: "
            CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a;
            CREATE FUNCTION refreshes() RETURNS void LANGUAGE plpgsql AS
                $$ BEGIN REFRESH MATERIALIZED VIEW kept; END $$;
            CREATE FUNCTION sql_refreshes() RETURNS void LANGUAGE sql AS
                'REFRESH MATERIALIZED VIEW kept';
            CREATE PROCEDURE refresh() LANGUAGE plpgsql AS $$ BEGIN PERFORM refreshes(); END $$;
            CREATE FUNCTION on_refresh() RETURNS event_trigger LANGUAGE plpgsql AS
                $$ BEGIN CREATE SEQUENCE public.made; DROP SEQUENCE public.made; END $$;
            CREATE EVENT TRIGGER own ON ddl_command_start
                WHEN TAG IN ('REFRESH MATERIALIZED VIEW') EXECUTE FUNCTION on_refresh()",
        runs: &[
            "REFRESH MATERIALIZED VIEW kept",
            "DO $$ BEGIN REFRESH MATERIALIZED VIEW kept; END $$",
            "SELECT refreshes()",
            "SELECT sql_refreshes()",
            "CALL refresh()",
        ],
        reads: &["TABLE kept"],
    },
    // indexes of PostgreSQL's own classes with something of the user's
    Unnamed {
        setup: "
            ALTER OPERATOR FAMILY array_ops USING gin ADD
                FUNCTION 1 (anyarray, anyarray) compare(int, int);
            CREATE TABLE arrays (a int[]);
            CREATE INDEX ON arrays USING gin (a) WITH (fastupdate = off)",
        runs: &["INSERT INTO arrays VALUES ('{1,2}')"],
        reads: &["SELECT a FROM ints ORDER BY a"],
    },
];

/// As [`run`], in the extended form.
fn run_extended(wire: &mut Wire, statement: &str) -> Vec<String> {
    let frames = Frames::new().run(statement, &[]).sync();
    let notices = wire.exchange(&frames).into_iter().filter(|message| message.tag == b'N');
    let fired = notices
        .filter_map(|message| Some(message.fields().message().strip_prefix("fired: ")?.to_owned()));
    fired.collect()
}

#[test]
fn what_nothing_names_counts() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql(WATCH);
        wire.sql(COMPARES);
        let mut wrong = String::new();
        for Unnamed { setup, runs, reads } in UNNAMED {
            wire.sql("BEGIN");
            wire.sql(setup);
            let catalog = snapshot(&mut wire, &options(&[]));
            for statement in *runs {
                for path in [public(), Path::Unknown] {
                    let found = resolved(&catalog, statement, &path, false);
                    if found.class < Class::Ddl || !found.runs_routines {
                        writeln!(wrong, "{statement}\n  {path:?}: {found:?}").unwrap();
                    }
                }
                for extended in [false, true] {
                    wire.sql("SAVEPOINT s");
                    let (fired, code) = match extended {
                        true => (run_extended(&mut wire, statement), None),
                        false => run(&mut wire, statement),
                    };
                    wire.sql("ROLLBACK TO s");
                    if fired.is_empty() {
                        writeln!(wrong, "{statement}\n  does nothing: {code:?}").unwrap();
                    }
                }
            }
            for statement in *reads {
                let found = resolved(&catalog, statement, &public(), false);
                if found.class > Class::Read {
                    writeln!(wrong, "{statement}\n  is to be read: {found:?}").unwrap();
                }
                wire.sql("SAVEPOINT s");
                let (fired, _) = run(&mut wire, statement);
                wire.sql("ROLLBACK TO s");
                if !fired.is_empty() {
                    writeln!(wrong, "{statement}\n  does {fired:?}").unwrap();
                }
            }
            wire.sql("ROLLBACK");
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
    }
}

#[test]
fn what_built_ins_run_unnamed_counts_by_oid() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(COMPARES);
    wire.sql(
        "CREATE FUNCTION said(point) RETURNS text LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.ddl(); RETURN 'x'; END $$;
        CREATE CAST (point AS text) WITH FUNCTION said(point);
        CREATE FUNCTION is_oid(oid, oid) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.ddl(); RETURN true; END $$;
        CREATE OPERATOR = (FUNCTION = is_oid, LEFTARG = oid, RIGHTARG = oid)",
    );
    let catalog = snapshot(&mut wire, &options(&[]));
    // quote_literal, textanycat, pg_get_ruledef, pg_get_viewdef, schema_to_xmlschema, fmgr_sql_validator
    for own in [1285, 1290, 2003, 2004, 1573, 1640, 1641, 2504, 3159, 2934, 2937, 2248] {
        let found = catalog.resolve_routine(own, &Path::Unknown, false);
        assert!(found.class >= Class::Ddl && found.runs_routines, "{own}: {found:?}");
    }
    // lower, quote_ident, pg_get_constraintdef
    for own in [870, 1282, 1387] {
        let found = catalog.resolve_routine(own, &Path::Unknown, false);
        assert_eq!((found.class, found.runs_routines), (Class::Read, false), "{own}: {found:?}");
    }
}

/// What initdb has made and somebody has replaced, or made by single-user mode, in which OIDs are
/// below 16384 too.
const REPLACED: &[(&str, &str)] = &[
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int) RETURNS text LANGUAGE plpgsql
            IMMUTABLE STRICT AS $$ BEGIN PERFORM public.ddl(); RETURN $1; END $$",
        "SELECT lpad('a', 3)",
    ),
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int) RETURNS text LANGUAGE plpgsql
            IMMUTABLE STRICT AS $$ BEGIN PERFORM public.ddl(); RETURN $1; END $$;
            CREATE VIEW padded AS SELECT lpad('a', 3)",
        "TABLE padded",
    ),
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int) RETURNS text LANGUAGE sql
            IMMUTABLE STRICT AS 'SELECT public.ddl()::text'",
        "SELECT lpad('a', 3)",
    ),
    (
        "CREATE OR REPLACE FUNCTION information_schema._pg_expandarray(
            IN anyarray, OUT x anyelement, OUT n int) RETURNS SETOF record LANGUAGE plpgsql
            IMMUTABLE AS $$ BEGIN PERFORM public.ddl(); END $$",
        "SELECT information_schema._pg_expandarray(ARRAY[1])",
    ),
    (
        "CREATE OR REPLACE VIEW information_schema.information_schema_catalog_name AS
            SELECT current_database()::information_schema.sql_identifier AS catalog_name
            FROM (SELECT public.ddl() OFFSET 0) x",
        "TABLE information_schema.information_schema_catalog_name",
    ),
    (
        "CREATE FUNCTION low() RETURNS int LANGUAGE plpgsql STABLE AS
            $$ BEGIN RETURN public.ddl(); END $$;
            UPDATE pg_proc SET oid = 16000 WHERE proname = 'low'",
        "SELECT low()",
    ),
    // with the handlers' rows written anew behind it
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int) RETURNS text LANGUAGE sql
            IMMUTABLE STRICT AS 'SELECT public.ddl()::text';
            GRANT EXECUTE ON FUNCTION plpgsql_call_handler(), plpgsql_inline_handler(internal),
                plpgsql_validator(oid) TO reader",
        "SELECT lpad('a', 3)",
    ),
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.abs(int DEFAULT public.ddl()) RETURNS int
            LANGUAGE internal IMMUTABLE STRICT AS 'int4abs'",
        "SELECT abs()",
    ),
    (
        "CREATE FUNCTION step(int8, int) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM public.ddl(); RETURN 1; END $$;
            CREATE OR REPLACE AGGREGATE pg_catalog.sum(int) (SFUNC = step, STYPE = int8)",
        "SELECT sum(a) FROM ints",
    ),
    (
        "CREATE FUNCTION last(int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM public.ddl(); RETURN 1; END $$;
            CREATE OR REPLACE AGGREGATE pg_catalog.count(*)
                (SFUNC = int8inc, STYPE = int8, INITCOND = '0', FINALFUNC = last);
            CREATE VIEW counted AS SELECT count(*) FROM ints",
        "TABLE counted",
    ),
    (
        "CREATE FUNCTION last(int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM public.ddl(); RETURN 1; END $$;
            CREATE OR REPLACE AGGREGATE pg_catalog.count(*)
                (SFUNC = int8inc, STYPE = int8, INITCOND = '0', FINALFUNC = last)",
        "SELECT count(*) FROM ints",
    ),
    (
        "ALTER DOMAIN information_schema.yes_or_no ADD CHECK (public.ddl() > 0) NOT VALID",
        "SELECT 'YES'::information_schema.yes_or_no",
    ),
    (
        "ALTER DOMAIN information_schema.yes_or_no ADD CHECK (public.ddl() > 0) NOT VALID",
        "SELECT * FROM information_schema.views LIMIT 1",
    ),
    (
        "CREATE FUNCTION imm(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN public.ddl(); END $$;
            CREATE TABLE kid (CHECK (sizing_id < imm(100)))
                INHERITS (information_schema.sql_sizing)",
        "SELECT * FROM information_schema.sql_sizing WHERE sizing_id > 5",
    ),
    (
        "CREATE FUNCTION imm(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN public.ddl(); END $$;
            CREATE TABLE kid (CHECK (conforencoding < imm(100))) INHERITS (pg_catalog.pg_conversion)",
        "SELECT conname FROM pg_conversion WHERE conforencoding > 5",
    ),
    (
        "CREATE FUNCTION other(box, box) RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM public.ddl(); RETURN true; END $$;
            CREATE OPERATOR !~= (FUNCTION = other, LEFTARG = box, RIGHTARG = box,
                NEGATOR = OPERATOR(pg_catalog.~=))",
        "SELECT NOT (b ~= b) FROM (SELECT box '((0,0),(1,1))' AS b OFFSET 0) x",
    ),
];

/// The same of what fires no event trigger, not in text, or not in the session that does it: what a
/// statement is then at least.
const RENAMED: &[(&str, &str, Class)] = &[
    (
        "ALTER FUNCTION pg_catalog.pg_read_file(text) RENAME TO harmless",
        "SELECT harmless('/etc/hostname')",
        Class::Admin,
    ),
    (
        "ALTER FUNCTION pg_catalog.lower(text) RENAME TO lower_case;
            ALTER FUNCTION pg_catalog.pg_read_file(text) RENAME TO lower",
        "SELECT lower('/etc/hostname')",
        Class::Admin,
    ),
    (
        "ALTER FUNCTION pg_catalog.pg_terminate_backend(int, int8) SET SCHEMA public",
        "SELECT public.pg_terminate_backend(1)",
        Class::Admin,
    ),
    (
        "CREATE OR REPLACE FUNCTION pg_catalog.lpad(text, int) RETURNS text LANGUAGE internal
            IMMUTABLE STRICT AS 'pg_read_file_all'",
        "SELECT lpad('/etc/hostname', 3)",
        Class::Admin,
    ),
    (
        "ALTER VIEW pg_catalog.pg_settings RENAME TO harmless",
        "UPDATE pg_catalog.harmless SET setting = '1' WHERE name = 'seq_page_cost'",
        Class::Opaque,
    ),
    (
        "CREATE FUNCTION imm(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN RETURN public.ddl(); END $$;
            CREATE INDEX ON information_schema.sql_sizing ((imm(1) + supported_value))",
        "SELECT * FROM information_schema.sql_sizing WHERE supported_value = 1",
        Class::Ddl,
    ),
    (
        "CREATE FUNCTION send(text) RETURNS bytea LANGUAGE plpgsql STABLE AS
            $$ BEGIN PERFORM public.ddl(); RETURN ''; END $$;
            ALTER TYPE pg_catalog.text SET (SEND = send)",
        "SELECT a FROM texts WHERE a = 'a'",
        Class::Ddl,
    ),
    (
        "CREATE TRUSTED LANGUAGE mine HANDLER plpgsql_call_handler;
            UPDATE pg_language SET lanplcallfoid = 'lower(text)'::regprocedure
                WHERE lanname = 'mine';
            ALTER LANGUAGE plpgsql RENAME TO old; ALTER LANGUAGE mine RENAME TO plpgsql;
            CREATE FUNCTION odd() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
        "SELECT odd()",
        Class::Opaque,
    ),
];

/// What leaves all of initdb's as it is.
const GRANTED: &[&str] = &[
    "GRANT EXECUTE ON FUNCTION now(), random(), lower(text), jsonb_set(jsonb, text[], jsonb, boolean),
        make_interval(int, int, int, int, int, int, float8), pg_stat_reset(), abs(int), sum(int),
        array_in(cstring, oid, int), pg_read_file(text) TO reader;
    REVOKE EXECUTE ON FUNCTION upper(text), pg_sleep(float8), txid_current() FROM PUBLIC;
    GRANT SELECT ON pg_stat_activity, pg_authid, pg_class, information_schema.tables,
        information_schema.sql_features TO reader;
    GRANT SELECT (rolname) ON pg_authid TO reader;
    GRANT USAGE ON SCHEMA pg_catalog, information_schema TO reader;
    GRANT USAGE ON LANGUAGE plpgsql TO reader",
    "COMMENT ON FUNCTION lower(text) IS 'x'; COMMENT ON VIEW pg_stat_activity IS 'x';
    COMMENT ON EXTENSION plpgsql IS 'x'; COMMENT ON TABLE information_schema.sql_features IS 'x'",
    "CREATE VIEW shows AS SELECT * FROM information_schema.tables, pg_stat_activity, pg_settings;
    CREATE TABLE uses (a information_schema.yes_or_no, b pg_am, c int PRIMARY KEY,
        d int REFERENCES ints2, CHECK (a = 'YES'));
    CREATE FUNCTION pg_catalog.lower(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE TRIGGER t AFTER INSERT ON ints FOR EACH ROW
        EXECUTE FUNCTION suppress_redundant_updates_trigger()",
];

#[test]
fn what_initdb_has_made_can_be_replaced() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql(WATCH);
        wire.sql(COMPARES);
        let mut wrong = String::new();
        for (setup, statement) in REPLACED {
            wire.sql("BEGIN");
            wire.sql(setup);
            // looking runs none of it
            for query in [Catalog::VERSION_QUERY, Catalog::QUERY] {
                let (fired, code) = run(&mut wire, query);
                assert!(fired.is_empty() && code.is_none(), "{setup}: {fired:?} {code:?}");
            }
            let catalog = snapshot(&mut wire, &options(&[]));
            let found = resolved(&catalog, statement, &public(), false);
            let (fired, code) = run(&mut wire, statement);
            if found.class < Class::Ddl || fired.is_empty() {
                writeln!(wrong, "{statement}\n  is {found:?}, does {fired:?} {code:?}").unwrap();
            }
            for statement in [
                "SELECT lower('X'), rpad('x', 2), age(now()), random()",
                "SELECT * FROM pg_stat_activity, pg_locks, pg_stats, pg_settings",
                "SELECT * FROM information_schema.columns, information_schema.domains",
                "SELECT * FROM ints WHERE a = 1",
            ] {
                let found = resolved(&catalog, statement, &public(), false);
                // a domain's check counts in what makes values of it, a negator everywhere
                let checked = setup.contains("NEGATOR")
                    || setup.contains("yes_or_no") && statement.contains("information_schema");
                if found.class > Class::Read && !checked {
                    writeln!(wrong, "{setup}\n  {statement}\n  is to be read: {found:?}").unwrap();
                }
            }
            wire.sql("ROLLBACK");
        }
        for (setup, statement, class) in RENAMED {
            wire.sql("BEGIN; SET LOCAL allow_system_table_mods = on");
            wire.sql(setup);
            let catalog = snapshot(&mut wire, &options(&[]));
            let found = resolved(&catalog, statement, &public(), false);
            if found.class < *class {
                writeln!(wrong, "{setup}\n  {statement}\n  is {found:?}").unwrap();
            }
            wire.sql("ROLLBACK");
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
    }
}

#[test]
fn what_initdb_has_made_may_be_granted() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql(COMPARES);
        wire.sql("CREATE TABLE ints2 (a int PRIMARY KEY)");
        wire.sql("VACUUM FREEZE");
        wire.sql("VACUUM FULL pg_proc");
        // all of the kinds of rows that initdb's are in, as it left them
        let own = |wire: &mut Wire| -> Vec<Row> {
            let number = |row: &Row| -> u32 {
                let text = row[1].clone().unwrap_or_default();
                String::from_utf8(text).unwrap().parse().unwrap()
            };
            let rows = rows(wire).into_iter();
            rows.filter(|row| {
                matches!(row[0].as_deref(), Some(b"p" | b"r" | b"w" | b"t" | b"u" | b"m"))
            })
            .filter(|row| number(row) < 16384)
            .collect()
        };
        assert_eq!(own(&mut wire), Vec::<Row>::new(), "{major:?}");
        for setup in GRANTED {
            wire.sql("BEGIN");
            wire.sql(setup);
            assert_eq!(own(&mut wire), Vec::<Row>::new(), "{major:?}: {setup}");
            let catalog = snapshot(&mut wire, &options(&[]));
            for (statement, class) in [
                ("SELECT lower('X'), upper('x'), abs(a), sum(a) FROM ints GROUP BY a", Class::Read),
                ("SELECT now(), random(), make_interval(days => 1), txid_current()", Class::Read),
                ("SELECT jsonb_set('{}', '{a}', '1'), pg_sleep(0)", Class::Read),
                ("SELECT * FROM pg_stat_activity, pg_locks, pg_stats, pg_settings", Class::Read),
                ("SELECT * FROM information_schema.columns, pg_catalog.pg_class", Class::Read),
                ("SELECT pg_stat_reset()", Class::Admin),
            ] {
                let found = resolved(&catalog, statement, &public(), false);
                assert!(found.class <= class, "{major:?}: {setup}\n{statement}: {found:?}");
            }
            wire.sql("ROLLBACK");
        }
    }
}

#[test]
fn another_role_has_another_path() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(
        "CREATE FUNCTION public.pick() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
        CREATE SCHEMA reader; CREATE FUNCTION reader.pick() RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN CREATE TABLE public.made (a int); DROP TABLE public.made; RETURN 1; END $$;
        CREATE FUNCTION same() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN pick(); END $$;
        CREATE FUNCTION as_role() RETURNS int LANGUAGE plpgsql STABLE SET role = 'reader' AS
            $$ BEGIN RETURN pick(); END $$;
        CREATE FUNCTION as_session() RETURNS int LANGUAGE plpgsql STABLE
            SET session_authorization = 'reader' AS $$ BEGIN RETURN pick(); END $$;",
    );
    let catalog = snapshot(&mut wire, &options(&[]));
    let path = Path::of_setting("\"$user\", public", Some("app"));
    for (call, class) in [
        ("SELECT public.same()", Class::Read),
        ("SELECT public.as_role()", Class::Ddl),
        ("SELECT public.as_session()", Class::Ddl),
    ] {
        assert_eq!(resolved(&catalog, call, &path, false).class, class, "{call}");
    }
}

/// Everything that a session can do to mislead a query that relies on its `search_path`.
const HOSTILE: &str = "
    CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
    CREATE FUNCTION evil.no(oid, oid) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE FUNCTION evil.no(\"char\", \"char\") RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE FUNCTION evil.no(name, name) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE FUNCTION evil.no(int, int) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE FUNCTION evil.no(int2, int2) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = oid, RIGHTARG = oid);
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = \"char\", RIGHTARG = \"char\");
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = name, RIGHTARG = name);
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = int2, RIGHTARG = int2);
    CREATE OPERATOR evil.>= (FUNCTION = evil.no, LEFTARG = oid, RIGHTARG = oid);
    CREATE OPERATOR evil.< (FUNCTION = evil.no, LEFTARG = oid, RIGHTARG = oid);
    CREATE OPERATOR evil.<> (FUNCTION = evil.no, LEFTARG = oid, RIGHTARG = oid);
    CREATE OPERATOR evil.<> (FUNCTION = evil.no, LEFTARG = \"char\", RIGHTARG = \"char\");
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = int, RIGHTARG = int);
    CREATE FUNCTION evil.concat_ws(text, VARIADIC \"any\") RETURNS text LANGUAGE internal AS 'pg_sleep';
    CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '990000' $$;
    CREATE FUNCTION evil.age(xid) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
    CREATE FUNCTION evil.cardinality(oid[]) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
    CREATE FUNCTION evil.no(xid, xid) RETURNS boolean LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
    CREATE OPERATOR evil.<> (FUNCTION = evil.no, LEFTARG = xid, RIGHTARG = xid);
    CREATE OPERATOR evil.= (FUNCTION = evil.no, LEFTARG = xid, RIGHTARG = xid);
    CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (false);
    CREATE TABLE evil.languages (oid oid); CREATE TABLE evil.own (last oid);
    CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
    CREATE DOMAIN evil.oid AS pg_catalog.oid CHECK (false);
    CREATE TABLE evil.pg_proc (oid oid); CREATE TABLE evil.pg_class (oid oid);";

fn reader(cluster: &Cluster) -> Wire {
    let login = Login::new("reader", "app").password(support::cluster::PASSWORD);
    Wire::tcp(cluster.port(), &login).unwrap()
}

#[test]
fn anybody_reads_the_same_whatever_is_shadowed() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql(&read("schema.sql"));
        wire.sql(HOSTILE);
        let sorted = |wire: &mut Wire| {
            let mut rows = rows(wire);
            rows.sort();
            (rows, wire.value(Catalog::VERSION_QUERY))
        };
        let (expected, version) = sorted(&mut wire);
        let mut hostile = reader(&cluster);
        hostile.sql("CREATE TEMP TABLE pg_type (oid int); CREATE TEMP TABLE pg_namespace (a int)");
        hostile.sql("SET search_path = evil, pg_temp, pg_catalog; SET default_transaction_read_only = on; SET quote_all_identifiers = on");
        let temporary = |row: &Row| {
            let name = row[2].clone().unwrap_or_default();
            matches!(name.as_slice(), b"pg_type" | b"pg_namespace" | b"_pg_type" | b"_pg_namespace")
                || name.starts_with(b"pg_temp_")
                || name.starts_with(b"pg_toast_temp_")
        };
        let (mut found, again) = sorted(&mut hostile);
        found.retain(|row| !temporary(row));
        let expected: Vec<_> = expected.into_iter().filter(|row| !temporary(row)).collect();
        let missing: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let more: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
        assert!(missing.is_empty() && more.is_empty(), "{missing:?}\n{more:?}");
        // namespaces for temporary relations came about
        assert_ne!(again, "", "{version}");
    }
}

#[test]
fn a_fresh_database_changes_no_judgement() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let catalog = snapshot(&mut reader(&cluster), &options(&[]));
        let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/classify");
        let (mut wrong, mut seen) = (String::new(), 0);
        for file in fs::read_dir(folder).unwrap() {
            for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
                let Some(text) = line.split('\t').nth(3).filter(|_| !line.starts_with('#')) else {
                    continue;
                };
                let text = text.replace('␤', "\n").replace('␍', "\r");
                for statement in &judged(&text).statements {
                    seen += 1;
                    for path in [public(), Path::Unknown] {
                        let found = catalog.resolve(statement, &path, false);
                        let same = found.class == statement.class
                            && found.unseen_code == statement.unseen_code;
                        if !same {
                            writeln!(wrong, "{text}\n  {statement:?}\n  {found:?}").unwrap();
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(seen > 500, "only {seen} statements");
    }
}

#[test]
fn every_extension_at_hand_is_known() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        let available = "SELECT name FROM pg_available_extensions
            WHERE name !~ '^(pl|.*_pl)(perl|python|tcl)' AND name <> 'plpgsql' ORDER BY name";
        let names: Vec<String> =
            wire.sql(available).into_iter().map(|row| row[0].clone().unwrap()).collect();
        assert!(names.len() > 30, "{names:?}");
        for name in &names {
            wire.sql(&format!("CREATE EXTENSION IF NOT EXISTS \"{name}\" CASCADE"));
        }
        let catalog = snapshot(&mut wire, &options(&[]));
        let functions = wire.sql(
            "SELECT p.oid, e.extname, p.proname, p.provolatile, l.lanname FROM pg_proc p
             JOIN pg_depend d ON d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'e'
             JOIN pg_extension e ON e.oid = d.refobjid JOIN pg_language l ON l.oid = p.prolang
             WHERE e.extname <> 'plpgsql'",
        );
        assert!(functions.len() > 800);
        let mut strong = String::new();
        for row in functions {
            let [oid, extension, name, volatility, language] =
                row.into_iter().map(Option::unwrap).collect::<Vec<_>>().try_into().unwrap();
            let found = catalog.resolve_routine(oid.parse().unwrap(), &Path::Unknown, false);
            let reason = &found.reason;
            assert!(!reason.contains("C code that is not known"), "{extension} {name}: {reason}");
            if volatility != "v" && found.class > Class::Read {
                writeln!(strong, "{extension}.{name} {language} {} {reason}", found.class).unwrap();
            }
        }
        let known = ["tablefunc.", "xml2.xpath_table"];
        for line in strong.lines() {
            assert!(known.iter().any(|known| line.starts_with(known)), "on {major:?}:\n{line}");
        }
        for (text, class) in [
            ("SELECT * FROM pg_stat_statements", "read"),
            ("SELECT pg_stat_statements_reset()", "admin"),
            ("SELECT uuid_generate_v4(), gen_random_uuid(), crypt('x', gen_salt('bf'))", "read"),
            ("SELECT 'a=>1'::hstore -> 'a', 'X'::citext = 'x', 'a.b'::ltree @> 'a'", "read"),
            ("SELECT word_similarity('a', 'b'), unaccent('x'), levenshtein('a', 'b')", "read"),
            ("SELECT * FROM dblink('x', 'SELECT 1') AS t (a int)", "opaque"),
            ("SELECT * FROM crosstab('SELECT 1') AS t (a int)", "opaque"),
            ("SELECT * FROM pgstattuple('pg_class')", "read"),
            ("SELECT * FROM pg_class TABLESAMPLE system_rows(1)", "read"),
        ] {
            let found = resolved(&catalog, text, &public(), false);
            assert_eq!(found.class.as_str(), class, "{text}: {}", found.reason);
        }
        // no class of an extension's is in the way of what has nothing to do with it
        for text in [
            "SELECT DISTINCT a FROM (VALUES (1), (2)) v (a) ORDER BY a",
            "SELECT count(*), GREATEST(1, 2), ARRAY['a'], $1 FROM pg_class GROUP BY relname",
        ] {
            let found = resolved(&catalog, text, &public(), false);
            assert!(found.class == Class::Read && !found.runs_routines, "{text}: {found:?}");
        }
    }
}

#[test]
fn what_nobody_can_read_is_opaque_unless_it_is_trusted_or_backed() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(&read("schema.sql"));
    wire.sql(
        "CREATE FUNCTION pg_temp.hidden() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RETURN lib.ddl(); END $$",
    );
    let catalog = snapshot(&mut wire, &options(&["lib.dyn(text)", "lib.c_code", "lib.ddl"]));
    let class = |text: &str, backstop| {
        resolved(&catalog, text, &public(), backstop).class.as_str().to_owned()
    };
    assert_eq!(class("SELECT lib.dyn('x')", false), "write");
    assert_eq!(class("SELECT lib.c_code('x')", false), "write");
    assert_eq!(class("SELECT lib.stable_dyn('x')", false), "opaque");
    // no more than what cannot be read is vouched for
    assert_eq!(class("SELECT lib.ddl()", false), "ddl");
    assert_eq!(class("SELECT lib.stable_dyn('x')", true), "write");
    assert_eq!(class("CALL lib.proc_dyn('x')", true), "write");
    assert_eq!(class("SELECT lib.kill()", true), "admin");
    assert_eq!(class("SELECT pg_temp.hidden()", false), "ddl");
    assert_eq!(class("SELECT hidden()", false), "write");
    for (text, missing) in [
        ("SELECT hidden()", true),
        ("SELECT lib.imm()", true),
        ("SELECT * FROM nowhere", true),
        ("SELECT * FROM lib.nowhere", true),
        (
            "SELECT lower('x'), pg_catalog.upper('x') FROM pg_class, t, information_schema.tables",
            false,
        ),
        ("WITH x AS (SELECT 1) SELECT * FROM x", false),
        ("CREATE TEMP TABLE fresh AS SELECT 1", false),
    ] {
        assert_eq!(resolved(&catalog, text, &public(), false).missing, missing, "{text}");
    }
    let oid = |wire: &mut Wire, text: &str| wire.value(text).parse::<u32>().unwrap();
    let ddl = oid(&mut wire, "SELECT 'lib.ddl'::regproc::oid");
    assert_eq!(catalog.resolve_routine(ddl, &Path::Unknown, false).class, Class::Ddl);
    let checked = oid(&mut wire, "SELECT 'checked'::regtype::oid");
    assert_eq!(catalog.resolve_type(checked, &Path::Unknown, false).class, Class::Ddl);
    let array = oid(&mut wire, "SELECT 'checked[]'::regtype::oid");
    assert_eq!(catalog.resolve_type(array, &Path::Unknown, false).class, Class::Ddl);
    let fine = oid(&mut wire, "SELECT 'fine'::regtype::oid");
    assert_eq!(catalog.resolve_type(fine, &Path::Unknown, false).class, Class::Read);
    assert!(catalog.resolve_type(4_000_000_000, &Path::Unknown, false).missing);
    assert_eq!(catalog.resolve_routine(1574, &Path::Unknown, false).class, Class::Write);
}

#[test]
fn the_version_changes_with_whatever_matters() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql(&read("schema.sql"));
        let mut before = wire.value(Catalog::VERSION_QUERY);
        for quiet in [
            "SELECT pg_catalog.pg_current_xact_id()",
            "INSERT INTO t VALUES (7); DELETE FROM t WHERE id = 7",
            "CREATE TEMP TABLE passing (a int PRIMARY KEY); INSERT INTO passing VALUES (1)",
            "ALTER TABLE passing RENAME TO passed; DROP TABLE passed",
            "VACUUM t",
        ] {
            wire.sql(quiet);
            assert_eq!(wire.value(Catalog::VERSION_QUERY), before, "{quiet}");
        }
        for ddl in [
            "CREATE OR REPLACE FUNCTION lib.imm(int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
            "ALTER FUNCTION lib.imm(int) IMMUTABLE",
            "ALTER FUNCTION lib.imm(int) RENAME TO imm2",
            "DROP FUNCTION lib.imm2(int) CASCADE",
            "CREATE SCHEMA late",
            "ALTER SCHEMA late RENAME TO later",
            "DROP SCHEMA later",
            "CREATE TABLE late (a int)",
            "ALTER TABLE late ADD b fine",
            "CREATE INDEX late_i ON late (a) WHERE a > 1",
            "ALTER TABLE late ALTER a SET DEFAULT lib.ddl()",
            "ALTER TABLE late ALTER a DROP DEFAULT",
            "ALTER TABLE late ADD CONSTRAINT k CHECK (a > 1)",
            "ALTER TABLE late DROP CONSTRAINT k",
            "CREATE TRIGGER r BEFORE INSERT ON late FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl()",
            "ALTER TABLE late DISABLE TRIGGER r",
            "DROP TRIGGER r ON late",
            "CREATE RULE r AS ON DELETE TO late DO ALSO SELECT lib.ddl()",
            "DROP RULE r ON late",
            "ALTER TABLE late ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON late USING (lib.ddl() > 0)",
            "ALTER POLICY p ON late USING (true)",
            "DROP POLICY p ON late",
            "CREATE VIEW lv AS SELECT 1 AS a",
            "CREATE OR REPLACE VIEW lv AS SELECT lib.ddl() AS a",
            "DROP VIEW lv",
            "CREATE DOMAIN ld AS int",
            "ALTER DOMAIN ld ADD CONSTRAINT c CHECK (VALUE > 0)",
            "ALTER DOMAIN ld DROP CONSTRAINT c",
            "DROP DOMAIN ld",
            "CREATE DOMAIN lda AS int[]",
            "ALTER DOMAIN lda SET DEFAULT ARRAY[lib.ddl()]",
            "ALTER DOMAIN lda DROP DEFAULT",
            "ALTER DOMAIN lda RENAME TO ldb",
            "ALTER DOMAIN ldb SET SCHEMA lib",
            "DROP DOMAIN lib.ldb",
            "CREATE DOMAIN ldm AS mood[]",
            "ALTER DOMAIN ldm SET DEFAULT '{}'",
            "DROP DOMAIN ldm",
            "CREATE TYPE lr AS RANGE (subtype = int4)",
            "ALTER TYPE lr RENAME TO lr2",
            "DROP TYPE lr2",
            "CREATE TABLE lp (id int PRIMARY KEY)",
            "CREATE TABLE lf (id int REFERENCES lp)",
            "ALTER TABLE lf ALTER CONSTRAINT lf_id_fkey DEFERRABLE",
            "DROP TABLE lf, lp",
            "CREATE OPERATOR public.@@@@ (FUNCTION = lib.step, LEFTARG = int, RIGHTARG = int)",
            "DROP OPERATOR public.@@@@ (int, int)",
            "DROP CAST (mood AS int)",
            "CREATE CAST (mood AS int) WITH FUNCTION lib.mood_to_int(mood) AS IMPLICIT",
            "CREATE TABLE late_child () INHERITS (late)",
            "ALTER TABLE late_child NO INHERIT late",
            "CREATE STATISTICS ls ON (lib.factorial(a)), b FROM late",
            "DROP STATISTICS ls",
            "CREATE AGGREGATE lib.la(int) (SFUNC = lib.step, STYPE = int)",
            "CREATE FUNCTION lib.le() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER le ON sql_drop EXECUTE FUNCTION lib.le()",
            "ALTER EVENT TRIGGER le DISABLE",
            "DROP EVENT TRIGGER le",
            "CREATE EXTENSION file_fdw",
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
            "CREATE FOREIGN TABLE ft (a text) SERVER files OPTIONS (filename '/dev/null')",
            "ALTER FOREIGN TABLE ft OPTIONS (DROP filename, ADD program 'true')",
            "ALTER FOREIGN TABLE ft ALTER a TYPE fine",
            "DROP FOREIGN TABLE ft",
            "ALTER EXTENSION file_fdw DROP FUNCTION file_fdw_validator(text[], oid)",
            "CREATE TYPE lc AS (a text)",
            "ALTER TYPE lc ALTER ATTRIBUTE a TYPE fine",
            "ALTER TYPE lc ALTER ATTRIBUTE a TYPE text",
            "DROP TYPE lc",
            "CREATE TEMP TABLE own AS SELECT 1 AS a; CREATE INDEX ON own ((abs(a)))",
            "CREATE TEMP VIEW own_view AS SELECT 1 AS a",
            "ALTER VIEW own_view RENAME TO other_view",
            "ALTER FUNCTION pg_catalog.pg_sleep(float8) STABLE",
            "ALTER FUNCTION pg_catalog.pg_sleep(float8) VOLATILE",
        ] {
            // whatever else is in it, the result of the query is the measure
            let rows_before = rows(&mut wire);
            wire.sql(ddl);
            let after = wire.value(Catalog::VERSION_QUERY);
            if rows(&mut wire) != rows_before {
                assert_ne!(after, before, "{ddl} on {major:?}");
            }
            before = after;
        }
    }
}

/// Of a catalog that the query reads, a change has to show in the version.
#[test]
fn the_version_counts_every_catalog_that_is_read() {
    let words: Vec<&str> = Catalog::QUERY.split_whitespace().collect();
    let read = words.windows(2).filter(|pair| matches!(pair[0], "FROM" | "JOIN"));
    let read: BTreeSet<&str> =
        read.map(|pair| pair[1]).filter(|name| name.starts_with("pg_catalog.pg_")).collect();
    assert!(read.len() > 20, "{read:?}");
    let counted = |name: &&&str| Catalog::VERSION_QUERY.contains(&format!("FROM {name} AS x"));
    let missing: Vec<_> = read.iter().filter(|name| !counted(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What an earlier snapshot has read counts for bodies that are the same, and for those alone.
#[test]
fn a_later_snapshot_takes_over_what_was_read() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(
        "CREATE TABLE t (n int);
         DO $do$ BEGIN
            CREATE FUNCTION f0() RETURNS int STABLE LANGUAGE plpgsql AS 'begin return 1; end';
            FOR i IN 1..200 LOOP
                EXECUTE format('CREATE FUNCTION f%s() RETURNS int STABLE LANGUAGE plpgsql AS %L', i,
                    format('begin return f%s(); end', i - 1));
            END LOOP;
        END $do$",
    );
    let judgement = judged("SELECT f200()");
    let statement = &judgement.statements[0];
    let options = options(&[]);
    let first = snapshot(&mut wire, &options);
    assert!(first.reads_much(statement, &public()));
    assert_eq!(first.resolve(statement, &public(), false).class, Class::Read);
    assert!(!first.reads_much(statement, &public()), "all has been read");
    let read = |change: &str, wire: &mut Wire| {
        wire.sql(change);
        let later = snapshot(wire, &options);
        assert!(later.reads_much(statement, &public()), "{change}");
        let later = snapshot(wire, &options);
        later.take_over(&first);
        assert!(!later.reads_much(statement, &public()), "{change}");
        later.resolve(statement, &public(), false).class
    };
    let new = "CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'";
    assert_eq!(read(new, &mut wire), Class::Read);
    for (change, class) in [
        ("ALTER FUNCTION f100() VOLATILE", Class::Write),
        ("ALTER FUNCTION f100() STABLE", Class::Read),
        ("ALTER FUNCTION f100() SET session_replication_role = replica", Class::Admin),
        ("ALTER FUNCTION f100() RESET ALL", Class::Read),
        (
            "CREATE OR REPLACE FUNCTION f100() RETURNS int LANGUAGE plpgsql AS \
             'begin drop table t; return f99(); end'",
            Class::Ddl,
        ),
    ] {
        assert_eq!(read(change, &mut wire), class, "{change}");
    }
    // other tables hold a tool's state by now
    let other = Options::default();
    let later = Catalog::build(rows(&mut wire), &other).unwrap();
    later.take_over(&first);
    assert!(later.reads_much(statement, &public()));
}

/// Rows that are cut, mixed and altered give a snapshot or an error, and never a panic.
#[test]
fn mutilated_rows_are_errors_or_snapshots() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(&read("schema.sql"));
    let rows = rows(&mut wire);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    assert!(Catalog::build([], &options(&[])).is_err());
    assert!(Catalog::build([vec![None; 20]], &options(&[])).is_err());
    let statements: Vec<String> =
        cases("cases.tsv").into_iter().map(|case| case.statement).collect();
    let mut built = 0;
    for _ in 0..240 {
        let mut rows = rows.clone();
        for _ in 0..20 {
            let (row, column) = (random(rows.len()), random(20));
            match random(5) {
                0 => rows[row][column] = None,
                1 => rows[row][column] = Some(b"{1,\"".to_vec()),
                2 => drop(rows.remove(row)),
                3 => rows[row][column] = rows[random(row + 1)][random(20)].clone(),
                _ => {
                    if let Some(byte) = rows[row][column].as_mut().and_then(|text| text.last_mut())
                    {
                        *byte = b"09 (){}:\xff"[random(9)];
                    }
                }
            }
        }
        let Ok(catalog) = Catalog::build(rows, &options(&[])) else { continue };
        built += 1;
        for statement in &statements {
            resolved(&catalog, statement, &Path::Unknown, false);
        }
    }
    assert!(built > 0);
}

#[test]
fn a_large_catalog_is_read_in_time() {
    let cluster = Cluster::builder().start();
    let mut wire = cluster.connect("app");
    wire.sql(
        "DO $$ BEGIN FOR i IN 1..5000 LOOP
           EXECUTE format('CREATE FUNCTION f%s(x int) RETURNS int LANGUAGE plpgsql AS
             $f$ DECLARE r record; BEGIN FOR r IN SELECT * FROM t%s WHERE id = x LOOP
             UPDATE t%s SET a = 1 WHERE id = r.id; END LOOP; PERFORM f%s(x); RETURN 1; END $f$',
             i, i % 1000, i % 1000, i - 1);
           IF i <= 1000 THEN EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a int DEFAULT 1)', i);
           END IF;
         END LOOP; END $$",
    );
    let rows = rows(&mut wire);
    let started = std::time::Instant::now();
    let catalog = Catalog::build(rows, &options(&[])).unwrap();
    let built = started.elapsed();
    // a chain through all of them
    let found = resolved(&catalog, "SELECT f5000(1)", &public(), false);
    assert_eq!(found.class, Class::Write);
    assert!(built.as_secs() < 2, "built in {built:?}, walked in {:?}", started.elapsed() - built);
    println!("built in {built:?}, walked in {:?}", started.elapsed() - built);
    let mut fastest = std::time::Duration::MAX;
    for _ in 0..5 {
        let started = std::time::Instant::now();
        wire.value(Catalog::VERSION_QUERY);
        fastest = fastest.min(started.elapsed());
    }
    println!("version read in {fastest:?}");
    assert!(fastest.as_millis() < 200, "{fastest:?}");
}

/// A text of each type that a harmless call can be given.
fn sample(data_type: &str) -> Option<&'static str> {
    Some(match data_type {
        "smallint" | "integer" | "bigint" | "oid" | "xid" | "xid8" | "cid" => "'1'",
        "real" | "double precision" | "numeric" => "'0.5'",
        "text" | "name" | "character varying" | "character" | "\"char\"" | "\"any\"" => "'x'::text",
        "boolean" => "'f'",
        "regclass" => "'pg_class'",
        "regproc" => "'now'",
        "regtype" => "'int4'",
        "interval" => "'0'",
        "date" | "timestamp without time zone" | "timestamp with time zone" => "'2000-01-01'",
        "json" | "jsonb" => "'{}'",
        "bytea" => "'x'",
        "pg_lsn" => "'0/0'",
        "anyelement" | "anynonarray" | "anycompatible" | "anycompatiblenonarray" => "1",
        "anyarray" | "anycompatiblearray" => "ARRAY[1]",
        "text[]" => "ARRAY['x']",
        "point" | "box" | "inet" | "internal" | "cstring" | "refcursor" => return None,
        _ => "NULL",
    })
}

/// The list of PostgreSQL's own routines against servers: it knows every volatile one that is
/// there, and what it calls `read` or `session` runs in a READ ONLY transaction and leaves no
/// transaction id behind.
#[test]
fn built_ins_that_read_change_nothing() {
    for major in Major::ALL {
        let cluster = Cluster::builder().major(major).start();
        let mut wire = cluster.connect("app");
        wire.sql("SET statement_timeout = '200ms'");
        let all = wire.sql(
            "SELECT p.proname, p.provolatile, p.prokind, p.proretset,
               coalesce(string_agg(format_type(a.t, NULL), ';' ORDER BY a.n)
                 FILTER (WHERE a.n <= p.pronargs), '')
             FROM pg_proc p LEFT JOIN LATERAL
               unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (t, n) ON true
             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'w')
             GROUP BY p.oid ORDER BY p.proname",
        );
        let (mut ran, mut wrong) = (0, String::new());
        for row in all {
            let [name, volatility, kind, _, types] =
                row.into_iter().map(Option::unwrap).collect::<Vec<_>>().try_into().unwrap();
            let verdict = lookup(None, &name);
            if verdict == Routine::Unknown {
                writeln!(wrong, "{name} ({volatility}) is not known").unwrap();
            }
            if !matches!(verdict, Routine::Read | Routine::Session) || kind != "f" {
                continue;
            }
            let types = types.split(';').filter(|name| !name.is_empty());
            let Some(arguments) = types.map(sample).collect::<Option<Vec<_>>>() else { continue };
            let call = format!("SELECT pg_catalog.\"{name}\"({})", arguments.join(", "));
            let id = "SELECT pg_current_xact_id_if_assigned()::text";
            let outcome = wire.try_sql(&format!("BEGIN READ ONLY; {call}; {id}"));
            run(&mut wire, "ROLLBACK");
            let takes_id = matches!(&*name, "txid_current" | "pg_current_xact_id");
            match outcome {
                Err(fields) if fields.code() == "25006" => {
                    writeln!(wrong, "{call}: {fields}").unwrap();
                }
                Ok(rows) if rows[0][0].is_some() && !takes_id => {
                    writeln!(wrong, "{call} took a transaction id").unwrap();
                }
                Ok(_) => ran += 1,
                Err(_) => {}
            }
        }
        assert!(wrong.is_empty(), "on {major:?}:\n{wrong}");
        assert!(ran > 1500, "only {ran} calls ran");
    }
}
