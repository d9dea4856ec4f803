"""Rows into the target table: the statement, the adapters of its columns, and the checks before it.

Owns how ``MaskedRecord`` values become COPY rows. Made anew with each connection, from the table as it is then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from psycopg import Connection, pq, sql
from psycopg.abc import Buffer
from psycopg.adapt import PyFormat, Transformer

from sofetch.columns import produced
from sofetch.errors import SinkRefused, SofetchError
from sofetch.load.batch import Fault
from sofetch.load.cells import Adapter, Misfit, adapt
from sofetch.load.connection import bug
from sofetch.load.table import Table
from sofetch.record import Cell, MaskedRecord
from sofetch.settings import ColumnSettings, Settings

Row = Sequence[Any]


class Prepared(Struct, frozen=True):
    """A batch's rows as the dumpers take them, by key, and the rows that cannot be stored."""

    rows: Mapping[bytes, Row]
    faults: Mapping[bytes, Fault]


class RowWriter:
    """Copies rows into one table, all columns of the configuration, in its order."""

    def __init__(self, table: Table, adapters: Sequence[Adapter]) -> None:
        self.table = table
        self.names = [adapter.name for adapter in adapters]
        self.adapters = adapters
        self._types = [adapter.dump_as for adapter in adapters]
        columns = sql.SQL(", ").join(map(sql.Identifier, self.names))
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table.identifier, columns)
        places = sql.SQL(", ").join(sql.SQL(f"${number}") for number, _ in enumerate(adapters, start=1))
        self._insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(table.identifier, columns, places)
        self.mark = table.mark(self.names)

    def prepare(self, records: Mapping[bytes, MaskedRecord]) -> Prepared:
        """Convert and check, column by column; a faulty row is left out and named."""
        if not records:
            return Prepared({}, {})
        keys = list(records)
        columns = zip(*(record.values for record in records.values()), strict=True)
        faults: dict[bytes, Fault] = {}
        converted = [self._prepare_column(*pair, keys, faults) for pair in zip(self.adapters, columns, strict=True)]
        rows = dict(zip(keys, zip(*converted, strict=True), strict=True))
        return Prepared({key: row for key, row in rows.items() if key not in faults} if faults else rows, faults)

    @staticmethod
    def _prepare_column(
        adapter: Adapter, column: Sequence[Cell], keys: list[bytes], faults: dict[bytes, Fault]
    ) -> Sequence[Any]:
        converted = adapter.converted(column)
        for position, reason in adapter.refusals(converted).items():
            faults.setdefault(keys[position], Fault(reason, adapter.name))
        return converted

    def write(self, connection: Connection[Any], keys: Sequence[bytes], rows: Iterable[Row]) -> frozenset[bytes]:
        """Store the rows, in the order of their ledger keys; the keys of those that are now in the table: all.

        Raises psycopg.Error; of anything else that goes wrong no value is passed on. SinkRefused if the table took
        fewer rows than were sent: a trigger that swallows a row says nothing, and the message would be deleted with
        neither row nor quarantine entry.
        """
        sent = 0
        try:
            with connection.cursor() as cursor:
                with cursor.copy(self._copy) as copy:
                    copy.set_types(self._types)
                    write_row = copy.write_row
                    for sent, row in enumerate(rows, start=1):  # noqa: B007  # the last one is their number
                        write_row(row)
                self.require_all_taken(cursor.rowcount, sent)
        except NO_CELL as error:
            raise cell_misfit(error) from None
        return frozenset(keys)

    def insert(self, connection: Connection[Any], rows: Iterable[Row]) -> Iterator[tuple[bytes, list[Buffer | None]]]:
        """For each row an INSERT with its parameters, in binary and without types.

        The server then gives each parameter its column's own type and reads it as COPY would.
        """
        statement = self._insert.as_bytes(connection)
        transformer = Transformer(connection)
        oids = [connection.adapters.types.get_oid(name) for name in self._types]
        transformer.set_dumper_types(oids, pq.Format.BINARY)
        formats = [PyFormat.BINARY] * len(oids)
        for row in rows:
            try:
                yield statement, list(transformer.dump_sequence(row, formats))
            except NO_CELL as error:
                raise cell_misfit(error) from None

    def require_all_taken(self, taken: int, sent: int) -> None:
        """SinkRefused if a trigger swallowed some of the rows."""
        if taken != sent:
            raise SinkRefused(
                f"table {self.table.name} took {taken} of {sent} rows: a trigger swallows rows",
                hint="let the trigger raise an exception for what it refuses (such rows go to quarantine); "
                "for partitions use PARTITION BY instead of a trigger",
            )


NO_CELL = (TypeError, ValueError, AttributeError, OverflowError, ArithmeticError)
"""What a dumper raises for a cell that is not of its type; its text can hold the cell."""


def cell_misfit(error: Exception) -> SofetchError:
    """Our error for theirs, which names the type and no value."""
    return bug(f"a cell is not of the type its column promises ({type(error).__name__})")


def require_fit(settings: Settings, table: Table) -> list[Adapter]:
    """How each column is written, or SinkRefused naming every one that does not fit."""
    adapters: list[Adapter] = []
    misfits: list[Misfit] = []
    for fit in fit_columns(settings, table):
        (adapters if isinstance(fit, Adapter) else misfits).append(fit)  # type: ignore[arg-type]  # either list
    misfits += unfilled_columns(settings, table)
    if misfits:
        raise SinkRefused(
            f"table {settings.sink.table}: " + "; ".join(misfit.what for misfit in misfits),
            hint="; ".join(dict.fromkeys(misfit.hint for misfit in misfits)),
            sqlstate="42804",
        )
    return adapters


def fit_columns(settings: Settings, table: Table) -> list[Adapter | Misfit]:
    """For each configured column, in order, how it goes into the table, or why it cannot."""
    return [_fit(column, table) for column in settings.column]


def unfilled_columns(settings: Settings, table: Table) -> list[Misfit]:
    """Columns that every row needs and the configuration does not give."""
    configured = {column.name for column in settings.column}
    return [
        Misfit(
            column=column.name,
            what=f"column {column.name} is NOT NULL without a default, and the configuration does not fill it",
            hint=f"add a [[column]] named {column.name}, or give the table's column a default",
        )
        for column in table.columns.values()
        if column.name not in configured and column.not_null and not column.has_default
    ]


def narrow_columns(settings: Settings, table: Table) -> list[Misfit]:
    """Columns in which some text has no room, though most may have: those rows, and only those, go to quarantine."""
    found: list[Misfit] = []
    for column in settings.column:
        there = table.columns.get(column.name)
        makes = produced(column)
        if there is None or there.max_chars is None or makes.type != "text":
            continue
        if there.max_chars < makes.least_chars:  # refused, not only warned of: see ``cells.adapt``
            continue
        if makes.max_chars is None or makes.max_chars > there.max_chars:
            what = f"it is {there.declared}, longer values go to quarantine"
            hint = f"that may be meant; set max_length = {there.max_chars} to say so, or widen the column"
            if column.mask is not None:
                hint = f'if values may be so long: ALTER TABLE … ALTER COLUMN "{column.name}" TYPE {makes.sql_type}'
            found.append(Misfit(column=column.name, what=what, hint=hint))
    return found


def _fit(column: ColumnSettings, table: Table) -> Adapter | Misfit:
    there = table.columns.get(column.name)
    if there is not None:
        return adapt(produced(column), there, mask=column.mask)
    return Misfit(
        column=column.name,
        what=f"column {column.name} does not exist in the table",
        hint="`sofetch schema` shows the ALTER TABLE that adds what is missing, `--apply` runs it",
    )
