"""The database restarts, loses connections or turns read-only: nothing is lost, doubled or poisoned."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sofetch.embedded import Embedded, start_embedded
from world import BRIEFLY, World, assert_each_exactly_once, made_up, make_world


@pytest.fixture
def own_postgres() -> Iterator[Embedded]:
    """A Postgres that the test may end as it likes."""
    with start_embedded(queue=False) as server:
        yield server


@pytest.fixture
def breakable(own_postgres: Embedded, tmp_path: Path, queue_endpoint: str) -> Iterator[World]:
    made = make_world(folder=tmp_path, dsn=own_postgres.dsn, endpoint=queue_endpoint)
    yield made
    made.close()


def events_of(errors: str) -> list[str]:
    return [json.loads(line)["event"] for line in errors.splitlines()]


def test_postgres_restarted_in_the_middle_of_a_write_loses_and_doubles_nothing(
    breakable: World, own_postgres: Embedded
) -> None:
    breakable.send([made_up(number) for number in range(100)])
    blocker = psycopg.connect(own_postgres.dsn)
    blocker.execute("LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE")
    worker = breakable.start("run", "--drain", "--json", environ=PATIENT | {"SOFETCH_BATCH_MAX_MESSAGES": "30"})
    wait_until_a_writer_is_blocked(own_postgres)
    own_postgres.stop_postgres(immediate=True)
    blocker.close()
    own_postgres.start_postgres()
    output, errors = worker.communicate(timeout=90)
    assert worker.returncode == 0, errors
    assert {"outage", "recovered"} <= set(events_of(errors))
    assert json.loads(output)["quarantined"] == 0
    breakable.drain_until_empty()
    assert_each_exactly_once(breakable, range(100))


def wait_until_a_writer_is_blocked(server: Embedded) -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'sofetch'"
    with psycopg.connect(server.dsn, autocommit=True) as watcher:
        for _ in range(3_000):
            row = watcher.execute(blocked).fetchone()
            if row is not None and row[0] > 0:
                return
            watcher.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the worker never came to its write")


def test_a_killed_backend_is_replaced_and_the_batch_loads(breakable: World, own_postgres: Embedded) -> None:
    breakable.send([made_up(number) for number in range(40)])
    with psycopg.connect(own_postgres.dsn) as blocker:
        blocker.execute("LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE")
        worker = breakable.start("run", "--drain", "--json", environ=PATIENT)
        wait_until_a_writer_is_blocked(own_postgres)
        with psycopg.connect(own_postgres.dsn, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sofetch'")
    output, errors = worker.communicate(timeout=90)
    assert worker.returncode == 0, errors
    assert json.loads(output)["loaded"] == 40
    assert_each_exactly_once(breakable, range(40))


def test_a_read_only_database_is_an_outage_and_quarantines_nothing(breakable: World, own_postgres: Embedded) -> None:
    breakable.send([made_up(number) for number in range(20)])
    breakable.execute(read_only("SET default_transaction_read_only = on"))
    worker = breakable.start("run", "--max-messages", "20", "--json")
    assert "outage" in events_until("outage", worker)
    with psycopg.connect(own_postgres.dsn, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(read_only("RESET default_transaction_read_only").encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sofetch'")
    output, errors = worker.communicate(timeout=90)
    assert json.loads(output)["loaded"] == 20, errors
    assert_each_exactly_once(breakable, range(20))
    assert breakable.count("sofetch.quarantine") == 0


def read_only(change: str) -> str:
    return f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {change}', current_database()); END $$"


def events_until(last: str, worker: subprocess.Popen[str]) -> list[str]:
    """The events a worker told, up to the named one or its end."""
    assert worker.stderr is not None
    seen: list[str] = []
    for line in worker.stderr:
        seen.append(json.loads(line).get("event", "error"))
        if seen[-1] == last:
            break
    return seen


PATIENT = {"SOFETCH_SINK_LOCK_TIMEOUT_SECONDS": "120", "SOFETCH_SINK_STATEMENT_TIMEOUT_SECONDS": "240"}
"""For workers that a test holds at a lock: a slow machine must not end their waiting before the test does."""


def test_two_workers_held_at_the_same_messages_load_each_once(world: World) -> None:
    """Both receive every message (visibility runs out while the first is blocked) and write at the same time."""
    world.send([made_up(number) for number in range(30)])
    with psycopg.connect(world.dsn) as blocker:
        blocker.execute("LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE")
        first = world.start("run", "--drain", "--json", environ=PATIENT | BRIEFLY)
        wait_for_receives(world, 1)
        first.send_signal(signal.SIGSTOP)  # SIGSTOP: its heartbeat stops, the messages become visible again
        # Not --drain: until the first one's visibility timeout is over, the queue looks empty.
        second = world.start("run", "--max-messages", "30", "--json", environ=PATIENT)
        wait_for_receives(world, 2)
        first.send_signal(signal.SIGCONT)
    for worker in (first, second):
        worker.communicate(timeout=90)
        assert worker.returncode == 0
    world.drain_until_empty()
    assert_each_exactly_once(world, range(30))


def wait_for_receives(world: World, workers: int) -> None:
    blocked = (
        "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    pause = threading.Event()
    for _ in range(600):
        if int(world.query(blocked)[0]["n"]) >= workers:
            return
        pause.wait(0.05)
    raise AssertionError("the workers never met at the table")
