"""Running cases: each message through the configured layers, decode and mask, as in a worker, under the key of tests.

Owns the verdict. Pure, and without a queue, a database, S3 or a key of the user's: what only the database knows (its
own types, constraints, what is in it already) is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from sofetch.cases.case import Case, Expected, ExpectedRejection, ExpectedRow, IsNull, MaskOf
from sofetch.cases.compare import fits, in_words, text_of
from sofetch.cases.expectation import as_column
from sofetch.decode import compile_decoder
from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import FETCHED, compile_layers
from sofetch.mask import compile_masker, keyring_of_tests
from sofetch.mask.column import ColumnMasker
from sofetch.mask.vaulting import new_recovery_keypair, parse_recovery_public_key
from sofetch.pipeline import transform
from sofetch.record import Cell, Message, Reason
from sofetch.settings import ColumnSettings, Settings


class Row(Struct, frozen=True):
    """The row that a message becomes: one cell a column, in the order of the configuration."""

    cells: tuple[Cell, ...]


class Refusal(Struct, frozen=True):
    """Why a message becomes no row."""

    reason: Reason
    field: str | None


class Difference(Struct, frozen=True):
    """What was expected and what came, in words. ``column`` is None where it is not about one column."""

    column: str | None
    expected: str
    got: str


class Verdict(Struct, frozen=True):
    """A case and how what came differs from what it expects: not at all, if it holds."""

    case: Case
    differences: Sequence[Difference]


class Bench:
    """A configuration ready to be tested. Raises ConfigError where it cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._columns = settings.column
        self._ring = keyring_of_tests()
        recovery = parse_recovery_public_key(new_recovery_keypair()[1]) if settings.keeps_values else None
        self._masker = compile_masker(settings, self._ring, recovery=recovery)
        self._decode = compile_decoder(settings)
        layers = [layer for layer in settings.unwrap.layers if layer not in FETCHED]
        self._peel = compile_layers(layers, settings.unwrap)

    def run(self, cases: Iterable[Case]) -> list[Verdict]:
        """A verdict for each case, in their order."""
        return [Verdict(case, self._differences(case)) for case in cases]

    def outcome(self, message: Message, *, unwrapped: bool) -> Row | Refusal:
        """What the message comes to. With ``unwrapped`` its body is the document, and no layer is taken off."""
        try:
            document = message if unwrapped else self._peel(message)
        except Unfit as unfit:
            return Refusal(unfit.reason, unfit.field)
        done = transform([document], decode=self._decode, masker=self._masker, systematic=None)
        for row in done.masked.records:
            return Row(row.values)
        [rejection] = done.rejections
        return Refusal(rejection.reason, rejection.field)

    def mask(self, expected: MaskOf, column: ColumnSettings) -> Cell:
        """What a mask makes of a value under the key of tests."""
        [cell] = ColumnMasker(as_column(expected, column), self._ring).mask([expected.value]).cells
        return cell

    def _differences(self, case: Case) -> list[Difference]:
        got = self.outcome(case.message, unwrapped=case.unwrapped)
        match case.expected, got:
            case ExpectedRow() as row, Row(cells):
                return list(self._of_row(row, cells))
            case ExpectedRejection(reason, field), Refusal() if reason == got.reason:
                return [] if field in (None, got.field) else [Difference(None, _told(reason, field), _refused(got))]
            case ExpectedRejection(reason, field), Refusal():
                return [Difference(None, _told(reason, field), _refused(got))]
            case ExpectedRejection(reason, field), Row():
                return [Difference(None, _told(reason, field), "a row")]
            case ExpectedRow(), Refusal():
                return [Difference(None, "a row", _refused(got))]
            case _:
                raise AssertionError(type(got))

    def _of_row(self, row: ExpectedRow, cells: Sequence[Cell]) -> Iterable[Difference]:
        for column, cell in zip(self._columns, cells, strict=True):
            expected: Expected | None = row.columns.get(column.name, IsNull() if row.whole else None)
            if expected is None:
                continue

            def mask(one: MaskOf, column: ColumnSettings = column) -> Cell:
                return self.mask(one, column)

            if not fits(expected, cell, mask=mask):
                yield Difference(column.name, in_words(expected, mask=mask), text_of(cell))


def uncovered(cases: Iterable[Case], settings: Settings) -> list[str]:
    """Columns of which no case expects a value: a change to them would go unnoticed."""
    covered = {
        name
        for case in cases
        if isinstance(case.expected, ExpectedRow)
        for name, expected in case.expected.columns.items()
        if not isinstance(expected, IsNull)
    }
    return [column.name for column in settings.column if column.name not in covered]


def _refused(got: Refusal) -> str:
    return _told(got.reason, got.field)


def _told(reason: Reason, field: str | None) -> str:
    return f"a rejection: {reason.value}" + (f" in {field}" if field else "")
