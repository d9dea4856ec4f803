-- Entries without their bodies, not even their size: the console's role may not read that column.
SELECT q.key, q.message_id, q.reason, q.field, q.attempts, q.first_seen, q.last_seen, q.sent_at, q.receive_count,
       q.expires_at, q.kid, q.expires_at <= now() AS expired
FROM sofetch.quarantine AS q JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
WHERE p.name = %(pipeline)s
  AND (%(reason)s::text IS NULL OR q.reason = %(reason)s::text)
  AND (%(keys)s::uuid[] IS NULL OR q.key = ANY (%(keys)s::uuid[]))
ORDER BY q.last_seen DESC, q.key DESC
LIMIT %(limit)s
