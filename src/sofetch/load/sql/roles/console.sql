-- The console: reads the table, and of the quarantine everything but the bodies. Writes nothing.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
REVOKE ALL ON {table} FROM {role};
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {table} TO {role};
GRANT USAGE ON SCHEMA sofetch TO {role};
GRANT SELECT ON sofetch.migration, sofetch.pipeline, sofetch.quarantine_request, sofetch.drift TO {role};
GRANT SELECT (
    pipeline_id, key, reason, field, message_id, attempts, first_seen, last_seen, sent_at, receive_count, expires_at, kid
) ON sofetch.quarantine TO {role}
