-- pgauthority backstop, version {version}: event triggers that refuse schema changes on upstream
-- "{upstream}" (authority {authority}, role {role}, env {env}) unless the session has a token that
-- only the proxy can make. docs/backstop.md in pgauthority's sources explains each part.
--
-- To be applied whole, as one transaction, by a role that may create event triggers:
--     psql -v ON_ERROR_STOP=1 -1 -f FILE
-- Then the proxy gets the key: pgauthority backstop key --upstream {upstream} --key-file FILE

-- Every name and operator is pg_catalog's by name: nobody's search_path puts another in its place.
-- An older installation goes first. Event triggers do not fire for their own kind: this is what
-- their owner can always do.
{drop_triggers}
DO $backstop$
BEGIN
    -- no IF NOT EXISTS: what somebody else makes at this moment is not ours
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace
                   WHERE nspname OPERATOR(pg_catalog.=) 'pgauthority') THEN
        CREATE SCHEMA pgauthority;
    END IF;
    -- a schema that somebody else made could hold anything, and could be taken away again
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace
               WHERE nspname OPERATOR(pg_catalog.=) 'pgauthority'
                   AND pg_catalog.pg_get_userbyid(nspowner) OPERATOR(pg_catalog.<>) CURRENT_USER)
        OR EXISTS (SELECT FROM pg_catalog.pg_class
                   WHERE oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('pgauthority.key')
                       AND (pg_catalog.pg_get_userbyid(relowner) OPERATOR(pg_catalog.<>) CURRENT_USER
                           OR relkind OPERATOR(pg_catalog.<>) 'm')) THEN
        RAISE EXCEPTION 'schema "pgauthority" or its key belongs to another role than "%"',
            CURRENT_USER USING HINT = 'install as its owner; or, where it holds a seal alone, '
                'pgauthority seal --remove as its owner and then seal again as this role: both '
                'belong to one role';
    END IF;
    IF NOT pg_catalog.pg_has_role(CURRENT_USER, 'pg_read_all_stats', 'USAGE') THEN
        RAISE EXCEPTION 'role "%" cannot see when sessions of other roles began', CURRENT_USER
            USING HINT = pg_catalog.format('GRANT pg_read_all_stats TO %I, which must also be '
                'allowed to create event triggers; or install as a superuser: --url postgresql://…',
                CURRENT_USER);
    END IF;
END
$backstop$;
{drop_objects}
GRANT USAGE ON SCHEMA pgauthority TO PUBLIC;

-- The key, 256 random bits, and what HMAC-SHA-256 makes of it (RFC 2104). It is made here, so that
-- no script and no log has it, and kept in a materialized view: its contents go into no dump (what is
-- restored has another key), into no publication, and nobody needs to read it for pg_dump. An older
-- installation's key is kept.
CREATE MATERIALIZED VIEW IF NOT EXISTS pgauthority.key AS
    WITH made AS MATERIALIZED (
        SELECT pg_catalog.sha256(
            pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
            OPERATOR(pg_catalog.||) pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
            OPERATOR(pg_catalog.||) pg_catalog.uuid_send(pg_catalog.gen_random_uuid())) AS key
    ), padded AS (
        SELECT key, key OPERATOR(pg_catalog.||)
                pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex') AS block
            FROM made
    )
    SELECT key,
        pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(
            pg_catalog.convert_to('pgauthority backstop key 1', 'UTF8')
            OPERATOR(pg_catalog.||) key), 1, 8), 'hex')
            AS fingerprint,
        (SELECT pg_catalog.decode(pg_catalog.string_agg(pg_catalog.lpad(
                pg_catalog.to_hex(pg_catalog.get_byte(block, at) OPERATOR(pg_catalog.#) 54),
                2, '0'), '' ORDER BY at), 'hex')
            FROM pg_catalog.generate_series(0, 63) AS at) AS inner_block,
        (SELECT pg_catalog.decode(pg_catalog.string_agg(pg_catalog.lpad(
                pg_catalog.to_hex(pg_catalog.get_byte(block, at) OPERATOR(pg_catalog.#) 92),
                2, '0'), '' ORDER BY at), 'hex')
            FROM pg_catalog.generate_series(0, 63) AS at) AS outer_block
    FROM padded;
{new_key}
COMMENT ON MATERIALIZED VIEW pgauthority.key IS
    'the key of the pgauthority backstop, for its owner alone; its fingerprint for everybody';

-- What is wrong with the session's token; NULL for a good one. A token is for one backend, for one
-- text as the client sent it, and lasts some seconds.
CREATE FUNCTION pgauthority.token_fault() RETURNS pg_catalog.text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $backstop$
DECLARE
    token text := current_setting('pgauthority.token', true);
    expiry bigint;
    keys pgauthority.key;
    started timestamptz;
    signed bytea;
    expected bytea;
BEGIN
    IF token IS NULL OR token = '' THEN
        RETURN 'the session has no token';
    ELSIF token !~ '^1[.][0-9]{1,12}[.][0-9a-f]{64}$' THEN
        RETURN 'what the session has is no token';
    END IF;
    expiry := split_part(token, '.', 2)::bigint;
    SELECT * INTO keys FROM pgauthority.key;
    IF keys.key IS NULL THEN
        RETURN 'the backstop has no key';
    END IF;
    SELECT backend_start INTO started FROM pg_stat_get_activity(pg_backend_pid());
    signed := convert_to('pgauthority backstop token 1', 'UTF8')
        || int4send(pg_backend_pid())
        || int8send((EXTRACT(epoch FROM started) * 1000000)::bigint)
        || int8send(expiry)
        || sha256(convert_to(current_query(), pg_client_encoding()));
    expected := sha256(keys.outer_block || sha256(keys.inner_block || signed));
    -- hashed once more: how long the comparison takes then tells nothing
    IF sha256(expected) IS DISTINCT FROM sha256(decode(split_part(token, '.', 3), 'hex')) THEN
        RETURN 'the session has no token for this statement';
    END IF;
    -- when the statement arrived, not now: it may take longer than its token lasts
    IF EXTRACT(epoch FROM statement_timestamp()) > expiry THEN
        RETURN 'the token has expired';
    END IF;
    RETURN NULL;
END
$backstop$;

-- Refuses what changes the schema without a token. Temporary relations pass, and so does REFRESH
-- MATERIALIZED VIEW, which changes data.
CREATE FUNCTION pgauthority.guard() RETURNS pg_catalog.event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $backstop$
DECLARE
    fault text;
    class text := 'ddl';
    -- what can be about temporary relations is judged when the objects are known
    can_be_temporary boolean := TG_TAG IN (
        'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SEQUENCE', 'CREATE VIEW',
        'CREATE INDEX', 'ALTER TABLE', 'ALTER SEQUENCE', 'ALTER INDEX', 'ALTER VIEW',
        'DROP TABLE', 'DROP SEQUENCE', 'DROP VIEW', 'DROP INDEX');
    -- these commit before they end; they run at top level only, so the word is in the text
    commits_early boolean := CASE
        WHEN TG_TAG IN ('CREATE INDEX', 'DROP INDEX') THEN current_query() ~* 'concurrently'
        WHEN TG_TAG = 'ALTER TABLE' THEN current_query() ~* 'detach.*concurrently'
        ELSE false
    END;
BEGIN
    IF TG_TAG = 'REFRESH MATERIALIZED VIEW' THEN
        RETURN;
    ELSIF TG_EVENT = 'ddl_command_start' THEN
        IF can_be_temporary AND NOT commits_early THEN
            RETURN;
        END IF;
    ELSIF TG_EVENT = 'ddl_command_end' THEN
        -- no objects: nothing was done (IF EXISTS), or a DROP, which sql_drop judges; a child
        -- changes its parent's row
        IF can_be_temporary AND NOT EXISTS (
            SELECT FROM pg_event_trigger_ddl_commands()
            WHERE schema_name IS DISTINCT FROM 'pg_temp' OR classid = 'pg_class'::regclass AND EXISTS (
                SELECT FROM pg_inherits JOIN pg_class AS parent ON parent.oid = inhparent
                WHERE inhrelid = objid AND parent.relpersistence <> 't')) THEN
            RETURN;
        END IF;
    ELSIF TG_EVENT = 'sql_drop' THEN
        -- the parts of a temporary relation go with it; a rule is never reported as temporary
        IF can_be_temporary AND NOT EXISTS (
            SELECT FROM pg_event_trigger_dropped_objects()
            WHERE NOT is_temporary AND (original OR normal)
                AND NOT (object_type = 'rule' AND address_names[1] = 'pg_temp')) THEN
            RETURN;
        END IF;
    ELSIF TG_EVENT = 'table_rewrite' THEN
        IF (SELECT relpersistence = 't' FROM pg_class
            WHERE oid = pg_event_trigger_table_rewrite_oid()) THEN
            RETURN;
        END IF;
    END IF;
    fault := pgauthority.token_fault();
    IF fault IS NULL THEN
        RETURN;
    END IF;
    IF TG_TAG IN ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES', 'DROP OWNED') THEN
        class := 'privilege';
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = '42501',
        MESSAGE = TG_TAG || ' blocked: upstream "{upstream}" is role {role} '
            || 'and the session has not confirmed',
        DETAIL = 'rule prod.' || class || '_unconfirmed, class ' || class
            || ', upstream {upstream}, authority {authority}, role {role}, env {env}'
            || ', backstop: ' || fault,
        HINT = 'if this is meant for production, connect through pgauthority and confirm: '
            || 'SET authority.confirm_prod_migrations = true'
            || CASE WHEN lower(current_setting('authority.confirm_prod_migrations', true))
                    IN ('true', 'on', 'yes', '1')
                THEN '; this session has, but not through a pgauthority that has the key of '
                    || 'this database: pgauthority backstop status --upstream {upstream} tells'
                ELSE '' END
            || ' (docs/rules.md explains "prod.' || class || '_unconfirmed")';
END
$backstop$;
COMMENT ON FUNCTION pgauthority.guard() IS '{comment}';

-- Nobody but the owner, whatever default privileges say.
DO $backstop$
DECLARE
    given pg_catalog.record;
BEGIN
    FOR given IN
        SELECT 'pgauthority.key' AS what, entry.grantee
            FROM pg_catalog.pg_class AS object, pg_catalog.aclexplode(object.relacl) AS entry
            WHERE object.oid OPERATOR(pg_catalog.=) 'pgauthority.key'::pg_catalog.regclass
                AND entry.grantee OPERATOR(pg_catalog.<>) object.relowner
        UNION
        SELECT 'FUNCTION ' OPERATOR(pg_catalog.||)
                object.oid::pg_catalog.regprocedure::pg_catalog.text, entry.grantee
            FROM pg_catalog.pg_proc AS object, pg_catalog.aclexplode(COALESCE(object.proacl,
                pg_catalog.acldefault('f', object.proowner))) AS entry
            WHERE object.pronamespace OPERATOR(pg_catalog.=) 'pgauthority'::pg_catalog.regnamespace
                AND object.proname OPERATOR(pg_catalog.=)
                    ANY ('{guard,token_fault}'::pg_catalog.name[])
                AND entry.grantee OPERATOR(pg_catalog.<>) object.proowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', given.what,
            CASE WHEN given.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
                ELSE given.grantee::pg_catalog.regrole::pg_catalog.text END);
    END LOOP;
END
$backstop$;
GRANT SELECT (fingerprint) ON pgauthority.key TO PUBLIC;

-- ALWAYS: session_replication_role does not silence them.
{create_triggers}
