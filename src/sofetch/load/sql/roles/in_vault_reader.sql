-- Reads sealed values. Opening one takes the recovery key too, which the database does not hold.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch_vault FROM {role};
GRANT USAGE ON SCHEMA sofetch_vault TO {role};
GRANT SELECT ON sofetch_vault.migration, sofetch_vault.subject_key, sofetch_vault.value TO {role}
