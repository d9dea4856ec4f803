"""The handler: what it imports, and what leaves it as an error."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from lambda_runtime.events import event, record
from masking import settings
from sofetch import lambda_handler
from sofetch.aws_lambda.function import Function
from sofetch.errors import ConfigError, EventError, SinkUnavailable, SofetchError

CANARY = "198.51.100.77"
SLOW_OR_FOREIGN = {
    "boto3", "botocore", "click", "http.server", "pygments", "rich", "urllib3",
    "sofetch.app", "sofetch.cli", "sofetch.embedded", "sofetch.report", "sofetch.serving", "sofetch.supervisor",
    "sofetch.testing", "sofetch.worker",
    "sofetch.source.boto", "sofetch.source.boto_client", "sofetch.source.clerk", "sofetch.source.desk",
    "sofetch.source.fast", "sofetch.source.fleets", "sofetch.source.s3", "sofetch.source.sqs",
}  # fmt: skip


class Remaining:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Broken:
    """A function that raises, and remembers that it was closed."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = 0

    def invoke(self, *_: object) -> Any:
        raise self.error

    def close(self) -> None:
        self.closed += 1


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
