"""HTTP/1.1 over persistent sockets, no more of it than three SQS calls need: a POST, and a plain 200 with a length.

Owns sockets, their reuse, TLS by the standard library, and ending calls from another thread. A call is an ``Exchange``:
it takes steps that do not wait, so that one thread may have many under way. Whatever is not plain (any other status,
another content type, chunks, an encoding, a cut answer, silence) is ``NotPlain`` and ends the connection; it says what
kind of thing it was and nothing of its content. Must not repeat a request, sign one, or know of SQS.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import Final

import msgspec

_MOST_HEAD_BYTES: Final = 65_536
_MOST_BODY_BYTES: Final = 134_217_728
"""Ten messages of 1 MiB, each byte of them escaped as six, fit twice."""
_CHUNK_BYTES: Final = 65_536
_END_OF_HEAD: Final = b"\r\n\r\n"
_VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.0")
_UNPLAIN_HEADERS: Final = frozenset({b"transfer-encoding", b"content-encoding"})
_NOT_YET: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


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
        self.answer_seconds = answer_seconds
        self._idle: list[_Connection] = []  # the last given back is the first taken: few stay warm
        self._busy: set[_Connection] = set()
        self._lock = threading.Lock()
        self.epoch = 0

    def post(self, request: bytes, *, epoch: int) -> bytes:
        """Send one request, wait, and return the body of its plain answer. Raises NotPlain, once, for everything else.

        ``epoch`` is what it was when the caller decided on the call: interruptions since then count, too.
        """
        exchange = self.begin(request, epoch=epoch) or Exchange(self, self._connected(), request, epoch=epoch)
        while (body := exchange.step()) is None:
            exchange.wait()
        return body

    def begin(self, request: bytes, *, epoch: int) -> Exchange | None:
        """A call over a connection that is there and idle; None if there is none. It begins with its first step."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took the last
                connection = self._idle.pop()
                if connection.quiet():
                    return Exchange(self, connection, request, epoch=epoch)
                connection.close()
        return None

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

    def lend(self, connection: _Connection, *, epoch: int) -> None:
        """A call begins. Raises NotPlain if it was interrupted before."""
        with self._lock:
            if self.epoch != epoch:
                raise NotPlain("interrupted")
            self._busy.add(connection)

    def take_back(self, connection: _Connection, *, reusable: bool) -> None:
        """A call is over, well or not."""
        with self._lock:  # once it is closed, its number could be another's by the time it is shut
            self._busy.discard(connection)
        if reusable:
            self._idle.append(connection)
        else:
            connection.close()

    def _connected(self) -> _Connection:
        try:
            return _Connection(self._server)
        except (OSError, ValueError):  # the latter for a name that cannot be one
            raise NotPlain("connect") from None


class Exchange:
    """One request and its answer. For one thread at a time; it ends with an answer or with NotPlain, once."""

    def __init__(self, connections: Connections, connection: _Connection, request: bytes, *, epoch: int) -> None:
        self._connections = connections
        self.connection = connection
        self._request: bytes | None = request
        self._epoch = epoch
        self.deadline = 0.0
        """When silence has lasted too long, on the monotonic clock."""

    def fileno(self) -> int:
        """The socket's number, to wait for."""
        return self.connection.fileno()

    @property
    def sending(self) -> bool:
        """Whether it waits to write, and not to read."""
        return self.connection.sending

    def step(self) -> bytes | None:
        """Do what can be done without waiting: the body of the plain answer once it is whole, None until then.

        Raises NotPlain, and the connection is ended then.
        """
        try:
            if self._request is not None:
                self._connections.lend(self.connection, epoch=self._epoch)
                self.connection.begin(self._request)
                self._request = None
            answer = self.connection.advance()
            if answer is None:
                self.deadline = time.monotonic() + self._connections.answer_seconds
                return None
        except BaseException as error:
            self._connections.take_back(self.connection, reusable=False)
            if isinstance(error, OSError):  # ssl.SSLError is
                raise NotPlain("connection") from None
            raise
        body, reusable = answer
        self._connections.take_back(self.connection, reusable=reusable)
        return body

    def wait(self) -> None:
        """Wait until a step may be of use. Raises NotPlain if that takes too long."""
        if not self.connection.wait(self._connections.answer_seconds):
            self.give_up()
            raise NotPlain("silence")

    def give_up(self) -> None:
        """End the connection."""
        self._connections.take_back(self.connection, reusable=False)


class _Connection:
    """One socket, which never blocks once it is connected."""

    def __init__(self, server: Server) -> None:
        sock = socket.create_connection((server.host, server.port), timeout=server.connect_seconds)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if server.tls is not None:
                sock = server.tls.wrap_socket(sock, server_hostname=server.host)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self._content_type = server.content_type
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._unsent = memoryview(b"")
        self._received = b""
        self._body: _Body | None = None

    def fileno(self) -> int:
        """The socket's number; -1 once it is closed."""
        return self._sock.fileno()

    @property
    def sending(self) -> bool:
        """Whether not all of the request is sent."""
        return bool(self._unsent)

    def quiet(self) -> bool:
        """Whether nothing came since the last answer. The end of a connection comes too, and so does an answer that
        nobody asked for: either way it is of no more use.
        """
        return not self._poll.poll(0)

    def wait(self, seconds: float) -> bool:
        """Wait until ``advance`` may get on; False if it may not."""
        self._poll.modify(self._sock, select.POLLOUT if self.sending else select.POLLIN)
        try:
            return bool(self._poll.poll(seconds * 1000))
        finally:
            self._poll.modify(self._sock, select.POLLIN)

    def begin(self, request: bytes) -> None:
        """Take a request. The answer to the one before must have been read."""
        self._unsent = memoryview(request)
        self._received, self._body = b"", None

    def advance(self) -> tuple[bytes, bool] | None:
        """The body of the answer, and whether the connection may be used again; None while it is not whole."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
                if not self._unsent:
                    return None  # an answer takes longer than that
            while True:
                answer = self._more_of_the_head() if self._body is None else self._more_of_the_body(self._body)
                if answer is not None:
                    return answer
        except _NOT_YET:
            return None

    def _more_of_the_head(self) -> tuple[bytes, bool] | None:
        received = self._sock.recv(_CHUNK_BYTES)
        if not received:
            raise NotPlain("head")
        if self._received:
            received = self._received + received
        end = received.find(_END_OF_HEAD)
        if end < 0:
            if len(received) > _MOST_HEAD_BYTES:
                raise NotPlain("head")
            self._received = received
            return None
        length, lasting = self._judge(received[:end])
        start = end + len(_END_OF_HEAD)
        missing = start + length - len(received)
        if missing <= 0:
            return received[start : start + length], lasting and missing == 0
        self._body = _Body(received[start:], length=length, lasting=lasting)
        return None

    def _more_of_the_body(self, body: _Body) -> tuple[bytes, bool] | None:
        count = self._sock.recv_into(body.room)
        if not count:
            raise NotPlain("cut")
        body.room = body.room[count:]
        return None if body.room else (bytes(body.whole), body.lasting)

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

    def shut(self) -> None:
        """End it under the thread that reads from it: past SSLSocket's own shutdown, which takes the TLS state away."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        self._sock.close()


class _Body:
    """A body that comes in pieces, into the one place that it needs."""

    def __init__(self, begun: bytes, *, length: int, lasting: bool) -> None:
        self.whole = bytearray(length)
        self.whole[: len(begun)] = begun
        self.room = memoryview(self.whole)[len(begun) :]
        self.lasting = lasting
