-- Which of these keys the ledger has, and whether each is in quarantine. The bounds keep it to their partitions.
SELECT l.key, q.key IS NOT NULL AS quarantined
FROM sofetch.ledger AS l
LEFT JOIN sofetch.quarantine AS q ON q.pipeline_id = l.pipeline_id AND q.key = l.key
WHERE l.pipeline_id = %(pipeline_id)s
  AND l.key BETWEEN %(first)s::uuid AND %(last)s::uuid
  AND l.key = ANY (%(keys)s::uuid[])
