-- The schema sofetch: who loads, what was seen, what was refused, which keys the tokens were made with.
-- The user's own table is not touched by any migration.

-- relation is the table that the pipeline was first used with: two tables under one name would take each other's
-- messages for duplicates.
CREATE TABLE sofetch.pipeline (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    relation text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Keys are time-ordered: 48 bits of sent time in milliseconds, then 80 bits of the message id. One partition a UTC
-- day; the default partition takes what no day is there for, so that a missing day never stops the loading.
CREATE TABLE sofetch.ledger (
    key uuid NOT NULL,
    pipeline_id integer NOT NULL,
    PRIMARY KEY (key, pipeline_id)
) PARTITION BY RANGE (key);

CREATE TABLE sofetch.ledger_default PARTITION OF sofetch.ledger DEFAULT;

-- The same for keys made from content, which have no order in time.
CREATE TABLE sofetch.ledger_content (
    key uuid NOT NULL,
    pipeline_id integer NOT NULL,
    seen date NOT NULL DEFAULT CURRENT_DATE,
    PRIMARY KEY (key, pipeline_id)
);
CREATE INDEX ledger_content_seen ON sofetch.ledger_content (seen);

-- sealed_body is AES-256-GCM under the key named by kid; nothing of the body is readable here.
CREATE TABLE sofetch.quarantine (
    pipeline_id integer NOT NULL,
    key uuid NOT NULL,
    reason text NOT NULL,
    field text,
    message_id text,
    attempts integer NOT NULL DEFAULT 1,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    receive_count integer NOT NULL,
    expires_at timestamptz NOT NULL,
    kid text NOT NULL,
    sealed_body bytea NOT NULL,
    PRIMARY KEY (pipeline_id, key)
);

-- A fingerprint says which key made the tokens of a domain, without saying anything of the key.
CREATE TABLE sofetch.key_fingerprint (
    scheme text NOT NULL,
    domain text NOT NULL,
    kid text NOT NULL,
    fingerprint bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scheme, domain, kid)
);
