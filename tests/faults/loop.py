"""An event loop in a thread of its own, for the proxies: tests and workers beside it stay plain and blocking."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

T = TypeVar("T")

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LoopThread:
    """Runs coroutines for other threads. A context manager; what still runs at its end is cancelled."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
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
        with suppress(TimeoutError):
            self.run(_end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

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


async def _end_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=5) if tasks else None
    for _ in range(3):  # closed transports tell their ends in the next rounds
        await asyncio.sleep(0)
