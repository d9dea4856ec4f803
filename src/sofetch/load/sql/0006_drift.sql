-- In what messages were not as the configuration expects them: names of fields and counts, no value.
CREATE TABLE sofetch.drift (
    pipeline_id integer NOT NULL,
    kind text NOT NULL,
    field text NOT NULL,
    messages bigint NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline_id, kind, field)
);
