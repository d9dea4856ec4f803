-- Inserts rows and can read none. Of the quarantine it sees what counting attempts needs: no body, no message id.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
REVOKE ALL ON {table} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT INSERT ON {table} TO {role};
{needed}
