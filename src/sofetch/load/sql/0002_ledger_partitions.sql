-- Keeping the ledger's days. SECURITY DEFINER: a loader that may only insert keeps its partitions through these two
-- functions and can do nothing else with them. The search path is pinned; nobody but the owner may call them until
-- EXECUTE is granted.

CREATE FUNCTION sofetch.ledger_day_start(day date) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (lpad(to_hex((day - DATE '1970-01-01')::bigint * 86400000), 12, '0') || repeat('0', 20))::uuid
$$;

-- Makes the days from behind_days ago to ahead_days ahead, in UTC; returns how many were missing and are made.
-- A day whose rows already sit in the default partition is left there: attaching it would fail.
CREATE FUNCTION sofetch.make_ledger_partitions(behind_days integer, ahead_days integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    today constant date := (now() AT TIME ZONE 'UTC')::date;
    made integer := 0;
    day date;
    name text;
BEGIN
    IF behind_days NOT BETWEEN 0 AND 400 OR ahead_days NOT BETWEEN 0 AND 400 THEN
        RAISE EXCEPTION 'behind_days and ahead_days are between 0 and 400' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR offset_days IN -behind_days .. ahead_days LOOP
        day := today + offset_days;
        name := 'ledger_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(format('sofetch.%I', name)) IS NOT NULL;
        -- Taken only when there is something to make; a second worker waits here and then finds the day made.
        PERFORM pg_advisory_xact_lock(7309475598860673);
        CONTINUE WHEN to_regclass(format('sofetch.%I', name)) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT 1 FROM sofetch.ledger_default AS d
            WHERE d.key >= sofetch.ledger_day_start(day) AND d.key < sofetch.ledger_day_start(day + 1)
        );
        -- Made apart and attached: that lets others go on loading, which PARTITION OF does not.
        EXECUTE format('CREATE TABLE sofetch.%I (LIKE sofetch.ledger INCLUDING ALL)', name);
        EXECUTE format(
            'ALTER TABLE sofetch.ledger ATTACH PARTITION sofetch.%I FOR VALUES FROM (%L) TO (%L)',
            name, sofetch.ledger_day_start(day), sofetch.ledger_day_start(day + 1)
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Drops the days older than keep_days and removes what is as old from the default partition and, some at a time, from
-- ledger_content; returns how many partitions were dropped. Keys whose time is zero are those of messages for which
-- the server gave no time: nobody knows how old they are, so they stay.
CREATE FUNCTION sofetch.drop_ledger_partitions(keep_days integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    oldest_kept constant date := (now() AT TIME ZONE 'UTC')::date - keep_days;
    dropped integer := 0;
    name text;
BEGIN
    IF keep_days < 1 THEN
        RAISE EXCEPTION 'keep_days is at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR name IN
        SELECT c.relname
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'sofetch.ledger'::regclass
          AND c.relname ~ '^ledger_[0-9]{8}$'
          AND substr(c.relname, 8) < to_char(oldest_kept, 'YYYYMMDD')
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS sofetch.%I', name);  -- another worker may have done it while we waited
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM sofetch.ledger_default
    WHERE key >= '00000000-0001-0000-0000-000000000000' AND key < sofetch.ledger_day_start(oldest_kept);
    -- A whole day of a busy pipeline would outlast any statement_timeout; the caller comes again while there is more.
    DELETE FROM sofetch.ledger_content
    WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM sofetch.ledger_content AS c WHERE c.seen < oldest_kept LIMIT 50000));
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION sofetch.ledger_day_start(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION sofetch.make_ledger_partitions(integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION sofetch.drop_ledger_partitions(integer) FROM PUBLIC;
