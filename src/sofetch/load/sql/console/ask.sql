INSERT INTO sofetch.quarantine_request (pipeline_id, action, keys, actor, purpose, ticket)
SELECT p.id, %(action)s, %(keys)s::uuid[], %(actor)s, %(purpose)s, %(ticket)s
FROM sofetch.pipeline AS p WHERE p.name = %(pipeline)s
RETURNING id
