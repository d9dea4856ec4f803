-- A duplicate is acknowledged for an earlier commit. That one may have stopped waiting for its synchronous standby: its
-- backend was ended, or the server restarted. COMMIT waits for all that was written before it, if only it writes.
DO $$
BEGIN
    IF current_setting('synchronous_standby_names') <> '' THEN
        PERFORM pg_logical_emit_message(true, 'sofetch', '');
    END IF;
END
$$
