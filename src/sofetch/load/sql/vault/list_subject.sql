-- What there is of a subject, and nothing sealed: for one who erases and may read no value.
SELECT domain, token, key_id FROM sofetch_vault.value WHERE subject = %(subject)s ORDER BY domain, token
