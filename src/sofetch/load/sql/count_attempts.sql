-- Rejections whose key is in the ledger already: those in quarantine count one attempt more and are named.
UPDATE sofetch.quarantine
SET attempts = attempts + 1, last_seen = now()
WHERE pipeline_id = %(pipeline_id)s AND key = ANY (%(keys)s::uuid[])
RETURNING key
