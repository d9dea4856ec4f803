-- Where each message is. A row is known by its user, a quarantined message by its id.
CREATE UNLOGGED TABLE oracle.ledger AS
SELECT substring(uuid_send(key) FROM 7) AS message_bits,
       (to_timestamp(('x' || left(replace(key::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')::date
           AS sent_on
FROM sofetch.ledger;
CREATE UNLOGGED TABLE oracle.found AS
SELECT e.number, 'the table' AS place FROM oracle.expected AS e JOIN public.user_logins AS r USING (user_id)
UNION ALL
SELECT e.number, 'quarantine: ' || q.reason
FROM oracle.expected AS e JOIN sofetch.quarantine AS q ON e.message_bits = substring(uuid_send(q.key) FROM 7);
CREATE INDEX ON oracle.found (number);
ANALYZE oracle.expected, oracle.ledger, oracle.found;
