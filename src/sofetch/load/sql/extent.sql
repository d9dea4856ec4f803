-- What kind of relation it is, and how many rows the planner thinks it has, partitions included (-1: never analysed).
SELECT c.relkind::text AS kind,
       coalesce((SELECT sum(greatest(p.reltuples, 0)) FROM pg_catalog.pg_class AS p
                 WHERE p.oid IN (SELECT t.relid FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf)),
                c.reltuples)::bigint AS estimate,
       coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf),
                pg_relation_size(c.oid), 0)::bigint AS bytes
FROM pg_catalog.pg_class AS c WHERE c.oid = %(table)s::oid
