-- What this session's role may do beyond reading: the table's name to the privilege.
SELECT coalesce(array_agg(t.name || ': ' || t.privilege ORDER BY t.name, t.privilege), '{}')
FROM (VALUES (%(table)s::oid, %(name)s::text, 'INSERT'), (%(table)s::oid, %(name)s::text, 'UPDATE'),
             (%(table)s::oid, %(name)s::text, 'DELETE'),
             (to_regclass('sofetch.quarantine')::oid, 'sofetch.quarantine', 'DELETE'),
             (to_regclass('sofetch.ledger')::oid, 'sofetch.ledger', 'INSERT')
     ) AS t (relation, name, privilege)
WHERE has_table_privilege(t.relation, t.privilege)
