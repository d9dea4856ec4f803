-- The newest requests of a pipeline, with how many entries each is about.
SELECT r.id, r.action, cardinality(r.keys) AS entries, r.actor, r.purpose, r.ticket, r.asked_at, r.taken_at, r.done_at,
       r.outcome, r.done
FROM sofetch.quarantine_request AS r JOIN sofetch.pipeline AS p ON p.id = r.pipeline_id
WHERE p.name = %(pipeline)s
ORDER BY r.id DESC
LIMIT %(limit)s
