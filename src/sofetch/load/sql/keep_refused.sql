-- Entries that were tried again and still do not fit: one attempt more, and the reason of this one.
UPDATE sofetch.quarantine AS q
SET attempts = q.attempts + 1, last_seen = now(), reason = r.reason, field = r.field
FROM unnest(%(keys)s::uuid[], %(reasons)s::text[], %(fields)s::text[]) AS r (key, reason, field)
WHERE q.pipeline_id = %(pipeline_id)s AND q.key = r.key
