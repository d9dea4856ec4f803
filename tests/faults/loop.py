"""An event loop in a thread of its own, for the proxies: tests and workers beside it stay plain and blocking."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, Self, TypeAlias, TypeVar

T = TypeVar("T")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


_Work: TypeAlias = Coroutine[Any, Any, T] | Generator[Any, None, T]


class LoopThread:
    """Runs coroutines for other threads. A context manager; what still runs at its end is cancelled.

    It holds its tasks. A loop alone does not: one that serves a connection whose other end hung up is collected with
    the garbage, whatever it waits for (https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task).
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._hold)
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end; its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Let it run, and do not wait."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End every task, the loop and the thread."""
        try:
            self.run(self._end_all())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)
            self._loop.close()

    def _hold(self, loop: asyncio.AbstractEventLoop, work: _Work[T], **options: Any) -> asyncio.Task[T]:
        task = asyncio.Task(work, loop=loop, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end_all(self) -> None:
        while tasks := self._tasks - {asyncio.current_task()}:  # a connection just accepted begins another
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for _ in range(3):  # closed transports tell their ends in the next rounds
                await asyncio.sleep(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset (on a Unix socket: at once), as a machine that died or a firewall does."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError, AttributeError, ValueError):  # it may be closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
