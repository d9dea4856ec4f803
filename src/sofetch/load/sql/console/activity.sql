-- What Postgres itself counted of the table (its partitions together) and of the quarantine, and who is connected.
SELECT (SELECT coalesce(sum(pg_stat_get_tuples_inserted(relid)), 0)::bigint
        FROM pg_partition_tree(%(table)s::oid)) AS rows_inserted,
       pg_stat_get_tuples_inserted('sofetch.quarantine'::regclass)::bigint AS quarantined,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE datname = current_database() AND application_name = %(worker)s) AS sessions
