"""Starting without a database, stopping in an outage, starting twice at once, and clocks that are wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from patience import turns
from sofetch import Pipeline, load_config
from sofetch.clock import SystemClock
from sofetch.embedded import Embedded, start_embedded
from world import World, assert_each_exactly_once, made_up, make_world

pytestmark = pytest.mark.slow
TWO = """
[pipelines.a]
source.queue = "QUEUE"
sink.table = "a"
[[pipelines.a.column]]
name = "id"
[pipelines.b]
source.queue = "another"
sink.table = "b"
[[pipelines.b.column]]
name = "id"
"""
LISTENING = {"SOFETCH_HTTP_LISTEN": "127.0.0.1:0", "SOFETCH_HTTP_UNHEALTHY_AFTER_SECONDS": "0"}


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


def told(worker: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Read the worker's log up to the named event."""
    assert worker.stderr is not None
    for line in worker.stderr:
        found: dict[str, Any] = json.loads(line)
        if found.get("event") == event:
            return found
    raise AssertionError(f"the worker ended before it told {event}")


def health(address: str) -> tuple[int, dict[str, Any]]:
    status, text = page(address, "/health")
    return status, json.loads(text)


def oldest(address: str, *, above: float) -> float:
    """The age of the oldest message at hand, once it is above this."""
    for _ in turns():
        shown = re.search(r"^sofetch_oldest_message_age_seconds (\S+)$", page(address, "/metrics")[1], re.MULTILINE)
        if shown is not None and float(shown[1]) > above:
            return float(shown[1])
    raise AssertionError(f"no message became older than {above} s")


def page(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "processes"])
def test_a_configuration_that_cannot_be_used_is_told_as_every_failure_is(
    world: World, options: tuple[str, ...]
) -> None:
    """Alarms count lines of the log whose event is `failed`; a person in front of a terminal reads text."""
    text = (world.folder / "sofetch.toml").read_text()
    (world.folder / "sofetch.toml").write_text(text + "\n[batch]\nmax_mesages = 5\n")
    started = world.sofetch("run", *options)
    [line] = started.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["code"], started.returncode) == ("failed", "config_invalid", 2)
    assert "max_mesages" in told["what"]
    pretty = world.sofetch("run", *options, environ={"SOFETCH_LOG_FORMAT": "pretty"})
    assert (pretty.stderr.partition(" ")[0], pretty.returncode) == ("error:", 2)


def test_a_start_without_a_database_waits_and_says_so_and_then_loads(breakable: World, own_postgres: Embedded) -> None:
    breakable.send([made_up(number) for number in range(20)])
    own_postgres.stop_postgres()
    worker = breakable.start("run", "--max-messages", "20", "--apply-schema", "--json", environ=LISTENING)
    address = told(worker, "listening")["address"]
    assert told(worker, "outage")["dependency"] == "database"
    status, said = health(address)
    assert (status, said["state"]) == (503, "starting")
    assert said["dependencies"]["database"]["code"] == "sink_unavailable"
    assert page(address, "/livez") == (200, "ok\n")
    assert page(address, "/readyz") == (503, "not ready\n")
    assert '\nsofetch_breaker_open{dependency="database"} 1\n' in page(address, "/metrics")[1]
    own_postgres.start_postgres()
    told(worker, "recovered")
    output, errors = worker.communicate(timeout=90)
    assert worker.returncode == 0, errors
    assert json.loads(output)["away"] == []
    assert_each_exactly_once(breakable, range(20))


def test_a_run_that_is_stopped_in_an_outage_exits_with_3_and_gives_back_what_it_held(
    breakable: World, own_postgres: Embedded
) -> None:
    worker = breakable.start("run", "--json", environ=LISTENING)
    address = told(worker, "listening")["address"]
    told(worker, "worker_started")
    assert health(address)[1]["state"] == "running"
    own_postgres.stop_postgres()
    breakable.send([made_up(number) for number in range(20)])
    changed = told(worker, "breaker_changed")
    assert (changed["dependency"], changed["state"]) == ("database", "open")
    status, said = health(address)
    assert (status, said["state"]) == (503, "paused_by_outage")
    assert said["held"]["messages"] > 0
    oldest(address, above=oldest(address, above=0))  # it grows, with nothing loaded
    assert page(address, "/livez") == page(address, "/readyz") == (200, "ok\n")
    worker.send_signal(signal.SIGTERM)
    output, errors = worker.communicate(timeout=60)
    assert worker.returncode == 3, errors
    summary = json.loads(output)
    assert (summary["away"], summary["stopped_by"], summary["loaded"]) == (["database"], "SIGTERM", 0)
    assert json.loads(errors.splitlines()[-1])["away"] == "database"
    own_postgres.start_postgres()
    breakable.drain_until_empty()
    assert_each_exactly_once(breakable, range(20))


@pytest.mark.parametrize("several", [False, True], ids=["one-pipeline", "several"])
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "processes"])
def test_a_start_that_is_stopped_while_it_waits_is_told_as_a_stop_and_exits_with_3(
    breakable: World, own_postgres: Embedded, options: tuple[str, ...], several: bool
) -> None:
    """The alarm counts lines with the event `failed`, and says that a person must act."""
    if several:
        queue = breakable.environ.pop("SOFETCH_SOURCE_QUEUE")
        (breakable.folder / "sofetch.toml").write_text(TWO.replace("QUEUE", queue))
    own_postgres.stop_postgres()
    worker = breakable.start("run", "--json", *options)
    told(worker, "outage")
    worker.send_signal(signal.SIGTERM)
    output, errors = worker.communicate(timeout=60)
    assert worker.returncode == 3, errors
    events = [json.loads(line) for line in errors.splitlines()]
    assert {one["event"] for one in events if one["level"] == "error"} == set()
    assert {one["away"] for one in events if one["event"] == "stopped"} == {"database"}
    summary = json.loads(output)
    assert summary.get("failed", {}) == {}
    for one in summary["pipelines"].values() if several else [summary]:
        assert (one["away"], one["stopped_by"], one["received"]) == (["database"], "SIGTERM", 0)


@pytest.mark.parametrize("arguments", [("schema", "--apply"), ("run", "--drain", "--apply-schema", "--json")])
def test_two_starts_at_once_apply_the_schema_once(world: World, arguments: tuple[str, ...]) -> None:
    world.execute("DROP SCHEMA sofetch CASCADE")
    world.execute("DROP TABLE user_logins")
    world.send([made_up(number) for number in range(40)])
    both = [world.start(*arguments) for _ in range(2)]
    for one in both:
        _, errors = one.communicate(timeout=90)
        assert one.returncode == 0, errors
    world.drain_until_empty()
    assert_each_exactly_once(world, range(40))
    assert world.query("SELECT count(*) = count(DISTINCT number) AS once FROM sofetch.migration")[0]["once"]


class Shifted(SystemClock):
    """A wall clock that is days off."""

    def __init__(self, days: int) -> None:
        self._off_ms = days * 86_400_000

    def now_ms(self) -> int:
        return super().now_ms() + self._off_ms


@pytest.mark.parametrize("days", [2, -2])
def test_a_clock_two_days_off_loads_the_same_rows_and_knows_what_a_right_one_loaded(world: World, days: int) -> None:
    world.send([made_up(number) for number in range(10)])
    world.crash("after_commit")
    before = world.query("SELECT * FROM user_logins ORDER BY user_id")
    world.send([made_up(number) for number in range(10, 15)])
    settings = load_config(world.folder / "sofetch.toml", environ=world.environ)
    loaded = duplicates = 0
    for _ in range(10):
        with Pipeline.open(settings, environ=world.environ, clock=Shifted(days)) as pipeline:
            summary = pipeline.run(drain=True)
        loaded, duplicates = loaded + summary.loaded, duplicates + summary.duplicates
        if world.left_in_queue() == 0:
            break
    assert (loaded, duplicates) == (5, 10)
    assert_each_exactly_once(world, range(15))
    rows = world.query("SELECT * FROM user_logins ORDER BY user_id")
    assert [row for row in rows if row in before] == before
    assert len({row["create_date"] for row in rows}) == 1 or _crossed_midnight()


def _crossed_midnight() -> bool:
    now = time.gmtime()
    return now.tm_hour in {0, 23}
