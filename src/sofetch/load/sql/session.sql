-- What a session must be, whatever the role's defaults are; or, behind a pooler, a transaction.
DO $$
BEGIN
    -- A commit that may still be lost must not delete a message from the queue.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', {local});
    END IF;

    -- A role called sofetch has our schema first in its path ("$user"): its tables belong elsewhere.
    IF current_user = 'sofetch' OR 'sofetch' = ANY (current_schemas(false)) THEN
        PERFORM set_config('search_path', coalesce(
            (SELECT string_agg(quote_ident(s), ', ') FROM unnest(current_schemas(false)) AS s WHERE s <> 'sofetch'),
            'public'
        ), {local});
    END IF;

    -- Postgres logs whole rows in the DETAIL of a constraint's violation. With verbosity terse it does not. Only a
    -- superuser may set that, or whoever was granted it (PG 15); asked first, since a refusal is logged too.
    IF current_setting('log_error_verbosity') <> 'terse' THEN
        IF current_setting('is_superuser')::boolean THEN
            PERFORM set_config('log_error_verbosity', 'terse', {local});
        ELSIF current_setting('server_version_num')::integer >= 150000 THEN
            IF has_parameter_privilege('log_error_verbosity', 'SET') THEN
                PERFORM set_config('log_error_verbosity', 'terse', {local});
            END IF;
        END IF;
    END IF;
END
$$
