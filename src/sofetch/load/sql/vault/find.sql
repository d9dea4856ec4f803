-- Everybody's value of one token: a token can belong to several subjects, each under a key of its own.
SELECT v.subject, v.domain, v.token, v.origin, v.key_id, k.wrapped, v.sealed, v.first_seen
FROM sofetch_vault.value AS v
JOIN sofetch_vault.subject_key AS k ON k.key_id = v.key_id AND k.subject = v.subject
WHERE v.token = %(token)s AND v.domain = %(domain)s
ORDER BY v.first_seen, v.subject
