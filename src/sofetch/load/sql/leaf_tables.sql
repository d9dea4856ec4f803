-- The tables that hold a table's rows: itself, or its partitions, each with its size in blocks and its rows a block.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::bigint AS blocks,
       CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN greatest(1, ceil(c.reltuples / c.relpages))::integer
            ELSE 291 END AS rows_a_block -- as many as there can be
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND (
    c.oid = %(table)s::oid AND c.relkind = 'r'
    OR c.oid IN (SELECT relid FROM pg_partition_tree(%(table)s::oid) WHERE isleaf)
)
ORDER BY c.oid
