UPDATE sofetch_vault.value AS v
SET token = r.renewed
FROM unnest(%(olds)s::text[], %(news)s::text[]) AS r (old, renewed)
WHERE v.domain = %(domain)s AND v.token = r.old
