-- How far a rotation has come through a table, so that one that was cut off goes on there. Nothing depends on it being
-- right: a rotation ends when no token of an earlier key is found. target names the keys that tokens are upgraded to.
CREATE TABLE sofetch.rotation (
    relation text NOT NULL,
    target text NOT NULL,
    next_block bigint NOT NULL,
    rows bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (relation, target)
);
