-- The pipeline of this name, and whether it belongs to another table that is still there.
SELECT p.id, p.relation, p.relation <> t.relation AND to_regclass(p.relation) IS NOT NULL AS of_another
FROM sofetch.pipeline AS p,
    (SELECT format('%%I.%%I', n.nspname, c.relname) AS relation
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = %(table)s::oid) AS t
WHERE p.name = %(name)s
