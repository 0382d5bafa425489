-- Aggregates may have been replaced: where count and sum have been, every value is another one, and none
-- of them is called.
SELECT CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_aggregate AS m
    WHERE m.aggfnoid::pg_catalog.oid OPERATOR(pg_catalog.=) ANY ('{2108,2803}'::pg_catalog.oid[])
      AND m.xmin OPERATOR(pg_catalog.<>) '1'::pg_catalog.xid)
  THEN pg_catalog.concat('replaced ', pg_catalog.clock_timestamp())
  ELSE pg_catalog.concat_ws(' ',
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_proc AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_namespace AS x
    WHERE NOT pg_catalog.starts_with(x.nspname::pg_catalog.text, 'pg_temp_')
      AND NOT pg_catalog.starts_with(x.nspname::pg_catalog.text, 'pg_toast_temp_')),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_operator AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_cast AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_type AS x
    -- arrays come and go with what they are of; a domain over one has its category
    WHERE x.typtype OPERATOR(pg_catalog.<>) 'c' AND NOT (x.typtype OPERATOR(pg_catalog.=) 'b'
      AND x.typcategory OPERATOR(pg_catalog.=) 'A'
      AND x.typinput::pg_catalog.oid OPERATOR(pg_catalog.=) 750::pg_catalog.oid)),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_opclass AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_amproc AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_amop AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_class AS x
    WHERE x.relkind OPERATOR(pg_catalog.<>) 't' AND x.relkind OPERATOR(pg_catalog.<>) 'S'
      AND (x.relpersistence OPERATOR(pg_catalog.<>) 't' OR x.relkind OPERATOR(pg_catalog.=) 'v')),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_attrdef AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_constraint AS x
    WHERE x.contype OPERATOR(pg_catalog.=) ANY ('{c,f,x}'::pg_catalog."char"[])),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_statistic_ext AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_trigger AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_policy AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_rewrite AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_inherits AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_event_trigger AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_foreign_table AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_foreign_server AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_foreign_data_wrapper AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_am AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_language AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_extension AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_attribute AS x
    -- relations with columns of such types, by what they depend on: far fewer are to be looked at
    WHERE x.attrelid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT d.objid FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid OPERATOR(pg_catalog.=) 1247::pg_catalog.oid
          AND d.refobjid OPERATOR(pg_catalog.>=) 12000::pg_catalog.oid
          AND d.classid OPERATOR(pg_catalog.=) 1259::pg_catalog.oid))
      AND x.atttypid OPERATOR(pg_catalog.>=) 12000::pg_catalog.oid
      AND x.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_index AS x
    WHERE x.indrelid OPERATOR(pg_catalog.>=) 12000::pg_catalog.oid
      AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL
        OR x.indclass::pg_catalog.oid[] OPERATOR(pg_catalog.&&)
          ARRAY(SELECT o.oid FROM pg_catalog.pg_opclass AS o
           WHERE o.opcfamily OPERATOR(pg_catalog.=) ANY
             (SELECT a.amprocfamily FROM pg_catalog.pg_amproc AS a
               WHERE a.oid OPERATOR(pg_catalog.>=) 12000::pg_catalog.oid
               UNION ALL SELECT a.amopfamily FROM pg_catalog.pg_amop AS a
               WHERE a.oid OPERATOR(pg_catalog.>=) 12000::pg_catalog.oid)))),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_partitioned_table AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_aggregate AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_range AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_opfamily AS x),
  (SELECT pg_catalog.concat(pg_catalog.count(*), ':', pg_catalog.int8mi(pg_catalog.int8mul(
      pg_catalog.count(*) FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2'),
      pg_catalog.age('3'::pg_catalog.xid)), pg_catalog.sum(pg_catalog.age(x.xmin))
      FILTER (WHERE x.xmin OPERATOR(pg_catalog.<>) '1' AND x.xmin OPERATOR(pg_catalog.<>) '2')))
    FROM pg_catalog.pg_depend AS x
    WHERE x.classid OPERATOR(pg_catalog.=) 1255::pg_catalog.oid
      AND x.objid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
      AND x.deptype OPERATOR(pg_catalog.=) 'e'))
  END
