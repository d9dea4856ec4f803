"""HTTP/1.1 over persistent sockets, no more of it than three SQS calls need: a POST, and a plain 200 with a length.

Owns sockets, their reuse, TLS by the standard library, and ending calls from another thread. Whatever is not plain (any
other status, another content type, chunks, an encoding, a cut answer, silence) is ``NotPlain`` and ends the connection;
it says what kind of thing it was and nothing of its content. Must not repeat a request, sign one, or know of SQS.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Final

import msgspec

_MOST_HEAD_BYTES: Final = 65_536
_MOST_BODY_BYTES: Final = 134_217_728
"""Ten messages of 1 MiB, each byte of them escaped as six, fit twice."""
_CHUNK_BYTES: Final = 65_536
_END_OF_HEAD: Final = b"\r\n\r\n"
_VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0")
_UNPLAIN_HEADERS: Final = frozenset({b"transfer-encoding", b"content-encoding"})


class NotPlain(Exception):
    """There is no plain answer. ``kind`` is one of a few words of ours."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Server(msgspec.Struct, frozen=True):
    """Whom to connect to, and how. ``tls`` is shared by every connection; None means plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    connect_seconds: float
    content_type: bytes


class Connections:
    """Connections to one server for one sort of call. Every method may be called from many threads at once.

    ``epoch`` counts interruptions: a caller that finds it changed since before its call was interrupted.
    """

    def __init__(self, server: Server, *, answer_seconds: float) -> None:
        self._server = server
        self._answer_seconds = answer_seconds
        self._idle: list[_Connection] = []  # the last given back is the first taken: few stay warm
        self._busy: set[_Connection] = set()
        self._lock = threading.Lock()
        self.epoch = 0

    def post(self, request: bytes, *, epoch: int) -> bytes:
        """Send one request and return the body of its plain answer. Raises NotPlain, once, for everything else.

        ``epoch`` is what it was when the caller decided on the call: interruptions since then count, too.
        """
        connection = self._take()
        try:
            with self._lock:
                self._busy.add(connection)
                if self.epoch != epoch:
                    raise NotPlain("interrupted")
            body, reusable = connection.exchange(request)
        except BaseException as error:
            with self._lock:  # once it is closed, its number could be another's by the time it is shut
                self._busy.discard(connection)
            connection.close()
            if isinstance(error, OSError):  # ssl.SSLError and TimeoutError are
                raise NotPlain("connection") from None
            raise
        with self._lock:
            self._busy.discard(connection)
        if reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return body

    def interrupt(self) -> None:
        """End the calls under way: they raise NotPlain."""
        with self._lock:
            self.epoch += 1
            for connection in self._busy:
                connection.shut()

    def close(self) -> None:
        """End the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection:
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took the last
                connection = self._idle.pop()
                if connection.quiet():
                    return connection
                connection.close()
        try:
            return _Connection(self._server, answer_seconds=self._answer_seconds)
        except (OSError, ValueError):  # the latter for a name that cannot be one
            raise NotPlain("connect") from None


class _Connection:
    """One socket."""

    def __init__(self, server: Server, *, answer_seconds: float) -> None:
        sock = socket.create_connection((server.host, server.port), timeout=server.connect_seconds)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if server.tls is not None:
                sock = server.tls.wrap_socket(sock, server_hostname=server.host)
            sock.settimeout(answer_seconds)
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self._content_type = server.content_type
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def quiet(self) -> bool:
        """Whether nothing came since the last answer. The end of a connection comes too, and so does an answer that
        nobody asked for: either way it is of no more use.
        """
        return not self._poll.poll(0)

    def exchange(self, request: bytes) -> tuple[bytes, bool]:
        """The body of the answer, and whether the connection may be used again."""
        self._sock.sendall(request)
        received = self._sock.recv(_CHUNK_BYTES)
        while (end := received.find(_END_OF_HEAD)) < 0:
            more = self._sock.recv(_CHUNK_BYTES)
            if not more or len(received) > _MOST_HEAD_BYTES:
                raise NotPlain("head")
            received += more
        length, lasting = self._judge(received[:end])
        start = end + len(_END_OF_HEAD)
        missing = start + length - len(received)
        if missing > 0:
            return received[start:] + self._rest(missing), lasting
        return received[start : start + length], lasting and missing == 0

    def _judge(self, head: bytes) -> tuple[int, bool]:
        """Length of the body, and whether the connection lasts, by the head of a plain answer."""
        lines = head.split(b"\r\n")
        version, _, status = lines[0].partition(b" ")
        if version not in _VERSIONS or status.partition(b" ")[0] != b"200":
            raise NotPlain("status")
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            name = name.lower()
            if not colon or name in _UNPLAIN_HEADERS or (name == b"content-length" and name in headers):
                raise NotPlain("framing")
            headers[name] = value.strip()
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != self._content_type:
            raise NotPlain("content type")
        length = headers.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 9 or int(length) > _MOST_BODY_BYTES:
            raise NotPlain("length")
        lasting = version == _VERSIONS[0] and headers.get(b"connection", b"keep-alive").lower() == b"keep-alive"
        return int(length), lasting

    def _rest(self, missing: int) -> bytes:
        body = bytearray(missing)
        view = memoryview(body)
        while missing:
            count = self._sock.recv_into(view[-missing:])
            if not count:
                raise NotPlain("cut")
            missing -= count
        return bytes(body)

    def shut(self) -> None:
        """End it under the thread that reads from it: past SSLSocket's own shutdown, which takes the TLS state away."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()
