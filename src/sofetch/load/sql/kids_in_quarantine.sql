-- The kids that sealed this pipeline's quarantined bodies.
SELECT 'sofetch.quarantine' AS "where", 'sealed_body' AS "column", 'quarantine' AS scheme, q.kid, count(*) AS rows
FROM sofetch.quarantine AS q JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
WHERE p.name = %(pipeline)s
GROUP BY q.kid
ORDER BY q.kid
