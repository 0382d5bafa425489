CREATE VIEW view_json AS SELECT JSON_VALUE('{"a": "x"}', '$.a' RETURNING checked) AS x;
CREATE VIEW view_json_table AS
    SELECT * FROM JSON_TABLE('{"a": "x"}'::jsonb, '$' COLUMNS (a checked PATH '$.a'));
CREATE VIEW view_valid AS SELECT pg_input_is_valid('x', 'checked') AS v;
CREATE TABLE virtual (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL);
INSERT INTO virtual VALUES (1);
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
CREATE FUNCTION lib.own_valid(text, text) RETURNS boolean LANGUAGE internal STABLE AS 'pg_input_is_valid';
