"""One masked column: what happens to a personal value, and to one that cannot be masked.

Owns the order of decisions. It must not pass a value through: whatever comes out of here came out of a
scheme, or is NULL.

1. null or missing → NULL; so are blank and the configured sentinels, which would make false duplicates. ``required``
   speaks of presence and was enforced by decode: a required column whose value is blank or a sentinel is NULL.
2. What has no UTF-8 (a lone surrogate) is a rejection, and so is what has no text at all.
3. What is not of its kind is a rejection, or (``not_of_kind = "token"``) goes on as its string form and is counted:
   ``token`` makes a token of it, ``truncate`` and ``bucket`` redact it (a date's month becomes NULL). A number where
   a string belongs is such a value. ``redact`` has no kind.
4. Everything else goes through the column's scheme.

Sentinels are compared by canonical form: ``0.0.0.0`` finds ``::ffff:0.0.0.0`` too, and ``0`` the number 0, but
``unknown`` does not find ``Unknown``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import Enum
from typing import Final

from msgspec import Struct

from sofetch.errors import ConfigError
from sofetch.mask.canonical import BLANK, canonical_of, canonical_text
from sofetch.mask.keyring import Keyring
from sofetch.mask.schemes import compile_scheme
from sofetch.record import Cell, Reason, Value
from sofetch.settings import ColumnSettings


class MaskedColumn(Struct, frozen=True):
    """A column of a batch, masked: a cell for each row, the rows refused (their cell is None), and a count."""

    cells: list[Cell]
    refused: dict[int, Reason]
    not_of_kind: int


class ColumnMasker:
    """Masks the values of one configured column."""

    __slots__ = ("_canonical", "_nothing", "_rejects_strangers", "_scheme", "_stranger_scheme", "name")

    def __init__(self, column: ColumnSettings, keyring: Keyring) -> None:
        self.name = column.name
        self._scheme, self._stranger_scheme = compile_scheme(column, keyring)
        # What is redacted is redacted whatever it is.
        self._canonical = canonical_text if column.mask == "redact" else canonical_of(column.kind)
        self._rejects_strangers = column.not_of_kind == "reject"
        self._nothing = frozenset({BLANK, *(self._sentinel(text) for text in column.sentinels)})

    def mask(self, values: Sequence[Value]) -> MaskedColumn:
        """Mask a column of a batch. Equal values are worked out once; nothing is kept from batch to batch."""
        memo: dict[Hashable, Cell] = {None: None}
        batch = _Exceptions()
        cells: list[Cell] = []
        for row, value in enumerate(values):
            # True, 1 and 1.0 are equal keys and different values, so what is rare is worked out row by row.
            key: Hashable = value if value.__class__ in _MEMORABLE else (row,)
            cell = memo.get(key, _UNKNOWN)
            if cell is _UNKNOWN:
                cell = memo[key] = self._mask_value(value, key, batch)
            cells.append(cell)
            if batch.any:
                batch.note(row, key)
        return MaskedColumn(cells, batch.rows, batch.stranger_rows)

    def _mask_value(self, value: Value, key: Hashable, batch: _Exceptions) -> Cell:
        try:
            form = self._canonical(value)
            stranger_form = canonical_text(value) if form is None else None
        except UnicodeEncodeError:  # it carries the value: answered here, never raised on
            return batch.refuse(key, Reason.INVALID_UNICODE)
        if form is not None:
            return None if form in self._nothing else self._scheme(form)
        if stranger_form is None:
            return batch.refuse(key, Reason.NOT_OF_KIND)
        if stranger_form in self._nothing:
            return None
        if self._rejects_strangers:
            return batch.refuse(key, Reason.NOT_OF_KIND)
        batch.admit(key)
        return self._stranger_scheme(stranger_form)

    def _sentinel(self, text: str) -> bytes:
        try:
            return self._canonical(text) or canonical_text(text) or BLANK
        except UnicodeEncodeError:
            pass
        raise ConfigError(f"column {self.name}: a sentinel has a character that UTF-8 cannot hold")


class _Unknown(Enum):
    """What the memo answers for a value it has not met; NULL is an answer of its own."""

    UNKNOWN = 0


_UNKNOWN: Final = _Unknown.UNKNOWN
_MEMORABLE: Final = frozenset({str, int, type(None)})


class _Exceptions:
    """The values of a batch that are no ordinary ones, and the rows they stand in. Empty for nearly every batch."""

    __slots__ = ("_refused", "_strangers", "any", "rows", "stranger_rows")

    def __init__(self) -> None:
        self.any = False
        self.rows: dict[int, Reason] = {}
        self.stranger_rows = 0
        self._refused: dict[Hashable, Reason] = {}
        self._strangers: set[Hashable] = set()

    def refuse(self, key: Hashable, reason: Reason) -> Cell:
        """The cell of a refused value: nothing."""
        self.any = True
        self._refused[key] = reason
        return None

    def admit(self, key: Hashable) -> None:
        self.any = True
        self._strangers.add(key)

    def note(self, row: int, key: Hashable) -> None:
        if key in self._refused:
            self.rows[row] = self._refused[key]
        elif key in self._strangers:
            self.stranger_rows += 1
