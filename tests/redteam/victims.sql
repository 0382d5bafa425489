-- What there is to attack, and the code in the database that attacks lean on.
CREATE TABLE victims (id int PRIMARY KEY, name text);
INSERT INTO victims VALUES (1, 'anne'), (2, 'bert'), (3, 'carl');
CREATE TABLE bystanders (id int PRIMARY KEY, name text);
COMMENT ON TABLE bystanders IS 'kept';
CREATE TABLE nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (id int);
CREATE SEQUENCE counter;
SELECT lo_from_bytea(4242, 'precious');
CREATE EXTENSION dblink;

-- qualified where code is run that has a search_path of its own from PostgreSQL 17 on
CREATE FUNCTION drop_it() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE public.victims; RETURN 1; END $$;
CREATE FUNCTION drop_it(anyelement) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS public.victims; RETURN 1; END $$;
CREATE FUNCTION drop_of(bystanders) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN 1; END $$;
INSERT INTO bystanders VALUES (1, 'x'), (2, 'y');
CREATE FUNCTION drop_variadic(VARIADIC numbers int[]) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE public.victims; RETURN 1; END $$;
CREATE FUNCTION open_it() RETURNS refcursor LANGUAGE plpgsql AS
$$ DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT drop_it(); RETURN c; END $$;
CREATE FUNCTION drop_dynamically() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN EXECUTE 'DR' || 'OP TABLE victims'; RETURN 1; END $$;
CREATE FUNCTION pretends_to_be_stable() RETURNS int STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN drop_it(); END $$;
CREATE FUNCTION pretends_to_be_immutable() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT drop_it()';
CREATE FUNCTION immutable_of(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT public.drop_it(1)';
CREATE FUNCTION drop_atomically() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT drop_it(); END;
CREATE FUNCTION drop_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE victims; RETURN NULL; END $$;
CREATE FUNCTION drop_state(int, int) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN 1; END $$;
CREATE AGGREGATE drop_all(int) (SFUNC = drop_state, STYPE = int, INITCOND = '0');
CREATE FUNCTION drop_operator(bystanders, int) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN true; END $$;
CREATE OPERATOR @#@ (LEFTARG = bystanders, RIGHTARG = int, FUNCTION = drop_operator);
CREATE TYPE wrapped AS (n int);
CREATE FUNCTION drop_cast(wrapped) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN 1; END $$;
CREATE CAST (wrapped AS int) WITH FUNCTION drop_cast(wrapped);
CREATE TYPE holding AS (n int);
CREATE FUNCTION drop_into_array(text) RETURNS int[] LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN '{1}'; END $$;
CREATE CAST (text AS int[]) WITH FUNCTION drop_into_array(text);
CREATE FUNCTION drop_into_row(text) RETURNS pg_cast LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN NULL; END $$;
CREATE CAST (text AS pg_cast) WITH FUNCTION drop_into_row(text);
CREATE FUNCTION drop_comparing(int, int) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN btint4cmp($1, $2); END $$;
CREATE FUNCTION is_less(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'int4lt';
CREATE FUNCTION is_same(int, int) RETURNS boolean LANGUAGE internal IMMUTABLE AS 'int4eq';
CREATE OPERATOR <## (FUNCTION = is_less, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR =## (FUNCTION = is_same, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR CLASS own_order FOR TYPE int4 USING btree AS
    OPERATOR 1 <##, OPERATOR 3 =##, FUNCTION 1 drop_comparing(int, int);
CREATE FUNCTION drop_comparing(json, json) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN bttextcmp($1::text, $2::text); END $$;
CREATE FUNCTION is_less(json, json) RETURNS boolean LANGUAGE sql IMMUTABLE AS
'SELECT $1::text < $2::text';
CREATE FUNCTION is_same(json, json) RETURNS boolean LANGUAGE sql IMMUTABLE AS
'SELECT $1::text = $2::text';
CREATE OPERATOR <## (FUNCTION = is_less, LEFTARG = json, RIGHTARG = json);
CREATE OPERATOR =## (FUNCTION = is_same, LEFTARG = json, RIGHTARG = json);
CREATE FUNCTION drop_check(int) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS victims; RETURN true; END $$;
CREATE DOMAIN checked AS int CHECK (drop_check(VALUE));
CREATE PROCEDURE drop_procedure() LANGUAGE plpgsql AS $$ BEGIN DROP TABLE victims; END $$;
CREATE PROCEDURE drop_behind_a_commit() LANGUAGE plpgsql AS
$$ BEGIN COMMIT; DROP TABLE victims; END $$;

CREATE TABLE with_trigger (id int);
CREATE TRIGGER drops BEFORE INSERT ON with_trigger
    FOR EACH STATEMENT EXECUTE FUNCTION drop_for_a_trigger();
CREATE TABLE with_row_trigger (id int);
CREATE TRIGGER drops BEFORE INSERT ON with_row_trigger
    FOR EACH ROW EXECUTE FUNCTION drop_for_a_trigger();
CREATE FUNCTION drop_in_line() RETURNS SETOF int LANGUAGE sql STABLE AS
$$ WITH x AS (INSERT INTO public.with_row_trigger VALUES (1) RETURNING id) SELECT id FROM x $$;
CREATE TABLE with_trigger_and_name (id int, name text);
CREATE TRIGGER drops BEFORE INSERT ON with_trigger_and_name
    FOR EACH STATEMENT EXECUTE FUNCTION drop_for_a_trigger();
CREATE FUNCTION upper_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM upper('x'::text); RETURN NEW; END $$;
CREATE TABLE with_upper_trigger (id int);
CREATE TRIGGER uppers BEFORE INSERT ON with_upper_trigger
    FOR EACH ROW EXECUTE FUNCTION upper_for_a_trigger();
CREATE TABLE with_rule (id int);
CREATE RULE drops AS ON INSERT TO with_rule DO INSTEAD SELECT drop_it();
CREATE TABLE with_default (id int, n int DEFAULT drop_it());
CREATE TABLE with_domain (n checked);
CREATE TABLE with_check (n int CHECK (drop_check(n)));
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
INSERT INTO child VALUES (1);
CREATE TRIGGER drops AFTER DELETE ON child
    FOR EACH ROW EXECUTE FUNCTION drop_for_a_trigger();
CREATE VIEW drop_view AS SELECT drop_it() AS n;
CREATE SCHEMA views CREATE VIEW drops AS SELECT public.drop_it() AS n;
CREATE VIEW drop_nested AS SELECT * FROM drop_view;
CREATE MATERIALIZED VIEW drop_stored AS SELECT drop_it() AS n WITH NO DATA;
CREATE VIEW written AS SELECT * FROM bystanders;
CREATE RULE writes AS ON UPDATE TO written DO INSTEAD SELECT drop_it();
CREATE VIEW shown_catalog AS SELECT oid, relname FROM pg_class;
CREATE VIEW shown_settings AS SELECT name, setting FROM pg_settings;
CREATE TABLE with_catalog_rule (id int);
CREATE RULE renames AS ON INSERT TO with_catalog_rule DO ALSO
    UPDATE pg_class SET relname = 'renamed' WHERE relname = 'victims';
CREATE FUNCTION rename_atomically() RETURNS void
BEGIN ATOMIC UPDATE pg_class SET relname = 'renamed' WHERE relname = 'victims'; END;
CREATE FUNCTION rename_through_a_view() RETURNS void LANGUAGE sql AS
$$ UPDATE shown_catalog SET relname = 'renamed' WHERE relname = 'victims' $$;

-- names of PostgreSQL's own, found first where search_path says so
CREATE SCHEMA evil;
CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE public.victims; RETURN $1; END $$;
CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE public.victims; RETURN $1; END $$;
CREATE FUNCTION public.lower(bystanders) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE IF EXISTS public.victims; RETURN 'x'; END $$;
CREATE FUNCTION evil.plus(int, int) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN DROP TABLE public.victims; RETURN 1; END $$;
CREATE OPERATOR evil.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.plus);
CREATE TABLE evil.pg_proc (LIKE pg_catalog.pg_proc);
CREATE TABLE evil.pg_class (LIKE pg_catalog.pg_class);
CREATE TABLE evil.pg_namespace (LIKE pg_catalog.pg_namespace);
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'true' $$;
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'true' $$;

-- words of PostgreSQL 18's grammar, which are names before
DO $do$
DECLARE
    word text;
BEGIN
    FOREACH word IN ARRAY ARRAY['json', 'json_array', 'json_arrayagg', 'json_exists', 'json_object',
        'json_objectagg', 'json_query', 'json_scalar', 'json_serialize', 'json_table', 'json_value']
    LOOP
        EXECUTE format('CREATE FUNCTION public.%I(a text DEFAULT NULL, b text DEFAULT NULL) RETURNS int
            LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS public.victims; RETURN 1; END $$', word);
    END LOOP;
END $do$;
CREATE FUNCTION "merge_action"() RETURNS text LANGUAGE sql AS
$$ SELECT set_config('default_transaction_read_only', 'off', false) $$;
CREATE VIEW "system_user" AS SELECT drop_it() AS n;
CREATE DOMAIN evil."json" AS text CHECK (public.drop_it(VALUE) = 1);

-- code that changes the session it runs in
CREATE FUNCTION confirm_it() RETURNS text LANGUAGE sql AS
$$ SELECT set_config('authority.confirm_prod_migrations', 'true', false) $$;
CREATE FUNCTION switch(name text, value text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN RETURN set_config(name, value, false); END $$;
CREATE FUNCTION write_it() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO victims VALUES (9, 'mallory'); RETURN 1; END $$;
CREATE FUNCTION flip_and_write() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM set_config('transaction_read_only', 'off', false);
    INSERT INTO victims VALUES (9, 'mallory');
    RETURN 1;
END $$;
CREATE PROCEDURE flip_commit_and_write() LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM set_config('default_transaction_read_only', 'off', false);
    COMMIT;
    INSERT INTO victims VALUES (9, 'mallory');
END $$;
CREATE VIEW escaping_view AS SELECT set_config('standard_conforming_strings', 'off', false) AS n;
CREATE PROCEDURE escape_it() LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$;
CREATE FUNCTION escape_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN SET standard_conforming_strings = off; RETURN NULL; END $$;
CREATE TABLE escaping_table (n int);
CREATE TRIGGER escapes BEFORE INSERT ON escaping_table
    FOR EACH STATEMENT EXECUTE FUNCTION escape_for_a_trigger();
CREATE FUNCTION sjis_it() RETURNS int LANGUAGE plpgsql AS
$$ BEGIN SET client_encoding = 'SJIS'; RETURN 1; END $$;
CREATE FUNCTION sjis_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('client_encoding', 'SJIS', false); RETURN NULL; END $$;
CREATE TABLE sjis_table (n int);
CREATE TRIGGER sjis BEFORE INSERT ON sjis_table
    FOR EACH STATEMENT EXECUTE FUNCTION sjis_for_a_trigger();
CREATE FUNCTION gbk_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM set_config('client_encoding', 'GBK', false); RETURN NULL; END $$;
CREATE TABLE gbk_table (n int);
CREATE TRIGGER gbk BEFORE INSERT ON gbk_table
    FOR EACH STATEMENT EXECUTE FUNCTION gbk_for_a_trigger();
-- in GBK the bytes of its name are those of あ and an at sign in UTF-8
CREATE FUNCTION 銇侤(int) RETURNS int LANGUAGE sql AS 'SELECT public.drop_it()';
CREATE VIEW sjis_view AS SELECT set_config('client_encoding', 'SJIS', false) AS n;
CREATE PROCEDURE sjis_procedure() LANGUAGE plpgsql AS
$$ BEGIN SET client_encoding = 'SJIS'; END $$;

-- what migration tools keep, and what leads to it
CREATE TABLE alembic_version (version_num text PRIMARY KEY);
INSERT INTO alembic_version VALUES ('1a2b');
CREATE SCHEMA other CREATE TABLE schema_migrations (version text);
INSERT INTO other.schema_migrations VALUES ('1');
CREATE VIEW versions AS SELECT * FROM alembic_version;
CREATE TABLE releases (id int PRIMARY KEY);
INSERT INTO releases VALUES (1);
CREATE TABLE flyway_schema_history (release int REFERENCES releases ON DELETE CASCADE);
INSERT INTO flyway_schema_history VALUES (1);
CREATE TABLE all_versions (version int);
CREATE TABLE goose_db_version () INHERITS (all_versions);
INSERT INTO goose_db_version VALUES (1);
CREATE TABLE parts (version int) PARTITION BY LIST (version);
CREATE TABLE knex_migrations PARTITION OF parts FOR VALUES IN (1, 2);
CREATE FUNCTION bump_it() RETURNS int LANGUAGE sql AS
$$ UPDATE public.alembic_version SET version_num = 'loot' RETURNING 1 $$;
CREATE FUNCTION bump_for_a_trigger() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN UPDATE public.alembic_version SET version_num = 'loot'; RETURN NULL; END $$;
CREATE TABLE bumping_table (n int);
CREATE TRIGGER bumps BEFORE INSERT ON bumping_table
    FOR EACH STATEMENT EXECUTE FUNCTION bump_for_a_trigger();
CREATE TABLE bumping_rule (n int);
CREATE RULE bumps AS ON INSERT TO bumping_rule
    DO ALSO UPDATE alembic_version SET version_num = 'loot';

-- harmless until they are replaced
CREATE FUNCTION harmless() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$;
CREATE FUNCTION harmless_check(int) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN RETURN true; END $$;
CREATE DOMAIN harmless_int AS int CHECK (harmless_check(VALUE));
CREATE VIEW harmless_view AS SELECT 1 AS n;
CREATE TABLE harmless_table (n int);
CREATE FUNCTION harmless_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER harmless BEFORE INSERT ON harmless_table
    FOR EACH ROW EXECUTE FUNCTION harmless_trigger();
