-- The kids that the audit's digests are made with, whichever pipeline wrote them.
SELECT 'sofetch.audit' AS "where", 'digest' AS "column", 'audit' AS scheme, kid, count(*) AS rows
FROM sofetch.audit
WHERE %(pipeline)s::text IS NOT NULL
GROUP BY kid
ORDER BY kid
