-- What the cases of routines.tsv talk about. Run by a superuser.
CREATE SCHEMA lib; CREATE SCHEMA other;
CREATE TABLE log (id serial, what text);
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
CREATE TABLE plain (id int, name text);
CREATE TABLE alembic_version (version_num text);
INSERT INTO t VALUES (1, 1, 'x'); INSERT INTO plain VALUES (1, 'x');

-- plain ones
CREATE FUNCTION lib.imm(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION lib.stab() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.t';
CREATE FUNCTION lib.vol() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION lib.ins() RETURNS int LANGUAGE sql AS
    'INSERT INTO public.log (what) VALUES (''x'') RETURNING id';
CREATE FUNCTION lib.ddl() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN CREATE TABLE made_by_ddl (a int); DROP TABLE made_by_ddl; RETURN 1; END $$;
CREATE FUNCTION lib.dyn(text) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE $1; RETURN 1; END $$;
CREATE FUNCTION lib.stable_dyn(text) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE r int; BEGIN EXECUTE $1 INTO r; RETURN r; END $$;
CREATE FUNCTION lib.stable_dml() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN IF false THEN INSERT INTO log (what) VALUES ('x'); END IF; RETURN 1; END $$;
CREATE FUNCTION lib.stable_ddl() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN CREATE TABLE never (a int); RETURN 1; END $$;
CREATE FUNCTION lib.priv() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN GRANT SELECT ON public.t TO PUBLIC; RETURN 1; END $$;
CREATE FUNCTION lib.kill() RETURNS boolean LANGUAGE sql AS 'SELECT pg_terminate_backend(0)';
CREATE FUNCTION lib.version_row() RETURNS int LANGUAGE sql AS
    $$ INSERT INTO alembic_version VALUES ('x'); SELECT 1 $$;
CREATE FUNCTION lib.temp() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN CREATE TEMP TABLE scratch (a int) ON COMMIT DROP; RETURN 1; END $$;

-- through others
CREATE FUNCTION lib.imm_of_ddl(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.stable_of_ins() RETURNS int LANGUAGE sql STABLE AS 'SELECT lib.ins()';
CREATE FUNCTION lib.stable_of_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT lib.stable_of_ins()';
CREATE FUNCTION lib.stable_of_read() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT lib.stab() + lib.imm(1)';
CREATE FUNCTION lib.ping(int) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION lib.pong(int) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN IF $1 > 0 THEN RETURN lib.ping($1 - 1); END IF; RETURN lib.ddl(); END $$;
CREATE OR REPLACE FUNCTION lib.ping(int) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN lib.pong($1); END $$;
CREATE FUNCTION lib.factorial(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN IF $1 < 2 THEN RETURN 1; END IF; RETURN $1 * lib.factorial($1 - 1); END $$;
CREATE FUNCTION lib.atomic_read(int) RETURNS int STABLE RETURN lib.imm($1) + nullif($1, 0);
CREATE FUNCTION lib.atomic_ins() RETURNS int BEGIN ATOMIC
    INSERT INTO public.log (what) VALUES ('x') RETURNING id; END;
CREATE FUNCTION lib.atomic_of_ddl() RETURNS int STABLE RETURN lib.ddl();
CREATE FUNCTION lib.atomic_nextval() RETURNS bigint STABLE RETURN nextval('public.log_id_seq'::regclass);
CREATE FUNCTION lib.default_ddl(a int DEFAULT lib.ddl()) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION lib.variadic(VARIADIC int[]) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.variadic(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION lib.named(a int, b int DEFAULT 2, c int DEFAULT 3) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.definer() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = lib AS
    $$ BEGIN RETURN ddl(); END $$;
CREATE FUNCTION lib.own_path() RETURNS int LANGUAGE plpgsql STABLE SET search_path = other AS
    $$ BEGIN RETURN pick(); END $$;
CREATE FUNCTION lib.callers_path() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN pick(); END $$;
CREATE FUNCTION lib.sets_path() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN PERFORM set_config('search_path', 'other', true); RETURN lib.callers_path(); END $$;
CREATE FUNCTION public.pick() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION other.pick() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.cursor() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE c CURSOR FOR SELECT lib.ins() AS x; r record; BEGIN OPEN c; FETCH c INTO r; RETURN r.x; END $$;
CREATE FUNCTION lib.inline_do() RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN DO 'BEGIN DROP TABLE IF EXISTS nobody; END'; RETURN 1; END $$;
CREATE FUNCTION lib.out_record(OUT a int, OUT b text) RETURNS SETOF record LANGUAGE plpgsql STABLE AS
    $$ BEGIN a := 1; b := 'x'; RETURN NEXT; RETURN QUERY SELECT id, t.b FROM public.t; END $$;
CREATE FUNCTION lib.table_function(n int) RETURNS TABLE (x int, y text) LANGUAGE plpgsql STABLE AS
    $$ DECLARE r public.t; BEGIN FOR r IN SELECT * FROM public.t LOOP x := r.id; RETURN NEXT; END LOOP; END $$;
CREATE FUNCTION lib.of_row(public.t) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.of_any(anyelement) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION public.of_value(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION public.row_ddl(public.t) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;

-- names of built-ins
CREATE FUNCTION public.lower(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION other.upper(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM lib.ddl(); RETURN $1; END $$;

-- procedures
CREATE PROCEDURE lib.proc_ins(int) LANGUAGE sql AS 'INSERT INTO public.log (what) VALUES (''x'')';
CREATE PROCEDURE lib.proc_ddl() LANGUAGE plpgsql AS $$ BEGIN PERFORM lib.ddl(); END $$;
CREATE PROCEDURE lib.proc_dyn(text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; END $$;
CREATE PROCEDURE lib.proc_out(OUT a int) LANGUAGE plpgsql AS $$ BEGIN a := 1; END $$;
CREATE PROCEDURE lib.proc_call() LANGUAGE plpgsql AS $$ BEGIN CALL lib.proc_ddl(); END $$;

-- C and internal
CREATE FUNCTION lib.internal(int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'pg_terminate_backend';

CREATE FUNCTION lib.c_code(text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/fuzzystrmatch', 'soundex';
CREATE FUNCTION lib.own_lower(text) RETURNS text LANGUAGE internal IMMUTABLE AS 'lower';

-- aggregates
CREATE FUNCTION lib.step(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE AGGREGATE lib.agg_ddl(int) (SFUNC = lib.step, STYPE = int, INITCOND = '0');
CREATE AGGREGATE lib.agg_read(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');

-- operators
CREATE OPERATOR public.@#@ (FUNCTION = lib.step, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR other.+ (FUNCTION = lib.step, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR public.<#> (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int);

-- types, casts, domains
CREATE TYPE color AS ENUM ('red', 'green');
CREATE FUNCTION lib.is_ok(text) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN true; END $$;
CREATE FUNCTION lib.is_fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN true; END $$;
CREATE DOMAIN checked AS text CHECK (lib.is_ok(VALUE));
CREATE DOMAIN fine AS text CHECK (lib.is_fine(VALUE));
CREATE DOMAIN double_checked AS checked;
CREATE TABLE with_domain (a checked, b fine);
CREATE TYPE pair AS (l checked, r int);
CREATE FUNCTION lib.takes_checked(checked) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION lib.declares_checked() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v checked := 'x'; BEGIN RETURN 1; END $$;
CREATE FUNCTION lib.declares_column() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v with_domain.a%TYPE := 'x'; BEGIN RETURN 1; END $$;
CREATE FUNCTION lib.color_to_int(color) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE CAST (color AS int) WITH FUNCTION lib.color_to_int(color);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FUNCTION lib.mood_to_int(mood) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE CAST (mood AS int) WITH FUNCTION lib.mood_to_int(mood) AS IMPLICIT;
CREATE TABLE moods (m mood);
INSERT INTO moods VALUES ('ok');
CREATE TABLE colors (c color);
INSERT INTO colors VALUES ('red');

-- views and rules
CREATE VIEW view_read AS SELECT id, lib.imm(a) AS a FROM t;
CREATE VIEW view_ddl AS SELECT lib.ddl() AS x;
CREATE VIEW view_of_view AS SELECT * FROM view_ddl;
CREATE VIEW view_nextval AS SELECT nextval('log_id_seq') AS n;
CREATE VIEW view_operator AS SELECT a @#@ 1 AS x FROM t;
CREATE VIEW view_stable AS SELECT lib.stable_of_ins() AS x;
CREATE MATERIALIZED VIEW mat AS SELECT lib.ddl() AS x WITH NO DATA;
CREATE FUNCTION lib.through_view() RETURNS int LANGUAGE sql STABLE AS 'SELECT x FROM public.view_of_view';
CREATE TABLE ruled (a int);
CREATE RULE r AS ON INSERT TO ruled DO ALSO SELECT lib.ddl();
CREATE RULE u AS ON UPDATE TO ruled DO INSTEAD NOTHING;
CREATE TABLE base (id int PRIMARY KEY);
CREATE VIEW updatable AS SELECT * FROM base;

-- triggers
CREATE FUNCTION lib.trigger_ddl() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN NEW; END $$;
CREATE FUNCTION lib.trigger_touch() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.b := 'touched'; RETURN NEW; END $$;
CREATE FUNCTION lib.trigger_dyn() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE format('INSERT INTO %I (what) VALUES (1)', TG_ARGV[0]); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION lib.trigger_touch();
CREATE TRIGGER on_base AFTER INSERT ON base FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
CREATE TABLE nulled (id int REFERENCES parent ON DELETE SET NULL);
CREATE TRIGGER on_child AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1);
CREATE TABLE audited (a int);
CREATE TRIGGER on_audited AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION lib.trigger_dyn('log');
CREATE TABLE conditional (a int);
CREATE TRIGGER w AFTER INSERT ON conditional FOR EACH ROW WHEN (lib.imm_of_ddl(NEW.a) > 0)
    EXECUTE FUNCTION lib.trigger_touch();
ALTER TABLE conditional ADD b text;
CREATE TABLE disabled (a int);
CREATE TRIGGER d AFTER INSERT ON disabled FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
ALTER TABLE disabled DISABLE TRIGGER d;
CREATE TABLE truncated (a int);
CREATE TRIGGER tr AFTER TRUNCATE ON truncated EXECUTE FUNCTION lib.trigger_dyn('log');

-- defaults, checks, generated columns, indexes, policies
CREATE TABLE defaults (a int, b int DEFAULT lib.ddl());
CREATE TABLE identities (a int GENERATED ALWAYS AS IDENTITY, b int);
CREATE TABLE checks (a int CHECK (lib.imm_of_ddl(a) > 0));
CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (lib.imm_of_ddl(a)) STORED);
CREATE TABLE indexed (a int);
CREATE INDEX ON indexed (lib.imm_of_ddl(a));
CREATE TABLE partial (a int);
CREATE INDEX ON partial (a) WHERE lib.imm_of_ddl(a) > 0;
CREATE TABLE secured (a int);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE secured FORCE ROW LEVEL SECURITY;
INSERT INTO secured VALUES (1);
CREATE POLICY p ON secured USING (lib.ddl() > 0);
CREATE TABLE unsecured (a int);
CREATE POLICY p ON unsecured USING (lib.ddl() > 0);

-- partitions and children
CREATE TABLE part (a int, b text) PARTITION BY LIST (a);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
INSERT INTO part VALUES (1, 'x');
CREATE TRIGGER on_part AFTER INSERT ON part_2 FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
CREATE TABLE elder (a int); CREATE TABLE younger () INHERITS (elder);
INSERT INTO younger VALUES (1);
CREATE TRIGGER on_younger AFTER DELETE ON younger FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();

GRANT USAGE ON SCHEMA lib, other TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;

-- what calls others unnamed
CREATE DOMAIN number AS int;
CREATE TYPE shade AS ENUM ('dark');
CREATE FUNCTION lib.shade_to_json(shade) RETURNS json LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN '{}'; END $$;
CREATE CAST (shade AS json) WITH FUNCTION lib.shade_to_json(shade);
CREATE TABLE shades (s shade); INSERT INTO shades VALUES ('dark');
CREATE VIEW view_xml AS SELECT table_to_xml('view_ddl'::regclass, true, true, '') AS x;
CREATE FUNCTION lib.runs_prepared() RETURNS void LANGUAGE sql AS 'EXECUTE prepared_before';
CREATE VIEW view_domain AS SELECT b::checked AS b FROM plain, LATERAL (SELECT name AS b) x;
CREATE VIEW view_row AS SELECT jsonb_populate_record(NULL::with_domain, '{"a": "x"}') AS r;
CREATE VIEW view_in AS SELECT a IN (SELECT lib.ddl()) AS x FROM t;
CREATE VIEW view_agg AS SELECT lib.agg_ddl(a) OVER () AS x FROM t;
CREATE VIEW view_implicit AS SELECT abs(m) AS x FROM moods;
CREATE VIEW view_lateral AS SELECT f.* FROM t, LATERAL lib.imm_of_ddl(t.a) f;
CREATE VIEW view_record AS SELECT * FROM jsonb_to_record('{"a": "x"}') AS x (a checked);
CREATE VIEW view_case AS SELECT CASE WHEN a > 0 THEN lib.ddl() ELSE 0 END AS x FROM t;
CREATE VIEW view_array AS SELECT ARRAY['x']::checked[] AS x;
CREATE FUNCTION lib.trigger_instead() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN NEW; END $$;
CREATE VIEW instead_view AS SELECT 1 AS a;
CREATE TRIGGER i INSTEAD OF INSERT ON instead_view FOR EACH ROW EXECUTE FUNCTION lib.trigger_instead();
CREATE TABLE deferred (a int);
CREATE CONSTRAINT TRIGGER dt AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
CREATE TABLE excluded (a int, EXCLUDE USING btree (lib.imm_of_ddl(a) WITH =));
CREATE TYPE span AS RANGE (subtype = int, subtype_diff = int4range_subdiff);
CREATE FUNCTION lib.diff(number, number) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float8';
CREATE FUNCTION lib.polymorphic(anyelement, b anyelement DEFAULT NULL) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN lib.ins(); END $$;
CREATE FUNCTION lib.returns_row() RETURNS t LANGUAGE plpgsql STABLE AS
    $$ DECLARE r t; BEGIN SELECT * INTO r FROM t LIMIT 1; r.a := lib.imm(1); RETURN r; END $$;
CREATE FUNCTION lib.exception() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN 1 / 0; EXCEPTION WHEN division_by_zero THEN RETURN lib.ddl(); END $$;
CREATE TABLE commented (a int DEFAULT 1, b text DEFAULT 'lib.ddl()', c timestamptz DEFAULT now());
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;
CREATE FUNCTION lib.declares_mood() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v mood := 'ok'; BEGIN RETURN v + 1; END $$;
CREATE FUNCTION lib.declares_mood_of() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v moods.m%TYPE; BEGIN v := 'ok'; RETURN abs(v); END $$;
CREATE TYPE outer_pair AS (p pair, x int);
CREATE FUNCTION lib.declares_outer() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v outer_pair; BEGIN v.p := ROW('x', 1); RETURN 1; END $$;

-- casts to arrays, to rows of a catalog, to what a domain is over
CREATE TYPE hue AS ENUM ('warm');
CREATE TABLE hues (h hue); INSERT INTO hues VALUES ('warm');
CREATE FUNCTION lib.hue_to_ints(hue) RETURNS bigint[] LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN '{1}'; END $$;
CREATE CAST (hue AS bigint[]) WITH FUNCTION lib.hue_to_ints(hue);
CREATE FUNCTION lib.hue_to_row(hue) RETURNS pg_cast LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN NULL; END $$;
CREATE CAST (hue AS pg_cast) WITH FUNCTION lib.hue_to_row(hue);
CREATE FUNCTION lib.hue_to_name(hue) RETURNS name LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN 'x'; END $$;
CREATE CAST (hue AS name) WITH FUNCTION lib.hue_to_name(hue);
CREATE FUNCTION lib.hue_to_hues(hue) RETURNS hue[] LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN '{warm}'; END $$;
CREATE CAST (hue AS hue[]) WITH FUNCTION lib.hue_to_hues(hue);
CREATE DOMAIN numbers AS bigint[];
CREATE TYPE holder AS (n int, b text);
CREATE TYPE holders AS (h holder);
CREATE VIEW view_cast AS SELECT h::bigint[] AS b FROM hues;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;

-- in PostgreSQL's own schemas
CREATE FUNCTION pg_catalog.quote_ident(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION lib.either(boolean, boolean) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN true; END $$;
CREATE OPERATOR pg_catalog.|+| (FUNCTION = lib.either, LEFTARG = boolean, RIGHTARG = boolean);
CREATE VIEW information_schema.hidden AS SELECT lib.ddl() AS x;
CREATE DOMAIN pg_catalog.own_text AS text CHECK (lib.is_ok(VALUE));
GRANT SELECT ON information_schema.hidden TO PUBLIC;

-- rows that become something else
CREATE TABLE rows_of (a int); INSERT INTO rows_of VALUES (1);
CREATE FUNCTION lib.row_to_int(rows_of) RETURNS smallint LANGUAGE sql IMMUTABLE AS 'SELECT 1::smallint';
CREATE CAST (rows_of AS smallint) WITH FUNCTION lib.row_to_int(rows_of) AS IMPLICIT;
CREATE CAST (rows_of AS bpchar) WITH INOUT AS IMPLICIT;
CREATE FUNCTION public.of_smallint(smallint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE FUNCTION public.of_bpchar(bpchar) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN lib.ddl(); END $$;
CREATE TABLE cast_rows (a int); INSERT INTO cast_rows VALUES (1);
CREATE CAST (cast_rows AS xml) WITH INOUT;
CREATE FUNCTION lib.is_round(xml) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN true; END $$;
CREATE DOMAIN ring AS xml CHECK (lib.is_round(VALUE));
CREATE DOMAIN a_name AS varchar CHECK (lib.is_ok(VALUE));
CREATE TABLE named (a_name a_name); INSERT INTO named VALUES (NULL);
CREATE TABLE implicit_rows (a int); INSERT INTO implicit_rows VALUES (1);
CREATE FUNCTION lib.row_to_money(implicit_rows) RETURNS money LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN 1; END $$;
CREATE CAST (implicit_rows AS money) WITH FUNCTION lib.row_to_money(implicit_rows) AS IMPLICIT;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;

-- PostgreSQL's own under other names
CREATE FUNCTION lib.own_xml(regclass, boolean, boolean, text) RETURNS xml LANGUAGE internal STABLE AS 'table_to_xml';
CREATE FUNCTION lib.own_populate(anyelement, json, boolean DEFAULT false) RETURNS anyelement
    LANGUAGE internal STABLE AS 'json_populate_record';
CREATE VIEW view_own_xml AS SELECT lib.own_xml('view_ddl', true, true, '') AS x;

-- relations of PostgreSQL's own, changed through others
CREATE VIEW shown_catalog AS SELECT oid, relname FROM pg_class;
CREATE VIEW shown_again AS SELECT * FROM shown_catalog;
CREATE VIEW shown_settings AS SELECT name, setting FROM pg_settings;
CREATE VIEW asking_catalog AS SELECT a FROM t WHERE EXISTS (SELECT FROM pg_class);
CREATE TABLE rule_catalog (a int);
CREATE RULE r AS ON INSERT TO rule_catalog DO ALSO
    UPDATE pg_class SET relname = 'made' WHERE relname = 'nobody';
CREATE TABLE rule_log (a int);
CREATE RULE r AS ON INSERT TO rule_log DO ALSO
    INSERT INTO log (what) SELECT relname FROM shown_catalog WHERE relname = 'nobody';
CREATE FUNCTION lib.atomic_catalog() RETURNS void BEGIN ATOMIC
    UPDATE pg_class SET relname = 'made' WHERE relname = 'nobody'; END;
CREATE FUNCTION lib.atomic_cte() RETURNS bigint BEGIN ATOMIC
    WITH x AS (DELETE FROM pg_description WHERE objoid = 0 RETURNING 1) SELECT count(*) FROM x; END;
CREATE FUNCTION lib.through_catalog() RETURNS void LANGUAGE sql AS
    $$ UPDATE public.shown_again SET relname = 'made' WHERE relname = 'nobody' $$;

-- keys of partitions, and parts of a version table
CREATE TABLE keyed (a int) PARTITION BY RANGE ((lib.imm_of_ddl(a)));
CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (a);
CREATE TABLE keyed_11 PARTITION OF keyed_1 FOR VALUES FROM (0) TO (100);
INSERT INTO keyed_11 VALUES (1);
CREATE TABLE plainly_keyed (a int) PARTITION BY RANGE (abs(a), a);
CREATE TABLE plainly_keyed_1 PARTITION OF plainly_keyed
    FOR VALUES FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE);
CREATE TABLE version_child () INHERITS (alembic_version);
CREATE TABLE version_grandchild () INHERITS (version_child);
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;

-- what planning a query runs: constants in conditions, indexes, statistics and keys
CREATE FUNCTION lib.two(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN 2; END $$;
CREATE FUNCTION lib.in_line(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + lib.two(1)';
CREATE TABLE fold_index (a int); CREATE INDEX ON fold_index (a) WHERE lib.two(1) = 2;
CREATE TABLE fold_expression (a int); CREATE INDEX ON fold_expression ((a + lib.two(1)));
CREATE TABLE fold_inline (a int); CREATE INDEX ON fold_inline (lib.in_line(a));
CREATE TABLE fold_coalesce (a int); CREATE INDEX ON fold_coalesce (lib.two(coalesce(1, a)));
CREATE TABLE fold_statistics (a int);
CREATE STATISTICS fold_s ON (a + lib.two(1)) FROM fold_statistics;
CREATE TABLE fold_check (a int CHECK (a < lib.two(100) + 1000));
CREATE TABLE fold_part (a int) PARTITION BY LIST (a);
CREATE TABLE fold_part_1 PARTITION OF fold_part (CHECK (a < lib.two(100) + 1000)) DEFAULT;
CREATE TABLE fold_key (a int) PARTITION BY RANGE ((a + lib.two(1)));
CREATE TABLE fold_key_1 PARTITION OF fold_key FOR VALUES FROM (0) TO (1000);
CREATE VIEW fold_view AS SELECT * FROM fold_expression;
CREATE TABLE fold_parent (id int PRIMARY KEY, a int);
CREATE INDEX ON fold_parent (a) WHERE lib.two(1) = 2;
INSERT INTO fold_parent VALUES (1, 1);
CREATE TABLE fold_child (id int REFERENCES fold_parent);
CREATE TABLE fold_referenced (id int PRIMARY KEY); INSERT INTO fold_referenced VALUES (1), (2);
CREATE TABLE fold_referencing (id int REFERENCES fold_referenced);
CREATE INDEX ON fold_referencing (id) WHERE lib.two(1) = 2;
CREATE FUNCTION lib.to_null(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT NULL::int';
CREATE TABLE fold_nullif (a int); CREATE INDEX ON fold_nullif (lib.two(a + nullif(1, 1)));
CREATE TABLE fold_case (a int);
CREATE INDEX ON fold_case (lib.two(a + CASE WHEN true THEN NULL::int END));
CREATE TABLE fold_null_cast (a int);
CREATE INDEX ON fold_null_cast (a) WHERE lib.two(a + NULL::int::bigint::int) > 0;
CREATE TABLE fold_nulls (a int); CREATE INDEX ON fold_nulls (lib.two(a * coalesce(NULL::int, NULL::int)));
CREATE TABLE fold_to_null (a int); CREATE INDEX ON fold_to_null (lib.two(a + lib.to_null(1)));
CREATE TABLE fold_null_statistics (a int);
CREATE STATISTICS fold_null_s ON (lib.two(a + nullif(1, 1))) FROM fold_null_statistics;
CREATE TABLE fold_null_part (a int, b text) PARTITION BY LIST (a);
CREATE TABLE fold_null_part_1 PARTITION OF fold_null_part
    (CHECK (lib.two(length(b || NULL::varchar)) > 0)) DEFAULT;
CREATE TABLE unfolded (a int CHECK (a > 0), b text);
CREATE INDEX ON unfolded (lower(b)) WHERE a IN (1, 2) AND b IS NOT NULL;
CREATE INDEX ON unfolded ((lib.imm(a))) WHERE lib.two(a) > 1;
CREATE STATISTICS unfolded_s ON (lib.two(a)) FROM unfolded;
CREATE OR REPLACE FUNCTION lib.two(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM lib.ddl(); RETURN 2; END $$;

-- operators and operator classes whose functions EXPLAIN runs
CREATE FUNCTION lib.same(int, int) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN $1 = $2; END $$;
CREATE OPERATOR public.=== (FUNCTION = lib.same, LEFTARG = int, RIGHTARG = int, RESTRICT = eqsel);
CREATE TABLE common (a int); INSERT INTO common SELECT i % 3 FROM generate_series(1, 300) i;
ANALYZE common;
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;

-- values of domains that a mere SELECT makes
CREATE EXTENSION hstore;
CREATE TYPE holds_checked AS (a checked);
CREATE TABLE with_composed (c holds_checked, l checked[], d checked, n int);
INSERT INTO with_composed VALUES (NULL, NULL, NULL, 1);
CREATE VIEW shows_composed AS SELECT c, l FROM with_composed;
CREATE FUNCTION lib.returns_any(anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN 'y'; END $$;
CREATE FUNCTION lib.declares_any(anyelement) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE v $1%TYPE := 'y'; BEGIN RETURN 1; END $$;
CREATE OPERATOR public.<<>> (FUNCTION = lib.returns_any, RIGHTARG = anyelement);
CREATE VIEW view_any AS SELECT lib.declares_any(d) AS x FROM with_composed;
CREATE TABLE with_fine (c text, d fine, l fine[]);
CREATE DOMAIN ordinary AS text CHECK (VALUE ~ '@' AND length(VALUE) < 100);
CREATE TABLE with_ordinary (d ordinary, l ordinary[]);
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;

-- queries of functions called STABLE, which planning puts in the place of the call
CREATE TABLE in_line (a int);
CREATE TRIGGER i BEFORE INSERT ON in_line FOR EACH ROW EXECUTE FUNCTION lib.trigger_ddl();
CREATE FUNCTION lib.set_ins() RETURNS SETOF int LANGUAGE sql STABLE AS
    'WITH x AS (INSERT INTO public.in_line VALUES (7) RETURNING a) SELECT a FROM x';
CREATE FUNCTION lib.table_ins() RETURNS TABLE (a int) LANGUAGE sql IMMUTABLE AS
    'WITH x AS (INSERT INTO public.in_line VALUES (7) RETURNING a) SELECT a FROM x';
CREATE FUNCTION lib.any_ins(anyelement) RETURNS SETOF int LANGUAGE sql STABLE AS
    'WITH x AS (INSERT INTO public.in_line VALUES (7) RETURNING a) SELECT a FROM x';
CREATE FUNCTION lib.atomic_set() RETURNS SETOF int STABLE BEGIN ATOMIC
    WITH x AS (INSERT INTO public.in_line VALUES (7) RETURNING a) SELECT a FROM x; END;
CREATE FUNCTION lib.set_lock() RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM public.t FOR UPDATE';
CREATE FUNCTION lib.set_version() RETURNS SETOF text LANGUAGE sql STABLE AS
    $$ WITH x AS (UPDATE public.alembic_version SET version_num = 'x' RETURNING version_num)
    SELECT version_num FROM x $$;
CREATE FUNCTION lib.set_catalog() RETURNS SETOF name LANGUAGE sql STABLE AS
    $$ WITH x AS (UPDATE pg_catalog.pg_class SET relname = 'made' WHERE relname = 'nobody'
    RETURNING relname) SELECT relname FROM x $$;
CREATE FUNCTION lib.plpgsql_of_set() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM lib.table_ins() LOOP NULL; END LOOP; RETURN 1; END $$;
CREATE FUNCTION lib.sql_of_set() RETURNS int LANGUAGE sql STABLE AS
    'SELECT a FROM lib.table_ins() LIMIT 1';
CREATE FUNCTION lib.set_read() RETURNS SETOF int LANGUAGE sql STABLE AS
    'WITH x AS (SELECT id FROM public.t) SELECT id FROM x';
CREATE VIEW view_set AS SELECT * FROM lib.set_ins();

-- polymorphic aggregates and operators of built-in functions
CREATE AGGREGATE lib.collects(anycompatible)
    (SFUNC = array_append, STYPE = anycompatiblearray, INITCOND = '{x}');
CREATE AGGREGATE lib.replaces(anycompatible, anycompatible)
    (SFUNC = array_replace, STYPE = anycompatiblearray);
CREATE AGGREGATE lib.trims(int)
    (SFUNC = trim_array, STYPE = checked[], FINALFUNC = cardinality, INITCOND = '{x}');
CREATE OPERATOR public.|<|
    (LEFTARG = anycompatible, RIGHTARG = anycompatiblearray, FUNCTION = array_prepend);
CREATE VIEW view_collects AS SELECT lib.collects(d) FROM with_composed;

-- what is in the pending list of an index
CREATE FUNCTION lib.gin_compare(int, int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN PERFORM lib.ddl(); RETURN btint4cmp($1, $2); END $$;
CREATE OPERATOR CLASS lib.gin_ops FOR TYPE int[] USING gin AS OPERATOR 1 &&(anyarray, anyarray),
    FUNCTION 1 lib.gin_compare(int, int), FUNCTION 2 ginarrayextract(anyarray, internal, internal),
    FUNCTION 3 ginqueryarrayextract(anyarray, internal, int2, internal, internal, internal, internal),
    FUNCTION 4 ginarrayconsistent(internal, int2, anyarray, int4, internal, internal, internal, internal),
    STORAGE int4;
CREATE TABLE pending (a int[]) WITH (autovacuum_enabled = off);
CREATE INDEX pending_a ON pending USING gin (a lib.gin_ops) WITH (fastupdate = on);
INSERT INTO pending SELECT ARRAY[i, i + 1] FROM generate_series(1, 20) i;

-- C functions of extensions; of those that may not be there, another one stands for each
CREATE EXTENSION refint;
CREATE VIEW refint_keys AS SELECT 1 AS id FROM (SELECT lib.ddl() OFFSET 0) x;
CREATE TABLE refint_child (id int);
CREATE TRIGGER r AFTER INSERT ON refint_child FOR EACH ROW
    EXECUTE FUNCTION check_primary_key('id', 'refint_keys', 'id');
CREATE SCHEMA gis; GRANT USAGE ON SCHEMA gis TO PUBLIC;
CREATE FUNCTION gis.parse_address(text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/fuzzystrmatch', 'soundex';
CREATE FUNCTION gis.standardize_address(text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/fuzzystrmatch', 'soundex';
CREATE FUNCTION gis.st_fromflatgeobuftotable(text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/fuzzystrmatch', 'soundex';
CREATE FUNCTION gis.st_transform(text) RETURNS text LANGUAGE c IMMUTABLE AS '$libdir/fuzzystrmatch', 'soundex';
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    VALUES (990001, 'address_standardizer', 10, 'gis'::regnamespace, false, '1'),
    (990002, 'postgis', 10, 'gis'::regnamespace, false, '1');
INSERT INTO pg_depend SELECT 'pg_proc'::regclass, oid, 0, 'pg_extension'::regclass,
    CASE WHEN proname ~ 'address' THEN 990001 ELSE 990002 END, 0, 'e'
    FROM pg_proc WHERE pronamespace = 'gis'::regnamespace;
CREATE VIEW spatial_ref_sys AS SELECT lib.ddl() AS srid;
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;

-- cursors and prepared statements of the session, and fields of records of any type
CREATE FUNCTION lib.sql_fetches() RETURNS void LANGUAGE sql AS 'FETCH 1 FROM of_the_session';
CREATE FUNCTION lib.sql_moves() RETURNS void LANGUAGE sql AS 'MOVE 1 IN of_the_session';
CREATE FUNCTION lib.sql_explains() RETURNS void LANGUAGE sql AS 'EXPLAIN ANALYZE EXECUTE prepared_before';
CREATE FUNCTION lib.fetches_anothers() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE c CURSOR FOR SELECT 1; r record;
    BEGIN c := 'of_the_session'; FETCH c INTO r; RETURN 1; END $$;
CREATE FUNCTION lib.fetches_unopened() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE c CURSOR FOR SELECT 1; BEGIN MOVE c; RETURN 1; END $$;
CREATE FUNCTION lib.row_checked() RETURNS record STABLE BEGIN ATOMIC SELECT w FROM with_composed w; END;
CREATE FUNCTION lib.sets_field() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE r record; BEGIN r := lib.row_checked(); r.d := 'x'; RETURN 1; END $$;
CREATE FUNCTION lib.reads_field() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE r record; BEGIN r := lib.row_checked(); RETURN r.n; END $$;
CREATE TABLE "ΑΣ" (a checked);
CREATE FUNCTION lib.declares_sigma() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE q ΑΣ.a%TYPE; BEGIN q := 'x'; RETURN 1; END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public, lib, other TO PUBLIC;
CREATE FUNCTION lib.sql_fetches_own() RETURNS void LANGUAGE sql AS
    'DECLARE its_own CURSOR FOR SELECT 1; FETCH its_own';
