-- All values of one subject.
SELECT v.subject, v.domain, v.token, v.origin, v.key_id, k.wrapped, v.sealed, v.first_seen
FROM sofetch_vault.value AS v
JOIN sofetch_vault.subject_key AS k ON k.key_id = v.key_id AND k.subject = v.subject
WHERE v.subject = %(subject)s
ORDER BY v.domain, v.first_seen, v.origin
