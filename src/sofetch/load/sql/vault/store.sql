SELECT sofetch_vault.store(
    %(key_ids)s::uuid[], %(key_subjects)s::text[], %(wrapped)s::bytea[],
    %(subjects)s::text[], %(domains)s::text[], %(origins)s::text[], %(tokens)s::text[], %(value_key_ids)s::uuid[],
    %(sealed)s::bytea[]
)
