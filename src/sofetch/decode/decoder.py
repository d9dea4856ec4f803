"""Decoder: the whole way from messages to records, one message at a time and each on its own.

Owns the order of the steps and which columns they touch, worked out once by ``compile_decoder``. Must not know how a
type is read (``convert.py``) or where a value stands in a body (``shape.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from sofetch.columns import identifying
from sofetch.decode.body import body_check, syntax_fault
from sofetch.decode.convert import Finish, conversion
from sofetch.decode.envelope import envelope_reader
from sofetch.decode.lenient import CHANGED, LenientReader
from sofetch.decode.places import Row, arrangement, picker
from sofetch.decode.shape import Layer, Leaf, layers
from sofetch.decode.single import default_cell
from sofetch.decode.unfit import Unfit
from sofetch.decode.unknown import NAMELESS, Found, UnknownFields
from sofetch.errors import ConfigError
from sofetch.paths import Path, parse_path
from sofetch.record import Cell, Decoded, Drift, DriftKind, Message, Reason, Record, Rejection
from sofetch.settings import ColumnSettings, LimitSettings, Settings

_NUL_ESCAPE = b"\\u0000"
"""JSON has no other way to write a NUL: in the raw it is malformed."""


def compile_decoder(settings: Settings) -> Decoder:
    """A decoder for the configured columns. Raises ConfigError where a column cannot be read as it is written."""
    return Decoder(settings)


class Decoder:
    """Messages to records. Compiled once, changes nothing in itself, may be shared by threads.

    Guarantees: every message ends in exactly one of records and rejections, both in the order of the messages; the
    answer for a message depends on nothing but that message; no text of a body is in a rejection, nor in what is said
    of drift but names of fields that are plain; memory beyond the values is bounded by a small multiple of one body.
    """

    def __init__(self, settings: Settings) -> None:
        limits, drift = settings.limits, settings.drift
        every = list(enumerate(settings.column))
        numbered = [(at, column) for at, column in every if column.name != drift.collect_into]
        self._collected = [at for at, column in every if column.name == drift.collect_into]
        self._policy = drift.unknown_fields
        self._unknown = UnknownFields(_path(column) for _, column in numbered if column.value is None)
        self._readable = body_check(limits)
        self._layers = layers(_leaf(at, column, limits) for at, column in numbered if column.value is None)
        self._envelope = [envelope_reader(column, limits) for _, column in numbered if column.value is not None]
        self._arrange = arrangement(
            [leaf.at for layer in self._layers for leaf in layer.leaves]
            + [at for at, column in numbered if column.value is not None]
            + self._collected
        )
        self._finishes = list(_finishes(numbered, limits))
        self._texts = [(at, column.name) for at, column in numbered if _is_body_text(column)]
        self._gaps = list(_gaps(numbered, limits))
        self._pick_gaps = picker([at for at, _, _ in self._gaps])
        self._optional = dict(_optional(numbered, self._gaps)) if drift.missing_fields != "ignore" else {}
        self._pick_optional = picker(list(self._optional))
        self._needs_all = drift.missing_fields == "quarantine"
        self._lenient = _lenient(numbered, settings) if drift.type_changes == "null" else None

    def __call__(self, messages: Sequence[Message]) -> Decoded:
        """What each message comes to. Raises nothing on account of a message."""
        records: list[Record] = []
        rejections: list[Rejection] = []
        noted: list[Drift] = []
        row_of = self._row if self._lenient is None else self._row_either_way
        for message in messages:
            try:
                records.append(Record(message, row_of(message, noted)))
            except Unfit as unfit:
                rejections.append(Rejection(message, unfit.reason, unfit.field))
                noted += _drift_of(unfit)
        return Decoded(records, rejections, Counter(noted))

    def _row(self, message: Message, noted: list[Drift]) -> Row:
        body = self._readable(message.body)
        row = self._body_values(body)
        if self._envelope:
            row = (*row, *[read(message) for read in self._envelope])
        if self._policy != "ignore" or self._collected:
            row = (*row, *self._unknown_values(body, noted))
        if self._arrange is not None:
            row = self._arrange(row)
        if _NUL_ESCAPE in body:
            self._refuse_nul(row)
        if self._finishes:
            row = self._finished(row)
        if self._optional and None in self._pick_optional(row):
            self._note_missing(row, noted)
        return self._filled(row) if None in self._pick_gaps(row) else row

    def _row_either_way(self, message: Message, noted: list[Drift]) -> Row:
        before = len(noted)
        try:
            return self._row(message, noted)
        except Unfit as unfit:
            if unfit.field is None or unfit.reason not in CHANGED:
                raise
        del noted[before:]
        return self._patient_row(message, noted)

    def _patient_row(self, message: Message, noted: list[Drift]) -> Row:
        """The row of a message with a value of another type than its column's."""
        assert self._lenient is not None  # noqa: S101  # else this is never called
        body = self._readable(message.body)
        values, changed = self._lenient.values(body, message)
        noted += [Drift(DriftKind.TYPE_CHANGE, name) for name in changed.values()]
        values.update(zip(self._collected, self._unknown_values(body, noted), strict=True))
        row = tuple(values[at] for at in range(len(values)))
        self._note_missing(row, noted, but=changed.keys())
        return self._filled(row)

    def _body_values(self, body: bytes) -> Row:
        row: Row = ()
        for layer in self._layers:
            try:
                row += layer.read(body)
            except (msgspec.DecodeError, RecursionError) as error:
                raise _blame(error, layer, body) from None
        return row

    def _unknown_values(self, body: bytes, noted: list[Drift]) -> Row:
        """What the collecting column holds, where there is one; in the clear."""
        found = self._found(body) if self._policy != "ignore" else None
        if found is not None:
            noted += [Drift(DriftKind.UNKNOWN_FIELD, field) for field in found.fields]
            if self._policy == "quarantine":
                raise Unfit(Reason.UNKNOWN_FIELD)
        document = found.document if found is not None and self._policy == "collect" else None
        return tuple(document for _ in self._collected)

    def _found(self, body: bytes) -> Found | None:
        try:
            return self._unknown.of(body)
        except Unfit:
            if self._policy != "warn":
                raise
            return Found(b"", frozenset({NAMELESS}))  # to warn keeps nothing out that would be loaded without

    def _note_missing(self, row: Row, noted: list[Drift], but: Collection[int] = ()) -> None:
        missing = [name for at, name in self._optional.items() if row[at] is None and at not in but]
        if missing and self._needs_all:
            raise Unfit(Reason.MISSING_FIELD, missing[0])
        noted += [Drift(DriftKind.MISSING_FIELD, name) for name in missing]

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


def _drift_of(unfit: Unfit) -> list[Drift]:
    """What a rejection says of the message's form; of unknown fields the names are noted where they are found."""
    if unfit.field is None:
        return []
    if unfit.reason is Reason.MISSING_FIELD:
        return [Drift(DriftKind.MISSING_FIELD, unfit.field)]
    return [Drift(DriftKind.TYPE_CHANGE, unfit.field)] if unfit.reason in CHANGED else []


def _lenient(numbered: Iterable[tuple[int, ColumnSettings]], settings: Settings) -> LenientReader | None:
    """Reads what may stay empty; None where nothing may."""
    read = [(at, column, _path(column) if column.value is None else None) for at, column in numbered]
    tied = identifying(settings)
    forgiven = frozenset(at for at, column, _ in read if not column.required and column.name not in tied)
    return LenientReader(read, settings.limits, forgiven) if forgiven else None


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


def _optional(numbered: Iterable[tuple[int, ColumnSettings]], gaps: Iterable[_Gap]) -> Iterable[tuple[int, str]]:
    """Columns of the body that are NULL without further ado where their field is missing."""
    filled = {at for at, _, _ in gaps}
    for at, column in numbered:
        if column.value is None and at not in filled:
            yield at, column.name


def _is_body_text(column: ColumnSettings) -> bool:
    return column.value is None and column.mask is None and column.type == "text"


_Finish = tuple[int, str, Finish]
"""Place in the row, column, and the step that makes the cell."""

_Gap = tuple[int, str, Cell]
"""Place in the row, column, and what stands there if nothing came; None is a rejection."""
