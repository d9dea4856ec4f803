"""A partitioned table on a real Postgres: made, loaded into, kept by maintenance, and never loaded into twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from loading import count, names_of, open_sink, query, redelivered, row, settings_for
from sofetch.cli.root import root
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load.connection import sink_error
from sofetch.load.partitions.check import partition_problems
from sofetch.load.partitions.maintain import MAINTENANCE_LOCK_ID, maintain
from sofetch.load.setup.inspect import check_sink
from sofetch.load.setup.schema import apply_schema, plan_schema
from sofetch.record import MaskedRecord
from sofetch.settings import Settings

COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "max_length": 128, "required": True},
    {"name": "day", "type": "date", "value": "sent_date"},
]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TODAY = NOW.date()


def by_day(*, table: str = "events", **sink: Any) -> Settings:
    sink = {"partition_by": "day", "partition_column": "day", "partition_ahead": 2} | sink
    return settings_for(COLUMNS, table=table, **sink)


def on(*days: date) -> list[MaskedRecord]:
    return [row(f"user-{day}", day) for day in days]


def rows_by_partition(dsn: str, table: str = "events") -> dict[str, int]:
    return dict(query(dsn, f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1"))


def partitions(dsn: str, table: str = "events") -> list[str]:
    return [
        name
        for (name,) in query(
            dsn, f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass ORDER BY 1"
        )
    ]


@contextmanager
def locked(dsn: str, statement: str) -> Iterator[None]:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement.encode())
        yield


@pytest.mark.parametrize("server", ["database", "postgres16_database"])
def test_rows_go_to_their_day_and_wait_in_the_default_partition_until_it_is_made(
    server: str, request: pytest.FixtureRequest
) -> None:
    settings, database = by_day(), request.getfixturevalue(server)
    with open_sink(settings, database) as sink:
        records = on(TODAY, TODAY + timedelta(days=1), TODAY - timedelta(days=5), TODAY + timedelta(days=900))
        assert set(names_of(sink.load(records, []))) == {"Loaded"}
        assert rows_by_partition(database) == {"events_default": 4}

        done = maintain(settings, dsn=database, now=NOW)
        assert done.made == ["events_p20261121", "events_p20261126", "events_p20261127", "events_p20261128"]
        assert (done.moved_rows, done.complete) == (3, True)
        by_partition = {
            "events_p20261121": 1,
            "events_p20261126": 1,
            "events_p20261127": 1,
            "events_default": 1,
        }
        assert rows_by_partition(database) == by_partition

        again = maintain(settings, dsn=database, now=NOW)
        assert (again.made, again.dropped, again.moved_rows) == ([], [], 0)
        sink.load(on(TODAY), [])
        assert rows_by_partition(database) == by_partition | {"events_p20261126": 2}


def test_a_redelivery_is_a_duplicate_wherever_its_row_would_go_now(database: str) -> None:
    """The ledger's key decides: not the partition, nor that it was dropped since."""
    settings = by_day(partition_retention_days=30)
    with open_sink(settings, database) as sink:
        maintain(settings, dsn=database, now=NOW)
        [record] = on(TODAY)
        assert names_of(sink.load([record], [])) == ["Loaded"]
        elsewhere = MaskedRecord(record.message_id, record.key, (record.values[0], TODAY + timedelta(days=1)))
        assert names_of(sink.load([elsewhere], [])) == ["Duplicate"]
        assert rows_by_partition(database) == {"events_p20261126": 1}

        maintain(settings, dsn=database, now=NOW + timedelta(days=40))
        assert names_of(sink.load(redelivered([record]), [])) == ["Duplicate"]
        assert count(database, "events") == 0


def test_retention_drops_what_is_wholly_older_and_nothing_younger(database: str) -> None:
    settings = by_day(partition_retention_days=20)
    with open_sink(settings, database) as sink:
        sink.load(on(*(TODAY - timedelta(days=back) for back in (0, 19, 20, 21, 25))), [])
        maintain(by_day(), dsn=database, now=NOW)
        assert len(partitions(database)) == 8
        sink.load(on(TODAY - timedelta(days=300)), [])

        planned = maintain(settings, dsn=database, now=NOW, dry_run=True)
        assert rows_by_partition(database)["events_default"] == 1
        done = maintain(settings, dsn=database, now=NOW)
        assert planned.dropped == done.dropped == ["events_p20261101", "events_p20261105"]
        assert planned.expired_rows == done.expired_rows == 1
        assert [day for (day,) in query(database, "SELECT day FROM events ORDER BY 1")] == [
            TODAY - timedelta(days=back) for back in (20, 19, 0)
        ]


def test_of_two_maintenances_one_works_and_a_lock_only_puts_it_off(database: str) -> None:
    settings = by_day()
    apply_schema(settings, dsn=database)
    # Until its transaction ends: a lock of the session would stay until Postgres has noticed that it was closed.
    with locked(database, f"SELECT pg_advisory_xact_lock({MAINTENANCE_LOCK_ID})"):
        assert maintain(settings, dsn=database, now=NOW).busy
    assert len(partitions(database)) == 1
    with locked(database, "LOCK TABLE events_default IN SHARE MODE"):
        held = maintain(by_day(partition_ahead=1), dsn=database, now=NOW)
        assert (held.made, held.postponed) == ([], ["events_p20261126", "events_p20261127"])
    assert maintain(settings, dsn=database, now=NOW).complete
    assert len(partitions(database)) == 4


def test_loading_goes_on_while_partitions_are_made_and_no_row_is_lost_or_refused(database: str) -> None:
    """A batch on its way into the default partition may meet the making of its day's own: it is tried again."""
    settings = by_day()
    batches = [on(*[TODAY + timedelta(days=n % 3) for n in range(20)]) for _ in range(40)]
    ready = Event()

    def load() -> int:
        loaded = 0
        with open_sink(settings, database) as sink:
            ready.set()
            for batch in batches:
                while True:
                    try:
                        names = names_of(sink.load(batch, []))
                    except SinkUnavailable:
                        continue
                    break
                loaded += names.count("Loaded")
        return loaded

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        assert ready.wait(60)
        done = maintain(settings, dsn=database, now=NOW)
        assert loading.result(timeout=120) == count(database, "events") == 800
    assert not done.busy
    assert maintain(settings, dsn=database, now=NOW).complete
    assert set(rows_by_partition(database)) == {"events_p20261126", "events_p20261127", "events_p20261128"}


def test_a_row_that_met_the_making_of_its_partition_is_tried_again_and_not_a_persons_matter(database: str) -> None:
    settings = by_day()
    apply_schema(settings, dsn=database)
    maintain(settings, dsn=database, now=NOW)
    with psycopg.connect(database, autocommit=True) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("INSERT INTO public.events_default VALUES ('u', '2026-11-26')")
    assert sink_error(caught.value).retryable


def test_an_unpartitioned_table_is_told_with_what_to_do_and_left_as_it_is(database: str) -> None:
    plain = settings_for(COLUMNS, table="events")
    with open_sink(plain, database) as sink:
        sink.load(on(TODAY), [])
        settings = by_day()
        assert plan_schema(settings, dsn=database) == apply_schema(settings, dsn=database) == []
        [problem] = partition_problems(settings, dsn=database)
        assert problem.code == "sink_partitioning"
        assert "rename it" in problem.hint
        done = maintain(settings, dsn=database, now=NOW)
        assert done.left_alone is not None
        assert rows_by_partition(database) == {"events": 1}


def test_what_pg_partman_manages_is_left_alone(database: str) -> None:
    """The extension's table of parents, as it makes it; the extension itself is not at hand."""
    settings = by_day()
    apply_schema(settings, dsn=database)
    query(database, "CREATE SCHEMA partman")
    query(database, "CREATE TABLE partman.part_config (parent_table text PRIMARY KEY)")
    query(database, "INSERT INTO partman.part_config VALUES ('public.events')")
    done = maintain(settings, dsn=database, now=NOW)
    assert "pg_partman" in (done.left_alone or "")
    assert partitions(database) == ["events_default"]
    assert partition_problems(settings, dsn=database) == []


def test_a_loader_that_may_only_insert_leaves_it_to_the_owner_and_check_says_so(database: str) -> None:
    settings = by_day()
    apply_schema(settings, dsn=database)
    maintain(settings, dsn=database)
    query(database, "CREATE ROLE parts_loader LOGIN")
    try:
        query(database, "GRANT USAGE ON SCHEMA sofetch TO parts_loader")
        query(database, "GRANT SELECT ON sofetch.migration TO parts_loader")
        query(database, "GRANT INSERT ON events TO parts_loader")
        dsn = psycopg.conninfo.make_conninfo(database, user="parts_loader")
        assert maintain(settings, dsn=dsn, if_allowed=True).made == []
        with pytest.raises(SinkRefused, match="may not make or drop partitions"):
            maintain(settings, dsn=dsn)
        found = {one.code: one for one in check_sink(settings, dsn=dsn)}
        assert "sofetch maintain" in found["sink_maintenance"].hint
        assert found["sink_partitions"].severity == "ok"
    finally:
        query(database, "DROP OWNED BY parts_loader")
        query(database, "DROP ROLE parts_loader")


def test_months_of_a_timestamp_begin_in_utc_whatever_the_roles_time_zone_is(database: str) -> None:
    columns = [*COLUMNS[:1], {"name": "at", "type": "timestamp", "value": "sent_time"}]
    settings = settings_for(columns, table="events", partition_by="month", partition_column="at", partition_ahead=1)
    name = query(database, "SELECT current_database()")[0][0]
    query(database, f"ALTER DATABASE {name} SET TimeZone = 'Asia/Kolkata'")
    with open_sink(settings, database) as sink:
        last, first = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
        sink.load([row("earlier", last - timedelta(days=30)), row("last", last), row("first", first)], [])
        made = maintain(settings, dsn=database, now=NOW).made
        assert made == ["events_p202610", "events_p202611", "events_p202612"]
        assert maintain(settings, dsn=database, now=NOW).made == []
        assert query(database, "SELECT user_id FROM events_p202611") == [("last",)]
        assert query(database, "SELECT user_id FROM events_p202612") == [("first",)]


def test_the_command_says_what_it_did_and_that_there_is_nothing_more(
    database: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sofetch.toml"
    file.write_text(
        '[source]\nqueue = "q"\n[sink]\ntable = "events"\npartition_by = "day"\npartition_column = "day"\n'
        '[[column]]\nname = "user_id"\nmax_length = 128\n[[column]]\nname = "day"\ntype = "date"\nvalue = "sent_date"\n'
    )
    monkeypatch.setenv("SOFETCH_SINK_DSN", database)
    runner = CliRunner()
    applied = runner.invoke(root, ["schema", "--apply", "-c", str(file)])
    assert "`sofetch maintain`" in applied.output
    dry = runner.invoke(root, ["maintain", "--dry-run", "-c", str(file)])
    assert dry.output.count("would be made") == 4
    done = runner.invoke(root, ["maintain", "-c", str(file)])
    assert (done.exit_code, done.output.count("made ")) == (0, 4)
    assert "every partition is there" in runner.invoke(root, ["maintain", "-c", str(file)]).output
    assert '"complete": true' in runner.invoke(root, ["maintain", "--json", "-c", str(file)]).output


def test_a_table_of_the_users_own_keeps_its_keys_identity_and_generated_columns(database: str) -> None:
    query(
        database,
        "CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, user_id varchar(128), day date NOT NULL,"
        " twice text GENERATED ALWAYS AS (user_id || user_id) STORED, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)",
    )
    settings = by_day()
    [step] = [step for step in plan_schema(settings, dsn=database) if "events" in step.sql]
    assert step.what == "make the default partition events_default"
    with open_sink(settings, database) as sink:
        sink.load(on(TODAY), [])
        assert maintain(settings, dsn=database, now=NOW).moved_rows == 1
        sink.load(on(TODAY, TODAY), [])
    rows = query(database, "SELECT id, twice = user_id || user_id FROM events_p20261126 ORDER BY 1")
    assert rows == [(1, True), (2, True), (3, True)]
