-- Keys that are here under the same name and are others.
SELECT g.scheme, g.domain, g.kid
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) AS g (scheme, domain, kid, fingerprint)
JOIN sofetch.key_fingerprint AS k USING (scheme, domain, kid)
WHERE k.fingerprint <> g.fingerprint
ORDER BY 1, 2, 3
