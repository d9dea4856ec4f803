-- Destroys a subject's keys and values. Sees tokens, and nothing sealed or wrapped.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch_vault FROM {role};
GRANT USAGE ON SCHEMA sofetch_vault TO {role};
GRANT SELECT ON sofetch_vault.migration TO {role};
GRANT DELETE ON sofetch_vault.subject_key, sofetch_vault.value TO {role};
GRANT SELECT (key_id, subject) ON sofetch_vault.subject_key TO {role};
GRANT SELECT (subject, domain, origin, token, key_id, first_seen) ON sofetch_vault.value TO {role}
