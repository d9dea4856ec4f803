-- What may not be, after a campaign: each statement gives the culprits of one violation, as text.
-- oracle.expected holds every number sent: its row, or the reason for its quarantine, and its message id's first bits.

-- violation: lost
SELECT format('message %s is neither in the table nor in quarantine', e.number)
FROM oracle.expected AS e
WHERE e.number NOT IN (SELECT number FROM oracle.found);

-- violation: doubled
SELECT format('message %s is there %s times', number, count(*))
FROM oracle.found GROUP BY number HAVING count(*) > 1;

-- violation: in the wrong place
SELECT format('message %s is in %s, expected in %s', e.number, f.place, coalesce('quarantine: ' || e.reason, 'the table'))
FROM oracle.expected AS e JOIN oracle.found AS f USING (number)
WHERE f.place <> coalesce('quarantine: ' || e.reason, 'the table');

-- violation: changed
SELECT format('the row of message %s is not what it must be', e.number)
FROM oracle.expected AS e JOIN public.user_logins AS r USING (user_id)
WHERE (r.device_type, r.masked_ip, r.masked_device_id, r.locale, r.app_version)
    IS DISTINCT FROM (e.device_type, e.masked_ip, e.masked_device_id, e.locale, e.app_version);

-- violation: strange
SELECT 'a row of nobody we know' FROM public.user_logins AS r
WHERE NOT EXISTS (SELECT FROM oracle.expected AS e WHERE e.user_id = r.user_id);

-- violation: strange in quarantine
SELECT 'a quarantined message that nobody sent' FROM sofetch.quarantine AS q
WHERE NOT EXISTS (SELECT FROM oracle.expected AS e WHERE e.message_bits = substring(uuid_send(q.key) FROM 7));

-- violation: not in the ledger
SELECT format('message %s is not in the ledger', e.number)
FROM oracle.expected AS e LEFT JOIN oracle.ledger AS l USING (message_bits)
WHERE l.message_bits IS NULL;

-- violation: twice in the ledger
SELECT 'two keys of one message' FROM oracle.ledger GROUP BY message_bits HAVING count(*) > 1;

-- violation: strange in the ledger
SELECT 'a key of a message that nobody sent' FROM oracle.ledger AS l
WHERE NOT EXISTS (SELECT FROM oracle.expected AS e WHERE e.message_bits = l.message_bits);

-- violation: wrong date
SELECT format('the row of message %s does not hold the day on which it was sent', e.number)
FROM oracle.expected AS e JOIN public.user_logins AS r USING (user_id) JOIN oracle.ledger AS l USING (message_bits)
WHERE r.create_date IS DISTINCT FROM l.sent_on;
