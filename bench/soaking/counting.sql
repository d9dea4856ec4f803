-- Every login that was sent is in the table once: what is there, how much of it differs, and what is not there.
SELECT
    (SELECT count(*) FROM user_logins) AS rows,
    (SELECT count(DISTINCT user_id) FROM user_logins) AS distinct_users,
    (
        SELECT count(*)
        FROM (
            SELECT '00000000-0000-4000-8000-' || lpad(to_hex(number), 12, '0') AS user_id
            FROM generate_series(0, %(sent)s::bigint - 1) AS number
            EXCEPT
            SELECT user_id FROM user_logins
        ) AS missing
    ) AS missing,
    (SELECT count(*) FROM sofetch.quarantine) AS quarantined
