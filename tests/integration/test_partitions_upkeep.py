"""Who keeps the partitions: a worker that is never idle too, in brief; and it is seen where nobody does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from loading import count, lasting_day, open_sink, query, settings_for
from masking import ring
from sofetch import parts, upkeep
from sofetch.app import Pipeline
from sofetch.breaker import Breakers
from sofetch.clock import SystemClock
from sofetch.decode import compile_decoder
from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events, MaintenanceFailed, PartitionsKept, PartitionsSeen
from sofetch.load.partitions import maintain as module
from sofetch.load.partitions.look import look
from sofetch.load.partitions.maintain import maintain
from sofetch.load.setup.inspect import check_sink
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker
from sofetch.parts import Chores
from sofetch.pipeline import Steps
from sofetch.ports import Sink
from sofetch.settings import Settings
from sofetch.source.agenda import Tally
from sofetch.source.clerk import SourceState
from sofetch.stopping import Stop
from sofetch.testing import FakeClock, MemoryQueue, MemorySource

COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id", "max_length": 128, "required": True},
    {"name": "day", "type": "date", "value": "sent_date"},
]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
AHEAD = timedelta(days=2)


def by_day(**sink: Any) -> Settings:
    sink = {"partition_by": "day", "partition_column": "day", "partition_ahead": 2, "dedupe": "message"} | sink
    return settings_for(COLUMNS, table="events", **sink)


def partitions(dsn: str) -> int:
    """How many there are beside the default one."""
    return count(dsn, "pg_inherits WHERE inhparent = 'events'::regclass") - 1


class Busy(MemorySource):
    """A source that has always something to give; 20 minutes pass from batch to batch, by the worker's clock."""

    clock: FakeClock

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Any:
        self.clock.advance(1_200)
        given = super().receive(max_messages=min(max_messages, 10), max_bytes=max_bytes, wait_seconds=wait_seconds)
        assert given, "it was idle"
        return given

    def state(self) -> SourceState:
        return SourceState(held=0, held_bytes=0, buffered=0, polling=0, failed_receives_in_a_row=0, tally=Tally())


def pipeline_of(settings: Settings, sink: Sink, source: MemorySource, chores: Chores, **more: Any) -> Pipeline:
    clock, events = more["clock"], more["events"]
    return Pipeline(
        settings=settings,
        source=cast("Any", source),
        steps=Steps(compile_decoder(settings), compile_masker(settings, ring()), sink, None, None),
        stop=Stop(),
        telemetry=None,
        chores=chores,
        archive=None,
        drift=parts.drift(settings, "", clock=clock, events=events),
        closing=ExitStack(),
        **{"breakers": Breakers()} | more,
    )


def busy_run(settings: Settings, database: str, *, messages: int) -> list[Event]:
    """Load that many without an idle moment, each exactly once; what was told."""
    clock, told = FakeClock(), list[Event]()
    events, queue = Events(told.append), MemoryQueue(clock=FakeClock(now_ms=SystemClock().now_ms()))
    ids = queue.send_all(b'{"user_id": "u%d"}' % number for number in range(messages))
    source = Busy(queue, clock=FakeClock())
    source.clock = clock
    chores = parts.chores(settings, database, environ={}, clock=clock, events=events)
    with open_sink(settings, database, schema=False) as sink:
        pipeline = pipeline_of(settings, sink, source, chores, clock=clock, events=events)
        summary = pipeline.run(max_messages=messages)
    assert (summary.loaded, summary.duplicates, len(queue.message_ids() & set(ids))) == (messages, 0, 0)
    assert count(database, "events") == messages
    return told


def test_a_worker_that_is_never_idle_keeps_the_partitions_each_hour_and_loads_everything_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting_day()
    monkeypatch.setattr(upkeep, "BRIEF_SECONDS", 60.0)  # it is of real time, and nothing is to be postponed here
    settings = by_day(partition_retention_days=30)
    apply_schema(settings, dsn=database)
    query(database, "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')")
    told = busy_run(settings, database, messages=80)  # the upkeep is due after 300, then after 1,200 + 3,900 seconds
    [kept] = [event for event in told if isinstance(event, PartitionsKept)][:1]
    assert (kept.made, kept.dropped, kept.postponed) == (3, 1, 0)
    seen = [event for event in told if isinstance(event, PartitionsSeen)]
    assert len(seen) == 2
    assert datetime.now(UTC) + AHEAD < datetime.fromtimestamp(seen[-1].ends_ms / 1_000, UTC)


def test_a_busy_worker_goes_on_where_the_upkeep_fails_and_tells_each_failure_once(database: str) -> None:
    settings = by_day()
    apply_schema(settings, dsn=database)
    query(database, "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE disk_full; END'")
    query(
        database,
        "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse()",
    )
    told = busy_run(settings, database, messages=80)
    failed = [event for event in told if isinstance(event, MaintenanceFailed)]
    assert len(failed) == 2
    assert "53100" in failed[0].what
    assert partitions(database) == 0


def test_between_two_batches_nothing_is_begun_too_late_and_drops_leave_time_for_what_must_be_made(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = by_day(partition_retention_days=30)
    apply_schema(settings, dsn=database)
    for day in range(10, 20):
        between = f"FROM ('2026-01-{day}') TO ('2026-01-{day + 1}')"
        query(database, f"CREATE TABLE events_{day} PARTITION OF events FOR VALUES {between}")
    clock = FakeClock()

    def each_look_takes_ten_seconds() -> float:
        clock.advance(10)
        return clock.monotonic()

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=each_look_takes_ten_seconds))
    none = maintain(settings, dsn=database, within_seconds=10, now=NOW)
    assert (none.made, none.dropped, len(none.postponed), none.ends) == ([], [], 13, NOW)
    some = maintain(settings, dsn=database, within_seconds=170, now=NOW)
    assert (len(some.made), len(some.dropped), len(some.postponed)) == (3, 7, 3)
    assert some.ends == datetime(2026, 11, 29, tzinfo=UTC)
    monkeypatch.undo()
    assert maintain(settings, dsn=database, within_seconds=60, now=NOW).complete


def test_between_two_batches_no_statement_takes_long(database: str) -> None:
    settings = by_day()
    apply_schema(settings, dsn=database)
    query(database, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); END'")
    query(database, "CREATE TRIGGER slow BEFORE DELETE ON events_default EXECUTE FUNCTION slow()")
    done = maintain(settings, dsn=database, within_seconds=3, now=NOW)
    assert (done.made, len(done.postponed)) == ([], 3)


def test_a_maintenance_that_is_done_is_in_nobodys_way_though_its_session_has_not_ended(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, sessions = by_day(), list[psycopg.Connection[Any]]()
    apply_schema(settings, dsn=database)

    def left_open(session: psycopg.Connection[Any]) -> AbstractContextManager[psycopg.Connection[Any]]:
        sessions.append(session)
        return nullcontext(session)

    monkeypatch.setattr(module, "closing", left_open)
    assert [maintain(settings, dsn=database, now=NOW).busy for _ in range(2)] == [False, False]
    for session in sessions:
        session.close()


def test_in_an_outage_of_the_database_only_the_batch_in_hand_asks_it() -> None:
    asked, clock = list[str](), FakeClock()
    breakers, source = Breakers(), Busy(MemoryQueue(clock=clock), clock=clock)
    chores = Chores(idle=[], between=[lambda: asked.append("upkeep")])
    turn = pipeline_of(
        by_day(), cast("Any", None), source, chores, clock=clock, events=Events(), breakers=breakers
    )._turn()
    turn()
    breakers["database"].failed(SinkUnavailable("away"), now=0)
    turn()
    assert asked == ["upkeep"]
    breakers["database"].succeeded(now=1)
    turn()
    assert asked == ["upkeep", "upkeep"]


@pytest.fixture
def loader(database: str) -> Iterator[str]:
    """The connection string of a role that may load into the table and no more."""
    name = query(database, "SELECT current_database()")[0][0]
    query(database, f"ALTER DATABASE {name} SET search_path = public")
    apply_schema(by_day(), dsn=database)
    query(database, "CREATE ROLE upkeep_loader LOGIN")
    try:
        query(database, "GRANT USAGE ON SCHEMA sofetch TO upkeep_loader")
        query(database, "GRANT SELECT ON sofetch.migration TO upkeep_loader")
        query(database, "GRANT INSERT ON events TO upkeep_loader")
        yield psycopg.conninfo.make_conninfo(database, user="upkeep_loader")
    finally:
        query(database, "DROP OWNED BY upkeep_loader")
        query(database, "DROP ROLE upkeep_loader")


def test_check_says_where_the_worker_does_not_keep_partitions_and_nobody_seems_to(database: str, loader: str) -> None:
    settings, pooled = by_day(), by_day(pooled=True)
    unkept = {one.code: one for one in check_sink(settings, dsn=loader)}
    assert "sink_maintenance" not in unkept
    assert unkept["sink_partitions_unkept"].severity == "warning"
    assert "none for the next day" in unkept["sink_partitions_unkept"].what
    assert "sink_partitions_unkept" in {one.code for one in check_sink(pooled, dsn=database)}
    assert "sink_partitions_unkept" not in {one.code for one in check_sink(settings, dsn=database)}
    maintain(settings, dsn=database)
    kept = {one.code for one in check_sink(settings, dsn=loader)}
    assert "sink_maintenance" in kept
    assert "sink_partitions_unkept" not in kept


def test_who_may_only_load_sees_until_when_there_are_partitions_and_so_does_a_pooled_worker(
    database: str, loader: str
) -> None:
    lasting_day()
    settings, pooled = by_day(), by_day(pooled=True)
    for seen in (maintain(settings, dsn=loader, if_allowed=True), look(pooled, dsn=loader)):
        assert seen.ends is not None
        assert seen.ends <= datetime.now(UTC)
    ends = maintain(settings, dsn=database).ends
    assert ends is not None
    assert ends > datetime.now(UTC) + AHEAD
    assert maintain(settings, dsn=loader, if_allowed=True).ends == look(pooled, dsn=loader).ends == ends
