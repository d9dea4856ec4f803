-- Puts values in, by the one function that does it. Reads nothing, not even what it wrote.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch_vault FROM {role};
GRANT USAGE ON SCHEMA sofetch_vault TO {role};
GRANT SELECT ON sofetch_vault.migration TO {role};
GRANT EXECUTE ON FUNCTION sofetch_vault.store(
    uuid[], text[], bytea[], text[], text[], text[], text[], uuid[], bytea[]
) TO {role}
