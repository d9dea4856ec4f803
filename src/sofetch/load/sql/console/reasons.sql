-- The quarantine by reason: how many, since when, how many past their day.
SELECT q.reason, count(*) AS entries, count(*) FILTER (WHERE q.expires_at <= now()) AS expired,
       min(q.first_seen) AS first_seen, max(q.last_seen) AS last_seen
FROM sofetch.quarantine AS q JOIN sofetch.pipeline AS p ON p.id = q.pipeline_id
WHERE p.name = %(pipeline)s
GROUP BY q.reason
ORDER BY entries DESC, q.reason
