"""The comparison itself: a line for each field and column with what each side has, and the differences in words.

Owns what is held against what, and what is advised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from sofetch.reconcile.difference import Difference, difference
from sofetch.reconcile.sample import Refused, Sample, Seen, Unread
from sofetch.record import Reason
from sofetch.settings import ColumnSettings, Settings

if TYPE_CHECKING:
    from sofetch.load.setup.layout import ColumnThere, Fault, Layout

_WITH_ITS_COLUMN: Final = "only together with its [[column]]"
NAMELESS: Final = "?"
"""Stands, where differences are ignored, for fields whose names are not shown."""

_ABOUT_TYPES: Final = {Reason.WRONG_TYPE, Reason.BAD_VALUE, Reason.OUT_OF_RANGE}


class Configured(Struct, frozen=True, kw_only=True):
    """A column as the configuration has it."""

    type: str
    mask: str | None
    required: bool


class InTable(Struct, frozen=True, kw_only=True):
    """A column as the table has it. ``filled`` where Postgres gives what an INSERT leaves out."""

    type: str
    not_null: bool
    filled: bool


class Line(Struct, frozen=True, kw_only=True):
    """A field or column, and what each side has of it; None where a side has nothing, or was not looked at."""

    field: str | None
    column: str | None
    messages: Seen | None
    config: Configured | None
    table: InTable | None


class Comparison(Struct, frozen=True, kw_only=True):
    """All of it. ``messages`` is None where none were looked at, ``table`` where the table was not."""

    messages: int | None
    documents: int | None
    refused: int | None
    table: str | None
    lines: list[Line]
    differences: list[Difference]

    @property
    def agree(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(
    settings: Settings, sample: Sample | None, layout: Layout | None, *, ignored: Collection[str] = ()
) -> Comparison:
    """Hold them against one another. Differences of a field or column that is ``ignored`` are meant, and left out."""
    found = [*_of_messages(settings, sample, layout), *_of_table(settings, sample, layout)]
    kept = [one for one in found if _names(one).isdisjoint(ignored)]
    return Comparison(
        messages=None if sample is None else sample.messages,
        documents=None if sample is None else sample.documents,
        refused=None if sample is None else sample.refused_messages,
        table=None if layout is None else layout.table,
        lines=list(_lines(settings, sample, layout)),
        differences=sorted(kept, key=lambda one: one.severity != "error"),
    )


def _names(one: Difference) -> set[str]:
    """What the difference is called where it is to be ignored."""
    hidden = {NAMELESS} if one.code == "field_unread" and one.field is None else set()
    return hidden | {name for name in (one.field, one.column) if name is not None}


def _lines(settings: Settings, sample: Sample | None, layout: Layout | None) -> Iterator[Line]:
    there = {} if layout is None else {column.name: column for column in layout.columns}
    for column in settings.column:
        yield Line(
            field=_field(settings, column),
            column=column.name,
            messages=None if sample is None else sample.columns.get(column.name),
            config=Configured(type=column.type, mask=column.mask, required=column.required),
            table=_in_table(there.pop(column.name, None)),
        )
    for unread in [] if sample is None else sample.unread:
        yield Line(field=unread.name, column=None, messages=unread.seen, config=None, table=None)
    for left in there.values():
        yield Line(field=None, column=left.name, messages=None, config=None, table=_in_table(left))


def _in_table(column: ColumnThere | None) -> InTable | None:
    return None if column is None else InTable(type=column.type, not_null=column.not_null, filled=column.filled)


def _field(settings: Settings, column: ColumnSettings) -> str | None:
    """The path that the column reads; None where it is not read from the body."""
    if column.value is not None or column.name == settings.drift.collect_into:
        return None
    return column.from_ or column.name


def _of_messages(settings: Settings, sample: Sample | None, layout: Layout | None) -> Iterator[Difference]:
    if sample is None:
        return
    columns = {column.name: column for column in settings.column}
    for refused in sample.refused:
        yield _refused(settings, sample, refused, columns)
    for name, messages in sample.lost.items():
        yield _lost(settings, sample, columns[name], messages)
    for name, seen in sample.columns.items():
        if not seen.present and sample.documents:
            yield _unsent(settings, sample, columns[name])
    for unread in sample.unread:
        yield _unread(settings, sample, unread, {} if layout is None else layout.proposed)
    if sample.more_unread:
        what = f"{sample.more_unread:,} more fields that no column reads are not listed"
        hint = "are keys of theirs data? Else let columns read them, a hundred at a time"
        yield difference("fields_unlisted", field=None, column=None, what=what, hint=hint)


def _refused(settings: Settings, sample: Sample, refused: Refused, columns: dict[str, ColumnSettings]) -> Difference:
    column = columns.get(refused.column or "")
    toml = _other_type(sample, column) if column is not None and refused.reason in _ABOUT_TYPES else None
    return difference(
        "messages_refused",
        field=None if column is None else _field(settings, column),
        column=refused.column,
        verdict=f"{refused.messages:,} refused: {refused.reason}",
        what=f"{refused.messages:,} of {sample.messages:,} messages would go to quarantine: {refused.reason}",
        hint=_HINTS.get(refused.reason, "`sofetch test` shows single messages; docs/errors.md explains each reason")
        if toml is None
        else _EITHER,
        toml=toml,
    )


def _lost(settings: Settings, sample: Sample, column: ColumnSettings, messages: int) -> Difference:
    instead = "NULL" if column.default is None else "its `default`"
    toml = _other_type(sample, column)
    return difference(
        "values_lost",
        field=_field(settings, column),
        column=column.name,
        verdict=f"{messages:,} lost: another type",
        what=f"{messages:,} of {sample.messages:,} messages are loaded with {instead} in place of a value of another "
        'type, by [drift] type_changes = "null"',
        hint=_HINTS[Reason.WRONG_TYPE] if toml is None else _EITHER,
        toml=toml,
    )


_EITHER: Final = "let the column take what was seen, or let the producer send what the column takes"

_HINTS: Final[dict[Reason, str]] = {
    Reason.MISSING_FIELD: "take `required` from the column, or give it a `default`, until all producers send the field",
    Reason.TOO_LONG: "raise the column's max_length, and its width in the table",
    Reason.WRONG_TYPE: "let the producers send what the column takes; numbers in quotes are text, and a list no scalar",
    Reason.UNKNOWN_FIELD: 'add columns for the fields below, or set [drift] unknown_fields to "warn", or "collect"',
}


def _other_type(sample: Sample, column: ColumnSettings) -> str | None:
    """The type that takes what the column's own does not, as what is to be changed of the column.

    None where no scalar type does: then the producers are of two minds, and a document is not what they meant.
    """
    seen = sample.columns.get(column.name)
    fitting = None if seen is None else seen.fitting
    if column.mask is not None or fitting in {None, "jsonb", column.type}:
        return None
    return f'# in the [[column]] {column.name}:\ntype = "{fitting}"  # now {column.type}'


def _unsent(settings: Settings, sample: Sample, column: ColumnSettings) -> Difference:
    return difference(
        "field_unsent",
        field=_field(settings, column),
        column=column.name,
        what=f"none of {sample.documents:,} messages has it",
        hint="is the name right? Else it may be rare, or the producer has dropped it",
    )


def _unread(settings: Settings, sample: Sample, unread: Unread, additions: dict[str, str]) -> Difference:
    policy = settings.drift.unknown_fields
    hint = f"it had better stay out: {unread.why}" if unread.toml is None else "load it by a column such as this"
    return difference(
        "field_unread",
        field=unread.name,
        column=None,
        what=f"{_share(unread, sample)}; {_BECOMES[policy]}",
        hint=hint if unread.name is not None else unread.why,
        toml=unread.toml,
        sql=None if unread.column is None else additions.get(unread.column.name),
        caution=_WITH_ITS_COLUMN,
    )


_BECOMES: Final = {
    "ignore": "it is left out",
    "warn": "it is left out and counted",
    "quarantine": "such messages go to quarantine",
    "collect": "it is collected, every text as a token",
}


def _share(unread: Unread, sample: Sample) -> str:
    if unread.name is None:
        return "there are fields with odd names that no column reads"
    return f"no column reads it, {unread.seen.present:,} of {sample.documents:,} messages have it"


def _of_table(settings: Settings, sample: Sample | None, layout: Layout | None) -> Iterator[Difference]:
    columns = {column.name: column for column in settings.column}
    for fault in [] if layout is None else layout.faults:
        column = columns.get(fault.column or "")
        yield difference(
            fault.code,
            field=None if column is None else _field(settings, column),
            column=fault.column,
            what=fault.what + _lacking(fault, sample),
            hint=fault.hint,
            sql=fault.sql,
            caution=fault.caution,
            loaded_past=fault.code == "column_not_null" and sample is not None and not _lacking(fault, sample),
        )


def _lacking(fault: Fault, sample: Sample | None) -> str:
    """How many messages a NOT NULL would refuse."""
    seen = None if sample is None else sample.columns.get(fault.column or "")
    if fault.code != "column_not_null" or seen is None or sample is None or seen.present == sample.documents:
        return ""
    return f"; {sample.documents - seen.present:,} of {sample.documents:,} messages lack it"
