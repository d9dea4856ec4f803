"""A small HTTP server beside a worker: pages made when they are asked for, in a thread of its own.

Owns the socket and the thread. What a page says is its maker's, and no page may say anything of a message: there is no
authentication, which is why it listens where it is told to and nowhere by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Protocol

import msgspec
from msgspec import Struct

from sofetch.errors import ConfigError
from sofetch.observe.metrics import CONTENT_TYPE, Metrics, exposition
from sofetch.observe.probes import Probes

_READ_SECONDS = 5.0
"""How long a client may take to ask; a silent one would else keep a thread for ever."""


class Report(Protocol):
    """A report on health, as ``health`` and ``processes.health`` make one."""

    @property
    def healthy(self) -> bool:
        """Whether nobody need look."""
        ...


class Page(Struct, frozen=True):
    """One answer."""

    status: int
    body: bytes
    content_type: str = "application/json"


def health_page(report: Report) -> Page:
    """``/health``: 200 while it is well, 503 when a dependency has been away for too long."""
    return Page(200 if report.healthy else 503, msgspec.json.encode(report) + b"\n")


def pages(*, report: Callable[[], Report], probes: Probes, metrics: Metrics) -> dict[str, Callable[[], Page]]:
    """What is served beside a worker, or beside a supervisor of several."""
    return {
        "/health": lambda: health_page(report()),
        "/livez": lambda: probe_page(probes.live(), otherwise="stuck"),
        "/readyz": lambda: probe_page(probes.ready(), otherwise="not ready"),
        "/metrics": lambda: Page(200, exposition(metrics.samples()), CONTENT_TYPE),
    }


def probe_page(ok: bool, *, otherwise: str) -> Page:
    """The answer of a probe: 200 or 503, and a word."""
    return Page(200 if ok else 503, f"{'ok' if ok else otherwise}\n".encode(), "text/plain; charset=utf-8")


class HttpServer:
    """Answers GET and HEAD of the given paths; 404 elsewhere. ``close`` ends the thread."""

    def __init__(self, listen: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        host, port = _address(listen)
        try:
            self._server = _Server(host, port, pages)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "not a port"
            hint = "give [http] listen another address, or let go of this one"
            raise ConfigError(f"cannot listen on {listen}: {why}", hint=hint, code="listen_failed") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="sofetch-http", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, as HOST:PORT; the port that was found where 0 was asked for."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self.pages = pages
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the name server who we are, which can take seconds and serves nobody here.
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no business of the worker's log."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _READ_SECONDS
    server_version = "sofetch"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # http.server's own name
        """Nothing is logged: the requests are a probe's, every few seconds."""

    def _answer(self, *, with_body: bool) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        page = make() if make is not None else Page(404, b"not found\n", "text/plain")
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)
