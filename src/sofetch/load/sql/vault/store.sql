-- In binary: written as text, sealed values are twice as long and have to be escaped and read again.
SELECT sofetch_vault.store(
    %(key_ids)b::uuid[], %(key_subjects)b::text[], %(wrapped)b::bytea[],
    %(subjects)b::text[], %(domains)b::text[], %(origins)b::text[], %(tokens)b::text[], %(value_key_ids)b::uuid[],
    %(sealed)b::bytea[]
)
