-- Sessions in this database that are named as workers are.
SELECT count(*) FROM pg_catalog.pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = ANY (%(names)s)
