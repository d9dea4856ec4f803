"""The handler: what it imports, and what leaves it as an error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from lambda_runtime.events import damaged, event, record
from masking import masker, settings
from sofetch import lambda_handler
from sofetch.aws_lambda.function import Function
from sofetch.decode import compile_decoder
from sofetch.drift import WRITE_SECONDS, DriftKeeper
from sofetch.errors import ConfigError, EventError, SinkUnavailable, SofetchError
from sofetch.events import Events
from sofetch.pipeline import Steps
from sofetch.record import Drift
from sofetch.settings import ColumnSettings
from sofetch.testing import FakeClock, MemorySink

CANARY = "198.51.100.77"
SLOW_OR_FOREIGN = {
    "boto3", "botocore", "click", "http.server", "pygments", "rich", "urllib3",
    "sofetch.app", "sofetch.cli", "sofetch.embedded", "sofetch.report", "sofetch.processes",
    "sofetch.observe.metrics", "sofetch.observe.serving", "sofetch.testing", "sofetch.worker",
    "sofetch.source.boto", "sofetch.source.boto_client", "sofetch.source.clerk", "sofetch.source.desk",
    "sofetch.source.fast", "sofetch.source.fleets", "sofetch.source.s3", "sofetch.source.sqs",
}  # fmt: skip


class Remaining:
    def __init__(self, ms: int = 60_000) -> None:
        self.ms = ms

    def get_remaining_time_in_millis(self) -> int:
        return self.ms


class Broken:
    """A function that raises, and remembers that it was closed."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = 0

    def invoke(self, *_: object) -> Any:
        raise self.error

    def close(self) -> None:
        self.closed += 1


class Store:
    """A connection that remembers what was done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def revive(self) -> None:
        self.done.append("asked")

    def close(self) -> None:
        self.done.append("closed")


def undrifting(clock: FakeClock, events: Events) -> DriftKeeper:
    return DriftKeeper(lambda _: [], clock=clock, events=events)


@pytest.mark.parametrize(("idle_seconds", "done"), [(0.0, "asked"), (239.0, "asked"), (241.0, "closed")])
def test_a_connection_is_asked_before_use_and_one_that_rested_for_long_is_replaced(
    idle_seconds: float, done: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, store, column = FakeClock(), Store(), ColumnSettings(name="user_id")
    events = Events()
    function = Function(
        settings(column),
        steps=Steps(compile_decoder(settings(column)), masker(column), MemorySink()),
        stores=[store],  # type: ignore[list-item]  # a stand-in
        clock=clock,
        events=events,
        drift=undrifting(clock, events),
        closing=ExitStack(),
    )
    clock.advance(idle_seconds)
    made = event([record("{}", queue="login-queue"), damaged(record("{}", queue="login-queue", message_id="m"))])
    assert function.invoke(made, Remaining()) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    assert store.done == [done]
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["MessagesReceived"], metrics["RowsLoaded"], metrics["Failures"]) == (2, 1, 1)


def test_metrics_are_printed_for_an_invocation_that_fails_too(capsys: pytest.CaptureFixture[str]) -> None:
    column, sink = ColumnSettings(name="user_id"), MemorySink()
    sink.fail_before_commit(2)
    function = Function(
        settings(column),
        steps=Steps(compile_decoder(settings(column)), masker(column), sink),
        stores=[],
        clock=(clock := FakeClock()),
        events=(events := Events()),
        drift=undrifting(clock, events),
        closing=ExitStack(),
    )
    with pytest.raises(SinkUnavailable):
        function.invoke(event([record("{}", queue="login-queue")]), Remaining())
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["MessagesReceived"], metrics["RowsLoaded"], metrics["Failures"]) == (1, 0, 1)


def test_what_drifted_is_written_only_where_there_is_time_and_not_at_each_invocation() -> None:
    clock, events, column = FakeClock(), Events(), ColumnSettings(name="user_id")
    written: list[list[int]] = []

    def keep(found: Mapping[Drift, int]) -> list[Drift]:
        written.append([*found.values()])
        return []

    keeper = DriftKeeper(keep, clock=clock, events=events)
    events.listen(keeper)
    function = Function(
        settings(column),
        steps=Steps(compile_decoder(settings(column)), masker(column), MemorySink()),
        stores=[],
        clock=clock,
        events=events,
        drift=keeper,
        closing=ExitStack(),
    )
    numbered = iter("abcdefgh")

    def invoke(remaining_ms: int) -> None:
        function.invoke(
            event([record('{"user_id": 5}', queue="login-queue", message_id=next(numbered))]), Remaining(remaining_ms)
        )

    invoke(20_999)  # a connection and a lock may take ten seconds each
    assert written == []
    invoke(21_000)
    invoke(60_000)
    assert written == [[2]]
    clock.advance(WRITE_SECONDS)
    invoke(60_000)
    assert written == [[2], [2]]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> lambda_handler._Environment:
    made = lambda_handler._Environment()
    monkeypatch.setattr(lambda_handler, "_environment", made)
    return made


def put(environment: lambda_handler._Environment, function: object) -> None:
    environment._function = function  # type: ignore[assignment]  # a stand-in


def test_a_cold_start_imports_nothing_that_it_can_do_without() -> None:
    code = "import json, sys, sofetch.lambda_handler; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert SLOW_OR_FOREIGN & set(json.loads(done.stdout)) == set()


@pytest.mark.parametrize("error", [KeyError(CANARY), ValueError(CANARY), SinkUnavailable("away")])
def test_what_is_raised_shows_no_value_and_the_next_invocation_begins_anew(
    error: Exception, environment: lambda_handler._Environment
) -> None:
    broken = Broken(error)
    put(environment, broken)
    with pytest.raises(SofetchError) as raised:
        lambda_handler.handler(event([record(CANARY, queue="logins")]), Remaining())
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__
    assert (broken.closed, environment._function) == (1, None)


@pytest.mark.parametrize("error", [EventError("no batch"), SofetchError("late", code="no_time")])
def test_an_event_that_is_none_or_a_lack_of_time_leaves_the_function_as_it_was(
    error: SofetchError, environment: lambda_handler._Environment
) -> None:
    broken = Broken(error)
    put(environment, broken)
    with pytest.raises(type(error)):
        lambda_handler.handler({}, Remaining())
    assert broken.closed == 0
    assert environment._function is not None


def test_a_configuration_that_is_missing_is_said_at_each_invocation(
    environment: lambda_handler._Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOFETCH_CONFIG", "nowhere.toml")
    monkeypatch.setattr(lambda_handler, "contain_stray_output", lambda _: None)
    for _ in range(2):
        with pytest.raises(ConfigError, match="there is no configuration file"):
            lambda_handler.handler(event([]), Remaining())
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["code"]) for line in lines] == [("failed", "config_missing")] * 2


def test_the_function_is_opened_once_and_kept(
    environment: lambda_handler._Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fine:
        def invoke(self, *_: object) -> dict[str, list[Any]]:
            return {"batchItemFailures": []}

    opened: list[object] = []
    monkeypatch.setattr(lambda_handler, "contain_stray_output", lambda _: None)
    monkeypatch.setattr(lambda_handler, "load_settings", lambda _: settings())

    def open_one(*_: object, **__: object) -> Fine:
        opened.append(Fine())
        return Fine()

    monkeypatch.setattr(Function, "open", open_one)
    for _ in range(3):
        assert lambda_handler.handler(event([]), Remaining()) == {"batchItemFailures": []}
    assert len(opened) == 1
