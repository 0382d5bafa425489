SELECT "users"."id", "users"."e-mail" AS "E" FROM "public"."users" WHERE "users"."id" = $1::int8 AND name ILIKE '%o''brien%' ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET 0;

UPDATE pgbench_accounts SET abalance = abalance + -2345 WHERE aid = 123456;

INSERT INTO t (a, "b c", d) VALUES (1, E'tab\there\'s', NULL), (0x1F, $tag$ it's $$ here $tag$, 1_000.5e-3) ON CONFLICT (a) DO UPDATE SET d = excluded.d RETURNING *, t.a[1:2];

WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM x WHERE n<-5 OR n<>-1) SELECT array_agg(n) FILTER (WHERE n @> '{}'::jsonb ->'a'#>>'{b,c}') FROM x;

/* a /* nested */ comment -- not a line one */ CREATE FUNCTION f(a int, b text DEFAULT 'x'
  'y') RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
  -- it's fine
  RETURN a||$1 + 'x'; -- $body
END $body$;

SELECT U&'d\0061t\+000061' UESCAPE '!', U&"d!0061t", B'0101', x'1f', N'national', e'\\', '\', f(a := 1, b => 2), a?b, a?|array['x'], @-1, |/ 25.0, 5 !=-1, a*-b, 1..2;

CREATE TABLE été ("Größe" numeric(10,2) CHECK ("Größe" >= .5), "a""b" text DEFAULT $$x$$, ts timestamptz(3) DEFAULT now());

DO $$BEGIN EXECUTE format('DROP TABLE %I', 'x'); END$$ LANGUAGE plpgsql; -- last
