"""The queue server of the benchmarks speaks as SQS does: shapes, MD5s, error codes, long polls, pipelined requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from queue_servers import SCRIPT, fast_queue_server

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sqs(fast_queue_endpoint: str) -> Iterator[SQSClient]:
    client = boto3.client("sqs", endpoint_url=fast_queue_endpoint)
    yield client
    client.close()


@pytest.fixture
def url(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]


def receive(client: SQSClient, url: str, **more: Any) -> list[Any]:
    answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], **more)
    return list(answer.get("Messages", []))


class Raw:
    """One connection, spoken to in bytes."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._socket = socket.create_connection((parts.hostname, parts.port or 0), timeout=10)
        self._read = b""

    def send(self, operation: str, **parameters: object) -> None:
        body = json.dumps(parameters).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: q\r\nX-Amz-Target: AmazonSQS.{operation}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)

    def answer(self) -> Any:
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return json.loads(body)

    def until_waiting(self, count: int) -> None:
        """Ask until the server has noticed that so many long polls are under way."""
        for _ in range(100_000):
            self._socket.sendall(b"GET /stats HTTP/1.1\r\nHost: q\r\n\r\n")
            if self.answer()["waiting"] == count:
                return
        raise AssertionError("it never came to be")

    def _more(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the server closed the connection"
        self._read += data

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def raw(fast_queue_endpoint: str) -> Iterator[Raw]:
    connection = Raw(fast_queue_endpoint)
    yield connection
    connection.close()


ATTRIBUTES: Any = {
    "b.text": {"DataType": "String", "StringValue": "Zürich"},
    "a": {"DataType": "Number.int", "StringValue": "7"},
    "c": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def test_the_md5s_are_those_that_another_server_works_out(sqs: SQSClient, url: str, sqs_client: SQSClient) -> None:
    """The other server is the embedded one."""
    other = sqs_client.create_queue(QueueName=f"md5-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    fields = ("MD5OfMessageBody", "MD5OfMessageAttributes")
    ours, theirs = (
        client.send_message(QueueUrl=queue, MessageBody='{"é": "\\"\t"}', MessageAttributes=ATTRIBUTES)
        for client, queue in ((sqs, url), (sqs_client, other))
    )
    assert [ours[field] for field in fields] == [theirs[field] for field in fields]  # type: ignore[literal-required]
    for names in (["All"], ["a", "nothing"], ["b.*"], ["b.text", "c"]):
        ours_in, theirs_in = (
            receive(client, queue, MessageAttributeNames=names, VisibilityTimeout=0)[0]
            for client, queue in ((sqs, url), (sqs_client, other))
        )
        for field in ("Body", "MD5OfBody", "MessageAttributes"):
            assert ours_in[field] == theirs_in[field]


def test_what_is_sent_comes_back_with_what_was_asked_for(sqs: SQSClient, url: str) -> None:
    sent = sqs.send_message(QueueUrl=url, MessageBody='tab\t, quote ", \\, Ünïcödé 😀')
    (message,) = receive(sqs, url, VisibilityTimeout=0)
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == 'tab\t, quote ", \\, Ünïcödé 😀'
    assert set(message["Attributes"]) == {
        "SentTimestamp",
        "ApproximateReceiveCount",
        "ApproximateFirstReceiveTimestamp",
        "SenderId",
    }
    (bare,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Attributes" not in bare
    assert 300 < len(bare["ReceiptHandle"]) < 500


BAD_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("delete_message", {"ReceiptHandle": "made-up"}, "ReceiptHandleIsInvalid"),
    ("delete_message_batch", {"Entries": []}, "AWS.SimpleQueueService.EmptyBatchRequest"),
    (
        "delete_message_batch",
        {"Entries": [{"Id": str(at), "ReceiptHandle": "x"} for at in range(11)]},
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    ),
    (
        "send_message_batch",
        {"Entries": [{"Id": "1", "MessageBody": "x"}] * 2},
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    ),
    (
        "send_message_batch",
        {"Entries": [{"Id": "a b", "MessageBody": "x"}]},
        "AWS.SimpleQueueService.InvalidBatchEntryId",
    ),
    ("send_message", {"MessageBody": "\0"}, "InvalidMessageContents"),
    ("send_message", {"MessageBody": "\ud800"}, "InvalidMessageContents"),
    ("send_message", {"MessageBody": ""}, "MissingParameter"),
    ("send_message", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
    ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
    ("set_queue_attributes", {"Attributes": {"VisibilityTimeout": "43201"}}, "InvalidAttributeValue"),
    ("set_queue_attributes", {"Attributes": {"Colour": "red"}}, "InvalidAttributeName"),
    ("tag_queue", {"Tags": {}}, "UnknownOperationException"),
]


@pytest.mark.parametrize(("method", "arguments", "code"), BAD_CALLS, ids=lambda value: str(value)[:40])
def test_a_bad_call_is_answered_with_sqss_code(
    sqs: SQSClient, url: str, method: str, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(sqs, method)(QueueUrl=url, **arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_missing_queue_is_told_in_both_protocols_names(sqs: SQSClient, raw: Raw) -> None:
    with pytest.raises(ClientError) as caught:
        sqs.get_queue_url(QueueName="nowhere")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    raw.send("GetQueueUrl", QueueName="nowhere")
    assert raw.answer()["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"


def test_a_bad_entry_spares_its_neighbours(sqs: SQSClient, url: str) -> None:
    bodies = ["one", "\0", "three"]
    entries: Any = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["0", "2"]
    assert [(it["Id"], it["Code"], it["SenderFault"]) for it in answer["Failed"]] == [
        ("1", "InvalidMessageContents", True)
    ]


def test_a_long_poll_ends_with_the_first_message_and_not_before(raw: Raw, sqs: SQSClient, url: str) -> None:
    raw.send("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [message["Body"] for message in raw.answer()["Messages"]] == ["x"]


def test_a_long_poll_sees_a_message_whose_visibility_runs_out_meanwhile(raw: Raw, sqs: SQSClient, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="x")
    receive(sqs, url, VisibilityTimeout=1)
    raw.send("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20, AttributeNames=["ApproximateReceiveCount"])
    (message,) = raw.answer()["Messages"]
    assert message["Attributes"] == {"ApproximateReceiveCount": "2"}


def test_a_long_poll_whose_connection_is_gone_takes_no_message(fast_queue_endpoint: str, raw: Raw, url: str) -> None:
    gone = Raw(fast_queue_endpoint)
    gone.send("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    raw.until_waiting(1)
    gone.close()
    raw.until_waiting(0)
    raw.send("SendMessage", QueueUrl=url, MessageBody="x")
    raw.answer()
    raw.send("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
    assert len(raw.answer()["Messages"]) == 1


def test_a_long_poll_whose_connection_goes_in_the_very_moment_of_a_message_takes_none() -> None:
    """The moment cannot be met over a network: the calls are made in the one turn of the loop."""
    turn = """
    calls = Calls(Account())
    calls.answer("CreateQueue", b'{"QueueName":"q"}')
    calls.answer("ReceiveMessage", b'{"QueueUrl":"q","WaitTimeSeconds":20}').cancel()
    calls.answer("SendMessage", b'{"QueueUrl":"q","MessageBody":"x"}')
    sys.stdout.buffer.write(calls.answer("ReceiveMessage", b'{"QueueUrl":"q"}'))
"""
    code = f"""
import asyncio, sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
from sqs_server.calls import Calls
from sqs_server.queues import Account

async def main():{turn}
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert [message["Body"] for message in json.loads(done.stdout or "{}").get("Messages", [])] == ["x"], done.stderr


def test_pipelined_requests_are_answered_in_their_order_long_polls_included(raw: Raw, sqs: SQSClient, url: str) -> None:
    raw.send("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)
    for number in range(3):
        raw.send("SendMessage", QueueUrl=url, MessageBody=str(number))
    sqs.send_message(QueueUrl=url, MessageBody="first")
    assert raw.answer()["Messages"][0]["Body"] == "first"
    assert all("MessageId" in raw.answer() for _ in range(3))
    assert [message["Body"] for message in receive(sqs, url)] == ["0", "1", "2"]


def test_fifo_queues_order_and_deduplicate(sqs: SQSClient) -> None:
    made = sqs.create_queue(QueueName="orders.fifo", Attributes={"ContentBasedDeduplication": "true"})["QueueUrl"]
    first, second = (sqs.send_message(QueueUrl=made, MessageBody="a", MessageGroupId="g") for _ in range(2))
    assert (first["MessageId"], first["SequenceNumber"]) == (second["MessageId"], second["SequenceNumber"])
    sqs.send_message(QueueUrl=made, MessageBody="b", MessageGroupId="g")
    got = receive(sqs, made)
    assert [message["Body"] for message in got] == ["a", "b"]
    assert {message["Attributes"]["MessageGroupId"] for message in got} == {"g"}
    with pytest.raises(ClientError):
        sqs.send_message(QueueUrl=made, MessageBody="c")


def test_a_message_received_too_often_is_in_the_dead_letter_queue_under_its_id(sqs: SQSClient, url: str) -> None:
    dead = sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    sent = sqs.send_message(QueueUrl=url, MessageBody="x")["MessageId"]
    assert len(receive(sqs, url, VisibilityTimeout=0)) == 1
    assert receive(sqs, url) == []
    assert [message["MessageId"] for message in receive(sqs, dead)] == [sent]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]


def test_an_old_protocol_is_refused_and_nonsense_closes_the_connection(fast_queue_endpoint: str) -> None:
    parts = urlsplit(fast_queue_endpoint)
    for request in (b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: 8\r\n\r\nAction=X", b"\0\r\n\r\n"):
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_preloaded_logins_are_distinct_and_of_the_size_asked_for() -> None:
    with fast_queue_server("--queue", "bench", "--preload", "25", "--body-bytes", "300", "--seed", "1") as endpoint:
        client = boto3.client("sqs", endpoint_url=endpoint)
        got = [message["Body"] for _ in range(3) for message in receive(client, "bench")]
        client.close()
    assert {len(body) for body in got} == {300}
    assert len({json.loads(body)["user_id"] for body in got}) == 25


def test_planned_shares_of_faults_are_met() -> None:
    shares = ("--duplicates", "1", "--lost-deletes", "1", "--failed-entries", "0.5", "--seed", "1")
    with fast_queue_server("--queue", "bench", "--preload", "10", "--visibility-seconds", "0", *shares) as endpoint:
        client = boto3.client("sqs", endpoint_url=endpoint)
        got = receive(client, "bench", VisibilityTimeout=30)
        entries: Any = [{"Id": str(at), "ReceiptHandle": it["ReceiptHandle"]} for at, it in enumerate(got)]
        answer = client.delete_message_batch(QueueUrl="bench", Entries=entries)
        assert {entry["Code"] for entry in answer["Failed"]} == {"InternalError"}
        assert answer["Successful"]
        counts = client.get_queue_attributes(QueueUrl="bench", AttributeNames=["All"])["Attributes"]
        assert counts["ApproximateNumberOfMessagesNotVisible"] == "10"
        again = receive(client, "bench", VisibilityTimeout=30)
        assert {message["MessageId"] for message in again} == {message["MessageId"] for message in got}
        client.close()


def test_the_server_ends_with_the_process_that_started_it() -> None:
    code = (
        "import subprocess, sys, time\n"
        f"server = subprocess.Popen([sys.executable, {str(SCRIPT)!r}], stdout=subprocess.PIPE)\n"
        "print(server.stdout.readline().decode(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = psutil.Process(json.loads(parent.stdout.readline())["pid"])
        parent.kill()
        assert not psutil.wait_procs([server], timeout=10)[1]


def test_a_signal_ends_the_server_well() -> None:
    with subprocess.Popen([sys.executable, SCRIPT], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(timeout=10) == 0
