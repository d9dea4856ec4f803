"""Whether a commit reached the standby that the server waits for, where it waits for one.

Owns what a cancelled wait means: COMMIT succeeds with a warning, the data is on this server only, and nothing may be
acknowledged for it. What was there already needs a wait of its own too (``sql/wait_for_standby.sql``).
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection
from psycopg.errors import Diagnostic

from sofetch.errors import SinkUnavailable
from sofetch.load.statements import statement

WAIT: Final = statement("wait_for_standby")
"""For a transaction that wrote nothing: its COMMIT, or its end as a statement of its own, then waits all the same."""


class StandbyWait:
    """Listens on one connection for waits that were given up."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._gave_up = False
        connection.add_notice_handler(self._note)

    def require(self) -> None:
        """Raises SinkUnavailable if a commit of this connection was cancelled while it waited."""
        if self._gave_up:
            raise SinkUnavailable(
                "the commit was cancelled while it waited for the standby; it may be on this server only"
            )

    def _note(self, notice: Diagnostic) -> None:
        # A warning, and COMMIT succeeds. Its text is translated and its SQLSTATE is any warning's.
        if notice.source_function == "SyncRepWaitForLSN":
            self._gave_up = True
