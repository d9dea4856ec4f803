-- Join domains whose first key, through which all of their tokens passed, is not among the keys at hand.
WITH given AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) AS g (scheme, domain, kid, fingerprint)
), stored AS (
    SELECT scheme, domain, kid, created_at = min(created_at) OVER (PARTITION BY scheme, domain) AS is_first
    FROM sofetch.key_fingerprint WHERE scheme = 'h1'
)
SELECT s.scheme, s.domain, min(s.kid)
FROM stored AS s
JOIN (SELECT DISTINCT scheme, domain FROM given) AS d USING (scheme, domain)
LEFT JOIN given AS g USING (scheme, domain, kid)
WHERE s.is_first
GROUP BY 1, 2
HAVING count(g.kid) = 0
ORDER BY 1, 2
