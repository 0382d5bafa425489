-- Code that runs unnamed: what a text does not show and the catalog does.
CREATE SEQUENCE hq;
CREATE TABLE ht (a int, b text, c int);
INSERT INTO ht VALUES (1, 'x', 1);
CREATE FUNCTION h_next() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT nextval(''hq'')';
CREATE FUNCTION h_next(int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS
    'BEGIN RETURN nextval(''hq''); END';
CREATE FUNCTION h_deep(int) RETURNS bigint LANGUAGE sql AS 'SELECT h_next($1)';
CREATE FUNCTION h_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT h_next(1); END;
CREATE FUNCTION h_write(int) RETURNS int LANGUAGE plpgsql AS
    'BEGIN INSERT INTO ht (a) VALUES ($1); RETURN $1; END';
CREATE FUNCTION h_ddl(int) RETURNS int LANGUAGE plpgsql AS
    'BEGIN CREATE TABLE h_made (a int); RETURN $1; END';
CREATE FUNCTION h_dynamic(text) RETURNS int LANGUAGE plpgsql AS
    'BEGIN EXECUTE $1; RETURN 1; END';
CREATE FUNCTION h_pure(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION h_looks(int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM ht';
CREATE FUNCTION h_liar(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN INSERT INTO ht (a) VALUES ($1); RETURN $1; END';
CREATE FUNCTION h_set(text) RETURNS text LANGUAGE sql AS 'SELECT set_config(''x.x'', $1, true)';
CREATE FUNCTION h_rows() RETURNS SETOF int LANGUAGE sql AS
    'INSERT INTO ht (a) VALUES (2) RETURNING a';
CREATE PROCEDURE h_call(int) LANGUAGE plpgsql AS 'BEGIN INSERT INTO ht (a) VALUES ($1); END';
CREATE VIEW hv AS SELECT nextval('hq') AS n, 1 AS one;
CREATE VIEW hv2 AS SELECT h_deep(1) AS n FROM hv;
CREATE VIEW hv_pure AS SELECT h_pure(a) AS a FROM ht;
CREATE OPERATOR |+| (leftarg = int, rightarg = int, function = int4pl);
CREATE FUNCTION h_op(int, int) RETURNS bigint LANGUAGE sql AS 'SELECT h_next($1)';
CREATE OPERATOR |*| (leftarg = int, rightarg = int, function = h_op);
CREATE DOMAIN hd AS int CHECK (h_next(VALUE) > 0);
CREATE AGGREGATE h_agg (int) (sfunc = int4pl, stype = int4, initcond = 0, finalfunc = h_write);
CREATE TYPE hc AS (a int);
CREATE FUNCTION h_cast(hc) RETURNS text LANGUAGE sql AS 'SELECT h_next(1)::text';
CREATE CAST (hc AS text) WITH FUNCTION h_cast(hc) AS IMPLICIT;
CREATE TABLE h_default (a int DEFAULT h_ddl(1), b int);
CREATE TABLE h_trigger (a int);
CREATE FUNCTION h_fire() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN CREATE TABLE h_fired (a int); RETURN NEW; END';
CREATE TRIGGER h AFTER INSERT ON h_trigger FOR EACH ROW EXECUTE FUNCTION h_fire();
CREATE TABLE h_rule (a int);
CREATE RULE h AS ON DELETE TO h_rule DO ALSO SELECT h_ddl(1);
CREATE TABLE h_policy (a int);
INSERT INTO h_policy VALUES (1);
ALTER TABLE h_policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE h_policy FORCE ROW LEVEL SECURITY;
CREATE POLICY h ON h_policy USING (h_next(a) > 0);
CREATE TYPE hcomp AS (a hd, b int);
CREATE FUNCTION h_lt(hc, hc) RETURNS bool LANGUAGE sql AS 'SELECT h_next(1) > 0';
CREATE FUNCTION h_eq(hc, hc) RETURNS bool LANGUAGE sql AS 'SELECT h_next(1) > 0';
CREATE FUNCTION h_cmp(hc, hc) RETURNS int LANGUAGE sql AS 'SELECT h_next(1)::int';
CREATE FUNCTION h_hash(hc) RETURNS int LANGUAGE sql AS 'SELECT h_next(1)::int';
CREATE OPERATOR < (leftarg = hc, rightarg = hc, function = h_lt);
CREATE OPERATOR <= (leftarg = hc, rightarg = hc, function = h_lt);
CREATE OPERATOR >= (leftarg = hc, rightarg = hc, function = h_lt);
CREATE OPERATOR > (leftarg = hc, rightarg = hc, function = h_lt);
CREATE OPERATOR = (leftarg = hc, rightarg = hc, function = h_eq, merges, hashes);
CREATE OPERATOR CLASS h_ops DEFAULT FOR TYPE hc USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 h_cmp(hc, hc);
CREATE OPERATOR CLASS h_hash_ops DEFAULT FOR TYPE hc USING hash AS
    OPERATOR 1 =, FUNCTION 1 h_hash(hc);
CREATE TABLE h_typed (k hc, d text);
INSERT INTO h_typed VALUES (ROW(1), 'x'), (ROW(2), 'y');
CREATE FUNCTION h_from(text) RETURNS hc LANGUAGE sql AS 'SELECT ROW(h_next(1)::int)::hc';
CREATE CAST (text AS hc) WITH FUNCTION h_from(text) AS ASSIGNMENT;
CREATE VIEW h_over AS SELECT k FROM h_typed ORDER BY k;
CREATE TYPE h_range AS RANGE (subtype = hc);
CREATE VIEW h_xml AS SELECT table_to_xml('hv'::regclass, true, true, '');
CREATE FUNCTION h_xml(regclass) RETURNS xml LANGUAGE sql AS
    'SELECT table_to_xml($1, true, true, '''')';
CREATE FUNCTION h_valid() RETURNS bool LANGUAGE plpgsql AS
    'BEGIN RETURN domain_in(''5''::cstring, ''hd''::regtype, -1)::text IS NULL; END';
CREATE FUNCTION h_stable(int) RETURNS bigint LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN h_next($1); END';
CREATE FUNCTION h_immutable(int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN RETURN nextval(''hq'') + $1; END';
CREATE VIEW h_estimated AS SELECT * FROM ht WHERE b = table_to_xml('hv', true, true, '')::text;
CREATE VIEW h_in AS SELECT domain_in('5'::cstring, 'hd'::regtype::oid, -1)::text AS a;
CREATE FUNCTION h_in_body() RETURNS text LANGUAGE sql BEGIN ATOMIC
    SELECT array_in('{5}'::cstring, 'hd'::regtype::oid, -1)::text; END;

-- Overloads of which only some have effects: types of arguments tell which is meant.
CREATE FUNCTION h_pick(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION h_pick(text) RETURNS int LANGUAGE plpgsql AS
    'BEGIN INSERT INTO ht (b) VALUES ($1); RETURN 1; END';
CREATE FUNCTION h_pick(date) RETURNS int LANGUAGE plpgsql AS
    'BEGIN CREATE TABLE h_picked (a int); RETURN 1; END';
CREATE FUNCTION h_pick(hc) RETURNS int LANGUAGE sql AS 'SELECT h_next(1)::int';
CREATE FUNCTION h_pick(VARIADIC numeric[]) RETURNS int LANGUAGE sql AS 'SELECT h_write(1)';
CREATE FUNCTION h_pick(bool, int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT h_next(1)::int';
CREATE FUNCTION h_poly(anyelement) RETURNS int LANGUAGE sql AS 'SELECT h_write(1)';
CREATE FUNCTION h_poly(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION h_poly(anyarray) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION h_poly(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT h_next(1)::int';
CREATE FUNCTION h_poly(a text, c text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
