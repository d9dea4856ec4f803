"""Repeated tokens: which values of a masked column stand in most rows, over time, and where else each stands.

Owns the queries and which columns they may be asked of: those whose values are tokens or encrypted, and no others.
What is only shortened, and what is in the clear, is never read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from msgspec import Struct
from psycopg import Connection, sql

from sofetch.columns import token_domain
from sofetch.errors import ConfigError
from sofetch.load.console.neighbours import count_beside, count_token
from sofetch.load.console.session import reading
from sofetch.load.console.tokens import FORMS, columns_of_tokens, form_of, joining
from sofetch.load.table import Table, require_table
from sofetch.settings import Settings

TIMES: Final = ("sent_time", "receive_time", "sent_date")
DAYS: Final = 30


class MaskedColumn(Struct, frozen=True, kw_only=True):
    """A column of tokens. ``joins`` are the others of the table whose equal values have equal tokens."""

    name: str
    mask: str
    domain: str
    joins: list[str]


class Repeat(Struct, frozen=True, kw_only=True):
    """A token that stands in more than one row; ``days`` are its rows in each of the last days, the oldest first.

    ``token`` is None where it cannot be told from a value in the clear.
    """

    token: str | None
    rows: int
    days: list[int]


class Repeats(Struct, frozen=True, kw_only=True):
    """The most repeated tokens of a column. ``by`` is the column that the days are taken from, None if there is none;
    ``last`` is the last of the days: the newest in the table.
    """

    column: MaskedColumn
    tokens: list[Repeat]
    by: str | None
    last: date | None


def masked_columns(settings: Settings) -> list[MaskedColumn]:
    """The columns of tokens, in the order of the configuration."""
    opaque = columns_of_tokens(settings)
    return [
        MaskedColumn(
            name=column.name,
            mask=str(column.mask),
            domain=token_domain(column),
            joins=[other.name for other in joining(column, opaque)],
        )
        for column in opaque
    ]


def read_repeats(settings: Settings, column: str, *, dsn: str, limit: int = 20) -> Repeats:
    """The tokens of ``column`` that stand in most rows, and in which of the last 30 days they did."""
    wanted = _wanted(settings, column)
    with reading(settings, dsn=dsn) as connection:
        table = require_table(connection, settings)
        name, by = _identifier(column, table), _time_column(settings, table)
        query = sql.SQL(
            "SELECT {column}::text, count(*) FROM {table} WHERE {column}::text ~ {form}"
            " GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT {limit}"
        ).format(
            column=name,
            table=table.identifier,
            form=sql.Literal(FORMS.get(wanted.mask, ".")),
            limit=sql.Literal(limit),
        )
        counts = connection.execute(query).fetchall()
        tokens = [token for token, _ in counts]
        last, days = _over_days(connection, table, column=name, by=by, tokens=tokens)
    shown = wanted.mask in FORMS
    repeats = [Repeat(token=token if shown else None, rows=rows, days=days.get(token, [])) for token, rows in counts]
    return Repeats(column=wanted, tokens=repeats, by=by if last else None, last=last)


def find_token(settings: Settings, token: str, *, dsn: str, others: Sequence[Settings] = ()) -> dict[str, int | None]:
    """In how many rows a token stands, by column of tokens, those of other pipelines' tables (TABLE.COLUMN) that join
    ours included; columns where it does not are left out. None: of one of theirs that is not to be had.

    Nothing is looked for that has not the form of a token.
    """
    mask = form_of(token)
    if mask is None:
        return {}
    with reading(settings, dsn=dsn) as connection:
        table = require_table(connection, settings)
        names = [one.name for one in columns_of_tokens(settings) if one.name in table.columns and one.mask in FORMS]
        counts: dict[str, int | None] = {name: count_token(connection, table, name, token) for name in names}
        counts |= count_beside(connection, settings, others, token=token, mask=mask)
    return {name: rows for name, rows in counts.items() if rows != 0}


def _over_days(
    connection: Connection[Any], table: Table, *, column: sql.Identifier, by: str | None, tokens: Sequence[str]
) -> tuple[date | None, dict[str, list[int]]]:
    """The newest day of the table, and each token's rows in the days up to it."""
    if by is None or not tokens:
        return None, {}
    day = sql.SQL("{}::date").format(sql.Identifier(by))
    newest = connection.execute(sql.SQL("SELECT max({}) FROM {}").format(day, table.identifier)).fetchone()
    last: date | None = newest[0] if newest else None
    if last is None:
        return None, {}
    query = sql.SQL(
        "SELECT {column}::text, %(last)s::date - {day}, count(*) FROM {table}"
        " WHERE {column}::text = ANY (%(tokens)s) AND {day} > %(last)s::date - %(days)s GROUP BY 1, 2"
    ).format(column=column, day=day, table=table.identifier)
    found = {token: [0] * DAYS for token in tokens}
    for token, ago, rows in connection.execute(query, {"last": last, "tokens": list(tokens), "days": DAYS}):
        found[token][DAYS - 1 - ago] = rows
    return last, found


def _wanted(settings: Settings, column: str) -> MaskedColumn:
    for one in masked_columns(settings):
        if one.name == column:
            return one
    raise ConfigError("this is no column of tokens", hint="only columns with a mask that hides the value are looked at")


def _time_column(settings: Settings, table: Table) -> str | None:
    named = {column.value: column.name for column in settings.column if column.name in table.columns}
    return next((named[value] for value in TIMES if value in named), None)


def _identifier(name: str, table: Table) -> sql.Identifier:
    if name not in table.columns:
        raise ConfigError(f"the table has no column {name!r}", hint="`sofetch schema` says how to add it")
    return sql.Identifier(name)
