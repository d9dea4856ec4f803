-- Domains of addresses that are under another key than the one at hand.
SELECT k.scheme, k.domain, k.kid
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) AS g (scheme, domain, kid, fingerprint)
JOIN sofetch.key_fingerprint AS k USING (scheme, domain)
WHERE g.scheme IN ('ip', 'ip_prefix') AND k.kid <> g.kid
ORDER BY 1, 2, 3
