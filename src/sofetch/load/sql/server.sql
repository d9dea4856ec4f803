-- What kind of server this is, and how this session stands in it.
SELECT current_database()::text AS database,
       current_user::text AS role,
       quote_ident(current_user) AS quoted_role,
       current_setting('server_version_num')::integer AS version,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS standby,
       current_setting('transaction_read_only')::boolean AS read_only,
       current_setting('log_error_verbosity') AS verbosity
