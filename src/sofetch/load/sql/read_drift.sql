SELECT d.kind, d.field, d.messages, d.first_seen, d.last_seen
FROM sofetch.drift AS d JOIN sofetch.pipeline AS p ON p.id = d.pipeline_id
WHERE p.name = %(pipeline)s
ORDER BY d.last_seen DESC, d.kind, d.field
