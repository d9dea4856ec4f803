-- Recovery, beside the table: whoever reads the vault writes the audit first.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
GRANT USAGE ON SCHEMA sofetch TO {role};
GRANT SELECT ON sofetch.migration TO {role};
GRANT SELECT, INSERT ON sofetch.audit TO {role}
