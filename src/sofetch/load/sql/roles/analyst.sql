-- Reads the masked table and nothing of ours.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
REVOKE ALL ON SCHEMA sofetch FROM {role};
REVOKE ALL ON {table} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {table} TO {role}
