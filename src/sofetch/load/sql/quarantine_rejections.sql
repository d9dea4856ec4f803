-- One statement for all rejections of a batch. A key that is there already only counts one attempt more: its body
-- and its first reason stay.
INSERT INTO sofetch.quarantine AS q
    (pipeline_id, key, reason, field, message_id, sent_at, receive_count, expires_at, kid, sealed_body)
SELECT %(pipeline_id)s, r.key, r.reason, r.field, r.message_id, to_timestamp(r.sent_ms / 1000.0), r.receive_count,
       now() + make_interval(days => %(expire_days)s), r.kid, r.sealed_body
FROM unnest(
    %(keys)s::uuid[], %(reasons)s::text[], %(fields)s::text[], %(message_ids)s::text[], %(sent_ms)s::bigint[],
    %(receive_counts)s::integer[], %(kids)s::text[], %(sealed_bodies)s::bytea[]
) AS r (key, reason, field, message_id, sent_ms, receive_count, kid, sealed_body)
ON CONFLICT (pipeline_id, key) DO UPDATE
SET attempts = q.attempts + 1, last_seen = now(), receive_count = greatest(q.receive_count, excluded.receive_count)
