-- In the transaction of the batch it speaks of.
INSERT INTO sofetch.rotation AS r (relation, target, next_block, rows)
VALUES (%(relation)s, %(target)s, %(next_block)s, %(rows)s)
ON CONFLICT (relation, target) DO UPDATE
SET next_block = excluded.next_block, rows = r.rows + excluded.rows, updated_at = now(), finished_at = NULL
