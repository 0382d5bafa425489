-- Every object of a database that a schema change can make, one row each: its kind, its name, the
-- object that it is part of, and its properties. One statement, so one snapshot. Runs on 15 to 18
-- with a search_path of pg_catalog, so that every name in an expression has its schema. What belongs
-- to an extension is left out: the extension's version stands for it. No value of a user's type is
-- touched: of pg_attribute whole, to_jsonb would apply the casts that it finds (attmissingval).
WITH user_schema AS (
    SELECT oid, quote_ident(nspname) AS name, nspowner, nspacl
    FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), relation AS (
    SELECT c.*, s.name || '.' || quote_ident(c.relname) AS identity,
           CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                          WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
                          WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'c' THEN 'type'
                          ELSE 'table' END AS kind
    FROM pg_class c
    JOIN user_schema s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
), owned AS (
    SELECT d.objid, d.deptype, r.kind, r.identity, a.attname
    FROM pg_depend d
    JOIN relation r ON r.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
), object (classid, objid, objsubid, owner, acl, acl_type, kind, identity, parent, properties) AS (

    SELECT 'pg_database'::regclass::oid, d.oid, 0, d.datdba, d.datacl, 'd'::"char", 'database', 'current',
           NULL::text, jsonb_build_object('settings', (
               SELECT jsonb_agg(coalesce(pg_get_userbyid(nullif(s.setrole, 0))::text || ': ', '') || setting
                                ORDER BY s.setrole, setting)
               FROM pg_db_role_setting s, unnest(s.setconfig) AS setting
               WHERE s.setdatabase = d.oid))
    FROM pg_database d WHERE d.datname = current_database()

    UNION ALL
    SELECT 'pg_namespace'::regclass, s.oid, 0, s.nspowner, s.nspacl, 'n', 'schema', s.name, NULL, '{}'
    FROM user_schema s

    UNION ALL
    SELECT 'pg_extension'::regclass, e.oid, 0, e.extowner, NULL, NULL, 'extension', quote_ident(e.extname),
           NULL, jsonb_build_object('version', e.extversion, 'schema', n.nspname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.oid >= 16384

    UNION ALL -- tables, partitioned ones and foreign ones
    SELECT 'pg_class'::regclass, r.oid, 0, r.relowner, r.relacl, 'r', r.kind, r.identity, NULL,
           jsonb_build_object(
               'columns', (SELECT jsonb_agg(quote_ident(a.attname) ORDER BY a.attnum) FROM pg_attribute a
                           WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),
               'persistence', CASE WHEN r.relpersistence = 'u' THEN 'unlogged' END,
               'partition key', pg_get_partkeydef(r.oid),
               'partition bound', pg_get_expr(r.relpartbound, r.oid),
               'inherits', (SELECT jsonb_agg(i.inhparent::regclass::text ORDER BY i.inhseqno)
                            FROM pg_inherits i WHERE i.inhrelid = r.oid),
               'of type', CASE WHEN r.reloftype <> 0 THEN format_type(r.reloftype, NULL) END,
               'row security', CASE WHEN r.relforcerowsecurity THEN 'forced'
                                    WHEN r.relrowsecurity THEN 'enabled' END,
               'replica identity', CASE r.relreplident WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing'
                   WHEN 'i' THEN (SELECT i.indexrelid::regclass::text FROM pg_index i
                                  WHERE i.indrelid = r.oid AND i.indisreplident) END,
               'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(r.reloptions) o),
               'toast options', (SELECT jsonb_agg(o ORDER BY o)
                                 FROM pg_class t, unnest(t.reloptions) o WHERE t.oid = r.reltoastrelid),
               'access method', (SELECT m.amname FROM pg_am m WHERE m.oid = r.relam AND m.amname <> 'heap'),
               'tablespace', (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = r.reltablespace),
               'server', (SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver
                          WHERE f.ftrelid = r.oid),
               'foreign options', (SELECT jsonb_agg(o ORDER BY o) FROM pg_foreign_table f, unnest(f.ftoptions) o
                                   WHERE f.ftrelid = r.oid))
    FROM relation r WHERE r.relkind IN ('r', 'p', 'f')

    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, a.attnum, NULL, a.attacl, NULL, 'column',
           r.identity || '.' || quote_ident(a.attname), r.kind || ' ' || r.identity,
           jsonb_build_object(
               'type', format_type(a.atttypid, a.atttypmod),
               'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
               'nullable', NOT a.attnotnull,
               'not null', (SELECT CASE WHEN NOT k.convalidated THEN 'not valid'
                                        WHEN k.connoinherit THEN 'no inherit' END
                            FROM pg_constraint k WHERE k.conrelid = r.oid AND k.contype = 'n'
                            AND k.conkey = ARRAY[a.attnum]),
               'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
               'generated', CASE a.attgenerated WHEN 's' THEN 'stored: ' || pg_get_expr(d.adbin, d.adrelid)
                                                WHEN 'v' THEN 'virtual: ' || pg_get_expr(d.adbin, d.adrelid) END,
               'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
               'storage', CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
               'compression', nullif(a.attcompression::text, ''),
               'statistics target', nullif(a.attstattarget::int, -1),
               'inherited', CASE WHEN NOT a.attislocal THEN true END,
               'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(a.attoptions) o),
               'foreign options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(a.attfdwoptions) o))
    FROM relation r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'f')

    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, 0, r.relowner, r.relacl, 'r', r.kind, r.identity, NULL,
           jsonb_build_object(
               'definition', pg_get_viewdef(r.oid),
               'columns', (SELECT jsonb_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                                            ORDER BY a.attnum)
                           FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped),
               'column comments', (SELECT jsonb_object_agg(a.attname, c.description)
                           FROM pg_attribute a JOIN pg_description c ON c.classoid = 'pg_class'::regclass
                           AND c.objoid = r.oid AND c.objsubid = a.attnum WHERE a.attrelid = r.oid AND a.attnum > 0),
               'column privileges', (SELECT jsonb_object_agg(a.attname, a.attacl::text)
                           FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attacl IS NOT NULL),
               'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(r.reloptions) o),
               'populated', CASE WHEN r.relkind = 'm' THEN r.relispopulated END)
    FROM relation r WHERE r.relkind IN ('v', 'm')

    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, 0, r.relowner, r.relacl, 's', 'sequence', r.identity,
           o.kind || ' ' || o.identity,
           jsonb_build_object(
               'type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'minimum', s.seqmin,
               'maximum', s.seqmax, 'increment', s.seqincrement, 'cycle', s.seqcycle, 'cache', s.seqcache,
               'persistence', CASE WHEN r.relpersistence = 'u' THEN 'unlogged' END,
               'owned by', o.identity || '.' || quote_ident(o.attname)
                           || CASE o.deptype WHEN 'i' THEN ' (identity)' ELSE '' END)
    FROM relation r JOIN pg_sequence s ON s.seqrelid = r.oid LEFT JOIN owned o ON o.objid = r.oid

    UNION ALL -- indexes that no constraint made
    SELECT 'pg_class'::regclass, r.oid, 0, NULL, NULL, NULL, 'index', r.identity, t.kind || ' ' || t.identity,
           jsonb_build_object(
               'definition', (CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END) || substr(pg_get_indexdef(r.oid),
                   length('CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX '
                          || quote_ident(r.relname)) + 2),
               'valid', CASE WHEN NOT i.indisvalid THEN false END,
               'clustered', CASE WHEN i.indisclustered THEN true END,
               'partition of', (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = r.oid),
               'tablespace', (SELECT p.spcname FROM pg_tablespace p WHERE p.oid = r.reltablespace))
    FROM relation r JOIN pg_index i ON i.indexrelid = r.oid JOIN relation t ON t.oid = i.indrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = r.oid AND k.contype IN ('p', 'u', 'x'))

    UNION ALL -- NOT NULL, a constraint of its own on 18, is a property of its column
    SELECT 'pg_constraint'::regclass, k.oid, 0, NULL, NULL, NULL, 'constraint',
           r.identity || '.' || quote_ident(k.conname), r.kind || ' ' || r.identity,
           jsonb_build_object(
               'definition', pg_get_constraintdef(k.oid),
               'inherited', CASE WHEN NOT k.conislocal THEN true END,
               'index options', (SELECT jsonb_agg(o ORDER BY o) FROM pg_class x, unnest(x.reloptions) o
                                 WHERE x.oid = k.conindid AND k.contype IN ('p', 'u', 'x')))
    FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid
    WHERE k.contype IN ('c', 'p', 'u', 'f', 'x') AND k.conparentid = 0

    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, 0, NULL, NULL, NULL, 'constraint',
           s.name || '.' || quote_ident(t.typname) || '.' || quote_ident(k.conname),
           'type ' || s.name || '.' || quote_ident(t.typname),
           jsonb_build_object('definition', pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid JOIN user_schema s ON s.oid = t.typnamespace
    WHERE k.contype = 'c'

    UNION ALL
    SELECT 'pg_trigger'::regclass, g.oid, 0, NULL, NULL, NULL, 'trigger',
           r.identity || '.' || quote_ident(g.tgname), r.kind || ' ' || r.identity,
           jsonb_build_object(
               'definition', substr(pg_get_triggerdef(g.oid),
                   length('CREATE ' || CASE WHEN g.tgconstraint <> 0 THEN 'CONSTRAINT ' ELSE '' END || 'TRIGGER '
                          || quote_ident(g.tgname)) + 2),
               'constraint', CASE WHEN g.tgconstraint <> 0 THEN true END,
               'enabled', CASE g.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
    FROM pg_trigger g JOIN relation r ON r.oid = g.tgrelid
    WHERE NOT g.tgisinternal AND g.tgparentid = 0

    UNION ALL
    SELECT 'pg_rewrite'::regclass, w.oid, 0, NULL, NULL, NULL, 'rule',
           r.identity || '.' || quote_ident(w.rulename), r.kind || ' ' || r.identity,
           jsonb_build_object('definition', pg_get_ruledef(w.oid),
               'enabled', CASE w.ev_enabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END)
    FROM pg_rewrite w JOIN relation r ON r.oid = w.ev_class
    WHERE w.rulename <> '_RETURN'

    UNION ALL
    SELECT 'pg_policy'::regclass, p.oid, 0, NULL, NULL, NULL, 'policy',
           r.identity || '.' || quote_ident(p.polname), r.kind || ' ' || r.identity,
           jsonb_build_object(
               'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                        WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               'permissive', p.polpermissive,
               'roles', (SELECT jsonb_agg(name ORDER BY name) FROM unnest(p.polroles) o,
                         LATERAL (SELECT CASE o WHEN 0 THEN 'public' ELSE pg_get_userbyid(o)::text END) AS x (name)),
               'using', pg_get_expr(p.polqual, p.polrelid),
               'with check', pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p JOIN relation r ON r.oid = p.polrelid

    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, x.oid, 0, x.stxowner, NULL, NULL, 'statistics',
           s.name || '.' || quote_ident(x.stxname), r.kind || ' ' || r.identity,
           jsonb_build_object(
               'kinds', (SELECT jsonb_agg(k::text ORDER BY k::text) FROM unnest(x.stxkind) k),
               'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                           WHERE a.attrelid = x.stxrelid AND a.attnum = ANY (x.stxkeys)),
               'expressions', to_jsonb(pg_get_statisticsobjdef_expressions(x.oid)),
               'target', nullif(x.stxstattarget::int, -1))
    FROM pg_statistic_ext x JOIN user_schema s ON s.oid = x.stxnamespace JOIN relation r ON r.oid = x.stxrelid

    UNION ALL -- functions, procedures, window functions; aggregates with what they are made of
    SELECT 'pg_proc'::regclass, f.oid, 0, f.proowner, f.proacl, 'f',
           CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
           s.name || '.' || quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ')', NULL,
           jsonb_build_object(
               'arguments', pg_get_function_arguments(f.oid),
               'result', pg_get_function_result(f.oid),
               'language', (SELECT l.lanname FROM pg_language l WHERE l.oid = f.prolang AND f.prokind <> 'a'),
               'body', CASE WHEN f.prokind <> 'a' THEN coalesce(pg_get_function_sqlbody(f.oid), f.prosrc) END,
               'library', f.probin,
               'window', CASE WHEN f.prokind = 'w' THEN true END,
               'volatility', CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
               'strict', f.proisstrict,
               'security', CASE WHEN f.prosecdef THEN 'definer' ELSE 'invoker' END,
               'leakproof', f.proleakproof,
               'parallel', CASE f.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
               'cost', f.procost, 'rows', nullif(f.prorows, 0),
               'support', nullif(f.prosupport::text, '-'),
               'settings', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(f.proconfig) o),
               'aggregate', (SELECT jsonb_build_object(
                       'sfunc', g.aggtransfn::text, 'stype', format_type(g.aggtranstype, NULL),
                       'sspace', g.aggtransspace, 'finalfunc', g.aggfinalfn::text,
                       'finalfunc_extra', g.aggfinalextra, 'finalfunc_modify', g.aggfinalmodify::text,
                       'combinefunc', g.aggcombinefn::text, 'serialfunc', g.aggserialfn::text,
                       'deserialfunc', g.aggdeserialfn::text, 'initcond', g.agginitval,
                       'msfunc', g.aggmtransfn::text, 'minvfunc', g.aggminvtransfn::text,
                       'mstype', CASE WHEN g.aggmtranstype <> 0 THEN format_type(g.aggmtranstype, NULL) END,
                       'mfinalfunc', g.aggmfinalfn::text, 'minitcond', g.aggminitval,
                       'sortop', CASE WHEN g.aggsortop <> 0 THEN g.aggsortop::regoperator::text END,
                       'kind', g.aggkind::text)
                   FROM pg_aggregate g WHERE g.aggfnoid = f.oid))
    FROM pg_proc f JOIN user_schema s ON s.oid = f.pronamespace

    UNION ALL -- types of their own: not the row types of tables, not arrays, not multiranges
    SELECT 'pg_type'::regclass, t.oid, 0, t.typowner, t.typacl, 'T', 'type', s.name || '.' || quote_ident(t.typname), NULL,
           jsonb_build_object(
               'form', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'c' THEN 'composite'
                                      WHEN 'r' THEN 'range' WHEN 'p' THEN 'shell' ELSE 'base' END,
               'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
               'base type', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
               'nullable', CASE WHEN t.typtype = 'd' THEN NOT t.typnotnull END,
               'default', CASE WHEN t.typtype = 'd' THEN pg_get_expr(t.typdefaultbin, 0) END,
               'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation
                                 THEN t.typcollation::regcollation::text END,
               'attributes', (SELECT jsonb_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                                  || CASE WHEN a.attcollation <> y.typcollation
                                          THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END ORDER BY a.attnum)
                              FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'c'),
               'range', (SELECT jsonb_build_object('subtype', format_type(g.rngsubtype, NULL),
                                'multirange', g.rngmultitypid::regtype::text,
                                'operator class', (SELECT q.opcname FROM pg_opclass q WHERE q.oid = g.rngsubopc),
                                'collation', CASE WHEN g.rngcollation <> 0 THEN g.rngcollation::regcollation::text END,
                                'canonical', g.rngcanonical::text, 'subtype_diff', g.rngsubdiff::text)
                         FROM pg_range g WHERE g.rngtypid = t.oid),
               'input', CASE WHEN t.typtype = 'b' THEN t.typinput::text END,
               'output', CASE WHEN t.typtype = 'b' THEN t.typoutput::text END,
               'length', CASE WHEN t.typtype = 'b' THEN t.typlen END)
    FROM pg_type t JOIN user_schema s ON s.oid = t.typnamespace
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r', 'p') OR t.typtype = 'c' AND c.relkind = 'c'
           OR t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid))

    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid, 0, o.oprowner, NULL, NULL, 'operator', o.oid::regoperator::text, NULL,
           jsonb_build_object('function', o.oprcode::text, 'result', format_type(o.oprresult, NULL),
               'commutator', CASE WHEN o.oprcom <> 0 THEN o.oprcom::regoperator::text END,
               'negator', CASE WHEN o.oprnegate <> 0 THEN o.oprnegate::regoperator::text END,
               'restrict', nullif(o.oprrest::text, '-'), 'join', nullif(o.oprjoin::text, '-'),
               'merges', o.oprcanmerge, 'hashes', o.oprcanhash)
    FROM pg_operator o JOIN user_schema s ON s.oid = o.oprnamespace

    UNION ALL
    SELECT 'pg_opfamily'::regclass, f.oid, 0, f.opfowner, NULL, NULL, 'operator family',
           s.name || '.' || quote_ident(f.opfname) || ' USING ' || m.amname, NULL,
           jsonb_build_object(
               'operators', (SELECT jsonb_agg(o.amopstrategy || ' ' || o.amopopr::regoperator::text
                                              ORDER BY o.amopstrategy, o.amopopr::regoperator::text)
                             FROM pg_amop o WHERE o.amopfamily = f.oid),
               'functions', (SELECT jsonb_agg(p.amprocnum || ' ' || p.amproc::regprocedure::text
                                              ORDER BY p.amprocnum, p.amproc::regprocedure::text)
                             FROM pg_amproc p WHERE p.amprocfamily = f.oid))
    FROM pg_opfamily f JOIN user_schema s ON s.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod

    UNION ALL
    SELECT 'pg_opclass'::regclass, c.oid, 0, c.opcowner, NULL, NULL, 'operator class',
           s.name || '.' || quote_ident(c.opcname) || ' USING ' || m.amname, NULL,
           jsonb_build_object('type', format_type(c.opcintype, NULL), 'default', c.opcdefault,
               'family', (SELECT f.opfname FROM pg_opfamily f WHERE f.oid = c.opcfamily),
               'storage', CASE WHEN c.opckeytype <> 0 THEN format_type(c.opckeytype, NULL) END)
    FROM pg_opclass c JOIN user_schema s ON s.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod

    UNION ALL
    SELECT 'pg_cast'::regclass, c.oid, 0, NULL, NULL, NULL, 'cast',
           format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL), NULL,
           jsonb_build_object(
               'function', CASE WHEN c.castfunc <> 0 THEN c.castfunc::regprocedure::text END,
               'context', CASE c.castcontext WHEN 'i' THEN 'implicit' WHEN 'a' THEN 'assignment' ELSE 'explicit' END,
               'method', CASE c.castmethod WHEN 'b' THEN 'binary' WHEN 'i' THEN 'inout' ELSE 'function' END)
    FROM pg_cast c WHERE c.oid >= 16384

    UNION ALL
    SELECT 'pg_transform'::regclass, f.oid, 0, NULL, NULL, NULL, 'transform',
           format_type(f.trftype, NULL) || ' LANGUAGE ' || l.lanname, NULL,
           jsonb_build_object('from sql', nullif(f.trffromsql::text, '-'), 'to sql', nullif(f.trftosql::text, '-'))
    FROM pg_transform f JOIN pg_language l ON l.oid = f.trflang WHERE f.oid >= 16384

    UNION ALL
    SELECT 'pg_collation'::regclass, c.oid, 0, c.collowner, NULL, NULL, 'collation',
           s.name || '.' || quote_ident(c.collname), NULL,
           jsonb_build_object('provider', c.collprovider::text, 'deterministic', c.collisdeterministic,
               'lc_collate', c.collcollate, 'lc_ctype', c.collctype,
               'locale', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale'),
               'rules', to_jsonb(c) ->> 'collicurules')
    FROM pg_collation c JOIN user_schema s ON s.oid = c.collnamespace

    UNION ALL
    SELECT 'pg_conversion'::regclass, c.oid, 0, c.conowner, NULL, NULL, 'conversion',
           s.name || '.' || quote_ident(c.conname), NULL,
           jsonb_build_object('from', pg_encoding_to_char(c.conforencoding), 'to', pg_encoding_to_char(c.contoencoding),
               'function', c.conproc::text, 'default', c.condefault)
    FROM pg_conversion c JOIN user_schema s ON s.oid = c.connamespace

    UNION ALL
    SELECT 'pg_ts_config'::regclass, c.oid, 0, c.cfgowner, NULL, NULL, 'text search configuration',
           s.name || '.' || quote_ident(c.cfgname), NULL,
           jsonb_build_object('parser', (SELECT p.prsname FROM pg_ts_parser p WHERE p.oid = c.cfgparser),
               'mappings', (SELECT jsonb_agg(m.maptokentype || ' ' || m.mapdict::regdictionary::text
                                             ORDER BY m.maptokentype, m.mapseqno)
                            FROM pg_ts_config_map m WHERE m.mapcfg = c.oid))
    FROM pg_ts_config c JOIN user_schema s ON s.oid = c.cfgnamespace

    UNION ALL
    SELECT 'pg_ts_dict'::regclass, d.oid, 0, d.dictowner, NULL, NULL, 'text search dictionary',
           s.name || '.' || quote_ident(d.dictname), NULL,
           jsonb_build_object('template', (SELECT t.tmplname FROM pg_ts_template t WHERE t.oid = d.dicttemplate),
               'options', d.dictinitoption)
    FROM pg_ts_dict d JOIN user_schema s ON s.oid = d.dictnamespace

    UNION ALL
    SELECT 'pg_ts_parser'::regclass, p.oid, 0, NULL, NULL, NULL, 'text search parser',
           s.name || '.' || quote_ident(p.prsname), NULL,
           jsonb_build_object('start', p.prsstart::text, 'gettoken', p.prstoken::text, 'end', p.prsend::text,
               'headline', nullif(p.prsheadline::text, '-'), 'lextypes', p.prslextype::text)
    FROM pg_ts_parser p JOIN user_schema s ON s.oid = p.prsnamespace

    UNION ALL
    SELECT 'pg_ts_template'::regclass, t.oid, 0, NULL, NULL, NULL, 'text search template',
           s.name || '.' || quote_ident(t.tmplname), NULL,
           jsonb_build_object('init', nullif(t.tmplinit::text, '-'), 'lexize', t.tmpllexize::text)
    FROM pg_ts_template t JOIN user_schema s ON s.oid = t.tmplnamespace

    UNION ALL
    SELECT 'pg_language'::regclass, l.oid, 0, l.lanowner, l.lanacl, 'l', 'language', quote_ident(l.lanname), NULL,
           jsonb_build_object('trusted', l.lanpltrusted,
               'handler', CASE WHEN l.lanplcallfoid <> 0 THEN l.lanplcallfoid::regprocedure::text END)
    FROM pg_language l WHERE l.oid >= 16384

    UNION ALL
    SELECT 'pg_am'::regclass, m.oid, 0, NULL, NULL, NULL, 'access method', quote_ident(m.amname), NULL,
           jsonb_build_object('type', m.amtype::text, 'handler', m.amhandler::text)
    FROM pg_am m WHERE m.oid >= 16384

    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, w.oid, 0, w.fdwowner, w.fdwacl, 'F', 'foreign data wrapper',
           quote_ident(w.fdwname), NULL,
           jsonb_build_object('handler', CASE WHEN w.fdwhandler <> 0 THEN w.fdwhandler::regprocedure::text END,
               'validator', CASE WHEN w.fdwvalidator <> 0 THEN w.fdwvalidator::regprocedure::text END,
               'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(w.fdwoptions) o))
    FROM pg_foreign_data_wrapper w

    UNION ALL
    SELECT 'pg_foreign_server'::regclass, v.oid, 0, v.srvowner, v.srvacl, 'S', 'server', quote_ident(v.srvname), NULL,
           jsonb_build_object('wrapper', (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = v.srvfdw),
               'type', v.srvtype, 'version', v.srvversion,
               'options', (SELECT jsonb_agg(o ORDER BY o) FROM unnest(v.srvoptions) o))
    FROM pg_foreign_server v

    UNION ALL -- their options may be passwords
    SELECT 'pg_user_mapping'::regclass, m.umid, 0, NULL, NULL, NULL, 'user mapping',
           m.usename || ' SERVER ' || quote_ident(m.srvname), NULL, '{}'
    FROM pg_user_mappings m

    UNION ALL
    SELECT 'pg_publication'::regclass, p.oid, 0, p.pubowner, NULL, NULL, 'publication', quote_ident(p.pubname), NULL,
           jsonb_build_object('all tables', p.puballtables,
               'operations', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                                       CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
               'via root', p.pubviaroot,
               'tables', (SELECT jsonb_agg(x.item ORDER BY x.item) FROM (
                   SELECT t.prrelid::regclass::text || coalesce(' (' || (
                              SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a
                              WHERE a.attrelid = t.prrelid AND a.attnum = ANY (t.prattrs)) || ')', '')
                          || coalesce(' WHERE ' || pg_get_expr(t.prqual, t.prrelid), '') AS item
                   FROM pg_publication_rel t WHERE t.prpubid = p.oid) x),
               'schemas', (SELECT jsonb_agg(n.pnnspid::regnamespace::text ORDER BY n.pnnspid::regnamespace::text)
                           FROM pg_publication_namespace n WHERE n.pnpubid = p.oid))
    FROM pg_publication p

    UNION ALL
    SELECT 'pg_event_trigger'::regclass, e.oid, 0, e.evtowner, NULL, NULL, 'event trigger', quote_ident(e.evtname), NULL,
           jsonb_build_object('event', e.evtevent, 'function', e.evtfoid::regprocedure::text,
               'enabled', CASE e.evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END,
               'tags', to_jsonb(e.evttags))
    FROM pg_event_trigger e

    UNION ALL
    SELECT 'pg_default_acl'::regclass, d.oid, 0, NULL, d.defaclacl, NULL, 'default privileges',
           quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' IN SCHEMA ' || s.name, '') || ' ON '
           || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                                   WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
           NULL, '{}'
    FROM pg_default_acl d LEFT JOIN user_schema s ON s.oid = d.defaclnamespace
)
SELECT o.kind, o.identity, o.parent, jsonb_strip_nulls(o.properties || jsonb_build_object(
           'owner', pg_get_userbyid(o.owner),
           'privileges', (SELECT jsonb_agg(a::text ORDER BY a::text)
                          FROM unnest(coalesce(o.acl, acldefault(o.acl_type, o.owner))) a),
           'comment', CASE WHEN o.classid <> 'pg_database'::regclass THEN (
               SELECT c.description FROM pg_description c
               WHERE c.classoid = o.classid AND c.objoid = o.objid AND c.objsubid = o.objsubid) END))
FROM object o
-- 'i': what a range type brings with it
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.classid AND d.objid = o.objid
                  AND (d.deptype = 'e' OR d.deptype = 'i' AND o.kind IN ('function', 'cast')))
ORDER BY o.kind COLLATE "C", o.identity COLLATE "C"
