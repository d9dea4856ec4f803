"""One masked column: what happens to a personal value, and to one that cannot be masked.

Owns the order of decisions. It must not pass a value through: whatever comes out of here came out of a
scheme, or is NULL.

1. null or missing → NULL; so are blank and the configured sentinels, which would make false duplicates. ``required``
   speaks of presence and was enforced by decode: a required column whose value is blank or a sentinel is NULL.
2. What has no UTF-8 (a lone surrogate) is a rejection, and so is what has no text at all.
3. What is not of its kind is a rejection, or (``not_of_kind = "token"``) goes on as its string form and is counted:
   ``token`` and ``reversible`` make a token of it, ``truncate`` and ``bucket`` redact it (a date's month becomes
   NULL, and so does what ``round``, ``noise`` and ``date_shift`` cannot take). A number where a string belongs is
   such a value. ``redact`` has no kind. ``ip`` and ``ip_prefix`` always reject: their column holds addresses, and a
   token is none. So does ``fpe``, of which a value that it cannot take would stay as it is.
4. Everything else goes through the column's scheme, all different values of the batch at once.

Sentinels are compared by canonical form: ``0.0.0.0`` finds ``::ffff:0.0.0.0`` too, and ``0`` the number 0, but
``unknown`` does not find ``Unknown``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from sofetch.columns import ALWAYS_REJECTING, kind_of
from sofetch.errors import ConfigError
from sofetch.mask.canonical import BLANK, Canonical, canonical_of, canonical_text
from sofetch.mask.fpe import canonical_text_of
from sofetch.mask.keyring import Keyring
from sofetch.mask.schemes import Scheme, compile_scheme
from sofetch.record import Cell, Private, Reason, Value
from sofetch.settings import ColumnSettings


class MaskedColumn(Private, frozen=True):
    """A column of a batch, masked: a cell for each row, the rows refused (their cell is None), and a count."""

    cells: list[Cell]
    refused: dict[int, Reason]
    not_of_kind: int


class ColumnMasker:
    """Masks the values of one configured column."""

    __slots__ = ("_canonical", "_nothing", "_rejects_strangers", "_scheme", "_stranger_scheme", "name")

    def __init__(
        self, column: ColumnSettings, keyring: Keyring, *, schemes: tuple[Scheme, Scheme] | None = None
    ) -> None:
        """``schemes`` takes the place of those of the column's mask, where the row decides what becomes of a form."""
        self.name = column.name
        self._scheme, self._stranger_scheme = schemes or compile_scheme(column, keyring)
        self._canonical = _canonical(column)
        self._rejects_strangers = column.not_of_kind == "reject" or column.mask in ALWAYS_REJECTING
        self._nothing = frozenset({BLANK, *(self._sentinel(text) for text in column.sentinels)})

    def mask(self, values: Sequence[Value]) -> MaskedColumn:
        """Mask a column of a batch. Equal values are worked out once; nothing is kept from batch to batch."""
        keys = _keys(values)
        sorted_out = self._sort_out(dict(zip(keys, values, strict=True)))
        cells = sorted_out.nulls
        cells.update(zip(sorted_out.forms, self._scheme(list(sorted_out.forms.values())), strict=True))
        strangers, refused = sorted_out.strangers, sorted_out.refused
        if not strangers and not refused:  # as in nearly every batch
            return MaskedColumn([cells[key] for key in keys], {}, 0)
        cells.update(zip(strangers, self._stranger_scheme(list(strangers.values())), strict=True))
        return MaskedColumn(
            [cells.get(key) for key in keys],
            {row: refused[key] for row, key in enumerate(keys) if key in refused},
            sum(key in strangers for key in keys),
        )

    def _sort_out(self, values: dict[Hashable, Value]) -> _SortedOut:
        canonical, nothing = self._canonical, self._nothing
        sorted_out = _SortedOut({}, {}, {}, {})
        nulls, forms = sorted_out.nulls, sorted_out.forms
        for key, value in values.items():
            try:
                form = None if value is None else canonical(value)
            except UnicodeEncodeError:  # it carries the value: answered here, never raised on
                sorted_out.refused[key] = Reason.INVALID_UNICODE
                continue
            if form is None:
                self._sort_out_stranger(key, value, sorted_out)
            elif form in nothing:
                nulls[key] = None
            else:
                forms[key] = form
        return sorted_out

    def _sort_out_stranger(self, key: Hashable, value: Value, sorted_out: _SortedOut) -> None:
        try:
            form = BLANK if value is None else canonical_text(value)
        except UnicodeEncodeError:  # as above
            sorted_out.refused[key] = Reason.INVALID_UNICODE
            return
        if form in self._nothing:
            sorted_out.nulls[key] = None
        elif form is None or self._rejects_strangers:
            sorted_out.refused[key] = Reason.NOT_OF_KIND
        else:
            sorted_out.strangers[key] = form

    def _sentinel(self, text: str) -> bytes:
        try:
            return self._canonical(text) or canonical_text(text) or BLANK
        except UnicodeEncodeError:
            pass
        raise ConfigError(f"column {self.name}: a sentinel has a character that UTF-8 cannot hold")


def _canonical(column: ColumnSettings) -> Canonical:
    match column.mask:
        case "redact":  # what is redacted is redacted whatever it is
            return canonical_text
        case "fpe":
            return canonical_text_of(column.alphabet)
        case _:
            return canonical_of(kind_of(column))


class _SortedOut(Private, frozen=True):
    """A batch's different values, each in one of the four: NULL, its form, its string form, or why it is refused."""

    nulls: dict[Hashable, Cell]
    forms: dict[Hashable, bytes]
    strangers: dict[Hashable, bytes]
    refused: dict[Hashable, Reason]


_MEMORABLE: Final = frozenset({str, int, type(None)})


def _keys(values: Sequence[Value]) -> Sequence[Hashable]:
    """What tells the values of a batch apart: they themselves, if Python does not take different ones for equal.

    True, 1 and 1.0 are equal and are different values, so what is rare is worked out row by row.
    """
    if _MEMORABLE.issuperset(map(type, values)):
        return values
    return [value if type(value) in _MEMORABLE else (row,) for row, value in enumerate(values)]
