-- The keys that columns of addresses are under, by domain: the addresses do not say.
SELECT 'the addresses of domain' AS "where", domain AS "column", scheme, kid, 0 AS rows
FROM sofetch.key_fingerprint
WHERE scheme IN ('ip', 'ip_prefix') AND %(pipeline)s::text IS NOT NULL
ORDER BY scheme, domain, kid
