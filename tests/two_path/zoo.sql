-- One of everything that a schema change can make.
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN app.positive AS int DEFAULT 3 NOT NULL CHECK (VALUE > 0);
CREATE TYPE app.pair AS (x int, y text COLLATE "C");
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE TABLE app.parent (id serial PRIMARY KEY, note text);
CREATE TABLE app.main (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent_id int NOT NULL REFERENCES app.parent ON DELETE CASCADE,
    mood app.mood DEFAULT 'sad',
    amount numeric(12, 4) NOT NULL DEFAULT 0,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
    name varchar(32) COLLATE "C",
    CONSTRAINT amount_is_positive CHECK (amount >= 0),
    UNIQUE (name),
    CONSTRAINT one_at_a_time EXCLUDE USING gist (int4range(parent_id, parent_id, '[]') WITH &&)
);
CREATE TABLE app.plain (a int, b int, c int);
CREATE TABLE app.only_here (id int PRIMARY KEY);
CREATE TABLE app.part (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE app.child (extra int) INHERITS (app.plain);
CREATE INDEX by_day ON app.part (day);
CREATE UNIQUE INDEX "by name ON x" ON app.main (lower(name)) WHERE amount > 3;
CREATE INDEX by_amount ON app.main (amount DESC) INCLUDE (mood);
CREATE INDEX to_be_named ON app.main (twice);
CREATE SEQUENCE app.tickets INCREMENT 5;
CREATE VIEW app.seen AS SELECT id, parent_id FROM app.main;
CREATE MATERIALIZED VIEW app.kept AS SELECT count(*) AS n FROM app.main;
CREATE FUNCTION app.twice(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a * b';
CREATE FUNCTION app.atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
CREATE PROCEDURE app.proceed() LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE app.total(int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE FUNCTION app.watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER watch BEFORE INSERT ON app.main FOR EACH ROW EXECUTE FUNCTION app.watch();
CREATE RULE quiet AS ON DELETE TO app.plain DO INSTEAD NOTHING;
ALTER TABLE app.main ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.main FOR SELECT TO PUBLIC USING (id > 0);
CREATE EXTENSION pg_trgm;
CREATE STATISTICS app.related (ndistinct) ON a, c FROM app.plain;
CREATE PUBLICATION told FOR TABLE app.main (id, mood) WHERE (id > 3);
CREATE FUNCTION app.event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER on_create ON ddl_command_end WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION app.event();
CREATE FUNCTION app.same(app.pair, app.pair) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR app.=== (leftarg = app.pair, rightarg = app.pair, function = app.same);
CREATE OPERATOR FAMILY app.family USING btree;
CREATE FUNCTION app.shown(app.pair) RETURNS text LANGUAGE sql AS $$SELECT 'x'$$;
CREATE CAST (app.pair AS text) WITH FUNCTION app.shown(app.pair);
CREATE COLLATION app.german (provider = libc, locale = 'C');
CREATE TEXT SEARCH DICTIONARY app.words (template = simple);
CREATE TEXT SEARCH CONFIGURATION app.search (copy = english);
CREATE FOREIGN DATA WRAPPER far;
CREATE SERVER away FOREIGN DATA WRAPPER far;
CREATE FOREIGN TABLE app.remote (a int) SERVER away;
CREATE USER MAPPING FOR PUBLIC SERVER away OPTIONS (password 'never shown');
COMMENT ON TABLE app.main IS 'the main one';
GRANT SELECT ON app.main TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader;
