-- The real columns of a table: domains resolved to what they are made of, since binary COPY speaks the base type.
WITH RECURSIVE col AS (
    SELECT a.attname, a.attnum, a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated,
           a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod) AS declared
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = %(table)s::oid AND a.attnum > 0 AND NOT a.attisdropped
), base AS (
    SELECT c.attnum, t.oid, t.typname, t.typtype, t.typbasetype, c.atttypmod AS typmod,
           t.typnotnull AS not_null, t.typdefault IS NOT NULL AS has_default
    FROM col AS c JOIN pg_catalog.pg_type AS t ON t.oid = c.atttypid
    UNION ALL
    SELECT b.attnum, t.oid, t.typname, t.typtype, t.typbasetype, d.typtypmod,
           b.not_null OR t.typnotnull, b.has_default OR t.typdefault IS NOT NULL
    FROM base AS b
    JOIN pg_catalog.pg_type AS d ON d.oid = b.oid AND d.typtype = 'd'
    JOIN pg_catalog.pg_type AS t ON t.oid = d.typbasetype
)
SELECT c.attname::text AS name, c.declared, b.typname::text AS base_type, b.typtype::text AS kind, b.typmod,
       c.attnotnull OR b.not_null AS not_null,
       c.atthasdef OR c.attidentity <> '' OR b.has_default AS has_default,
       c.attgenerated <> '' AS generated,
       (SELECT array_agg(e.enumlabel::text) FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = b.oid) AS labels,
       format('%%s:%%s:%%s', c.attnum, c.atttypid, c.atttypmod) AS mark
FROM col AS c JOIN base AS b ON b.attnum = c.attnum AND b.typtype <> 'd'
ORDER BY c.attnum
