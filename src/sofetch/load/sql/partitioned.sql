-- How a table is partitioned, and whether this role may change that. Its only key column, or NULL where it is an
-- expression or there are several; its default partition, or NULL.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, p.partstrat::text AS strategy,
       CASE WHEN p.partnatts = 1 THEN a.attname::text END AS column,
       t.typname::text AS type,
       dn.nspname::text AS default_schema, d.relname::text AS default_name,
       d.oid IS NOT NULL AND has_table_privilege(d.oid, 'SELECT') AS reads_default,
       pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS may_maintain,
       pg_get_userbyid(c.relowner)::text AS owner,
       pg_get_userbyid(c.relowner) = current_user AS owned
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid = c.oid
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
LEFT JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_class AS d ON d.oid = p.partdefid
LEFT JOIN pg_catalog.pg_namespace AS dn ON dn.oid = d.relnamespace
WHERE c.oid = %(table)s::oid
