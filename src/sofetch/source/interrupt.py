"""Ending long polls early, so that a shutdown need not wait for one to run out.

botocore offers no way to end a call from another thread, so the receiving client's connections are remembered here and
their sockets shut. Owns that trick alone. Where botocore's inside differs, nothing is remembered: a poll runs its time.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from typing import Any

from botocore.client import BaseClient


class LongPolls:
    """The open connections of one client."""

    def __init__(self, client: BaseClient) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        with contextlib.suppress(AttributeError, KeyError, TypeError):
            self._remember_connections_of(client)

    def interrupt(self) -> None:
        """Shut every open socket; a blocked read ends at once with a closed connection."""
        with self._lock:
            sockets = [connection.sock for connection in self._connections]
        for sock in sockets:
            if sock is not None:
                # Past SSLSocket's own shutdown, which would take the TLS state from under the reading thread.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _remember_connections_of(self, client: Any) -> None:
        http = client._endpoint.http_session  # noqa: SLF001  # no public way; see the module's docstring
        classes = http._pool_classes_by_scheme  # noqa: SLF001
        for scheme, pool in list(classes.items()):
            classes[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": self._remembering(pool.ConnectionCls)})

    def _remembering(self, connection_class: Any) -> type:
        polls = self

        def connect(connection: Any) -> None:
            connection_class.connect(connection)
            with polls._lock:
                polls._connections.add(connection)

        return type(connection_class.__name__, (connection_class,), {"connect": connect})
