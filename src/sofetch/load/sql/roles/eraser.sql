-- Erasure, beside the table: finds and removes a subject's rows and quarantined messages, and writes the audit.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
REVOKE ALL ON {table} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT, UPDATE, DELETE ON {table} TO {role};
GRANT USAGE ON SCHEMA sofetch TO {role};
GRANT SELECT ON sofetch.migration TO {role};
GRANT SELECT ON sofetch.pipeline TO {role};
GRANT SELECT ON sofetch.key_fingerprint TO {role};
GRANT SELECT, DELETE ON sofetch.quarantine TO {role};
GRANT SELECT, INSERT ON sofetch.audit TO {role}
