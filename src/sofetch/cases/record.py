"""First cases from real messages: one for each sort of message, with every value replaced.

Owns which messages become cases. A message becomes one only if, with its values replaced, it still comes to what it
came to: a row with the same columns NULL, or the same rejection. Nothing of a real message is in what it gives back.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sofetch.cases.case import (
    MESSAGE_ID,
    SENT_MS,
    Case,
    Document,
    Equal,
    Expected,
    ExpectedRejection,
    ExpectedRow,
    MaskOf,
)
from sofetch.cases.compare import text_of
from sofetch.cases.replace import Replacer
from sofetch.cases.run import Bench, Refusal, Row
from sofetch.columns import JOINABLE_MASKS, kind_of, token_domain
from sofetch.decode import compile_decoder
from sofetch.record import Cell, Message, Reason, Value
from sofetch.settings import ColumnSettings, Settings

_TRIES = 3
_NO_DOCUMENT = {
    Reason.EMPTY_BODY: b"",
    Reason.NOT_JSON: b'{"no": json',
    Reason.NOT_AN_OBJECT: b"[]",
    Reason.NOT_UTF8: b"\xff",
}
"""What stands for a body whose values cannot be told apart, and so cannot be replaced."""


class Recorded(Struct, frozen=True):
    """The cases, and the number of messages of a further sort of which none could be made."""

    cases: list[Case]
    skipped: int


def record_cases(documents: Sequence[Message], settings: Settings, *, most: int) -> Recorded:
    """Cases from documents, which no layer is round any more; one for each sort of message, ``most`` at most."""
    return _Recorder(settings).record(documents, most=most)


Sort = tuple[object, ...]


class _Recorder:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bench = Bench(settings)
        self._decode = compile_decoder(settings)
        self._replacer = Replacer(settings)
        self._unwrapped = bool(settings.unwrap.layers)

    def record(self, documents: Sequence[Message], *, most: int) -> Recorded:
        cases: dict[Sort, Case] = {}
        skipped: set[Sort] = set()
        for message in documents:
            if len(cases) >= most:
                break
            sort = self._sort(self._bench.outcome(message, unwrapped=True))
            if sort in cases:
                continue
            case = self._case(message, sort)
            if case is None:
                skipped.add(sort)
            else:
                cases[sort] = case
        return Recorded(list(cases.values()), len(skipped - cases.keys()))

    def _case(self, message: Message, sort: Sort) -> Case | None:
        for _ in range(_TRIES):
            replaced = self._replaced(message, sort)
            if replaced is None:
                return None
            outcome = self._bench.outcome(replaced, unwrapped=True)
            if self._sort(outcome) == sort:
                return self._written(replaced, outcome)
            self._replacer = Replacer(self._settings)
        return None

    def _replaced(self, message: Message, sort: Sort) -> Message | None:
        body = self._replacer.body(message.body)
        if body is None:
            body = next((made for reason, made in _NO_DOCUMENT.items() if reason == sort[0]), None)
        if body is None:
            return None
        return Message(
            id=MESSAGE_ID,
            body=body,
            queue=self._settings.source.queue,
            sent_ms=SENT_MS,
            received_ms=SENT_MS,
            group_id=self._replacer.group(message.group_id),
            attributes=self._replacer.attributes(message),
        )

    def _written(self, message: Message, outcome: Row | Refusal) -> Case:
        expected: ExpectedRow | ExpectedRejection
        if isinstance(outcome, Refusal):
            name = f"{outcome.reason.value} in {outcome.field}" if outcome.field else outcome.reason.value
            expected = ExpectedRejection(outcome.reason, outcome.field)
        else:
            absent = [column.name for column, cell in self._told(outcome.cells) if cell is None]
            name = f"a row without {', '.join(absent)}" if absent else "a row"
            expected = ExpectedRow(self._row(message, outcome.cells), whole=True)
        return Case(name=name, where="", message=message, expected=expected, unwrapped=self._unwrapped)

    def _row(self, message: Message, cells: Sequence[Cell]) -> dict[str, Expected]:
        [record] = self._decode([message]).records
        return {
            column.name: self._expected(column, cell, value)
            for (column, cell), value in zip(self._with(cells), record.values, strict=True)
            if cell is not None
        }

    def _expected(self, column: ColumnSettings, cell: Cell, value: Value) -> Expected:
        """The cell in the way that is read best: a token by what it is the token of, with what else goes into it."""
        if column.mask in JOINABLE_MASKS and isinstance(value, str | int) and not isinstance(value, bool):
            of = MaskOf(column.mask, value, kind_of(column), token_domain(column))
            if self._bench.mask(of, column) == cell:
                return of
        match cell:
            case bytes():
                return Document(msgspec.json.decode(cell))
            case str() | bool() | int():
                return Equal(cell)
            case _:
                return Equal(text_of(cell))

    def _with(self, cells: Sequence[Cell]) -> list[tuple[ColumnSettings, Cell]]:
        return list(zip(self._settings.column, cells, strict=True))

    def _told(self, cells: Sequence[Cell]) -> list[tuple[ColumnSettings, Cell]]:
        """All but the collecting column: a case leaves out the fields that no column reads."""
        collecting = self._settings.drift.collect_into
        return [(column, cell) for column, cell in self._with(cells) if column.name != collecting]

    def _sort(self, outcome: Row | Refusal) -> Sort:
        """What two messages share that differ in their values alone."""
        if isinstance(outcome, Refusal):
            return (outcome.reason, outcome.field)
        return tuple(cell is None for _, cell in self._told(outcome.cells))
