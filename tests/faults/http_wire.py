"""HTTP/1.1 messages on a stream, as much of it as a proxy between an SDK and an SQS server needs."""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_HEAD_LIMIT = 1 << 16
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *[\w]+\.(\w+)", re.IGNORECASE)
_TYPE = re.compile(rb"\r\ncontent-type: *([^\r]+)", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")

Connection = tuple[StreamReader, StreamWriter]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: everything up to the blank line, and the body."""

    head: bytes
    body: bytes

    @property
    def operation(self) -> str:
        """The SQS action, of the JSON protocol; empty for anything else."""
        found = _TARGET.search(self.head)
        return found[1].decode() if found else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``announced`` is the length that its head claims, if that is not the body's.
    ``date`` is the server's own clock, if it is told.
    """

    status: int
    content_type: str
    body: bytes
    announced: int | None = None
    date: str | None = None


async def read_request(reader: StreamReader) -> Request | None:
    """The next request of a connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    length = _LENGTH.search(head)
    return Request(head, await reader.readexactly(int(length[1])) if length else b"")


def write_answer(writer: StreamWriter, answer: Answer) -> None:
    """Send an answer, or as much of it as it holds."""
    length = len(answer.body) if answer.announced is None else answer.announced
    head = f"HTTP/1.1 {answer.status} X\r\ncontent-type: {answer.content_type}\r\ncontent-length: {length}\r\n"
    date = f"date: {answer.date}\r\n" if answer.date else ""
    writer.write(f"{head}{date}\r\n".encode() + answer.body)


class Upstream:
    """Kept connections to the server behind the proxy."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[Connection] = []
        self._closed = False

    async def ask(self, request: Request) -> Answer:
        """Pass a request on. A kept connection that the server had given up is replaced, once."""
        while self._idle:
            kept = self._idle.pop()
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                return await self._over(kept, request)
        return await self._over(await asyncio.open_connection(self._host, self._port, limit=_HEAD_LIMIT), request)

    def close(self) -> None:
        """Give back the connections; one that is in use is closed after it."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    async def _over(self, connection: Connection, request: Request) -> Answer:
        reader, writer = connection
        try:
            writer.write(request.head + request.body)
            answer = await _read_answer(reader)
        except BaseException:
            writer.transport.abort()
            raise
        if self._closed:
            writer.close()
        else:
            self._idle.append(connection)
        return answer


async def _read_answer(reader: StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    status, kind, length = _STATUS.match(head), _TYPE.search(head), _LENGTH.search(head)
    if _CHUNKED.search(head):
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(length[1])) if length else b""
    return Answer(int(status[1]) if status else 502, kind[1].decode() if kind else "text/plain", body)


async def _read_chunks(reader: StreamReader) -> bytes:
    chunks: list[bytes] = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(chunks)
