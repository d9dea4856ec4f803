-- Unique indexes of a table that ON CONFLICT can go by: valid, at once, of plain columns in their own collation, and of
-- all rows. The columns of each.
SELECT ARRAY(
    SELECT a.attname::text
    FROM generate_series(0, i.indnkeyatts - 1) AS k
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
) AS columns
FROM pg_catalog.pg_index AS i
WHERE i.indrelid = %(table)s::oid AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
  AND NOT EXISTS (
    SELECT FROM generate_series(0, i.indnkeyatts - 1) AS k
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
    WHERE a.attcollation <> i.indcollation[k]
  )
