-- How the rows fall into groups of equal values. {values} are columns, {source} the table or a sample of it; NULLs are
-- counted apart for a single column and are a value like any other in a combination ({present} is then true).
SELECT count(*) AS groups,
       coalesce(sum(size), 0)::bigint AS rows,
       count(*) FILTER (WHERE size = 1) AS singles,
       min(size) AS smallest,
       max(size) AS largest,
       coalesce(sum(size) FILTER (WHERE size < 5), 0)::bigint AS below_5,
       coalesce(sum(size) FILTER (WHERE size < 10), 0)::bigint AS below_10
FROM (SELECT count(*) AS size FROM {source} WHERE {present} GROUP BY {values}) AS g
