INSERT INTO sofetch.pipeline (name, relation)
SELECT %(name)s, format('%%I.%%I', n.nspname, c.relname)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = %(table)s::oid
ON CONFLICT DO NOTHING
