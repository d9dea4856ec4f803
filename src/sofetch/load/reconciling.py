"""What the ledger knows, asked without changing it: of these keys, or of a time. And what the table has of that.

Owns the queries of ``sofetch verify``. Each is a short read-only transaction, so nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import psycopg
from msgspec import Struct

from sofetch.load.connection import connect, sink_error
from sofetch.load.ledger import as_uuid_array
from sofetch.load.registry import require_schema
from sofetch.load.remembering import Remembered, remembered_by
from sofetch.load.row_counts import Counted, NotCounted, count_rows
from sofetch.load.statements import statement
from sofetch.settings import Settings


class Held(Struct, frozen=True):
    """Messages of a time that the ledger has, and those of them that are in quarantine."""

    messages: int
    quarantined: int


class LedgerReader:
    """The ledger of message keys of one pipeline. Raises SinkUnavailable and SinkRefused, as every use of Postgres."""

    def __init__(self, settings: Settings, *, dsn: str) -> None:
        self._settings = settings
        self._connection = connect(dsn, settings.sink, role=" verify")
        try:
            self._connection.read_only = True
            require_schema(self._connection)
            self._pipeline_id = self._number_of(settings.pipeline_name)
        except psycopg.Error as error:
            self._connection.close()
            raise sink_error(error) from None
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def known(self, keys: Sequence[bytes]) -> dict[bytes, bool]:
        """Those of the keys that are in the ledger, each with whether it is in quarantine. ``keys`` are in order."""
        if not keys or self._pipeline_id is None:
            return {}
        rows = self._asked(
            "ledger_known",
            {"first": keys[0].hex(), "last": keys[-1].hex(), "keys": as_uuid_array(keys)},
        )
        return {key.bytes: quarantined for key, quarantined in rows}

    def remembered(self) -> Remembered:
        """Since when it remembers."""
        try:
            with self._connection.transaction():
                return remembered_by(self._connection)
        except psycopg.Error as error:
            raise sink_error(error) from None

    def held(self, first: bytes, end: bytes) -> Held:
        """What it has from the key ``first`` to before ``end``."""
        if self._pipeline_id is None:
            return Held(0, 0)
        [(messages, quarantined)] = self._asked("ledger_extent", {"first": first.hex(), "end": end.hex()})
        return Held(messages, quarantined)

    def rows(self, first_ms: int, end_ms: int) -> Counted | NotCounted:
        """The table's rows of what was sent in that time, by the hour."""
        return count_rows(self._connection, self._settings, first_ms=first_ms, end_ms=end_ms)

    def _asked(self, name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        try:
            with self._connection.transaction():
                return self._connection.execute(
                    statement(name), parameters | {"pipeline_id": self._pipeline_id}
                ).fetchall()
        except psycopg.Error as error:
            raise sink_error(error) from None

    def _number_of(self, pipeline: str) -> int | None:
        row = self._connection.execute("SELECT id FROM sofetch.pipeline WHERE name = %s", [pipeline]).fetchone()
        return None if row is None else int(row[0])
