-- Entries with their sealed bodies, so many at a time, in the order of their keys.
SELECT q.key, q.message_id, q.reason, q.field, q.attempts, q.first_seen, q.last_seen, q.sent_at, q.receive_count,
       q.expires_at, q.kid, octet_length(q.sealed_body) AS sealed_bytes, q.sealed_body
FROM sofetch.quarantine AS q
WHERE q.pipeline_id = %(pipeline_id)s
  AND (%(reasons)s::text[] IS NULL OR q.reason = ANY (%(reasons)s::text[]))
  AND (%(names)s::text[] IS NULL OR q.key = ANY (%(keys)s::uuid[]) OR q.message_id = ANY (%(names)s::text[]))
  AND (NOT %(expired)s::boolean OR q.expires_at <= now())
  AND (%(last)s::uuid IS NULL OR q.key > %(last)s::uuid)
ORDER BY q.key
LIMIT %(limit)s
