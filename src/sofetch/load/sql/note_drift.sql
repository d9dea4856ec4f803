-- Adds to what was seen; says which fields are new. Past so many fields the new ones share a row: a producer that makes
-- keys of data would fill the table with them.
WITH given AS (
    SELECT p.id AS pipeline_id, u.kind, u.field, u.messages,
        EXISTS (
            SELECT FROM sofetch.drift AS d WHERE d.pipeline_id = p.id AND d.kind = u.kind AND d.field = u.field
        ) AS known
    FROM sofetch.pipeline AS p, unnest(%(kinds)s::text[], %(fields)s::text[], %(messages)s::bigint[])
        AS u (kind, field, messages)
    WHERE p.name = %(pipeline)s
),
told AS (
    SELECT g.pipeline_id, g.kind, g.messages,
        CASE
            WHEN g.known OR (
                SELECT count(*) FROM sofetch.drift AS d WHERE d.pipeline_id = g.pipeline_id AND d.kind = g.kind
            ) + row_number() OVER (PARTITION BY g.kind, g.known ORDER BY g.field) <= %(most)s
            THEN g.field ELSE '*'
        END AS field
    FROM given AS g
)
INSERT INTO sofetch.drift AS d (pipeline_id, kind, field, messages)
SELECT pipeline_id, kind, field, sum(messages) FROM told GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (pipeline_id, kind, field)
DO UPDATE SET messages = d.messages + excluded.messages, last_seen = excluded.last_seen
RETURNING d.kind, d.field, d.xmax = 0
