DO $seal$
BEGIN
    IF NOT (SELECT pg_has_role(CURRENT_USER, datdba, 'MEMBER')
            FROM pg_database WHERE datname = current_database()) THEN
        RAISE EXCEPTION 'role "%" is neither a superuser nor this database''s owner', CURRENT_USER
            USING HINT = 'a seal of another role''s is not believed: seal as one of them';
    END IF;
    -- no IF NOT EXISTS: what somebody else makes at this moment is not ours
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'pgauthority') THEN
        CREATE SCHEMA pgauthority;
    END IF;
    IF EXISTS (SELECT FROM pg_namespace
               WHERE nspname = 'pgauthority' AND pg_get_userbyid(nspowner) <> CURRENT_USER)
        OR EXISTS (SELECT FROM pg_class
                   WHERE oid = to_regclass('pgauthority.seal')
                       AND pg_get_userbyid(relowner) <> CURRENT_USER)
    THEN
        RAISE EXCEPTION 'schema "pgauthority" or its seal belongs to another role than "%"',
            CURRENT_USER USING HINT = 'seal as its owner, or see what is in it and drop it';
    END IF;
    IF to_regclass('pgauthority.seal') IS NULL THEN
        CREATE TABLE pgauthority.seal (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            authority text NOT NULL,
            role text NOT NULL,
            env text NOT NULL,
            sealed_at timestamptz NOT NULL,
            sealed_by text NOT NULL
        );
    -- nothing of another's making runs when its row is written
    ELSIF (SELECT relkind <> 'r' OR relhasrules OR relrowsecurity OR relispartition
           FROM pg_class WHERE oid = to_regclass('pgauthority.seal'))
        OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass('pgauthority.seal'))
        OR EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = to_regclass('pgauthority.seal') AND attnum > 0
                       AND (attgenerated <> '' OR atttypid >= 16384))
        OR EXISTS (SELECT FROM pg_attrdef
                   WHERE adrelid = to_regclass('pgauthority.seal')
                       AND pg_get_expr(adbin, adrelid) <> 'true')
        OR EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = to_regclass('pgauthority.seal') AND contype NOT IN ('p', 'n')
                       AND (contype <> 'c' OR pg_get_expr(conbin, conrelid) <> 'only_row'))
        OR EXISTS (SELECT FROM pg_index
                   WHERE indrelid = to_regclass('pgauthority.seal')
                       AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
        OR EXISTS (SELECT FROM pg_statistic_ext
                   WHERE stxrelid = to_regclass('pgauthority.seal'))
    THEN
        RAISE EXCEPTION 'pgauthority.seal is not what a seal is'
            USING HINT = 'see what it is and drop it';
    END IF;
END
$seal$;
GRANT USAGE ON SCHEMA pgauthority TO PUBLIC;
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
