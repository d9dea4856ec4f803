"""Decoder: the whole way from messages to records, one message at a time and each on its own.

Owns the order of the steps and which columns they touch, worked out once by ``compile_decoder``. Must not know how a
type is read (``convert.py``) or where a value stands in a body (``shape.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from sofetch.decode.body import body_check, syntax_fault
from sofetch.decode.convert import Finish, conversion
from sofetch.decode.envelope import envelope_reader
from sofetch.decode.shape import Layer, Leaf, layers
from sofetch.decode.single import default_cell
from sofetch.decode.unfit import Unfit
from sofetch.errors import ConfigError
from sofetch.paths import Path, parse_path
from sofetch.record import Cell, Decoded, Message, Reason, Record, Rejection
from sofetch.settings import ColumnSettings, LimitSettings, Settings

Row = tuple[Any, ...]

_NUL_ESCAPE = b"\\u0000"
"""JSON has no other way to write a NUL: in the raw it is malformed."""


def compile_decoder(settings: Settings) -> Decoder:
    """A decoder for the configured columns. Raises ConfigError where a column cannot be read as it is written."""
    return Decoder(settings.column, settings.limits)


class Decoder:
    """Messages to records. Compiled once, changes nothing in itself, may be shared by threads.

    Guarantees: every message ends in exactly one of records and rejections, both in the order of the messages; the
    answer for a message depends on nothing but that message; no text of a body is in a rejection; memory beyond the
    values is bounded by a small multiple of one body.
    """

    def __init__(self, columns: Sequence[ColumnSettings], limits: LimitSettings) -> None:
        numbered = list(enumerate(columns))
        self._readable = body_check(limits)
        self._layers = layers(_leaf(at, column, limits) for at, column in numbered if column.value is None)
        self._envelope = [envelope_reader(column, limits) for column in columns if column.value is not None]
        self._arrange = _arrangement(
            [leaf.at for layer in self._layers for leaf in layer.leaves]
            + [at for at, column in numbered if column.value is not None]
        )
        self._finishes = list(_finishes(numbered, limits))
        self._texts = [(at, column.name) for at, column in numbered if _is_body_text(column)]
        self._gaps = list(_gaps(numbered, limits))
        self._pick_gaps = _picker([at for at, _, _ in self._gaps])

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """What each message comes to. Raises nothing on account of a message."""
        records: list[Record] = []
        rejections: list[Rejection] = []
        for message in messages:
            try:
                records.append(Record(message, self._row(message)))
            except Unfit as unfit:
                rejections.append(Rejection(message, unfit.reason, unfit.field))
        return Decoded(records, rejections)

    def _row(self, message: Message) -> Row:
        body = self._readable(message.body)
        row = self._body_values(body)
        if self._envelope:
            row = (*row, *[read(message) for read in self._envelope])
        if self._arrange is not None:
            row = self._arrange(row)
        if _NUL_ESCAPE in body:
            self._refuse_nul(row)
        if self._finishes:
            row = self._finished(row)
        return self._filled(row) if None in self._pick_gaps(row) else row

    def _body_values(self, body: bytes) -> Row:
        row: Row = ()
        for layer in self._layers:
            try:
                row += layer.read(body)
            except (msgspec.DecodeError, RecursionError) as error:
                raise _blame(error, layer, body) from None
        return row

    def _refuse_nul(self, row: Row) -> None:
        for at, name in self._texts:
            if row[at] is not None and "\0" in row[at]:
                raise Unfit(Reason.NUL_CHARACTER, name)

    def _finished(self, row: Row) -> Row:
        cells = list(row)
        for at, name, finish in self._finishes:
            if cells[at] is not None:
                try:
                    cells[at] = finish(cells[at])
                except Unfit as unfit:
                    raise Unfit(unfit.reason, name) from None
        return tuple(cells)

    def _filled(self, row: Row) -> Row:
        cells = list(row)
        for at, name, default in self._gaps:
            if cells[at] is None:
                if default is None:
                    raise Unfit(Reason.MISSING_FIELD, name)
                cells[at] = default
        return tuple(cells)


def _blame(error: msgspec.DecodeError | RecursionError, layer: Layer, body: bytes) -> Unfit:
    """The document's own faults come first, so that the reason does not depend on which fault stands first in it."""
    if isinstance(error, RecursionError):
        return Unfit(Reason.TOO_DEEP)
    fault = syntax_fault(body)
    if fault is None and isinstance(error, msgspec.ValidationError):
        return layer.blame(error)
    return Unfit(fault or Reason.NOT_JSON)


def _leaf(at: int, column: ColumnSettings, limits: LimitSettings) -> Leaf:
    return Leaf(at, column.name, _path(column), conversion(column, limits).wire)


def _path(column: ColumnSettings) -> Path:
    if column.from_ is None:
        return (column.name,)  # the name as it stands, not as a path: `a.b` is then the key "a.b"
    try:
        return parse_path(column.from_)
    except ValueError as error:
        raise ConfigError(
            f"column `{column.name}`: `from` {error}", hint="write a path such as `a`, `a.b` or `a.b[0].c`"
        ) from None


def _arrangement(read_order: list[int]) -> Callable[[Row], Row] | None:
    """From the order in which values are read to the order of the configuration; None if they are the same."""
    if read_order == sorted(read_order):
        return None
    return _picker([read_order.index(at) for at in range(len(read_order))])


def _picker(places: list[int]) -> Callable[[Row], Row]:
    match places:
        case []:
            return lambda _row: ()
        case [only]:
            return lambda row: (row[only],)
        case _:
            return itemgetter(*places)


def _finishes(numbered: Iterable[tuple[int, ColumnSettings]], limits: LimitSettings) -> Iterable[_Finish]:
    for at, column in numbered:
        finish = conversion(column, limits).finish if column.value is None else None
        if finish is not None:
            yield at, column.name, finish


def _gaps(numbered: Iterable[tuple[int, ColumnSettings]], limits: LimitSettings) -> Iterable[_Gap]:
    for at, column in numbered:
        default = default_cell(column, limits)
        if column.required or default is not None:
            yield at, column.name, default


def _is_body_text(column: ColumnSettings) -> bool:
    return column.value is None and column.mask is None and column.type == "text"


_Finish = tuple[int, str, Finish]
"""Place in the row, column, and the step that makes the cell."""

_Gap = tuple[int, str, Cell]
"""Place in the row, column, and what stands there if nothing came; None is a rejection."""
