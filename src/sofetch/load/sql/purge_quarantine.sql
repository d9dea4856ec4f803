-- Some entries of the selection, gone with their bodies. Their keys stay in the ledger.
DELETE FROM sofetch.quarantine AS q
WHERE q.pipeline_id = %(pipeline_id)s AND q.key IN (
    SELECT p.key
    FROM sofetch.quarantine AS p
    WHERE p.pipeline_id = %(pipeline_id)s
      AND (%(reasons)s::text[] IS NULL OR p.reason = ANY (%(reasons)s::text[]))
      AND (%(names)s::text[] IS NULL OR p.key = ANY (%(keys)s::uuid[]) OR p.message_id = ANY (%(names)s::text[]))
      AND (NOT %(expired)s::boolean OR p.expires_at <= now())
    ORDER BY p.key
    LIMIT %(limit)s
    FOR UPDATE
)
