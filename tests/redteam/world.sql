-- All that an attack could change, a line each: what is in the catalogs, tables, sequences and large
-- objects of the database, in the cluster, and in the folder `loot` of the data directory.
CREATE SCHEMA witness;
CREATE FUNCTION witness.world() RETURNS SETOF text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation record;
BEGIN
    RETURN QUERY
    SELECT format('relation %s.%s %s %s %s %s %s %s %s', n.nspname, c.relname, c.relkind,
                  c.relowner::regrole, c.relacl, c.relfilenode, c.relrowsecurity, c.relchecks,
                  c.reloptions)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid >= 16384 AND c.relpersistence <> 't'
    UNION ALL
    SELECT format('column %s.%s %s %s %s', a.attrelid::regclass, a.attname, a.atttypid::regtype,
                  a.attnotnull, a.atthasdef)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'v', 'm', 'f')
      AND a.attnum > 0
    UNION ALL
    SELECT format('routine %s %s %s %s %s %s', p.oid::regprocedure, md5(p.prosrc), p.provolatile,
                  p.proowner::regrole, p.proacl, p.proconfig)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 OR p.proacl IS NOT NULL
    UNION ALL
    SELECT format('type %s %s', oid::regtype, typtype) FROM pg_type
    WHERE oid >= 16384 AND typrelid = 0 AND typelem = 0
      AND typnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(temp|toast)')
    UNION ALL
    SELECT format('schema %s %s %s', nspname, nspowner::regrole, nspacl) FROM pg_namespace
    WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL
    SELECT format('role %s %s %s %s %s', rolname, rolsuper, rolcreaterole, rolcanlogin,
                  md5(rolpassword)) FROM pg_authid
    UNION ALL
    SELECT format('member %s %s', roleid::regrole, member::regrole) FROM pg_auth_members
    UNION ALL
    SELECT format('database %s %s %s', datname, datacl, datconnlimit) FROM pg_database
    UNION ALL
    SELECT format('tablespace %s %s', spcname, spcacl) FROM pg_tablespace
    UNION ALL
    SELECT format('setting %s %s', setrole::regrole, setconfig) FROM pg_db_role_setting
    UNION ALL
    SELECT format('default acl %s', defaclacl) FROM pg_default_acl
    UNION ALL
    SELECT format('comment %s', description) FROM pg_description WHERE objoid >= 16384
    UNION ALL
    SELECT format('shared comment %s', description) FROM pg_shdescription
    UNION ALL
    SELECT format('extension %s %s', extname, extversion) FROM pg_extension
    UNION ALL
    SELECT format('trigger %s %s', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT format('rule %s %s', rulename, ev_enabled) FROM pg_rewrite WHERE oid >= 16384
    UNION ALL
    SELECT format('constraint %s %s', conname, contype) FROM pg_constraint WHERE oid >= 16384
    UNION ALL
    SELECT format('event trigger %s %s', evtname, evtenabled) FROM pg_event_trigger
    UNION ALL
    SELECT format('policy %s', polname) FROM pg_policy
    UNION ALL
    SELECT format('publication %s', pubname) FROM pg_publication
    UNION ALL
    SELECT format('server %s', srvname) FROM pg_foreign_server
    UNION ALL
    SELECT format('language %s', lanname) FROM pg_language
    UNION ALL
    SELECT format('operator %s', oid::regoperator) FROM pg_operator WHERE oid >= 16384
    UNION ALL
    SELECT format('cast %s %s', castsource::regtype, casttarget::regtype) FROM pg_cast
    WHERE oid >= 16384
    UNION ALL
    SELECT format('statistics %s', stxname) FROM pg_statistic_ext
    UNION ALL
    SELECT format('slot %s', slot_name) FROM pg_replication_slots
    UNION ALL
    SELECT format('origin %s', roname) FROM pg_replication_origin
    UNION ALL
    SELECT format('prepared %s', gid) FROM pg_prepared_xacts
    UNION ALL
    SELECT format('large object %s %s %s', oid, lomowner::regrole, md5(lo_get(oid)))
    FROM pg_largeobject_metadata;

    FOR relation IN
        SELECT c.oid::regclass AS name, c.relkind AS kind FROM pg_class c
        WHERE c.oid >= 16384 AND c.relpersistence <> 't' AND c.relkind IN ('r', 'm', 'S')
          AND (c.relkind <> 'm' OR c.relispopulated)
    LOOP
        RETURN QUERY EXECUTE format('SELECT format(''row %%s %%s'', %L, t::text) FROM (SELECT * FROM %s) t',
                                    relation.name, relation.name);
    END LOOP;

    RETURN QUERY
    SELECT * FROM witness.outside();
END $$;

-- What lies outside the database: this much a standby's superuser can change, too.
CREATE FUNCTION witness.outside() RETURNS SETOF text LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('file %s', name) FROM pg_ls_dir('loot', true, false) name
    UNION ALL
    SELECT format('configuration %s', md5(pg_read_file('postgresql.auto.conf')))
    UNION ALL
    SELECT format('configuration loaded %s', pg_conf_load_time())
    UNION ALL
    SELECT format('statistics since %s', stats_reset) FROM pg_stat_database
    WHERE datname = current_database()
    UNION ALL
    SELECT format('in recovery %s', pg_is_in_recovery())
    UNION ALL
    SELECT format('bystander %s', state) FROM pg_stat_activity
    WHERE application_name = 'bystander';
$$;
