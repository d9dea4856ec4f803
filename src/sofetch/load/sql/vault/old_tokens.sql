-- The next tokens of a domain that are under one of these keys.
SELECT DISTINCT token
FROM sofetch_vault.value
WHERE domain = %(domain)s AND split_part(token, '.', 2) = ANY (%(kids)s::text[]) AND token > %(last)s
ORDER BY token
LIMIT %(limit)s
