"""The function under AWS's own runtime client, with a real Postgres: batches, crashes, outages, redeliveries."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from itertools import count as counting
from typing import Any, cast

import boto3
import pytest

from canaries import canaries_in
from keyrings import KEYRING
from lambda_runtime.events import damaged, event, failed_ids, fifo_record, record
from lambda_runtime.function import Died, RunningFunction, running_function
from lambda_runtime.stage import CANARIES, QUEUE, SESSIONS, Stage, last_metrics, login, logins, stage_in
from loading import query
from sofetch import Pipeline
from sofetch.config import load_config, preset
from sofetch.decode import compile_decoder
from sofetch.embedded import Embedded
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker, parse_keyring
from sofetch.record import Message
from world import made_up

pytestmark = pytest.mark.slow

_numbers = counting()


@pytest.fixture(scope="module")
def stage(postgres_server: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_in(tmp_path_factory.mktemp("lambda"), postgres_server.dsn) as found:
        yield found


@pytest.fixture(scope="module")
def function(stage: Stage) -> Iterator[RunningFunction]:
    """One environment that most tests share, as invocations do: whichever comes first begins it."""
    with running_function(stage.folder, stage.environ) as running:
        yield running


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


def test_unknown_fields_are_collected_as_a_worker_collects_them(stage: Stage) -> None:
    config = preset("logins").replace("user_logins", "collected") + (
        '\n[drift]\nunknown_fields = "collect"\ncollect_into = "extra"\n[[column]]\nname = "extra"\ntype = "jsonb"\n'
    )
    (stage.folder / "collecting.toml").write_text(config)
    settings = load_config(stage.folder / "collecting.toml", environ=stage.environ)
    apply_schema(settings, dsn=stage.dsn)
    unknown = {"tier": CANARIES[1], "visits": 3, "extra": CANARIES[1]}
    environ = stage.environ | {"SOFETCH_CONFIG": "collecting.toml"}
    with running_function(stage.folder, environ, name="collecting") as running:
        assert failed_ids(running.result(event([login("known"), login("new", **unknown)]))) == []
    found = dict(query(stage.dsn, "SELECT user_id, extra FROM collected"))
    assert found["known"] is None
    masker = compile_masker(settings, parse_keyring(KEYRING))
    body = json.dumps(json.loads(made_up(1)) | unknown).encode()
    decoded = compile_decoder(settings)([Message(id="m", body=body, queue=QUEUE, sent_ms=1, received_ms=1)])
    assert found["new"] == json.loads(cast("bytes", masker.mask(decoded.records).records[0].values[-1]))
    assert canaries_in(json.dumps(found).encode(), CANARIES) == []


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


def test_what_drifted_is_written_down_before_an_invocation_answers(stage: Stage, function: RunningFunction) -> None:
    assert failed_ids(function.result(event([login("drift-1", device_type=5), login("drift-2")]))) == []
    found = query(stage.dsn, "SELECT messages FROM sofetch.drift WHERE kind = 'type_change' AND field = 'device_type'")
    assert found == [(1,)]
    assert '"event":"new_drift","kind":"type_change","field":"device_type"' in function.logged()


def test_nothing_that_the_function_prints_or_logs_holds_a_value(stage: Stage, function: RunningFunction) -> None:
    function.result(event([login("quiet-1"), login("quiet-2", ip="not an address 203.0.113.249")]))
    told = function.printed() + function.logged()
    assert "values_not_of_kind" in told
    assert canaries_in(told.encode(), CANARIES) == []
    for line in function.logged().splitlines():
        assert json.loads(line)["event"]
