"""A TCP proxy in front of Postgres that cuts, withholds and loses what passes through it.

Owns the links and what a fault does to them. Faults that wait for something (a COMMIT, rows of a COPY) are used up by
the first link that comes by; the others act on all links at once, for a time.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from faults.loop import LoopThread, reset

_CHUNK = 1 << 16
_SLOW_CHUNK, _SLOW_PAUSE_SECONDS = 2_048, 0.005
_REPLY_SECONDS = 10

WAITING = ("reply to commit lost", "commit lost", "cut in copy", "cut in reply")
TIMED = ("reset", "black hole", "half open", "slow", "refused")


class _Cut(Exception):
    """The link ends here."""


class TcpProxy:
    """Listens on a free port of 127.0.0.1, and passes on to the Unix socket that a connection string names."""

    def __init__(self, dsn: str) -> None:
        parameters = conninfo_to_dict(dsn)
        self._path = f"{parameters['host']}/.s.PGSQL.{parameters.get('port') or 5432}"
        self._upstream_dsn = dsn
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._armed: Counter[str] = Counter()
        self._open = asyncio.Event()
        self._open.set()
        self._slow = self._refusing = False
        self.dsn = ""
        self.fired: Counter[str] = Counter()

    def arm(self, kind: str, times: int = 1) -> None:
        """Do this to the next link on which it can be done."""
        assert kind in WAITING, kind
        self._armed[kind] += times

    def armed(self, kind: str) -> int:
        """How often it is still to be done."""
        return self._armed[kind]

    def take(self, kind: str) -> bool:
        """Use up one of a kind, if there is one."""
        if self._armed[kind] <= 0:
            return False
        self._armed[kind] -= 1
        self.fired[kind] += 1
        return True

    def disarm(self) -> None:
        """Let everything pass from now on."""
        self._armed.clear()

    async def trouble(self, kind: str, seconds: float) -> None:
        """Do this to all links, for so long."""
        assert kind in TIMED, kind
        self.fired[kind] += 1
        match kind:
            case "reset":
                self._reset_all()
            case "black hole":
                self._open.clear()
                await asyncio.sleep(seconds)
                self._open.set()
            case "half open":  # the server has gone away, and nobody tells the client
                self._open.clear()
                for link in self._links:
                    link.leave_server()
                await asyncio.sleep(seconds)
                self._reset_all()
                self._open.set()
            case "slow":
                self._slow = True
                await asyncio.sleep(seconds)
                self._slow = False
            case _:
                self._refusing = True
                self._reset_all()
                await asyncio.sleep(seconds)
                self._refusing = False

    async def calm(self) -> None:
        """Wait while nothing is to get through, not even the news that an end hung up."""
        await self._open.wait()

    async def pass_on(self, data: bytes, writer: StreamWriter) -> None:
        """Forward, at the pace of the day."""
        await self.calm()
        pieces = [data] if not self._slow else [data[at : at + _SLOW_CHUNK] for at in range(0, len(data), _SLOW_CHUNK)]
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            if self._slow:
                await asyncio.sleep(_SLOW_PAUSE_SECONDS)

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.dsn = make_conninfo(self._upstream_dsn, host="127.0.0.1", port=port)

    async def close(self) -> None:
        """Stop listening and cut what there is."""
        if self._server is not None:
            self._server.close()
        self._reset_all()

    def _reset_all(self) -> None:
        for link in tuple(self._links):
            link.cut()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            if not self._refusing:
                with suppress(OSError):
                    await self._link((reader, writer), await asyncio.open_unix_connection(self._path))
        finally:
            reset(writer)

    async def _link(self, client: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter]) -> None:
        link = _Link(self, client, server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
            link.cut()


class _Link:
    """One client's connection and ours to the server."""

    def __init__(
        self, proxy: TcpProxy, client: tuple[StreamReader, StreamWriter], server: tuple[StreamReader, StreamWriter]
    ) -> None:
        self._proxy = proxy
        self._client, self._to_client = client
        self._server, self._to_server = server
        self._copying = False
        self._replied = asyncio.Event()

    async def run(self) -> None:
        """Pass on both ways until one end hangs up."""
        tasks = [asyncio.create_task(self._forth()), asyncio.create_task(self._back())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._proxy.calm()
        finally:
            for task in tasks:
                task.cancel()

    def cut(self) -> None:
        """End both connections with a reset."""
        reset(self._to_client)
        reset(self._to_server)

    def leave_server(self) -> None:
        """End the server's side alone."""
        reset(self._to_server)

    async def _forth(self) -> None:
        with suppress(ConnectionError, _Cut):
            while data := await self._client.read(_CHUNK):
                await self._spoil(data)
                await self._proxy.pass_on(data, self._to_server)

    async def _back(self) -> None:
        with suppress(ConnectionError):
            while data := await self._server.read(_CHUNK):
                self._replied.set()
                if len(data) > 1 and self._proxy.take("cut in reply"):
                    await self._proxy.pass_on(data[: len(data) // 2], self._to_client)
                    return
                await self._proxy.pass_on(data, self._to_client)

    async def _spoil(self, data: bytes) -> None:
        if self._copying and self._proxy.take("cut in copy"):
            await self._proxy.pass_on(data[: len(data) // 2], self._to_server)
            raise _Cut
        self._copying = b"FROM STDIN" in data
        if b"COMMIT\0" not in data:
            return
        if self._proxy.take("commit lost"):
            raise _Cut
        if self._proxy.take("reply to commit lost"):
            reset(self._to_client)
            self._replied.clear()
            self._to_server.write(data)
            # Only once it has answered has it committed.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._replied.wait(), _REPLY_SECONDS)
            raise _Cut


@contextmanager
def tcp_proxy(dsn: str, loop: LoopThread | None = None) -> Iterator[TcpProxy]:
    """A proxy that listens, on a loop of its own unless one is given."""
    if loop is None:
        with LoopThread() as own, tcp_proxy(dsn, own) as proxy:
            yield proxy
        return
    proxy = TcpProxy(dsn)
    loop.run(proxy.open())
    try:
        yield proxy
    finally:
        loop.run(proxy.close())
