-- Asks, by way of the console, for replays and purges; whoever holds the keys carries them out. May do neither itself.
REVOKE ALL ON ALL TABLES IN SCHEMA sofetch FROM {role};
GRANT USAGE ON SCHEMA sofetch TO {role};
GRANT SELECT ON sofetch.migration, sofetch.pipeline TO {role};
GRANT SELECT (id), INSERT (pipeline_id, action, keys, actor, purpose, ticket) ON sofetch.quarantine_request TO {role}
