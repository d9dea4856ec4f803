-- Reads the audit and nothing else, so that it can verify the chain.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
GRANT USAGE ON SCHEMA sofetch TO {role};
GRANT SELECT ON sofetch.migration TO {role};
GRANT SELECT ON sofetch.audit TO {role}
