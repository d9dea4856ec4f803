"""Our schema and the target table: planned without changing anything, applied once whoever starts, on each Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from loading import count, lasting_day, login_rows, logins, names_of, new_key, open_sink, query, settings_for
from sofetch.errors import SinkUnavailable
from sofetch.load.ledger import keep_partitions
from sofetch.load.migrations import latest_migration, migrate
from sofetch.load.reconciling import LedgerReader
from sofetch.load.setup.schema import apply_schema, plan_schema
from sofetch.load.statements import migration_files, statement

EXPECTED = {
    "audit": [
        "seq bigint", "at timestamp with time zone", "actor text", "action text", "purpose text", "ticket text",
        "detail jsonb", "kid text", "previous bytea", "digest bytea",
    ],
    "drift": [
        "pipeline_id integer", "kind text", "field text", "messages bigint",
        "first_seen timestamp with time zone", "last_seen timestamp with time zone",
    ],
    "key_fingerprint": [
        "scheme text", "domain text", "kid text", "fingerprint bytea", "created_at timestamp with time zone",
    ],
    "ledger": ["key uuid", "pipeline_id integer"],
    "ledger_content": ["key uuid", "pipeline_id integer", "seen date"],
    "ledger_default": ["key uuid", "pipeline_id integer"],
    "ledger_memory": ["only_row boolean", "forgotten_before date"],
    "migration": ["number integer", "name text", "applied_at timestamp with time zone"],
    "pipeline": [
        "id integer", "name text", "relation text", "created_at timestamp with time zone",
        "ledger_days integer", "ledger_asked_at timestamp with time zone",
    ],
    "quarantine": [
        "pipeline_id integer", "key uuid", "reason text", "field text", "message_id text", "attempts integer",
        "first_seen timestamp with time zone", "last_seen timestamp with time zone",
        "sent_at timestamp with time zone", "receive_count integer", "expires_at timestamp with time zone",
        "kid text", "sealed_body bytea",
    ],
    "quarantine_request": [
        "id bigint", "pipeline_id integer", "action text", "keys uuid[]", "actor text", "purpose text", "ticket text",
        "asked_role text", "asked_at timestamp with time zone", "taken_at timestamp with time zone",
        "done_at timestamp with time zone", "outcome text", "done integer",
    ],
    "rotation": [
        "relation text", "target text", "next_block bigint", "rows bigint", "started_at timestamp with time zone",
        "updated_at timestamp with time zone", "finished_at timestamp with time zone",
    ],
}  # fmt: skip

CATALOG = """
SELECT c.relname::text, array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'sofetch'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname !~ 'ledger_[0-9]{8}'
GROUP BY c.relname
"""


@pytest.fixture(params=["database", "postgres16_database"])
def any_database(request: pytest.FixtureRequest) -> str:
    """A fresh database on each version of Postgres that is at hand."""
    dsn: str = request.getfixturevalue(request.param)
    return dsn


def test_the_schema_is_the_sum_of_the_migrations(any_database: str) -> None:
    apply_schema(logins(), dsn=any_database)
    assert dict(query(any_database, CATALOG)) == EXPECTED
    assert [number for (number,) in query(any_database, "SELECT number FROM sofetch.migration ORDER BY 1")] == list(
        range(1, latest_migration() + 1)
    )


def test_each_migration_can_be_applied_alone_after_those_before_it(database: str) -> None:
    with psycopg.connect(database) as connection:
        for name in ["bookkeeping", *migration_files()]:
            connection.execute(statement(name))
            connection.commit()
    assert dict(query(database, CATALOG)) == EXPECTED


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(name[:4]) for name in migration_files()] == list(range(1, len(migration_files()) + 1))


def test_a_plan_changes_nothing_and_applying_it_leaves_nothing_to_plan(any_database: str) -> None:
    planned = plan_schema(logins(), dsn=any_database)
    assert query(any_database, "SELECT to_regnamespace('sofetch'), to_regclass('user_logins')") == [(None, None)]
    assert apply_schema(logins(), dsn=any_database) == planned
    assert plan_schema(logins(), dsn=any_database) == apply_schema(logins(), dsn=any_database) == []


def test_the_table_is_made_as_the_configuration_says(database: str) -> None:
    apply_schema(logins(), dsn=database)
    columns = query(
        database,
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'user_logins'::regclass AND attnum > 0 ORDER BY attnum",
    )
    assert columns == [
        ("user_id", "character varying(128)"),
        ("masked_ip", "character varying(256)"),
        ("app_version", "character varying(32)"),
        ("create_date", "date"),
    ]


def test_a_missing_column_is_added_and_what_is_there_stays(database: str) -> None:
    query(database, "CREATE TABLE user_logins (user_id text, other text)")
    query(database, "INSERT INTO user_logins VALUES ('before', 'kept')")
    steps = apply_schema(logins(), dsn=database)
    assert [step.what for step in steps][-3:] == [
        f"add the column {name}" for name in ("masked_ip", "app_version", "create_date")
    ]
    assert query(database, "SELECT user_id, other FROM user_logins") == [("before", "kept")]


def test_an_integer_version_is_widened_only_when_asked(database: str) -> None:
    query(database, "CREATE TABLE user_logins (user_id text, masked_ip text, app_version integer, create_date date)")
    query(database, "INSERT INTO user_logins (app_version) VALUES (203)")
    apply_schema(logins(), dsn=database)
    [step] = plan_schema(logins(), dsn=database)
    assert not step.automatic
    assert query(database, "SELECT app_version FROM user_logins") == [(203,)]
    assert apply_schema(logins(), dsn=database, widen=True) == [step]
    assert query(database, "SELECT app_version FROM user_logins") == [("203",)]
    with open_sink(logins(), database) as sink:
        assert names_of(sink.load(login_rows(2), [])) == ["Loaded"] * 2


def test_an_integer_version_stays_where_the_configuration_says_version_int(database: str) -> None:
    query(database, "CREATE TABLE events (app_version integer)")
    settings = settings_for([{"name": "app_version", "type": "version_int"}])
    apply_schema(settings, dsn=database)
    assert plan_schema(settings, dsn=database) == []


def test_four_may_apply_at_once(any_database: str) -> None:
    barrier = Barrier(4, timeout=60)

    def apply(_: int) -> int:
        with psycopg.connect(any_database, autocommit=True) as connection:
            barrier.wait()
            return len(migrate(connection))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(apply, range(4))) == [0, 0, 0, latest_migration()]


def test_loading_works_on_the_older_postgres_too(postgres16_database: str) -> None:
    with open_sink(logins(), postgres16_database) as sink:
        records = login_rows(10)
        assert names_of(sink.load(records, [])) == ["Loaded"] * 10
        assert names_of(sink.load(records, [])) == ["Duplicate"] * 10


def day_name(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("ledger_%Y%m%d")


def partitions(dsn: str) -> list[str]:
    found = query(dsn, "SELECT relname::text FROM pg_class WHERE relname ~ '^ledger_[0-9]{8}$' ORDER BY 1")
    return [name for (name,) in found]


def test_a_key_of_today_goes_into_todays_partition(any_database: str) -> None:
    now_ms = int(lasting_day().timestamp() * 1_000)
    apply_schema(logins(), dsn=any_database)
    query(any_database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", new_key(sent_ms=now_ms).hex())
    assert count(any_database, f"sofetch.{day_name(0)}") == 1


def test_a_days_first_and_last_millisecond_are_in_its_partition(database: str) -> None:
    midnight = lasting_day().replace(hour=0)
    apply_schema(logins(), dsn=database)
    first = int(midnight.timestamp() * 1_000)
    for sent_ms, low in [
        (first - 1, b"\xff"),
        (first, b"\0"),
        (first + 86_400_000 - 1, b"\xff"),
        (first + 86_400_000, b"\0"),
    ]:
        key = sent_ms.to_bytes(6, "big") + low * 10
        query(database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", key.hex())
    counts = [count(database, f"sofetch.{day_name(days)}") for days in (-1, 0, 1)]
    assert counts == [1, 2, 1]


def test_a_day_whose_rows_sit_in_the_default_partition_is_left_there(database: str) -> None:
    now_ms = int(lasting_day().timestamp() * 1_000)
    apply_schema(logins(), dsn=database)
    query(database, f"DROP TABLE sofetch.{day_name(0)}")
    query(database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", new_key(sent_ms=now_ms).hex())
    assert query(database, "SELECT sofetch.make_ledger_partitions(1, 5)") == [(2,)]
    assert day_name(0) not in partitions(database)
    assert count(database, "sofetch.ledger_default") == 1


def test_old_days_are_dropped_and_the_rest_is_kept(database: str) -> None:
    old = lasting_day() - timedelta(days=20)
    apply_schema(logins(), dsn=database)
    for table in ("ledger", "ledger_content"):
        query(
            database,
            f"INSERT INTO sofetch.{table} VALUES (%s::uuid, 1)",
            new_key(sent_ms=int(old.timestamp() * 1_000)).hex(),
        )
    query(database, "UPDATE sofetch.ledger_content SET seen = current_date - 20")
    query(database, "SELECT sofetch.make_ledger_partitions(14, 1)")
    assert query(database, "SELECT sofetch.drop_ledger_partitions(10)") == [(4,)]
    assert partitions(database)[0] == day_name(-10)
    assert (count(database, "sofetch.ledger"), count(database, "sofetch.ledger_content")) == (0, 0)


def test_two_workers_may_drop_the_same_day_at_once(database: str) -> None:
    lasting_day()
    apply_schema(logins(), dsn=database)
    query(database, "SELECT sofetch.make_ledger_partitions(14, 1)")
    drop, waiting = "SELECT sofetch.drop_ledger_partitions(10)", "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with psycopg.connect(database) as first, ThreadPoolExecutor() as pool:
        first.execute(drop)
        second = pool.submit(query, database, drop)
        while not query(database, waiting) > [(0,)]:
            pass
        first.commit()
        second.result(timeout=30)
    assert partitions(database)[0] == day_name(-10)


def test_an_old_day_is_dropped_while_another_day_is_under_vacuum(database: str) -> None:
    """Whoever waits for a lock holds up the loading meanwhile, and again at the next try."""
    lasting_day()
    apply_schema(logins(), dsn=database)
    query(database, "SELECT sofetch.make_ledger_partitions(14, 1)")
    with psycopg.connect(database) as vacuum, psycopg.connect(database, autocommit=True) as connection:
        vacuum.execute(f"LOCK TABLE ONLY sofetch.{day_name(-2)} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        assert keep_partitions(connection, logins(ledger_days=10))
    assert partitions(database)[0] == day_name(-10)


def test_keys_without_a_time_are_kept_since_nobody_knows_how_old_they_are(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(database, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", (b"\0" * 6 + b"\xff" * 10).hex())
    query(database, "SELECT sofetch.drop_ledger_partitions(10)")
    assert count(database, "sofetch.ledger") == 1


def test_many_old_content_keys_are_removed_some_at_a_time(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(
        database,
        "INSERT INTO sofetch.ledger_content SELECT gen_random_uuid(), 1, current_date - 20"
        " FROM generate_series(1, 50001)",
    )
    settings = logins(ledger_days=10)
    with psycopg.connect(database, autocommit=True) as connection:
        assert [keep_partitions(connection, settings) for _ in range(2)] == [False, True]
    assert count(database, "sofetch.ledger_content") == 0


def test_a_ledger_that_takes_too_long_to_keep_does_not_stop_the_loading(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(database, "INSERT INTO sofetch.ledger_content SELECT gen_random_uuid(), 1, current_date - 90")
    query(database, SLOW_TO_DELETE)
    with psycopg.connect(database, autocommit=True, options="-c statement_timeout=200ms") as connection:
        assert not keep_partitions(connection, logins())


SLOW_TO_DELETE = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN OLD; END';
CREATE TRIGGER slow BEFORE DELETE ON sofetch.ledger_content FOR EACH ROW EXECUTE FUNCTION slow();
"""


def test_what_is_told_can_be_applied_by_hand_and_is_then_complete(database: str) -> None:
    for step in plan_schema(logins(), dsn=database):
        query(database, step.sql)
    assert plan_schema(logins(), dsn=database) == []
    with open_sink(logins(), database, schema=False) as sink:
        assert names_of(sink.load(login_rows(1), [])) == ["Loaded"]


@pytest.mark.parametrize("call", ["make_ledger_partitions(-1, 0)", "drop_ledger_partitions(0)"])
def test_the_partition_functions_take_no_nonsense(database: str, call: str) -> None:
    apply_schema(logins(), dsn=database)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        query(database, f"SELECT sofetch.{call}")


def test_a_pipeline_cannot_ask_for_more_days_than_can_be_configured(database: str) -> None:
    with open_sink(logins(), database), pytest.raises(psycopg.errors.CheckViolation):
        query(database, "SELECT sofetch.ask_for_ledger('user_logins', 2000000000)")  # no date is so long ago


def test_the_schema_of_the_table_is_made_too(database: str) -> None:
    settings = settings_for([{"name": "a"}], table="Analytics.logins")
    assert [step.what for step in plan_schema(settings, dsn=database)][-2:] == [
        "make the schema Analytics",
        "make the table Analytics.logins",
    ]
    apply_schema(settings, dsn=database)
    assert count(database, '"Analytics".logins') == 0
    assert plan_schema(settings, dsn=database) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "/nowhere"}, "there is no such socket"),
        ({"host": "nowhere.invalid"}, "the host's name is not known"),
        ({"host": "127.0.0.1", "port": "1"}, "nothing listens there"),
        ({"dbname": "nowhere"}, "there is no such database"),
        ({"user": "nobody"}, "the server does not know this user"),
    ],
)
def test_a_database_that_is_not_there_is_said_so(database: str, changes: dict[str, str], said: str) -> None:
    with pytest.raises(SinkUnavailable, match=said):
        plan_schema(logins(), dsn=make_conninfo(database, **changes))


def keys_of(dsn: str, *days_ago: int) -> None:
    """Ledger keys of both kinds, of messages sent (and content seen) so many days ago."""
    for days in days_ago:
        sent_ms = int((lasting_day() - timedelta(days=days)).timestamp() * 1_000)
        query(dsn, "INSERT INTO sofetch.ledger VALUES (%s::uuid, 1)", new_key(sent_ms=sent_ms).hex())
        query(dsn, f"INSERT INTO sofetch.ledger_content VALUES (gen_random_uuid(), 1, current_date - {days})")


def test_the_ledger_is_kept_for_as_long_as_the_pipeline_that_asks_for_longest(database: str) -> None:
    """One ledger serves all pipelines of a database: what one forgets another would load a second time."""
    patient, brief = logins(ledger_days=60), settings_for([{"name": "a"}], table="events", ledger_days=10)
    apply_schema(brief, dsn=database)
    with open_sink(patient, database):
        keys_of(database, 5, 40, 70)
    with open_sink(brief, database, schema=False):
        assert (count(database, "sofetch.ledger"), count(database, "sofetch.ledger_content")) == (2, 2)
    assert query(database, "SELECT (now() AT TIME ZONE 'UTC')::date - forgotten_before FROM sofetch.ledger_memory") == [
        (60,)
    ]


def test_a_pipeline_that_ended_long_ago_is_not_remembered_for_ever(database: str) -> None:
    patient, brief = logins(ledger_days=60), settings_for([{"name": "a"}], table="events", ledger_days=10)
    apply_schema(brief, dsn=database)
    with open_sink(patient, database):
        keys_of(database, 5, 40)
    ended = "UPDATE sofetch.pipeline SET ledger_asked_at = now() - interval '61 days' WHERE name = 'user_logins'"
    query(database, ended)
    with open_sink(brief, database, schema=False):
        assert (count(database, "sofetch.ledger"), count(database, "sofetch.ledger_content")) == (1, 1)


def test_a_loader_of_before_may_ask_for_the_ledger_too_and_what_was_dropped_before_counts_as_forgotten(
    database: str,
) -> None:
    lasting_day()
    with psycopg.connect(database, autocommit=True) as connection:
        for name in ["bookkeeping", *migration_files()[:6]]:
            connection.execute(statement(name))
        connection.execute("SELECT sofetch.make_ledger_partitions(9, 1)")
        connection.execute("CREATE ROLE loader_of_before")
        try:
            for function in ("make_ledger_partitions(integer, integer)", "drop_ledger_partitions(integer)"):
                connection.execute(f"GRANT EXECUTE ON FUNCTION sofetch.{function} TO loader_of_before")
            connection.execute(statement(migration_files()[6]))
            for query_ in (
                "SELECT has_function_privilege('loader_of_before', 'sofetch.ask_for_ledger(text, integer)', 'EXECUTE')",
                "SELECT has_table_privilege('loader_of_before', 'sofetch.ledger_memory', 'SELECT')",
                "SELECT forgotten_before = (now() AT TIME ZONE 'UTC')::date - 9 FROM sofetch.ledger_memory",
            ):
                assert connection.execute(query_).fetchall() == [(True,)], query_
        finally:
            connection.execute("DROP OWNED BY loader_of_before")
            connection.execute("DROP ROLE loader_of_before")


def test_who_could_verify_before_can_after_the_migration(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for name in ["bookkeeping", *migration_files()[:6]]:
            connection.execute(statement(name))
        reader = f"reader_{connection.info.dbname}"
        connection.execute(f"CREATE ROLE {reader} LOGIN".encode())
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA sofetch TO {reader}".encode())
            tables = "sofetch.migration, sofetch.pipeline, sofetch.ledger, sofetch.quarantine"
            connection.execute(f"GRANT SELECT ON {tables} TO {reader}".encode())
            for name in migration_files()[6:]:
                connection.execute(statement(name))
            number = latest_migration()
            connection.execute("INSERT INTO sofetch.migration (number, name) VALUES (%s, 'this one')", [number])
            with LedgerReader(logins(), dsn=make_conninfo(database, user=reader)) as ledger:
                assert ledger.remembered().forgotten_before is None
        finally:
            connection.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}".encode())


def test_whoever_migrates_the_functions_remain_their_owners_and_can_do_their_work(database: str) -> None:
    """A superuser may upgrade what an owner made, or a member of the owner's group: the functions run as the owner."""
    lasting_day()
    with psycopg.connect(database, autocommit=True) as connection:
        owner = f"owner_{connection.info.dbname}"
        connection.execute(f"CREATE ROLE {owner}".encode())
        try:
            connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {owner}".encode())
            connection.execute(f"SET ROLE {owner}".encode())
            for name in ["bookkeeping", *migration_files()[:6]]:
                connection.execute(statement(name))
            connection.execute("RESET ROLE")
            connection.execute(statement(migration_files()[6]))
            connection.execute("SELECT sofetch.make_ledger_partitions(3, 1)")
            keys_of(database, 2)
            connection.execute("SELECT sofetch.ask_for_ledger('user_logins', 1), sofetch.drop_ledger_partitions(1)")
            assert count(database, "sofetch.ledger_memory") == 1
            assert connection.execute(OWNERS).fetchall() == [(owner,)]
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {owner} CASCADE; DROP ROLE {owner}".encode())


OWNERS = """
SELECT DISTINCT r.rolname::text
FROM (
    SELECT relowner FROM pg_class WHERE relnamespace = 'sofetch'::regnamespace
    UNION SELECT proowner FROM pg_proc WHERE pronamespace = 'sofetch'::regnamespace
) AS o (owner) JOIN pg_roles AS r ON r.oid = o.owner
"""
