-- Everything of the quarantine's entries but the body.
SELECT q.key, q.message_id, q.reason, q.field, q.attempts, q.first_seen, q.last_seen, q.sent_at, q.receive_count,
       q.expires_at, q.kid, octet_length(q.sealed_body) AS sealed_bytes
FROM sofetch.quarantine AS q
JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
WHERE p.name = %(pipeline)s
  AND (%(reasons)s::text[] IS NULL OR q.reason = ANY (%(reasons)s::text[]))
  AND ((%(key)s::uuid IS NULL AND %(message_id)s::text IS NULL)
       OR q.key = %(key)s::uuid OR q.message_id = %(message_id)s::text)
ORDER BY q.last_seen DESC, q.key DESC
LIMIT %(limit)s
