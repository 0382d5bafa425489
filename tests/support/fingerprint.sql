-- Fingerprints of a database: its catalogs, and what its tables, sequences and large objects hold.
CREATE SCHEMA watch;
GRANT USAGE ON SCHEMA watch TO PUBLIC;

-- The rows of every catalog but statistics and large objects, without the columns that say where
-- and how big the files of a relation are, whether a materialized view is filled, and hints
-- that are put right later. Temporary objects and TOAST tables are left out.
CREATE FUNCTION watch.fingerprint() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    catalog record;
    hash numeric;
    hashes text = '';
    hidden oid[];
BEGIN
    SELECT array_agg(oid) INTO hidden FROM pg_namespace WHERE nspname ~ '^pg_(temp|toast)';
    hidden = hidden || ARRAY(SELECT oid FROM pg_class WHERE relnamespace = ANY (hidden));
    hidden = hidden || ARRAY(SELECT oid FROM pg_type WHERE typnamespace = ANY (hidden));
    hidden = hidden || ARRAY(SELECT oid FROM pg_attrdef WHERE adrelid = ANY (hidden))
                    || ARRAY(SELECT oid FROM pg_constraint WHERE conrelid = ANY (hidden))
                    || ARRAY(SELECT oid FROM pg_rewrite WHERE ev_class = ANY (hidden))
                    || ARRAY(SELECT oid FROM pg_trigger WHERE tgrelid = ANY (hidden))
                    || ARRAY(SELECT oid FROM pg_proc WHERE pronamespace = ANY (hidden));
    FOR catalog IN
        SELECT relname, ARRAY(
                   SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attname IN
                   ('oid', 'attrelid', 'indexrelid', 'seqrelid', 'adrelid', 'conrelid',
                    'ev_class', 'tgrelid', 'objid', 'enumtypid', 'inhrelid', 'partrelid',
                    'polrelid', 'stxrelid', 'prrelid', 'ftrelid', 'objoid')) AS owners
        FROM pg_class c
        WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
          AND relname !~ '^pg_(statistic|statistic_ext_data|largeobject|largeobject_metadata)$'
    LOOP
        EXECUTE format(
            'SELECT sum(hashtextextended((%s)::text, 0)::numeric) FROM pg_catalog.%I t WHERE true %s %s',
            CASE catalog.relname
                WHEN 'pg_class' THEN $columns$to_jsonb(t) - ARRAY['relfilenode', 'relpages',
                    'reltuples', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid',
                    'reltoastrelid', 'relispopulated', 'relhasindex', 'relhasrules', 'relhastriggers',
                    'relhassubclass']$columns$
                WHEN 'pg_database' THEN $columns$to_jsonb(t) - ARRAY['datfrozenxid',
                    'datminmxid']$columns$
                WHEN 'pg_index' THEN $columns$to_jsonb(t) - ARRAY['indcheckxmin']$columns$
                ELSE 't'
            END,
            catalog.relname,
            (SELECT string_agg(format('AND NOT %I = ANY ($1)', owner), ' ')
             FROM unnest(catalog.owners) owner),
            CASE catalog.relname
                WHEN 'pg_depend' THEN 'AND NOT refobjid = ANY ($1)'
                WHEN 'pg_shdepend' THEN 'AND classid <> ''pg_largeobject''::regclass AND dbid IN
                    (0, (SELECT oid FROM pg_database WHERE datname = current_database()))'
            END)
        USING hidden INTO hash;
        hashes = hashes || catalog.relname || '=' || coalesce(hash::text, '') || ' ';
    END LOOP;
    RETURN hashes;
END $$;

-- What the tables, sequences and large objects hold.
CREATE FUNCTION watch.contents() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation record;
    hash numeric;
    state text;
    hashes text = '';
BEGIN
    FOR relation IN
        SELECT relnamespace::regnamespace::text AS space, relname FROM pg_class
        WHERE relkind IN ('r', 'm') AND relispopulated
          AND relnamespace <> 'information_schema'::regnamespace
          AND (relnamespace::regnamespace::text !~ '^pg_' OR relname ~ '^pg_largeobject')
        ORDER BY 1, 2
    LOOP
        EXECUTE format('SELECT sum(hashtextextended(t::text, 0)::numeric) FROM %s.%I t',
                       relation.space, relation.relname) INTO hash;
        hashes = hashes || format('%s.%s=%s ', relation.space, relation.relname, hash);
    END LOOP;
    FOR relation IN
        SELECT relnamespace::regnamespace::text AS space, relname FROM pg_class
        WHERE relkind = 'S' AND relpersistence <> 't' ORDER BY oid
    LOOP
        EXECUTE format('SELECT last_value || is_called::text FROM %s.%I',
                       relation.space, relation.relname) INTO state;
        hashes = hashes || format('sequence.%s=%s ', relation.relname, state);
    END LOOP;
    RETURN hashes;
END $$;
