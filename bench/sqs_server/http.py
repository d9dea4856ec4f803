"""HTTP/1.1 for the calls: keep-alive, pipelined requests answered in order, long polls that end with their connection.

Owns connections. It must not know what a call means; what is no call to SQS is answered as SQS does, with an error.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import httptools
import msgspec

from sqs_server.calls import Calls
from sqs_server.refusals import Refusal

_PARENT_LOOK_SECONDS = 0.5
_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: %b\r\n"
    b"Content-Length: %d\r\n%b\r\n"
)
_ERROR = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-query-error: %b\r\n"
    b"x-amzn-RequestId: %b\r\nContent-Length: %d\r\n%b\r\n"
)
_REQUEST_ID = b"00000000-0000-4000-8000-000000000000"
_TARGET = b"AmazonSQS."


class _Request(NamedTuple):
    operation: str
    body: bytes
    keep_alive: bool


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, calls: Calls, *, latency_seconds: float) -> None:
        self._calls = calls
        self._latency_seconds = latency_seconds
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[_Request] = deque()
        self._under_way: asyncio.Future[bytes] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._out: list[bytes] = []
        self._start()

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is up."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Some bytes of requests came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()
            return
        self._advance()

    def eof_received(self) -> None:
        """The client says no more, and so it waits no longer."""
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client is gone."""
        self._leave()

    def _leave(self) -> None:
        self._requests.clear()
        if self._under_way is not None:
            self._under_way.cancel()
        if self._late is not None:
            self._late.cancel()

    # httptools'

    def _start(self) -> None:
        self._target = b""
        self._parts: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """A request's path."""
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers."""
        if len(name) == 12 and name.lower() == b"x-amz-target":
            self._target = value
        elif len(name) == 6 and name.lower() == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._target.startswith(_TARGET):
            operation = self._target[len(_TARGET) :].decode("latin-1")
        else:
            operation = "stats" if self._url == b"/stats" else ""
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._requests.append(_Request(operation, body, self._parser.should_keep_alive()))
        self._start()

    # Answering, one request after the other

    def _advance(self) -> None:
        requests = self._requests
        while requests and self._under_way is None and self._late is None:
            request = requests.popleft()
            try:
                answer = self._stats() if request.operation == "stats" else self._calls.answer(*request[:2])
            except Refusal as refusal:
                self._answer_late(self._error(refusal, request.keep_alive), request.keep_alive)
                continue
            if isinstance(answer, bytes):
                self._answer_late(self._ok(answer, request.keep_alive), request.keep_alive)
            else:
                self._under_way = answer
                answer.add_done_callback(partial(self._waited, request))
        self._flush()

    def _waited(self, request: _Request, done: asyncio.Future[bytes]) -> None:
        self._under_way = None
        if not done.cancelled():
            self._answer_late(self._ok(done.result(), request.keep_alive), request.keep_alive)
            self._advance()

    def _answer_late(self, data: bytes, keep_alive: bool) -> None:
        if not self._latency_seconds:
            self._write(data, keep_alive)
            return

        def write() -> None:
            self._late = None
            self._write(data, keep_alive)
            self._advance()

        self._late = asyncio.get_running_loop().call_later(self._latency_seconds, write)

    def _write(self, data: bytes, keep_alive: bool) -> None:
        self._out.append(data)
        if not keep_alive:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()

    def _ok(self, body: bytes, keep_alive: bool) -> bytes:
        return _OK % (_REQUEST_ID, len(body), b"" if keep_alive else b"Connection: close\r\n") + body

    def _error(self, refusal: Refusal, keep_alive: bool) -> bytes:
        body = refusal.body()
        ending = b"" if keep_alive else b"Connection: close\r\n"
        return _ERROR % (refusal.query_error().encode(), _REQUEST_ID, len(body), ending) + body

    def _stats(self) -> bytes:
        return msgspec.json.encode(
            {"calls": self._calls.counts, "waiting": self._calls.waiting(), "cpu_seconds": time.process_time()}
        )


async def serve(calls: Calls, *, port: int, latency_seconds: float, ready: Callable[[str], None]) -> None:
    """Listen on loopback until a signal comes or the parent is gone; ``ready`` is told the endpoint."""
    parent = os.getppid()  # before anybody knows of us, and may die
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(
        lambda: Connection(calls, latency_seconds=latency_seconds), "127.0.0.1", port, backlog=1024
    )
    calls.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    ready(calls.base_url)
    while not ended.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(ended.wait(), _PARENT_LOOK_SECONDS)
        except TimeoutError:
            continue
    server.close()
