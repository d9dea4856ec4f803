-- The oldest request that nobody has taken; or that somebody took a quarter of an hour ago and never ended.
UPDATE sofetch.quarantine_request AS r
SET taken_at = now()
WHERE r.id = (
    SELECT o.id
    FROM sofetch.quarantine_request AS o JOIN sofetch.pipeline AS p ON p.id = o.pipeline_id
    WHERE p.name = %(pipeline)s AND o.done_at IS NULL
      AND (o.taken_at IS NULL OR o.taken_at < now() - interval '15 minutes')
    ORDER BY o.id
    LIMIT 1
    FOR UPDATE OF o SKIP LOCKED
)
RETURNING r.id, r.action, r.keys, r.actor, r.purpose, r.ticket
