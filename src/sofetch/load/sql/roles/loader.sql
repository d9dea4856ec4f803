-- Inserts rows and can read none, but where they are written by key: what tells which row is meant and is the newer. Of the quarantine it sees what counting attempts needs: no body, no message id.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
REVOKE ALL ON {table} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT {may} ON {table} TO {role};
{needed}
