-- What was asked for in the console: entries of the quarantine to be tried again, or removed. Whoever may insert here
-- may do neither; one who holds the keys takes a request and carries it out. Times are those of this database.
CREATE TABLE sofetch.quarantine_request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline_id integer NOT NULL,
    action text NOT NULL CHECK (action IN ('replay', 'purge')),
    keys uuid[] NOT NULL CHECK (cardinality(keys) BETWEEN 1 AND 10000),
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 500),
    purpose text NOT NULL CHECK (length(purpose) BETWEEN 1 AND 500),
    ticket text NOT NULL CHECK (length(ticket) BETWEEN 1 AND 500),
    asked_role text NOT NULL DEFAULT session_user,
    asked_at timestamptz NOT NULL DEFAULT now(),
    taken_at timestamptz,
    done_at timestamptz,
    outcome text,
    done integer
);
CREATE INDEX quarantine_request_open ON sofetch.quarantine_request (id) WHERE done_at IS NULL;
