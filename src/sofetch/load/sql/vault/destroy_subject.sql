-- Crypto-shredding: without its keys no copy of the values can be opened; the values go too.
WITH gone_key AS (
    DELETE FROM sofetch_vault.subject_key WHERE subject = %(subject)s RETURNING key_id
), gone_value AS (
    DELETE FROM sofetch_vault.value WHERE subject = %(subject)s RETURNING key_id
)
SELECT (SELECT count(*) FROM gone_key) AS keys, (SELECT count(*) FROM gone_value) AS values
