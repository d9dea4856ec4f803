-- How many messages of a time the ledger has, and how many of these are in quarantine.
SELECT
    (SELECT count(*) FROM sofetch.ledger AS l
     WHERE l.pipeline_id = %(pipeline_id)s AND l.key >= %(first)s::uuid AND l.key < %(end)s::uuid),
    (SELECT count(*) FROM sofetch.quarantine AS q
     WHERE q.pipeline_id = %(pipeline_id)s AND q.key >= %(first)s::uuid AND q.key < %(end)s::uuid)
