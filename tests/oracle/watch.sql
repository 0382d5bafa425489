-- What watches the scratch database: an event trigger, and what a transaction has touched so far.
CREATE SCHEMA oracle;
GRANT USAGE ON SCHEMA oracle TO PUBLIC;

-- pg_temp last: a temporary relation may bear a catalog's name
-- INFO reaches the client whatever client_min_messages says
CREATE FUNCTION oracle.note() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$ BEGIN RAISE INFO 'fired: %', tg_tag; END $$;
CREATE EVENT TRIGGER oracle_note ON ddl_command_start EXECUTE FUNCTION oracle.note();

-- Relations in which this session has written rows since its counters were last sent off, each with
-- how many; then the sequences' positions and whether the transaction has an id.
CREATE FUNCTION oracle.touched() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN coalesce((
        SELECT string_agg(format('%s.%s=%s', relnamespace::regnamespace, relname, written), ' ')
        FROM (SELECT relnamespace, relname,
                     pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
                     + pg_stat_get_xact_tuples_deleted(oid) AS written
              FROM pg_class WHERE relkind IN ('r', 'm')) counted
        WHERE written > 0), '')
        || coalesce((SELECT string_agg(format(' sequence.%s=%s', oid, pg_sequence_last_value(oid)), '')
                     FROM (SELECT oid FROM pg_class WHERE relkind = 'S' AND relpersistence <> 't'
                           ORDER BY oid) sequences), '')
        || coalesce(' xid.xid=' || pg_current_xact_id_if_assigned()::text, '');
END $$;
