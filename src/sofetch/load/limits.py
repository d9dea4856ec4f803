"""A shorter limit on statements, where something else waits for what is asked. One that is shorter already stays."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection

_NO_LONGER: Final = (
    "SELECT set_config(name, least(nullif(setting::int, 0), %s)::text, %s)"
    " FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'"
)


def no_longer(connection: Connection[Any], seconds: float, *, in_transaction: bool) -> None:
    """No statement takes longer from now on: to the end of the transaction, or else of the session."""
    connection.execute(_NO_LONGER, [max(1, round(seconds * 1_000)), in_transaction])
