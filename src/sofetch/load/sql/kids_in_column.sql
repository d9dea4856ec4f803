-- The kids of a column's tokens, and how many rows have each.
SELECT %(where)s::text AS "where", %(column)s::text AS "column", %(scheme)s::text AS scheme,
       split_part({column}::text, '.', 2) AS kid, count(*) AS rows
FROM {table}
WHERE {column}::text LIKE %(pattern)s
GROUP BY 4
ORDER BY 4
