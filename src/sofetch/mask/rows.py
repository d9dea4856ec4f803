"""Masks that need more of the row than the value: ``date_shift`` its subject, ``noise`` the message's identity.

Owns what a date is shifted by and what noise a number gets. It must not pass a value through: a date whose subject is
not known is rejected or NULL. Both are the same at every delivery, and under the ring's oldest key, so that a rotation
moves nothing. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, Protocol

from sofetch.columns import token_domain
from sofetch.errors import ConfigError
from sofetch.mask.coarse import EXACT, exactly, to_step
from sofetch.mask.column import ColumnMasker, MaskedColumn
from sofetch.mask.identity import Identity
from sofetch.mask.keyring import Keyring
from sofetch.mask.primitives import KEY_BYTES, Hash, keyed_hash
from sofetch.mask.subjects import form_of
from sofetch.record import Cell, Reason, Record
from sofetch.settings import ColumnSettings

_BITS_53: Final = 2**53


class RowMasker(Protocol):
    """Masks the values of one column, each with its record."""

    @property
    def name(self) -> str:
        """The column."""
        ...

    def mask(self, records: Sequence[Record]) -> MaskedColumn:
        """A cell for each record, in their order."""
        ...


def compile_row_masker(
    column: ColumnSettings, columns: Sequence[ColumnSettings], *, identity: Identity, keyring: Keyring
) -> RowMasker:
    """The masker of a column with one of these masks. Raises ConfigError where it cannot work."""
    digest = keyed_hash(keyring.oldest.derive(scheme=column.mask or "", domain=token_domain(column), length=KEY_BYTES))
    position = columns.index(column)
    forms = ColumnMasker(column, keyring, schemes=(_as_they_are, _nothing))
    if column.mask == "noise":
        return _Noise(column, position, forms, digest, of_record=identity.of_record)
    subject = next((at for at, one in enumerate(columns) if one.name == column.subject), None)
    if subject is None:
        raise ConfigError(f"column {column.name}: its `subject` names no column", hint="name one by its `name`")
    return _DateShift(column, position, forms, digest, subject=(subject, columns[subject]))


class _DateShift:
    """All dates of one subject are moved by the same number of days, so that the days between them stay.

    One of -N…-1 and 1…N, each as likely: a date is never its own. Hidden is the day, not the season, if N is small;
    who knows one true date of a subject knows them all.
    """

    __slots__ = ("_days", "_digest", "_form", "_forms", "_position", "_refused", "_subject", "name")

    def __init__(
        self,
        column: ColumnSettings,
        position: int,
        forms: ColumnMasker,
        digest: Hash,
        *,
        subject: tuple[int, ColumnSettings],
    ) -> None:
        self.name = column.name
        self._position, self._forms, self._digest = position, forms, digest
        self._days = column.shift_days or 0
        self._subject, of = subject
        self._form = form_of(of)
        self._refused = Reason.MISSING_FIELD if column.without_subject == "reject" else None

    def mask(self, records: Sequence[Record]) -> MaskedColumn:
        """A date for each record, NULL, or why it is refused."""
        found = self._forms.mask([record.values[self._position] for record in records])
        cells: list[Cell] = [None] * len(records)
        refused = dict(found.refused)
        for row, form in enumerate(found.cells):
            if isinstance(form, bytes):
                shifted = self._shifted(form, records[row])
                if isinstance(shifted, Reason):
                    refused[row] = shifted
                else:
                    cells[row] = shifted
        return MaskedColumn(cells, refused, found.not_of_kind)

    def _shifted(self, form: bytes, record: Record) -> date | Reason | None:
        try:
            subject = self._form(record.values[self._subject])
        except UnicodeEncodeError:  # it carries the value: answered here, never raised on
            return Reason.INVALID_UNICODE
        if subject is None:
            return self._refused
        try:
            return date.fromisoformat(form[1:].decode()) + timedelta(days=self._days_of(subject))
        except (OverflowError, ValueError):  # at the end of the calendar; the year 0000
            return Reason.OUT_OF_RANGE

    def _days_of(self, subject: bytes) -> int:
        drawn = int.from_bytes(self._digest(subject)[:16], "big") % (2 * self._days)
        return drawn - self._days if drawn < self._days else drawn - self._days + 1


class _Noise:
    """A number gets noise that depends on the message and the number, so that a redelivery gets the same.

    Rounded to a step, without which its last digits would tell how it was made. No promise of differential privacy:
    nothing is reckoned with how many numbers of one person there are, and their mean comes near the true one.
    """

    __slots__ = ("_digest", "_draw", "_forms", "_of_record", "_position", "_scale", "_step", "name")

    def __init__(
        self,
        column: ColumnSettings,
        position: int,
        forms: ColumnMasker,
        digest: Hash,
        *,
        of_record: Callable[[Record], bytes],
    ) -> None:
        self.name = column.name
        self._position, self._forms, self._digest, self._of_record = position, forms, digest, of_record
        self._scale = exactly(column.noise_scale or 0.0)
        self._step = exactly(column.round_to) if column.round_to else _fine_step(self._scale)
        self._draw = _laplace if column.noise == "laplace" else _uniform

    def mask(self, records: Sequence[Record]) -> MaskedColumn:
        """A number for each record, or NULL."""
        found = self._forms.mask([record.values[self._position] for record in records])
        cells: list[Cell] = [
            self._noised(form, record) if isinstance(form, bytes) else None
            for form, record in zip(found.cells, records, strict=True)
        ]
        return MaskedColumn(cells, found.refused, found.not_of_kind)

    def _noised(self, form: bytes, record: Record) -> Decimal:
        drawn = int.from_bytes(self._digest(self._of_record(record) + form)[:8], "big") >> 11
        noise = EXACT.multiply(self._scale, Decimal(self._draw((drawn + 0.5) / _BITS_53)))
        return to_step(EXACT.add(Decimal(form[1:].decode()), noise), self._step)


def _laplace(share: float) -> float:
    """The quantile of Laplace's distribution with scale 1."""
    return math.log(2 * share) if share < 0.5 else -math.log(2 * (1 - share))


def _uniform(share: float) -> float:
    return 2 * share - 1


def _fine_step(scale: Decimal) -> Decimal:
    """A hundredth of the power of ten that the scale begins with."""
    return Decimal(1).scaleb(scale.adjusted() - 2)


def _as_they_are(forms: Sequence[bytes]) -> Sequence[Cell]:
    """Forms for the mask itself, which never leave it."""
    return forms


def _nothing(forms: Sequence[bytes]) -> Sequence[Cell]:
    return [None] * len(forms)
