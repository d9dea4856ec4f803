"""What the parent and the guard process say to each other, one JSON document a line.

Owns the shapes only. Paths travel as text.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Start(Struct, frozen=True, tag=True, kw_only=True):
    """The first line: what to start and where. ``folder`` None is a throw-away folder that the guard removes."""

    folder: str | None
    postgres: bool
    queue: bool
    postgres_version: int | None = None
    postgres_settings: Mapping[str, str] = field(default_factory=dict)


class StopPostgres(Struct, frozen=True, tag=True):
    """End Postgres alone; ``immediate`` as if the machine had lost power. For tests of an outage."""

    immediate: bool


class StartPostgres(Struct, frozen=True, tag=True):
    """Start Postgres again on the same data."""


Order = Start | StopPostgres | StartPostgres


class Ready(Struct, frozen=True, tag=True, kw_only=True):
    """The order is done. Names are empty for a server that was not asked for."""

    folder: str
    dsn: str = ""
    spare_dsn: str = ""
    postgres_log: str = ""
    psql_command: str = ""
    endpoint: str = ""


class Failed(Struct, frozen=True, tag=True):
    """The order could not be done, for the reader's eyes."""

    what: str
    hint: str


Answer = Ready | Failed
