-- The types of these columns, to be compared with what they were when they were looked up.
SELECT array_agg(format('%%s:%%s:%%s', attnum, atttypid, atttypmod))
FROM pg_catalog.pg_attribute
WHERE attrelid = %s::oid AND attname = ANY (%s) AND NOT attisdropped
