-- Which of these keys are new? Sorted by the caller: two workers that take the same keys in different orders would
-- wait for each other for ever. ORDINALITY keeps that order through the planner.
INSERT INTO {ledger} (key, pipeline_id)
SELECT k.key, %(pipeline_id)s
FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS k (key, position)
ORDER BY k.position
ON CONFLICT DO NOTHING
RETURNING key
