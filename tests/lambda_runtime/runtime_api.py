"""Lambda's Runtime API, as much of it as a runtime asks for: next, response, error, init error.

The test hands over an event and waits for what the function makes of it. One invocation at a time, as in Lambda.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PREFIX = "/2018-06-01/runtime/"
LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Answer:
    """What a function answered: its result, or the error that it left with."""

    result: Any = None
    error: dict[str, Any] | None = None


class RuntimeApi(ThreadingHTTPServer):
    """The server's side of one function. ``address`` is for AWS_LAMBDA_RUNTIME_API."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[tuple[str, bytes, int]] = queue.Queue()
        self.answers: queue.Queue[Answer] = queue.Queue()
        self.closing = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def hand_over(self, event: object, *, timeout_seconds: float) -> None:
        """Give an event to the function, which is to be done in so long."""
        deadline_ms = round((time.time() + timeout_seconds) * 1_000)
        self.events.put((str(uuid.uuid4()), json.dumps(event).encode(), deadline_ms))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def setup(self) -> None:
        super().setup()
        # Headers and body are two writes: without this the second waits for the client's delayed acknowledgement.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        assert self.path == PREFIX + "invocation/next"
        while not self.server.closing:
            try:
                request_id, event, deadline_ms = self.server.events.get(timeout=LOOK_EVERY_SECONDS)
            except queue.Empty:
                continue
            headers = {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:111122223333:function:sofetch",
                "Content-Type": "application/json",
            }
            self._send(200, event, headers)
            return
        self.close_connection = True

    def do_POST(self) -> None:
        content = json.loads(self._body() or b"null")
        if self.path.endswith("/response"):
            self.server.answers.put(Answer(result=content))
        else:
            self.server.answers.put(Answer(error=content))
        self._send(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def log_message(self, *_: object) -> None:
        return

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    """A running server; it ends with the test."""
    with RuntimeApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.closing = True
            server.shutdown()
            thread.join()
