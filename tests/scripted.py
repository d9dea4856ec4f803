"""A server that answers requests with bytes from a script, however wrong; with a certificate it speaks TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent, and what becomes of the connection then: ``keep``, ``close``, ``reset`` or ``hold`` (silence)."""

    sent: bytes
    then: str = "keep"
    split: int = 1 << 30
    """Bytes of a piece; the pieces are sent one by one."""


def plain(body: bytes, *, kind: str = JSON, status: str = "200 OK", head: str = "", then: str = "keep") -> Answer:
    """A well-formed answer with a length."""
    lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    return Answer(lines.encode() + body, then)


class Scripted:
    """Gives each request, by its operation, what ``script`` says. ``seen`` counts requests, ``connected`` sockets."""

    def __init__(self, script: Callable[[str], Answer], *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.seen: Counter[str] = Counter()
        self.heads: list[bytes] = []
        self.connected = 0
        self.waiting = threading.Semaphore(0)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def hang_up(self) -> None:
        """End every connection, as a server does with idle ones; returns when all are ended."""
        for sock in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connected += 1
            self._threads.append(threading.Thread(target=self._serve, args=(sock,)))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._open.append(sock)
            if self._ended.is_set():  # accepted in the last moment, and maybe after the others were hung up
                return
            with contextlib.suppress(OSError):
                while (operation := self._request(sock)) and self._answer(sock, operation):
                    pass
        except OSError:
            pass
        finally:
            sock.close()

    def _request(self, sock: socket.socket) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return ""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        self.heads.append(head)
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n"))}
        while len(body) < int(headers[b"content-length"]):
            more = sock.recv(65536)
            if not more:  # cut off within the body, as by an interrupted call: nothing more will ever come
                return ""
            body += more
        operation = headers[b"x-amz-target"].decode().rpartition(".")[2]
        self.seen[operation] += 1
        return operation

    def _answer(self, sock: socket.socket, operation: str) -> bool:
        answer = self.script(operation)
        for start in range(0, len(answer.sent), answer.split):
            sock.sendall(answer.sent[start : start + answer.split])
        if answer.then == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if answer.then == "hold":
            self.waiting.release()
            sock.recv(1)
        return answer.then == "keep"


@contextmanager
def scripted(script: Callable[[str], Answer], *, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    server = Scripted(script, tls=tls)
    try:
        yield server
    finally:
        server.close()
