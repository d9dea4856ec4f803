"""The function under AWS's own runtime client, with a real Postgres: batches, crashes, outages, redeliveries."""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from canaries import canaries_in
from lambda_runtime.events import damaged, event, failed_ids, fifo_record, record
from lambda_runtime.function import Died, RunningFunction, running_function
from loading import query
from sofetch import Pipeline
from sofetch.config import load_config, preset
from sofetch.embedded import Embedded
from sofetch.load.schema import apply_schema
from world import KEYRING, made_up

pytestmark = pytest.mark.slow

QUEUE = "logins.fifo"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sofetch' AND datname = current_database()"
CANARIES = ("203.0.113.249", "canary-593-47-5928")
_numbers = counting()


@dataclass
class Stage:
    """A database and an environment in which functions run."""

    folder: Path
    dsn: str
    environ: dict[str, str]

    def users(self, prefix: str) -> list[str]:
        found = query(self.dsn, "SELECT user_id FROM user_logins WHERE user_id LIKE %s ORDER BY 1", prefix + "%")
        return [user for (user,) in found]

    def sessions(self) -> list[int]:
        return [pid for (pid,) in query(self.dsn, SESSIONS)]


@pytest.fixture(scope="module")
def stage(postgres_server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, name = tmp_path_factory.mktemp("lambda"), f"lambda_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(postgres_server.dsn, dbname=name)
    (folder / "sofetch.toml").write_text(preset("logins"))
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOFETCH_")},
        "SOFETCH_CONFIG": "sofetch.toml",
        "SOFETCH_SINK_DSN": dsn,
        "SOFETCH_SOURCE_QUEUE": QUEUE,
        "SOFETCH_KEYRING": KEYRING,
    }
    apply_schema(load_config(folder / "sofetch.toml", environ=environ), dsn=dsn)
    yield Stage(folder, dsn, environ)
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def function(stage: Stage) -> Iterator[RunningFunction]:
    """One environment that most tests share, as invocations do: whichever comes first begins it."""
    with running_function(stage.folder, stage.environ) as running:
        yield running


def login(user: str, **fields: Any) -> dict[str, Any]:
    body = json.loads(made_up(1)) | {"user_id": user, "ip": CANARIES[0], "device_id": CANARIES[1]} | fields
    return record(json.dumps(body), queue=QUEUE)


def logins(prefix: str, count: int) -> list[dict[str, Any]]:
    return [login(f"{prefix}{at:05}") for at in range(count)]


def last_metrics(function: RunningFunction) -> dict[str, Any]:
    lines = [json.loads(line) for line in function.printed().splitlines() if line.startswith("{")]
    found: dict[str, Any] = [line for line in lines if "_aws" in line][-1]
    return found


def test_a_thousand_records_are_in_the_table_and_the_next_invocation_uses_the_same_connection(
    stage: Stage, function: RunningFunction
) -> None:
    records = logins("many-", 1_000)
    assert failed_ids(function.result(event(records))) == []
    sessions = stage.sessions()
    assert len(stage.users("many-")) == 1_000
    assert failed_ids(function.result(event([*records[:10], *logins("more-", 5)]))) == []
    metrics = last_metrics(function)
    assert (metrics["Pipeline"], metrics["MessagesReceived"]) == ("user_logins", 15)
    assert (metrics["RowsLoaded"], metrics["Duplicates"], metrics["Failures"]) == (5, 10, 0)
    assert stage.sessions() == sessions
    assert len(sessions) == 1


def test_only_what_is_not_durable_is_named_in_the_answer(stage: Stage, function: RunningFunction) -> None:
    sound, spoilt, poison = login("part-1"), damaged(login("part-2")), login("part-3", app_version="v" * 500)
    nonsense = record("no JSON", queue=QUEUE)
    assert failed_ids(function.result(event([sound, spoilt, poison, nonsense]))) == [spoilt["messageId"]]
    assert stage.users("part-") == ["part-1"]
    metrics = last_metrics(function)
    assert (metrics["RowsLoaded"], metrics["Quarantined"], metrics["Failures"]) == (1, 2, 1)
    assert '"event":"messages_damaged","count":1' in function.logged()


def test_a_fifo_group_waits_for_its_failed_message(stage: Stage, function: RunningFunction) -> None:
    def sent(group: str, at: int) -> dict[str, Any]:
        return fifo_record(login(f"fifo-{group}{at}")["body"], queue=QUEUE, group=group, place=at)

    first, second, third, other = sent("a", 1), sent("a", 2), sent("a", 3), sent("b", 4)
    failed = failed_ids(function.result(event([first, damaged(second), third, other])))
    assert failed == [second["messageId"], third["messageId"]]
    assert stage.users("fifo-") == ["fifo-a1", "fifo-b4"]
    assert failed_ids(function.result(event([second, third]))) == []
    assert stage.users("fifo-") == ["fifo-a1", "fifo-a2", "fifo-a3", "fifo-b4"]


def test_a_malformed_event_is_an_error_without_a_value_and_loads_nothing(
    stage: Stage, function: RunningFunction
) -> None:
    broken = login("broken-2")
    del broken["messageId"]
    answer = function.invoke(event([login("broken-1"), broken]))
    assert answer.error is not None
    assert answer.error["errorType"] == "EventError"
    assert "messageId" in answer.error["errorMessage"]
    assert canaries_in(json.dumps(answer.error).encode(), [*CANARIES, "broken-2"]) == []
    assert stage.users("broken-") == []
    assert failed_ids(function.result(event([login("mended-1")]))) == []


def test_a_connection_that_died_between_invocations_is_replaced_and_nothing_fails(
    stage: Stage, function: RunningFunction
) -> None:
    function.result(event([login("before-1")]))
    before = stage.sessions()
    told = len(function.logged())
    query(stage.dsn, SESSIONS.replace("SELECT pid", "SELECT pg_terminate_backend(pid, 5000)"))
    assert failed_ids(function.result(event(logins("after-", 3)))) == []
    assert len(stage.users("after-")) == 3
    assert not set(stage.sessions()) & set(before)
    assert last_metrics(function)["Failures"] == 0
    assert "outage" not in function.logged()[told:]


def test_what_a_person_must_mend_is_raised_and_once_mended_the_same_environment_goes_on(
    stage: Stage, function: RunningFunction
) -> None:
    records = [login("mend-1")]
    query(stage.dsn, "ALTER TABLE user_logins RENAME TO gone")
    try:
        answer = function.invoke(event(records))
    finally:
        query(stage.dsn, "ALTER TABLE gone RENAME TO user_logins")
    assert answer.error is not None
    assert answer.error["errorType"] == "SinkRefused"
    assert canaries_in(json.dumps(answer.error).encode(), [*CANARIES, "mend-1"]) == []
    assert failed_ids(function.result(event(records))) == []
    assert stage.users("mend-") == ["mend-1"]


@pytest.mark.parametrize("point", ["mid_write", "after_commit"])
def test_a_batch_whose_function_dies_is_in_the_table_once_after_its_redelivery(stage: Stage, point: str) -> None:
    records = logins(f"crash-{point}-", 50)
    environ = {**stage.environ, "SOFETCH_CRASH_AT": point}
    with (
        running_function(stage.folder, environ, name=point) as doomed,
        pytest.raises(Died) as died,
    ):
        doomed.invoke(event(records))
    assert died.value.exit_code == -signal.SIGKILL
    with running_function(stage.folder, stage.environ, name=f"{point}-again") as another:
        assert failed_ids(another.result(event(records))) == []
        assert last_metrics(another)["Duplicates"] == (50 if point == "after_commit" else 0)
    assert stage.users(f"crash-{point}-") == [f"crash-{point}-{at:05}" for at in range(50)]


def test_a_message_that_both_the_function_and_a_worker_get_is_loaded_once(
    stage: Stage, function: RunningFunction, fast_queue_endpoint: str
) -> None:
    sqs = boto3.client("sqs", endpoint_url=fast_queue_endpoint)
    url = sqs.create_queue(QueueName=f"both-{next(_numbers)}")["QueueUrl"]
    bodies = [login(f"both-{at}")["body"] for at in range(5)]
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=0)
    sqs.close()
    handed = []
    for message in received["Messages"]:
        made = record(message["Body"], queue=QUEUE, message_id=message["MessageId"])
        made["attributes"]["SentTimestamp"] = message["Attributes"]["SentTimestamp"]
        handed.append(made)
    assert failed_ids(function.result(event(handed))) == []
    environ = {**stage.environ, "SOFETCH_SOURCE_QUEUE": url, "SOFETCH_SOURCE_ENDPOINT": fast_queue_endpoint}
    environ["SOFETCH_SOURCE_WAIT_SECONDS"] = "0"
    with Pipeline.open(load_config(stage.folder / "sofetch.toml", environ=environ), environ=environ) as pipeline:
        summary = pipeline.run(drain=True)
    assert (summary.loaded, summary.duplicates) == (5 - len(handed), len(handed))
    assert stage.users("both-") == [f"both-{at}" for at in range(5)]


def test_nothing_that_the_function_prints_or_logs_holds_a_value(stage: Stage, function: RunningFunction) -> None:
    function.result(event([login("quiet-1"), login("quiet-2", ip="not an address 203.0.113.249")]))
    told = function.printed() + function.logged()
    assert "values_not_of_kind" in told
    assert canaries_in(told.encode(), CANARIES) == []
    for line in function.logged().splitlines():
        assert json.loads(line)["event"]
