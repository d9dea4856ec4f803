-- What was seen of these kinds, gone. Locked in the order in which counts are written, or two would wait for each other.
WITH chosen AS (
    SELECT d.pipeline_id, d.kind, d.field
    FROM sofetch.drift AS d JOIN sofetch.pipeline AS p ON p.id = d.pipeline_id
    WHERE p.name = %(pipeline)s AND d.kind = ANY (%(kinds)s::text[])
    ORDER BY d.pipeline_id, d.kind, d.field
    FOR UPDATE OF d
),
forgotten AS (
    DELETE FROM sofetch.drift AS d USING chosen AS c
    WHERE (d.pipeline_id, d.kind, d.field) = (c.pipeline_id, c.kind, c.field)
    RETURNING d.kind, d.field, d.messages, d.first_seen, d.last_seen
)
SELECT kind, field, messages, first_seen, last_seen FROM forgotten ORDER BY last_seen DESC, kind, field
