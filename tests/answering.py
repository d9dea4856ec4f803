"""A server that answers SQS's calls with whatever it is told, byte by byte, and what may come of it in a transport.

``judge`` is the contract of every transport: messages and failures of the right form, or SourceUnavailable, or
SourceRefused, and nothing that the server said in an error. Whoever writes another transport adds its opener.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sofetch.errors import SourceRefused, SourceUnavailable
from sofetch.source.transport import EntryFailure, RawMessage, Transport, VisibilityChange, in_group_order

SAID = "canary@example.org"
"""What the hostile answers are full of."""

JSON = "application/x-amz-json-1.0"
OPERATIONS = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
HANDLES = ["h0", "h1", "h2"]

RIGHT: dict[str, Any] = {
    "ReceiveMessage": {
        "Messages": [
            {
                "MessageId": f"00000000-0000-4000-8000-00000000000{number}",
                "ReceiptHandle": f"handle-{number}",
                "Body": json.dumps({"ip": SAID}),
                "Attributes": {
                    "SentTimestamp": "1700000000000",
                    "ApproximateReceiveCount": "1",
                    "MessageGroupId": "g",
                    "SequenceNumber": f"1886956123456789012{number}",
                },
                "MessageAttributes": {"kind": {"DataType": "String", "StringValue": SAID}},
            }
            for number in range(3)
        ]
    },
    "DeleteMessageBatch": {
        "Successful": [{"Id": "0"}],
        "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False, "Message": SAID}],
    },
    "ChangeMessageVisibilityBatch": {"Successful": [{"Id": str(at)} for at in range(3)], "Failed": []},
    "GetQueueUrl": {"QueueUrl": "http://127.0.0.1:1/000000000000/q"},
    "GetQueueAttributes": {"Attributes": {"VisibilityTimeout": "30"}},
    "ListQueues": {"QueueUrls": []},
}


class Answering(socketserver.ThreadingTCPServer):
    """Gives every request the bytes that ``script`` makes for its operation, and closes the connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: Callable[[str], bytes] = lambda operation: http(json.dumps(RIGHT[operation]).encode())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the game."""


class _Handler(socketserver.StreamRequestHandler):
    server: Answering

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65_536)
            if not line:
                return
            head += line
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        body = self.rfile.read(int(length[1]) if length else 0)
        named = re.search(rb"(?i)x-amz-target: *AmazonSQS\.(\w+)|Action=(\w+)", head + body)
        operation = (named[1] or named[2]).decode() if named else ""
        with suppress(OSError):
            self.wfile.write(self.server.script(operation))


@contextmanager
def answering() -> Iterator[Answering]:
    """The server, running."""
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def http(
    body: bytes, *, status: str = "200 OK", kind: str = JSON, head: bytes = b"", length: int | None = None
) -> bytes:
    """An answer; ``head`` is more header lines, ``length`` what it claims to be long."""
    claimed = len(body) if length is None else length
    first = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {claimed}\r\nConnection: close\r\n"
    return first.encode("latin-1", "replace") + head + b"\r\n" + body


def judge(transport: Transport, operation: str) -> str:
    """Make the call and check that what comes of it keeps the contract; what came, in a word."""
    try:
        came = _call(transport, operation)
    except (SourceUnavailable, SourceRefused) as error:
        check_error(error)
        return type(error).__name__
    match operation:
        case "ReceiveMessage":
            _check_messages(came)
        case "GetQueueAttributes":
            assert type(came) is int
            assert 0 <= came <= 43_200
        case _:
            _check_failures(came)
    return "answered"


def check_error(error: Exception) -> None:
    """Nothing that the server said is in the error, or hangs on it where a traceback would show it."""
    assert SAID not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


def _call(transport: Transport, operation: str) -> Any:
    match operation:
        case "ReceiveMessage":
            return transport.receive(max_messages=10, wait_seconds=0, visibility_timeout_seconds=30)
        case "DeleteMessageBatch":
            return transport.delete_batch(HANDLES)
        case "ChangeMessageVisibilityBatch":
            return transport.change_visibility_batch([VisibilityChange(handle, 30) for handle in HANDLES])
        case _:
            return transport.visibility_timeout_seconds()


def _check_messages(raws: list[RawMessage]) -> None:
    assert len(raws) <= 10
    for raw in in_group_order(raws):
        message = raw.message(queue="q", received_ms=0)
        assert type(message.body) is bytes
        assert re.fullmatch(r"[!-~]{1,128}", message.id)
        assert type(raw.receipt_handle) is str
        assert raw.receipt_handle
        assert message.sent_ms is None or 0 <= message.sent_ms < 10**15
        assert 0 <= message.receive_count < 10**15
        assert message.group_id is None or type(message.group_id) is str
        assert all(type(name) is type(text) is str for name, text in message.attributes.items())


def _check_failures(failures: list[EntryFailure]) -> None:
    positions = [failure.position for failure in failures]
    assert sorted(set(positions)) == sorted(positions)
    assert all(0 <= position < len(HANDLES) for position in positions)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9.:]{0,79}", failure.code) for failure in failures)
    assert SAID not in repr(failures)
