-- Who was shown or erased what, why, and on whose word. Rows are only ever added. The trigger is a first fence, for
-- mistakes; what proves that nothing was changed is the chain of digests, whose key the database does not hold.
CREATE TABLE sofetch.audit (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    purpose text NOT NULL,
    ticket text NOT NULL,
    detail jsonb NOT NULL,
    kid text NOT NULL,
    previous bytea NOT NULL,
    digest bytea NOT NULL
);

-- A request for recovery is good once.
CREATE UNIQUE INDEX audit_request_once ON sofetch.audit ((detail ->> 'request')) WHERE action = 'recover';

CREATE FUNCTION sofetch.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'sofetch.audit is only ever added to' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sofetch.audit
    FOR EACH STATEMENT EXECUTE FUNCTION sofetch.refuse_audit_change();
-- Also in a session that plays the replica, where triggers rest otherwise.
ALTER TABLE sofetch.audit ENABLE ALWAYS TRIGGER audit_append_only;

REVOKE ALL ON FUNCTION sofetch.refuse_audit_change() FROM PUBLIC;
