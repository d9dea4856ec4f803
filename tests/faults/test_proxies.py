"""The proxies of a campaign finish what they began: a call lost half-way would be a fault that nobody planned."""

from __future__ import annotations

import asyncio
import gc
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator

import pytest

from faults.http_proxy import http_proxy
from faults.http_wire import Answer, read_request, write_answer
from faults.loop import LoopThread
from patience import turns

_DELETE = b"POST / HTTP/1.1\r\nhost: queue\r\nx-amz-target: AmazonSQS.DeleteMessageBatch\r\ncontent-length: 2\r\n\r\n{}"
_DELETED = Answer(200, "application/x-amz-json-1.0", b'{"Successful": [{"Id": "0"}]}')


class _SlowQueue:
    """A server that answers a call once it is let."""

    def __init__(self) -> None:
        self._asked, self._let = asyncio.Event(), asyncio.Event()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def asked(self) -> None:
        await asyncio.wait_for(self._asked.wait(), 30)

    async def answer(self) -> None:
        self._let.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        assert await read_request(reader) is not None
        self._asked.set()
        await self._let.wait()
        write_answer(writer, _DELETED)
        writer.close()


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    with LoopThread() as loop:
        yield loop


@pytest.fixture
def queue(loop: LoopThread) -> Iterator[_SlowQueue]:
    queue = _SlowQueue()
    loop.run(queue.open())
    yield queue
    loop.run(queue.close())


async def _notice_the_end() -> None:
    """Let the loop see what happened to its connections, and collect what nobody holds."""
    await asyncio.sleep(0.1)
    gc.collect()


def test_a_call_goes_on_though_its_caller_died_and_garbage_was_collected_meanwhile(
    loop: LoopThread, queue: _SlowQueue
) -> None:
    with http_proxy(queue.url, loop) as proxy:
        port = int(proxy.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(_DELETE)
            loop.run(queue.asked())
        loop.run(_notice_the_end())
        loop.run(queue.answer())
        for _ in turns():
            if proxy.traffic.deleted:
                break
        assert proxy.traffic.deleted == 1
