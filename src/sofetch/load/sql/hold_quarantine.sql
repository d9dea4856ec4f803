-- The next entries, locked until the transaction ends; what another replay holds is passed over. Locked are as many as
-- the limit says, taken are as many as fit into the bytes, and the first in any case.
WITH held AS MATERIALIZED (
    SELECT q.key, octet_length(q.sealed_body) AS size
    FROM sofetch.quarantine AS q
    WHERE q.pipeline_id = %(pipeline_id)s
      AND (%(reasons)s::text[] IS NULL OR q.reason = ANY (%(reasons)s::text[]))
      AND (%(names)s::text[] IS NULL OR q.key = ANY (%(keys)s::uuid[]) OR q.message_id = ANY (%(names)s::text[]))
      AND (NOT %(expired)s::boolean OR q.expires_at <= now())
      AND (%(last)s::uuid IS NULL OR q.key > %(last)s::uuid)
    ORDER BY q.key
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
),
sized AS (
    SELECT h.key, sum(h.size) OVER (ORDER BY h.key) - h.size AS before FROM held AS h
)
SELECT q.key, q.reason, q.field, q.message_id, round(extract(epoch FROM q.sent_at) * 1000)::bigint AS sent_ms,
       round(extract(epoch FROM q.first_seen) * 1000)::bigint AS first_seen_ms, q.receive_count, q.kid, q.sealed_body
FROM sized AS s JOIN sofetch.quarantine AS q ON q.key = s.key
WHERE q.pipeline_id = %(pipeline_id)s AND s.before < %(max_bytes)s
ORDER BY q.key
