DO $seal$
BEGIN
    IF EXISTS (SELECT FROM pg_namespace
               WHERE nspname = 'pgauthority' AND nspowner <> CURRENT_USER::regrole)
        OR EXISTS (SELECT FROM pg_class
                   WHERE oid = to_regclass('pgauthority.seal') AND relowner <> CURRENT_USER::regrole)
    THEN
        RAISE EXCEPTION 'schema "pgauthority" or its seal belongs to another role than "%"',
            CURRENT_USER USING HINT = 'seal as its owner, or see what is in it and drop it';
    END IF;
END
$seal$;
CREATE SCHEMA IF NOT EXISTS pgauthority;
GRANT USAGE ON SCHEMA pgauthority TO PUBLIC;
CREATE TABLE IF NOT EXISTS pgauthority.seal (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    authority text NOT NULL,
    role text NOT NULL,
    env text NOT NULL,
    sealed_at timestamptz NOT NULL,
    sealed_by text NOT NULL
);
COMMENT ON TABLE pgauthority.seal IS 'what this database is declared to be (pgauthority seal)';
-- Nobody but the owner changes it, whatever default privileges say; everybody may read it.
DO $seal$
DECLARE
    given record;
BEGIN
    FOR given IN
        SELECT DISTINCT entry.grantee
            FROM pg_class AS object, aclexplode(object.relacl) AS entry
            WHERE object.oid = 'pgauthority.seal'::regclass AND entry.grantee <> object.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE pgauthority.seal FROM %s',
            CASE WHEN given.grantee = 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END);
    END LOOP;
END
$seal$;
GRANT SELECT ON pgauthority.seal TO PUBLIC;
INSERT INTO pgauthority.seal (authority, role, env, sealed_at, sealed_by)
    VALUES ('{authority}', '{role}', '{env}', clock_timestamp(), SESSION_USER)
    ON CONFLICT (only_row) DO UPDATE SET authority = excluded.authority, role = excluded.role,
        env = excluded.env, sealed_at = excluded.sealed_at, sealed_by = excluded.sealed_by;
