"""The source against a real server behind a proxy that makes SQS's bad days, by boto3 and by the fast path."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.error import HTTPError

import pytest

from sofetch.ack import Acknowledgement
from sofetch.clock import SystemClock
from sofetch.errors import SourceUnavailable
from sofetch.settings import SourceSettings
from sofetch.source import open_source
from sofetch.source.control import QueueControl
from sofetch.source.sqs import SqsSource

pytestmark = pytest.mark.slow
TransportName = Literal["fast", "boto3"]
_TRIES = 400
_FAULTS = ["500", "503", "throttled", "truncated", "reset", "wrong type", "lost answer", "empty"]
_JSON = "application/x-amz-json-1.0"
_SKEWED = b'{"__type":"com.amazon.coral.service#SignatureDoesNotMatch","message":"canary@example.org"}'
_THROTTLED = b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"canary@example.org"}'


class Proxy(ThreadingHTTPServer):
    """Passes requests on; ``faults`` says by operation what to do instead, used up one by one."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: dict[str, list[str]] = {}
        self.seen: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers["x-amz-target"].split(".")[-1]
        self.server.seen[operation] += 1
        planned = self.server.faults.get(operation, [])
        match planned.pop(0) if planned else None:
            case None:
                self._answer(*self._upstream(body))
            case "lost answer":
                self._upstream(body)
                self.close_connection = True
            case "truncated":
                status, kind, answer = self._upstream(body)
                self._answer(status, kind, answer[: len(answer) // 2], length=len(answer))
                self.close_connection = True
            case "reset":
                self.close_connection = True
            case "wrong type":
                self._answer(200, "text/html", b"<html>")
            case "empty":
                self._answer(200, _JSON, b"{}")
            case "skewed":
                self._answer(403, _JSON, _SKEWED, date=formatdate(time.time() + 2 * 86_400))
            case "throttled":
                self._answer(400, _JSON, _THROTTLED)
            case status:
                self._answer(int(status or 500), "text/plain", b"canary@example.org")

    def _upstream(self, body: bytes) -> tuple[int, str, bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        request = urllib.request.Request(self.server.upstream, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers["content-type"], answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers["content-type"], error.read()

    def _answer(
        self, status: int, kind: str, body: bytes, *, length: int | None = None, date: str | None = None
    ) -> None:
        self.send_response_only(status)
        self.send_header("date", date or self.date_time_string())
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(queue_endpoint: str) -> Iterator[Proxy]:
    with Proxy(queue_endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=["boto3", "fast"])
def transport(request: pytest.FixtureRequest) -> TransportName:
    """Every fault is borne by both."""
    name: TransportName = request.param
    return name


@pytest.fixture
def control(queue_endpoint: str, queue_name: str) -> Iterator[QueueControl]:
    with QueueControl.open(SourceSettings(queue=queue_name, endpoint=queue_endpoint)) as control:
        yield control


def remaining(control: QueueControl) -> int:
    counts = control.attributes()
    return counts.visible + counts.in_flight + counts.delayed


def move_all(source: SqsSource, count: int) -> set[str]:
    """Receive and delete until all is done."""
    got: set[str] = set()
    for _ in range(_TRIES):
        try:
            batch = source.receive(max_messages=20, max_bytes=1 << 20, wait_seconds=0.05)
        except SourceUnavailable:
            continue
        got |= {message.id for message in batch}
        source.acknowledge(Acknowledgement(delete=tuple(message.id for message in batch)))
        if len(got) >= count:
            break
    assert source.flush(timeout_seconds=30)
    return got


@pytest.mark.parametrize(
    "fault", ["500", "503", "throttled", "truncated", "reset", "wrong type", "lost answer", "empty"]
)
def test_deletes_survive(fault: str, proxy: Proxy, control: QueueControl, transport: TransportName) -> None:
    proxy.faults = {"DeleteMessageBatch": [fault] * 4}
    control.send([b"x"] * 20)
    source = open_source(
        SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1), clock=SystemClock()
    )
    try:
        assert len(move_all(source, 20)) == 20
        assert remaining(control) == 0
        assert not proxy.faults["DeleteMessageBatch"]
    finally:
        source.close(grace_seconds=5)


@pytest.mark.parametrize("fault", ["500", "503", "throttled", "skewed", "reset", "wrong type", "empty"])
def test_receives_survive(fault: str, proxy: Proxy, control: QueueControl, transport: TransportName) -> None:
    proxy.faults = {"ReceiveMessage": [fault] * 4}
    control.send([b"x"] * 20)
    source = open_source(
        SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1), clock=SystemClock()
    )
    try:
        assert len(move_all(source, 20)) == 20
        assert remaining(control) == 0
    finally:
        source.close(grace_seconds=5)


@pytest.mark.parametrize("fault", ["truncated", "lost answer"])
def test_messages_of_an_answer_that_was_lost_come_again_and_nothing_is_deleted(
    fault: str, proxy: Proxy, control: QueueControl, transport: TransportName
) -> None:
    proxy.faults = {"ReceiveMessage": [fault]}
    control.send([b"x"] * 10)
    settings = SourceSettings(
        queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1, visibility_timeout_seconds=2
    )
    source = open_source(settings, clock=SystemClock())
    try:
        assert len(move_all(source, 10)) == 10
        assert remaining(control) == 0
    finally:
        source.close(grace_seconds=5)


def test_a_held_message_stays_invisible_past_its_timeout_though_an_extension_fails(
    proxy: Proxy, control: QueueControl, transport: TransportName
) -> None:
    proxy.faults = {"ChangeMessageVisibilityBatch": ["500", "reset"]}
    control.send([b"x"])
    settings = SourceSettings(
        queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=1, visibility_timeout_seconds=4
    )
    source = open_source(settings, clock=SystemClock())
    try:
        received = 0
        for _ in range(_TRIES):
            received += len(source.receive(max_messages=1, max_bytes=1, wait_seconds=0.05))
            if source.state().tally.extended >= 2:
                break
        assert received == 1
        assert control.attributes().visible == 0
    finally:
        source.close(grace_seconds=5)
    assert control.attributes().visible == 1


def test_a_long_poll_under_way_does_not_hold_up_closing(
    proxy: Proxy, control: QueueControl, transport: TransportName
) -> None:
    settings = SourceSettings(queue=control.name, endpoint=proxy.url, transport=transport, wait_seconds=20)
    source = open_source(settings, clock=SystemClock())
    for _ in range(_TRIES):
        assert source.receive(max_messages=1, max_bytes=1, wait_seconds=0.05) == []
        if proxy.seen["ReceiveMessage"] == 2:  # the first is short, the second takes its 20 seconds
            break
    source.close(grace_seconds=5)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sofetch-receive")]
    assert proxy.seen["ReceiveMessage"] == 2
