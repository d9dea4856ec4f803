-- The columns that may not be NULL, of a table and of its partitions: an error names the partition.
SELECT c.relname::text, a.attname::text
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
WHERE (c.oid = %(table)s::oid OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(%(table)s::oid)))
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
