-- Entries of the selection, and how many of them are not past their day.
SELECT count(*) AS entries, count(*) FILTER (WHERE q.expires_at > now()) AS unexpired
FROM sofetch.quarantine AS q
WHERE q.pipeline_id = %(pipeline_id)s
  AND (%(reasons)s::text[] IS NULL OR q.reason = ANY (%(reasons)s::text[]))
  AND (%(names)s::text[] IS NULL OR q.key = ANY (%(keys)s::uuid[]) OR q.message_id = ANY (%(names)s::text[]))
  AND (NOT %(expired)s::boolean OR q.expires_at <= now())
