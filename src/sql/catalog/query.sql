-- What initdb has made is not in the rows, as long as it is as initdb left it. Its end is the transaction
-- that made the extension plpgsql, its last one: of the OIDs below 16384 those up to plpgsql's are
-- initdb's (single-user mode gives such numbers too), and rows of later transactions are not as it left
-- them. What it loads in bootstrap mode has the transaction 1, and keeps it until it is written anew. Where
-- transaction ids have begun anew since, or the extension's own rows are not of one transaction, nothing
-- of this is certain. In that case, and where something has been changed or has got something added,
-- all of initdb's that can be is read as the user's are: beyond 11999 nothing is pinned.
-- Functions in C are all that is called here: of PostgreSQL's own these alone stay what they are. What is in
-- SQL, and aggregates, may have been replaced.
WITH members AS MATERIALIZED (
  SELECT d.objid, e.xmin AS made, d.xmin AS joined
  FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_depend AS d ON d.refclassid OPERATOR(pg_catalog.=) 3079::pg_catalog.oid
      AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
  WHERE e.extname OPERATOR(pg_catalog.=) 'plpgsql'
    AND e.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    AND e.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
), made AS MATERIALIZED (
  SELECT (SELECT m.objid FROM members AS m ORDER BY m.objid DESC LIMIT 1) AS last,
    CASE WHEN NOT EXISTS (SELECT FROM members AS m WHERE m.joined OPERATOR(pg_catalog.<>) m.made)
        AND pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
          OPERATOR(pg_catalog.<) '4294967296'::pg_catalog.xid8
      THEN (SELECT m.made::pg_catalog.text::pg_catalog.int8 FROM members AS m LIMIT 1) END AS until
), touched AS MATERIALIZED (
  -- relations of initdb's that have got something, and aggregates that have been replaced
  SELECT ARRAY(SELECT g.tgrelid FROM pg_catalog.pg_trigger AS g
      WHERE g.tgrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT d.adrelid FROM pg_catalog.pg_attrdef AS d
      WHERE d.adrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT k.conrelid FROM pg_catalog.pg_constraint AS k
      WHERE k.conrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND k.conrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
        AND k.contype OPERATOR(pg_catalog.=) ANY ('{c,f,x}'::pg_catalog."char"[])
    UNION ALL SELECT k.confrelid FROM pg_catalog.pg_constraint AS k
      WHERE k.confrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND k.confrelid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
    UNION ALL SELECT i.indrelid FROM pg_catalog.pg_index AS i
      WHERE i.indrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND i.indexrelid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    UNION ALL SELECT e.stxrelid FROM pg_catalog.pg_statistic_ext AS e
      WHERE e.stxrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT l.polrelid FROM pg_catalog.pg_policy AS l
      WHERE l.polrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT h.inhparent FROM pg_catalog.pg_inherits AS h
      WHERE h.inhparent OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT h.inhrelid FROM pg_catalog.pg_inherits AS h
      WHERE h.inhrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    UNION ALL SELECT a.attrelid FROM pg_catalog.pg_attribute AS a
      WHERE a.attrelid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND a.atttypid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
    UNION ALL SELECT c.oid FROM pg_catalog.pg_class AS c
      WHERE c.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND c.relam OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid) AS relations,
    ARRAY(SELECT m.aggfnoid::pg_catalog.oid FROM pg_catalog.pg_aggregate AS m
      WHERE m.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND m.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid) AS aggregates
), own AS MATERIALIZED (
  SELECT touched.relations, touched.aggregates, CASE WHEN made.until IS NULL
    OR pg_catalog.cardinality(touched.relations) OPERATOR(pg_catalog.>) 0
    OR pg_catalog.cardinality(touched.aggregates) OPERATOR(pg_catalog.>) 0
    OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p
      WHERE p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND (p.prolang OPERATOR(pg_catalog.>) 14::pg_catalog.oid
          OR (p.prolang OPERATOR(pg_catalog.>) 12::pg_catalog.oid
            AND p.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>) made.until)))
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w
      WHERE w.ev_class OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND w.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>) made.until)
    -- views and tables with another name or in another schema, too: their row types follow
    OR EXISTS (SELECT FROM pg_catalog.pg_type AS t
      WHERE t.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND t.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>) made.until)
    OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k
      WHERE k.contypid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND k.contypid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
        AND k.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>) made.until)
    OR EXISTS (SELECT FROM pg_catalog.pg_cast AS c
      WHERE (c.castsource OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
          AND c.castsource OPERATOR(pg_catalog.<) 16384::pg_catalog.oid)
        OR (c.casttarget OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
          AND c.casttarget OPERATOR(pg_catalog.<) 16384::pg_catalog.oid))
    THEN 11999::pg_catalog.oid ELSE made.last END AS last
  FROM made, touched
), languages AS MATERIALIZED (
  SELECT l.oid, CASE
    WHEN l.oid OPERATOR(pg_catalog.=) 12::pg_catalog.oid THEN 'internal'
    WHEN l.oid OPERATOR(pg_catalog.=) 13::pg_catalog.oid THEN 'c'
    WHEN l.oid OPERATOR(pg_catalog.=) 14::pg_catalog.oid THEN 'sql'
    WHEN l.lanname OPERATOR(pg_catalog.=) ANY ('{internal,c,sql}'::pg_catalog.name[])
      OR (l.lanname OPERATOR(pg_catalog.=) 'plpgsql' AND NOT COALESCE(
        h.prosrc OPERATOR(pg_catalog.=) 'plpgsql_call_handler'
          AND h.probin OPERATOR(pg_catalog.=) '$libdir/plpgsql', false))
      THEN pg_catalog.concat('another ', l.lanname)
    ELSE l.lanname::pg_catalog.text END AS lanname
  FROM pg_catalog.pg_language AS l
    LEFT JOIN pg_catalog.pg_proc AS h ON h.oid OPERATOR(pg_catalog.=) l.lanplcallfoid
)
SELECT 'V' AS kind, pg_catalog.current_setting('server_version_num') AS c1,
  NULL::pg_catalog.text AS c2, NULL::pg_catalog.text AS c3, NULL::pg_catalog.text AS c4,
  NULL::pg_catalog.text AS c5, NULL::pg_catalog.text AS c6, NULL::pg_catalog.text AS c7,
  NULL::pg_catalog.text AS c8, NULL::pg_catalog.text AS c9, NULL::pg_catalog.text AS c10,
  NULL::pg_catalog.text AS c11, NULL::pg_catalog.text AS c12, NULL::pg_catalog.text AS c13,
  NULL::pg_catalog.text AS c14, NULL::pg_catalog.text AS c15, NULL::pg_catalog.text AS c16,
  NULL::pg_catalog.text AS c17, NULL::pg_catalog.text AS c18, NULL::pg_catalog.text AS c19
UNION ALL
SELECT 'n', n.oid::pg_catalog.text, n.nspname::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_namespace AS n
UNION ALL
-- of initdb's, views that show rules
SELECT 'j', c.oid::pg_catalog.text, c.relname::pg_catalog.text, c.relnamespace::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_class AS c
WHERE c.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
  AND c.relname OPERATOR(pg_catalog.=) ANY ('{pg_matviews,pg_rules,pg_views,views}'::pg_catalog.name[])
UNION ALL
-- q: one in C of the server's, which runs by its OID; its name, its defaults may be others
SELECT CASE WHEN p.prolang OPERATOR(pg_catalog.=) 12::pg_catalog.oid
      AND p.oid OPERATOR(pg_catalog.<=) (SELECT own.last FROM own)
      AND p.oid OPERATOR(pg_catalog.<>) ALL ((SELECT own.aggregates FROM own)::pg_catalog.oid[])
    THEN 'q' ELSE 'p' END, p.oid::pg_catalog.text, p.proname::pg_catalog.text, p.pronamespace::pg_catalog.text,
  p.prokind::pg_catalog.text, l.lanname, p.provolatile::pg_catalog.text,
  p.pronargs::pg_catalog.text, p.pronargdefaults::pg_catalog.text,
  p.provariadic::pg_catalog.text, p.proretset::pg_catalog.text, p.prorettype::pg_catalog.text,
  COALESCE(p.proallargtypes::pg_catalog.text, p.proargtypes::pg_catalog.text),
  p.proargmodes::pg_catalog.text, p.proargnames::pg_catalog.text,
  p.proargdefaults::pg_catalog.text,
  CASE WHEN p.prolang OPERATOR(pg_catalog.<>) 13::pg_catalog.oid THEN p.prosrc END,
  p.prosqlbody::pg_catalog.text,
  -- SECURITY DEFINER: as another role, as if it had set one
  CASE WHEN p.prosecdef THEN pg_catalog.array_append(p.proconfig, 'role=') ELSE p.proconfig
    END::pg_catalog.text,
  e.extname::pg_catalog.text
FROM pg_catalog.pg_proc AS p
  JOIN languages AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
  LEFT JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid
    AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
    AND d.refclassid OPERATOR(pg_catalog.=) 3079::pg_catalog.oid
  LEFT JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
WHERE p.oid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  OR p.prolang OPERATOR(pg_catalog.>) 14::pg_catalog.oid
  OR (p.prolang OPERATOR(pg_catalog.=) 14::pg_catalog.oid
    AND (SELECT own.last FROM own) OPERATOR(pg_catalog.=) 11999::pg_catalog.oid)
  OR (p.prolang OPERATOR(pg_catalog.<) 14::pg_catalog.oid
    AND p.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
    AND (p.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      OR p.prolang OPERATOR(pg_catalog.=) 12::pg_catalog.oid))
UNION ALL
SELECT 'b', p.oid::pg_catalog.text, p.proname::pg_catalog.text, p.prosrc,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_proc AS p
WHERE p.oid OPERATOR(pg_catalog.<=) (SELECT own.last FROM own)
  AND (p.provolatile OPERATOR(pg_catalog.=) 'v'
    OR p.proname OPERATOR(pg_catalog.=) ANY ('{fmgr_c_validator,table_to_xml,
      table_to_xml_and_xmlschema,schema_to_xml,schema_to_xml_and_xmlschema,database_to_xml,
      database_to_xml_and_xmlschema,json_populate_record,json_populate_recordset,
      jsonb_populate_record,jsonb_populate_record_valid,jsonb_populate_recordset,
      schema_to_xmlschema,database_to_xmlschema,pg_get_ruledef,pg_get_viewdef,fmgr_sql_validator,
      pg_get_partition_constraintdef,pg_input_is_valid,pg_input_error_info,array_in,array_recv,domain_in,domain_recv,multirange_in,
      multirange_recv,range_in,range_recv,record_in,record_recv,satisfies_hash_partition}'::pg_catalog.name[]))
UNION ALL
SELECT 'y', t.oid::pg_catalog.text, t.typname::pg_catalog.text, t.typnamespace::pg_catalog.text,
  t.typtype::pg_catalog.text, t.typrelid::pg_catalog.text,
  pg_catalog.concat_ws(' ', t.typelem, t.typbasetype), t.typarray::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_type AS t
WHERE t.oid OPERATOR(pg_catalog.<=) (SELECT own.last FROM own)
UNION ALL
SELECT 'o', o.oid::pg_catalog.text, o.oprname::pg_catalog.text, o.oprnamespace::pg_catalog.text,
  o.oprcode::pg_catalog.oid::pg_catalog.text, o.oprcom::pg_catalog.text,
  o.oprnegate::pg_catalog.text, pg_catalog.concat_ws(' ', o.oprleft, o.oprright),
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_operator AS o
WHERE o.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
UNION ALL
SELECT 'c', c.castsource::pg_catalog.text, c.casttarget::pg_catalog.text,
  c.castfunc::pg_catalog.text, c.castcontext::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_cast AS c
WHERE c.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
  AND c.castfunc OPERATOR(pg_catalog.<>) 0::pg_catalog.oid
UNION ALL
SELECT 'x', c.castsource::pg_catalog.text, c.casttarget::pg_catalog.text,
  c.castcontext::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_cast AS c
WHERE c.castcontext OPERATOR(pg_catalog.=) 'i' OR c.castfunc OPERATOR(pg_catalog.=) 0::pg_catalog.oid
UNION ALL
SELECT 't', t.oid::pg_catalog.text, t.typname::pg_catalog.text, t.typnamespace::pg_catalog.text,
  t.typtype::pg_catalog.text, t.typrelid::pg_catalog.text,
  pg_catalog.concat_ws(' ', t.typelem, t.typbasetype, r.rngsubtype),
  pg_catalog.concat_ws(' ', t.typinput::pg_catalog.oid, t.typoutput::pg_catalog.oid,
    t.typreceive::pg_catalog.oid, t.typsend::pg_catalog.oid, t.typmodin::pg_catalog.oid,
    t.typmodout::pg_catalog.oid, t.typanalyze::pg_catalog.oid, t.typsubscript::pg_catalog.oid,
    r.rngcanonical::pg_catalog.oid, r.rngsubdiff::pg_catalog.oid),
  r.rngmultitypid::pg_catalog.text, r.rngsubopc::pg_catalog.text, t.typdefaultbin::pg_catalog.text,
  t.typarray::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_type AS t
  LEFT JOIN pg_catalog.pg_range AS r ON r.rngtypid OPERATOR(pg_catalog.=) t.oid
WHERE t.oid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
UNION ALL
SELECT 's', o.oid::pg_catalog.text, o.opcintype::pg_catalog.text, o.opcfamily::pg_catalog.text,
  o.opcdefault::pg_catalog.text, (h.prolang OPERATOR(pg_catalog.=) 12::pg_catalog.oid AND h.oid OPERATOR(pg_catalog.<>) ALL
    ('{332,333,334,335}'::pg_catalog.oid[]))::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_opclass AS o
  JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) o.opcmethod
  JOIN pg_catalog.pg_proc AS h ON h.oid OPERATOR(pg_catalog.=) m.amhandler::pg_catalog.oid
WHERE o.opcfamily OPERATOR(pg_catalog.=) ANY
  (SELECT a.amprocfamily FROM pg_catalog.pg_amproc AS a
    WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
    UNION ALL SELECT a.amopfamily FROM pg_catalog.pg_amop AS a
    WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid)
UNION ALL
SELECT 'f', a.amprocfamily::pg_catalog.text, a.amproclefttype::pg_catalog.text,
  a.amprocrighttype::pg_catalog.text, a.amproc::pg_catalog.oid::pg_catalog.text, NULL,
  (h.prolang OPERATOR(pg_catalog.=) 12::pg_catalog.oid AND h.oid OPERATOR(pg_catalog.<>) ALL
    ('{332,333,334,335}'::pg_catalog.oid[]))::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_amproc AS a
  JOIN pg_catalog.pg_opfamily AS f ON f.oid OPERATOR(pg_catalog.=) a.amprocfamily
  JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) f.opfmethod
  JOIN pg_catalog.pg_proc AS h ON h.oid OPERATOR(pg_catalog.=) m.amhandler::pg_catalog.oid
WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
UNION ALL
SELECT 'f', a.amopfamily::pg_catalog.text, a.amoplefttype::pg_catalog.text,
  a.amoprighttype::pg_catalog.text, p.oprcode::pg_catalog.oid::pg_catalog.text,
  a.amopopr::pg_catalog.text, (h.prolang OPERATOR(pg_catalog.=) 12::pg_catalog.oid AND h.oid OPERATOR(pg_catalog.<>) ALL
    ('{332,333,334,335}'::pg_catalog.oid[]))::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_amop AS a
  JOIN pg_catalog.pg_operator AS p ON p.oid OPERATOR(pg_catalog.=) a.amopopr
  JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) a.amopmethod
  JOIN pg_catalog.pg_proc AS h ON h.oid OPERATOR(pg_catalog.=) m.amhandler::pg_catalog.oid
WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
UNION ALL
SELECT 'r', c.oid::pg_catalog.text, c.relname::pg_catalog.text, c.relnamespace::pg_catalog.text,
  c.relkind::pg_catalog.text, c.reltype::pg_catalog.text, c.relrowsecurity::pg_catalog.text,
  m.amhandler::pg_catalog.oid::pg_catalog.text,
  w.fdwhandler::pg_catalog.text, f.ftoptions::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_class AS c
  LEFT JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) c.relam
  LEFT JOIN pg_catalog.pg_foreign_table AS f ON f.ftrelid OPERATOR(pg_catalog.=) c.oid
  LEFT JOIN pg_catalog.pg_foreign_server AS s ON s.oid OPERATOR(pg_catalog.=) f.ftserver
  LEFT JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
WHERE (c.oid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
    OR c.oid OPERATOR(pg_catalog.=) ANY ((SELECT own.relations FROM own)::pg_catalog.oid[]))
  AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S,c}'::pg_catalog."char"[])
UNION ALL
SELECT DISTINCT 'a', a.attrelid::pg_catalog.text, a.atttypid::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_attribute AS a
WHERE (a.attrelid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
    OR a.attrelid OPERATOR(pg_catalog.=) ANY ((SELECT own.relations FROM own)::pg_catalog.oid[]))
  AND a.atttypid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
  AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
UNION ALL
SELECT 'd', d.adrelid::pg_catalog.text, a.attgenerated::pg_catalog.text,
  d.adbin::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_attrdef AS d
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) d.adrelid
    AND a.attnum OPERATOR(pg_catalog.=) d.adnum
UNION ALL
SELECT 'k', k.conrelid::pg_catalog.text, k.contypid::pg_catalog.text, k.contype::pg_catalog.text,
  k.conbin::pg_catalog.text, k.confrelid::pg_catalog.text, k.confdeltype::pg_catalog.text,
  k.confupdtype::pg_catalog.text,
  pg_catalog.concat_ws(' ', k.conpfeqop, k.conppeqop, k.conffeqop, k.conexclop),
  k.condeferrable::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_constraint AS k
WHERE k.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
  AND k.contype OPERATOR(pg_catalog.=) ANY ('{c,f,x}'::pg_catalog."char"[])
UNION ALL
SELECT 'i', i.indrelid::pg_catalog.text, m.amhandler::pg_catalog.oid::pg_catalog.text,
  i.indclass::pg_catalog.text, i.indexprs::pg_catalog.text, i.indpred::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid
  LEFT JOIN pg_catalog.pg_am AS m ON m.oid OPERATOR(pg_catalog.=) c.relam
WHERE (i.indrelid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
    OR i.indrelid OPERATOR(pg_catalog.=) ANY ((SELECT own.relations FROM own)::pg_catalog.oid[]))
  AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    OR m.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
    OR i.indclass::pg_catalog.oid[] OPERATOR(pg_catalog.&&)
      ARRAY(SELECT o.oid FROM pg_catalog.pg_opclass AS o
       WHERE o.opcfamily OPERATOR(pg_catalog.=) ANY
  (SELECT a.amprocfamily FROM pg_catalog.pg_amproc AS a
    WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
    UNION ALL SELECT a.amopfamily FROM pg_catalog.pg_amop AS a
    WHERE a.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid)))
UNION ALL
SELECT 'e', e.stxrelid::pg_catalog.text, e.stxexprs::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_statistic_ext AS e
WHERE e.stxexprs IS NOT NULL
UNION ALL
SELECT 'g', g.tgrelid::pg_catalog.text, g.tgfoid::pg_catalog.text, g.tgtype::pg_catalog.text,
  g.tgqual::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_trigger AS g
WHERE g.tgenabled OPERATOR(pg_catalog.<>) 'D'
  AND (g.tgfoid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid OR g.tgqual IS NOT NULL)
UNION ALL
SELECT 'l', l.polrelid::pg_catalog.text, l.polqual::pg_catalog.text,
  l.polwithcheck::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_policy AS l
UNION ALL
SELECT 'w', w.ev_class::pg_catalog.text, w.ev_type::pg_catalog.text, w.ev_qual::pg_catalog.text,
  w.ev_action::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_rewrite AS w
WHERE w.ev_class OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  OR w.ev_class OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
UNION ALL
SELECT 'h', h.inhparent::pg_catalog.text, h.inhrelid::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_inherits AS h
UNION ALL
SELECT 'z', z.partrelid::pg_catalog.text, z.partclass::pg_catalog.text,
  z.partexprs::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_partitioned_table AS z
UNION ALL
SELECT 'm', m.aggfnoid::pg_catalog.oid::pg_catalog.text,
  pg_catalog.concat_ws(' ', m.aggtransfn::pg_catalog.oid, m.aggfinalfn::pg_catalog.oid,
    m.aggcombinefn::pg_catalog.oid, m.aggserialfn::pg_catalog.oid, m.aggdeserialfn::pg_catalog.oid,
    m.aggmtransfn::pg_catalog.oid, m.aggminvtransfn::pg_catalog.oid,
    m.aggmfinalfn::pg_catalog.oid),
  m.aggsortop::pg_catalog.text, pg_catalog.concat_ws(' ', m.aggtranstype, m.aggmtranstype),
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_aggregate AS m
WHERE m.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
  OR m.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
UNION ALL
SELECT 'v', v.evtfoid::pg_catalog.text, v.evtevent::pg_catalog.text,
  v.evtenabled::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_event_trigger AS v
WHERE v.evtenabled OPERATOR(pg_catalog.<>) 'D'
UNION ALL
-- what PostgreSQL's own types, operators, families and functions have got of the user's: nothing else names it
SELECT 'u', u.code::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM (SELECT pg_catalog.unnest(ARRAY[t.typinput::pg_catalog.oid, t.typoutput::pg_catalog.oid,
      t.typreceive::pg_catalog.oid, t.typsend::pg_catalog.oid, t.typmodin::pg_catalog.oid,
      t.typmodout::pg_catalog.oid, t.typanalyze::pg_catalog.oid, t.typsubscript::pg_catalog.oid]) AS code
    FROM pg_catalog.pg_type AS t
    WHERE t.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      AND t.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
  UNION ALL SELECT pg_catalog.unnest(ARRAY[o.oprcode::pg_catalog.oid, o.oprrest::pg_catalog.oid,
      o.oprjoin::pg_catalog.oid, c.oprcode::pg_catalog.oid, n.oprcode::pg_catalog.oid])
    FROM pg_catalog.pg_operator AS o
      LEFT JOIN pg_catalog.pg_operator AS c ON c.oid OPERATOR(pg_catalog.=) o.oprcom
      LEFT JOIN pg_catalog.pg_operator AS n ON n.oid OPERATOR(pg_catalog.=) o.oprnegate
    WHERE o.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      AND o.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
  UNION ALL SELECT a.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc AS a
    WHERE a.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      AND a.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
  UNION ALL SELECT c.castfunc FROM pg_catalog.pg_cast AS c
    WHERE c.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      AND c.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid
  UNION ALL SELECT p.prosupport::pg_catalog.oid FROM pg_catalog.pg_proc AS p
    WHERE p.oid OPERATOR(pg_catalog.<) 12000::pg_catalog.oid
      AND p.prosupport::pg_catalog.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid) AS u
WHERE u.code OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
