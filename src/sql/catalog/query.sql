-- Of which OIDs the objects are not initdb's, by the last that it makes, plpgsql: single-user mode
-- gives numbers below 16384 too. Where something of initdb's has been replaced, all that can be is
-- read as the user's are: beyond 11999 nothing is pinned.
WITH made AS MATERIALIZED (
  SELECT pg_catalog.max(p.oid) AS last, pg_catalog.min(pg_catalog.age(p.xmin)) AS age
  FROM pg_catalog.pg_proc AS p
  WHERE p.proname OPERATOR(pg_catalog.=) ANY ('{plpgsql_call_handler,plpgsql_inline_handler,plpgsql_validator}'::pg_catalog.name[])
    AND p.prolang OPERATOR(pg_catalog.=) 13::pg_catalog.oid
    AND p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
    AND p.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
), own AS MATERIALIZED (
  SELECT CASE WHEN made.last IS NULL
    OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p
      WHERE p.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND (p.prolang OPERATOR(pg_catalog.>) 14::pg_catalog.oid
          OR (p.prolang OPERATOR(pg_catalog.>) 12::pg_catalog.oid
            AND pg_catalog.age(p.xmin) OPERATOR(pg_catalog.<) made.age)))
    OR EXISTS (SELECT FROM pg_catalog.pg_rewrite AS w
      WHERE w.ev_class OPERATOR(pg_catalog.<) 16384::pg_catalog.oid
        AND pg_catalog.age(w.xmin) OPERATOR(pg_catalog.<) made.age)
    THEN 11999::pg_catalog.oid ELSE made.last END AS last
  FROM made
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
SELECT 'p', p.oid::pg_catalog.text, p.proname::pg_catalog.text, p.pronamespace::pg_catalog.text,
  p.prokind::pg_catalog.text, l.lanname::pg_catalog.text, p.provolatile::pg_catalog.text,
  p.pronargs::pg_catalog.text, p.pronargdefaults::pg_catalog.text,
  p.provariadic::pg_catalog.text, p.proretset::pg_catalog.text, p.prorettype::pg_catalog.text,
  COALESCE(p.proallargtypes::pg_catalog.text, p.proargtypes::pg_catalog.text),
  p.proargmodes::pg_catalog.text, p.proargnames::pg_catalog.text,
  p.proargdefaults::pg_catalog.text,
  CASE WHEN l.lanname OPERATOR(pg_catalog.<>) 'c' THEN p.prosrc END,
  p.prosqlbody::pg_catalog.text,
  -- SECURITY DEFINER: as another role, as if it had set one
  CASE WHEN p.prosecdef THEN pg_catalog.array_append(p.proconfig, 'role=') ELSE p.proconfig
    END::pg_catalog.text,
  e.extname::pg_catalog.text
FROM pg_catalog.pg_proc AS p
  JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
  LEFT JOIN pg_catalog.pg_depend AS d ON d.classid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid
    AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
    AND d.refclassid OPERATOR(pg_catalog.=) 3079::pg_catalog.oid
  LEFT JOIN pg_catalog.pg_extension AS e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
WHERE p.oid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  OR p.prolang OPERATOR(pg_catalog.>) 14::pg_catalog.oid
  OR (p.prolang OPERATOR(pg_catalog.=) 14::pg_catalog.oid
    AND (SELECT own.last FROM own) OPERATOR(pg_catalog.=) 11999::pg_catalog.oid)
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
WHERE c.oid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S,c}'::pg_catalog."char"[])
UNION ALL
SELECT DISTINCT 'a', a.attrelid::pg_catalog.text, a.atttypid::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  AND a.atttypid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
  AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
UNION ALL
SELECT 'd', d.adrelid::pg_catalog.text, a.attgenerated::pg_catalog.text,
  d.adbin::pg_catalog.text,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_attrdef AS d
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid OPERATOR(pg_catalog.=) d.adrelid
    AND a.attnum OPERATOR(pg_catalog.=) d.adnum
WHERE d.adrelid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
UNION ALL
SELECT 'k', k.conrelid::pg_catalog.text, k.contypid::pg_catalog.text, k.contype::pg_catalog.text,
  k.conbin::pg_catalog.text, k.confrelid::pg_catalog.text, k.confdeltype::pg_catalog.text,
  k.confupdtype::pg_catalog.text,
  pg_catalog.concat_ws(' ', k.conpfeqop, k.conppeqop, k.conffeqop, k.conexclop),
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
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
WHERE i.indrelid OPERATOR(pg_catalog.>) (SELECT own.last FROM own)
  AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    OR m.oid OPERATOR(pg_catalog.>) 11999::pg_catalog.oid
    OR i.indclass::pg_catalog.oid[] OPERATOR(pg_catalog.&&)
      (SELECT pg_catalog.array_agg(o.oid) FROM pg_catalog.pg_opclass AS o
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
UNION ALL
SELECT 'v', v.evtfoid::pg_catalog.text, v.evtevent::pg_catalog.text,
  v.evtenabled::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_event_trigger AS v
WHERE v.evtenabled OPERATOR(pg_catalog.<>) 'D'
