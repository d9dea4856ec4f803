"""The console's HTTP server: a socket, and uvicorn on it in a thread of its own.

Owns the listening and its end. No access log is written: who looked at what is nobody's log line here.
"""

from __future__ import annotations

import socket
import threading
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_ALIVE_SECONDS = 5
_ENDING_SECONDS = 3


class ConsoleServer:
    """Listens from when it is made until ``close``. Raises ConfigError where it cannot listen."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._socket = _listening(host, port)
        config: Any = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,  # who is asking is the connection's other end, whatever a header says
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=_ALIVE_SECONDS,
            timeout_graceful_shutdown=_ENDING_SECONDS,
            limit_concurrency=200,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="sofetch-console", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, as HOST:PORT; the port that was found where 0 was asked for."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening; what is being answered has a moment. Idempotent."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or "not a port"
        hint = "give --listen another address, or let go of this one"
        raise ConfigError(f"cannot listen on {host}:{port}: {why}", hint=hint, code="listen_failed") from None
    return listening
