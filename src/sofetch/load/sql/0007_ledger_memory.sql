-- One ledger holds the keys of all pipelines of this database, so it is kept for as long as the one that asks for
-- longest; and it says up to when keys were removed, whatever anybody's clock or configuration says.
ALTER TABLE sofetch.pipeline
    ADD COLUMN ledger_days integer CHECK (ledger_days BETWEEN 1 AND 400),
    ADD COLUMN ledger_asked_at timestamptz;

CREATE TABLE sofetch.ledger_memory (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    forgotten_before date NOT NULL
);

-- What was dropped until now nobody wrote down. It is known at least from the first day that is there.
INSERT INTO sofetch.ledger_memory (forgotten_before)
SELECT to_date(substr(min(c.relname), 8), 'YYYYMMDD')
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'sofetch.ledger'::regclass AND c.relname ~ '^ledger_[0-9]{8}$'
HAVING count(*) > 0;

-- A pipeline says how long its keys are to be kept. Written once an hour: many workers ask.
CREATE FUNCTION sofetch.ask_for_ledger(pipeline_name text, keep_days integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE sofetch.pipeline AS p
    SET ledger_days = keep_days, ledger_asked_at = now()
    WHERE p.name = pipeline_name
      AND (p.ledger_days IS DISTINCT FROM keep_days OR p.ledger_asked_at < now() - interval '1 hour')
$$;

-- As before, but for the longest that was asked for. A pipeline that has not asked for as long as it wants to be
-- remembered has nothing there that is younger.
CREATE OR REPLACE FUNCTION sofetch.drop_ledger_partitions(keep_days integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    longest constant integer := greatest(keep_days, (
        SELECT max(p.ledger_days) FROM sofetch.pipeline AS p
        WHERE p.ledger_asked_at > now() - make_interval(days => p.ledger_days)
    ));
    oldest_kept constant date := (now() AT TIME ZONE 'UTC')::date - longest;
    dropped integer := 0;
    had_keys boolean;
    removed bigint := 0;
    more bigint;
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
        -- Locked before it is looked at, in the order in which a drop locks: another worker may have dropped it while
        -- we waited, or put a key into it. The other days stay as they are: one may be under VACUUM.
        LOCK TABLE ONLY sofetch.ledger IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN to_regclass(format('sofetch.%I', name)) IS NULL;
        EXECUTE format('SELECT EXISTS (SELECT FROM sofetch.%I)', name) INTO had_keys;
        EXECUTE format('DROP TABLE sofetch.%I', name);
        dropped := dropped + 1;
        removed := removed + had_keys::integer;
    END LOOP;
    DELETE FROM sofetch.ledger_default
    WHERE key >= '00000000-0001-0000-0000-000000000000' AND key < sofetch.ledger_day_start(oldest_kept);
    GET DIAGNOSTICS more = ROW_COUNT;
    removed := removed + more;
    -- A whole day of a busy pipeline would outlast any statement_timeout; the caller comes again while there is more.
    DELETE FROM sofetch.ledger_content
    WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM sofetch.ledger_content AS c WHERE c.seen < oldest_kept LIMIT 50000));
    GET DIAGNOSTICS more = ROW_COUNT;
    IF removed + more > 0 THEN
        INSERT INTO sofetch.ledger_memory AS m (forgotten_before) VALUES (oldest_kept)
        ON CONFLICT (only_row) DO UPDATE SET forgotten_before = excluded.forgotten_before
        WHERE m.forgotten_before < excluded.forgotten_before;
    END IF;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION sofetch.ask_for_ledger(text, integer) FROM PUBLIC;

-- Whoever keeps the ledger now may go on. So may the functions, if another than their owner applies this.
DO $$
DECLARE
    keeper record;
BEGIN
    SELECT r.rolname INTO keeper FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
    WHERE p.oid = 'sofetch.drop_ledger_partitions(integer)'::regprocedure;
    IF keeper.rolname <> current_user THEN
        EXECUTE format('ALTER TABLE sofetch.ledger_memory OWNER TO %I', keeper.rolname);
        EXECUTE format('ALTER FUNCTION sofetch.ask_for_ledger(text, integer) OWNER TO %I', keeper.rolname);
    END IF;
    FOR keeper IN
        SELECT DISTINCT r.rolname
        FROM pg_proc AS p, aclexplode(p.proacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE p.oid = 'sofetch.drop_ledger_partitions(integer)'::regprocedure AND a.grantee <> p.proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION sofetch.ask_for_ledger(text, integer) TO %I', keeper.rolname);
        EXECUTE format('GRANT SELECT ON sofetch.ledger_memory TO %I', keeper.rolname);
    END LOOP;
    -- Whoever reads the ledger, `sofetch verify` say, reads how far back it goes.
    FOR keeper IN
        SELECT DISTINCT r.rolname
        FROM pg_class AS c, aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
        WHERE c.oid = 'sofetch.ledger'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON sofetch.ledger_memory TO %I', keeper.rolname);
    END LOOP;
END
$$;
