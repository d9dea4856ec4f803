"""A proxy in front of an SQS server that passes calls on, counts them, and spoils those that it is told to.

Owns the connections and the counts; what a fault does is ``http_faults``'s. Faults are used up call by call, so that
the same order of calls meets the same faults, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from faults.http_faults import FAULTS
from faults.http_wire import Answer, Request, Upstream, read_request, write_answer
from faults.loop import LoopThread, reset

_RECEIVE_COUNT = re.compile(rb'"ApproximateReceiveCount": ?"?(\d+)')


@dataclass
class Traffic:
    """What passed through: calls by operation, and messages by what became of them."""

    calls: Counter[str] = field(default_factory=Counter)
    fired: Counter[str] = field(default_factory=Counter)
    """Faults that met a call, by kind."""
    delivered: int = 0
    redelivered: int = 0
    """Deliveries of a message that had been delivered before."""
    most_receives: int = 0
    deleted: int = 0
    """Entries of delete calls that the server carried out, whether or not the caller was told."""


class HttpProxy:
    """Listens on a free port of 127.0.0.1. ``plan`` may be called from any thread."""

    def __init__(self, upstream: str) -> None:
        self._upstream_url = upstream.rstrip("/")
        self._upstream = Upstream(upstream)
        self._planned: dict[str, deque[str]] = {}
        self._server: asyncio.Server | None = None
        self.url = ""
        self.traffic = Traffic()
        self._passed = threading.Condition()

    def plan(self, operation: str, *kinds: str) -> None:
        """Meet the next calls of this operation with these faults, one each."""
        assert set(kinds) <= set(FAULTS), kinds
        self._planned.setdefault(operation, deque()).extend(kinds)

    def planned(self, operation: str) -> list[str]:
        """Faults that no call has met yet."""
        return list(self._planned.get(operation, ()))

    def forget_planned(self) -> None:
        """Let every call pass from now on."""
        self._planned.clear()

    def wait_for(self, operation: str, *, calls: int, timeout_seconds: float = 60) -> bool:
        """Wait until so many calls of an operation came by, answered or not; whether they did."""
        with self._passed:
            return self._passed.wait_for(lambda: self.traffic.calls[operation] >= calls, timeout_seconds)

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._upstream.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve_all(reader, writer)
        finally:
            writer.close()

    async def _serve_all(self, reader: StreamReader, writer: StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            answer = await self._answer(request)
            if answer is None:
                reset(writer)
                return
            write_answer(writer, answer)
            await writer.drain()
            if answer.announced is not None:
                return

    async def _answer(self, request: Request) -> Answer | None:
        operation = request.operation
        planned = self._planned.get(operation)
        kind = planned.popleft() if planned else None
        with self._passed:
            self.traffic.calls[operation] += 1
            self._passed.notify_all()
        try:
            if kind is None:
                return await self._ask(request)
            self.traffic.fired[kind] += 1
            return await FAULTS[kind](request, self._ask)
        except (ConnectionError, asyncio.IncompleteReadError):
            return None

    async def _ask(self, request: Request) -> Answer:
        answer = await self._upstream.ask(request)
        match request.operation:
            case "ReceiveMessage":
                self._count_deliveries(answer.body)
            case "DeleteMessageBatch" if answer.status == 200:
                self.traffic.deleted += len(json.loads(answer.body).get("Successful", ()))
            case "GetQueueUrl":  # a client that believes it would go round us
                here = answer.body.replace(self._upstream_url.encode(), self.url.encode())
                return Answer(answer.status, answer.content_type, here)
            case _:
                pass
        return answer

    def _count_deliveries(self, body: bytes) -> None:
        counts = [int(found) for found in _RECEIVE_COUNT.findall(body)]
        self.traffic.delivered += len(counts)
        self.traffic.redelivered += sum(count > 1 for count in counts)
        self.traffic.most_receives = max(self.traffic.most_receives, *counts, 0)


@contextmanager
def http_proxy(upstream: str, loop: LoopThread | None = None) -> Iterator[HttpProxy]:
    """A proxy that listens, on a loop of its own unless one is given."""
    if loop is None:
        with LoopThread() as own, http_proxy(upstream, own) as proxy:
            yield proxy
        return
    proxy = HttpProxy(upstream)
    loop.run(proxy.open())
    try:
        yield proxy
    finally:
        loop.run(proxy.close())
