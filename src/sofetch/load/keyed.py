"""Rows into a table of one row a key: ``insert_ignore`` and ``upsert``.

Owns which row of a key stays. It is said once, in SQL, for rows of one batch and for those that are there: so equality
and order are the database's own, and the same in every order of delivery. One statement a batch, without temporary
tables or prepared statements: it works behind a pooler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import Connection, errors, generators, pq, sql
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq.abc import PGresult

from sofetch.columns import version_column
from sofetch.load.cells import Adapter
from sofetch.load.key_guard import require_one_key
from sofetch.load.key_index import require_key
from sofetch.load.rows import NO_CELL, Row, RowWriter, cell_misfit, require_fit
from sofetch.load.table import Table
from sofetch.settings import Settings

_NUMBER = sql.Identifier("sofetch number")
_THERE = sql.Identifier("sofetch there")
_EXCLUDED = sql.SQL("excluded")
_COMMA = sql.SQL(", ")


def row_writer(connection: Connection[Any], settings: Settings, table: Table) -> RowWriter:
    """The writer of the configured mode for the table, or SinkRefused naming whatever does not fit."""
    adapters = require_fit(settings, table)
    if settings.sink.write == "insert":
        return RowWriter(table, adapters)
    require_key(connection, settings, table)
    return KeyedWriter(table, adapters, settings)


class KeyedWriter(RowWriter):
    """Keeps one row of each key: the first that is committed, or the newest."""

    def __init__(self, table: Table, adapters: Sequence[Adapter], settings: Settings) -> None:
        super().__init__(table, adapters)
        self._settings = settings
        self._is_looked_at = False
        statements = _Statements(table, adapters, settings)
        self._write = statements.write()
        self._missing = statements.missing()
        self._insert = self._insert + sql.SQL(" ") + statements.on_conflict()
        self._key_places = [self.names.index(name) for name in settings.sink.key]

    def write(self, connection: Connection[Any], keys: Sequence[bytes], rows: Iterable[Row]) -> frozenset[bytes]:
        """Store the rows that no other of their key stands before; their keys.

        Rows are taken in the order of their ledger keys, so that of one batch the first sent is the first. Raises
        psycopg.Error; SinkRefused if of a row's key there is no row afterwards, or a key
        column holds tokens of another key.
        """
        ordered = sorted(zip(keys, rows, strict=True), key=_ledger_key)
        columns = [list(column) for column in zip(*(row for _, row in ordered), strict=True)]
        self._require_one_key(connection, ordered[0][1])
        stored: set[int] = set()
        missing = 0
        for _ in range(2):  # twice: a row that stood in the way may be deleted before it is looked for
            stored |= _numbers(self._execute(connection, self._write, columns, self._types))
            given_way = [number for number in range(len(ordered)) if number not in stored]
            missing = self._count_missing(connection, columns, given_way) if given_way else 0
            if not missing:
                return frozenset(ordered[number][0] for number in stored)
        super().require_all_taken(len(ordered) - missing, len(ordered))
        return frozenset()

    def require_all_taken(self, taken: int, sent: int) -> None:
        """Nothing: a row tried alone may give way to another. ``write`` looks whether there is one."""

    def _require_one_key(self, connection: Connection[Any], row: Row) -> None:
        if not self._is_looked_at:
            require_one_key(connection, self._settings, self.table, row)
            self._is_looked_at = True

    def _count_missing(self, connection: Connection[Any], columns: list[list[Any]], numbers: list[int]) -> int:
        keys = [[columns[place][number] for number in numbers] for place in self._key_places]
        result = self._execute(connection, self._missing, keys, [self._types[place] for place in self._key_places])
        return _integer(result.get_value(0, 0))

    def _execute(
        self, connection: Connection[Any], statement: sql.Composed, columns: list[list[Any]], types: Sequence[str]
    ) -> PGresult:
        """Run the statement with an array a column, all in binary."""
        parameters = _arrays(connection, columns, types)
        pgconn = connection.pgconn
        formats = [pq.Format.BINARY] * len(parameters)
        pgconn.send_query_params(
            statement.as_bytes(connection), parameters, param_formats=formats, result_format=pq.Format.BINARY
        )
        results: Sequence[PGresult] = connection.wait(generators.execute(pgconn))
        result = results[-1]
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result, encoding=connection.info.encoding) from None
        return result


def _arrays(connection: Connection[Any], columns: list[list[Any]], types: Sequence[str]) -> list[Buffer | None]:
    transformer = Transformer(connection)
    known = connection.adapters.types
    transformer.set_dumper_types([known[name].array_oid for name in types], pq.Format.BINARY)
    try:
        return list(transformer.dump_sequence(columns, [PyFormat.BINARY] * len(columns)))
    except NO_CELL as error:
        raise cell_misfit(error) from None


def _ledger_key(pair: tuple[bytes, Row]) -> bytes:
    return pair[0]


def _numbers(result: PGresult) -> set[int]:
    return {_integer(result.get_value(at, 0)) - 1 for at in range(result.ntuples)}


def _integer(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "big")


class _Statements:
    """The SQL of one table, key and mode."""

    def __init__(self, table: Table, adapters: Sequence[Adapter], settings: Settings) -> None:
        self._table = table
        self._adapters = {adapter.name: adapter for adapter in adapters}
        self._key = settings.sink.key
        version = version_column(settings)
        self._version = version.name if settings.sink.write == "upsert" and version is not None else None

    def write(self) -> sql.Composed:
        """Of each key the row that stays, into the table in the order of keys: in another, two workers would deadlock.

        Answers with the numbers, from 1, of the rows that were stored.
        """
        names = list(self._adapters)
        return sql.SQL(
            "WITH given AS MATERIALIZED (SELECT DISTINCT ON ({keys}) * FROM ({cast}) AS c ORDER BY {keys}, {first}), "
            "written AS (INSERT INTO {table} AS {there} ({columns}) SELECT {columns} FROM given ORDER BY {keys} "
            "{on_conflict} RETURNING {returned}) "
            "SELECT given.{number} FROM given JOIN written USING ({keys})"
        ).format(
            keys=_names(self._key),
            cast=self._cast(names),
            first=self._first(names),
            table=self._table.identifier,
            there=_THERE,
            columns=_names(names),
            on_conflict=self.on_conflict(there=_THERE),
            returned=_of(_THERE, self._key),
            number=_NUMBER,
        )

    def missing(self) -> sql.Composed:
        """How many of the keys the table has no row of."""
        return sql.SQL(
            "SELECT count(*) FROM ({cast}) AS c WHERE NOT EXISTS (SELECT FROM {table} AS {there} WHERE {same})"
        ).format(
            cast=self._cast(self._key),
            table=self._table.identifier,
            there=_THERE,
            same=sql.SQL(" AND ").join(
                sql.SQL("{}.{name} = c.{name}").format(_THERE, name=sql.Identifier(name)) for name in self._key
            ),
        )

    def on_conflict(self, *, there: sql.Identifier | None = None) -> sql.Composed:
        """What a row does that meets another of its key."""
        if self._version is None:
            return sql.SQL("ON CONFLICT ({}) DO NOTHING").format(_names(self._key))
        old = there or sql.Identifier(self._table.name)
        names = list(self._adapters)
        return sql.SQL(
            "ON CONFLICT ({keys}) DO UPDATE SET {assignments} WHERE {new}.{version} > {old}.{version} "
            "OR ({new}.{version} = {old}.{version} AND {new_text} > {old_text})"
        ).format(
            keys=_names(self._key),
            assignments=_COMMA.join(
                sql.SQL("{name} = {new}.{name}").format(name=sql.Identifier(name), new=_EXCLUDED) for name in names
            ),
            new=_EXCLUDED,
            old=old,
            version=sql.Identifier(self._version),
            new_text=_text(_of(_EXCLUDED, names)),
            old_text=_text(_of(old, names)),
        )

    def _first(self, names: Sequence[str]) -> sql.Composable:
        """The order in which rows of one key stand, the one that stays first; of equal times the greater text."""
        if self._version is None:
            return _NUMBER
        return sql.SQL("{} DESC, {} DESC").format(sql.Identifier(self._version), _text(_names(names)))

    def _cast(self, names: Sequence[str]) -> sql.Composed:
        """The rows, numbered, each cell as its column will hold it."""
        adapters = [self._adapters[name] for name in names]
        cells = [
            sql.SQL("{name}::{type} AS {name}").format(
                name=sql.Identifier(adapter.name), type=sql.SQL(self._table.columns[adapter.name].declared)
            )
            for adapter in adapters
        ]
        arrays = [sql.SQL(f"${number}::{adapter.dump_as}[]") for number, adapter in enumerate(adapters, start=1)]
        return sql.SQL(
            "SELECT {cells}, {number} FROM unnest({arrays}) WITH ORDINALITY AS u ({names}, {number})"
        ).format(cells=_COMMA.join(cells), arrays=_COMMA.join(arrays), names=_names(names), number=_NUMBER)


def _names(names: Sequence[str]) -> sql.Composed:
    return _COMMA.join(map(sql.Identifier, names))


def _of(row: sql.Composable, names: Sequence[str]) -> sql.Composed:
    return _COMMA.join(sql.SQL("{}.{}").format(row, sql.Identifier(name)) for name in names)


def _text(cells: sql.Composable) -> sql.Composed:
    """A row as text, to be compared byte by byte: any type has one, and equal texts are equal rows."""
    return sql.SQL('ROW({})::text COLLATE "C"').format(cells)
