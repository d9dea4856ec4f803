"""What a sample of messages shows of each column, what of it no column reads, and what the decoder refuses.

Owns looking; what to make of it is ``compare``'s. Values are looked at one by one and never kept. Whether a message is
refused is the decoder's own answer, so only the first fault of each is known.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from sofetch.decode import compile_decoder
from sofetch.decode.unfit import Unfit
from sofetch.decode.unknown import UnknownFields
from sofetch.detect import is_plain_name
from sofetch.infer.fitting import fitting_type
from sofetch.infer.judge import LeftOut, Loaded, Verdict, judge
from sofetch.infer.observe import Field, Sort, look, observe, parse
from sofetch.infer.write import column_lines
from sofetch.paths import Path, format_path, parse_path
from sofetch.record import DriftKind, Message, Reason, Rejection
from sofetch.settings import ColumnSettings, ColumnType, Settings

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MOST_UNREAD: Final = 100


class Seen(Struct, frozen=True, kw_only=True):
    """One place in the messages: in how many it stands and is not null, and how often as which sort of value."""

    present: int
    sorts: dict[Sort, int]
    fitting: ColumnType | None = None
    """The type that holds every value seen; None where nothing was, or where a mask would fit better."""


class Unread(Struct, frozen=True, kw_only=True):
    """A field that no column reads. ``name`` is its path, None where no name may be shown; then it may be several.

    ``column`` is what could load it, ``toml`` the same as text; both None where it had better be left out, for ``why``.
    """

    name: str | None
    seen: Seen
    why: str
    column: ColumnSettings | None = None
    toml: str | None = None


class Refused(Struct, frozen=True, kw_only=True):
    """Messages that would go to quarantine for one reason. ``column`` is None where none is to blame."""

    reason: Reason
    column: str | None
    messages: int


class Sample(Struct, frozen=True, kw_only=True):
    """All messages together. ``documents`` counts those whose body is a JSON object: what the rest is counted in.

    ``columns`` has every column that is read from the body; ``more_unread`` counts fields with a name past the first
    hundred; ``lost``, by column, values that are left out of messages that are loaded, since their type changed.
    """

    messages: int
    documents: int
    columns: dict[str, Seen]
    unread: list[Unread]
    more_unread: int
    refused: list[Refused]
    lost: dict[str, int]

    @property
    def refused_messages(self) -> int:
        """How many would go to quarantine."""
        return sum(one.messages for one in self.refused)


def look_at(messages: Sequence[Message], settings: Settings, *, unopened: Sequence[Rejection] = ()) -> Sample:
    """Look at opened messages; ``unopened`` are those in which nothing could be looked at.

    Raises ConfigError where the configuration's columns cannot be read as they are written.
    """
    decode = compile_decoder(settings)
    decoded = decode(messages)
    loaded = decode([record.message for record in decoded.records])
    paths = {column.name: _path(column) for column in settings.column if _is_read(column, settings)}
    bodies = [message.body.removeprefix(_BYTE_ORDER_MARK) for message in messages]
    fields = {name: Field() for name in paths}
    documents = 0
    for body in bodies:
        document = parse(body)
        if isinstance(document, dict):
            documents += 1
            for name, path in paths.items():
                look(_at(document, path), fields[name], depth=len(path))
    verdicts, root = _unread_of(bodies, paths.values(), taken=[column.name for column in settings.column])
    masked = [_path(column) for column in settings.column if column.mask is not None and _is_read(column, settings)]
    unread, nameless = _told([_hiding(verdict, masked) for verdict in verdicts], root)
    return Sample(
        messages=len(messages) + len(unopened),
        documents=documents,
        columns={name: _seen(field) for name, field in fields.items()},
        unread=[*unread[:_MOST_UNREAD], *nameless],
        more_unread=len(unread[_MOST_UNREAD:]),
        refused=_refused([*decoded.rejections, *unopened]),
        lost={one.field: count for one, count in loaded.drifted.items() if one.kind is DriftKind.TYPE_CHANGE},
    )


def _is_read(column: ColumnSettings, settings: Settings) -> bool:
    return column.value is None and column.name != settings.drift.collect_into


def _path(column: ColumnSettings) -> Path:
    return (column.name,) if column.from_ is None else parse_path(column.from_)


def _at(value: object, path: Path) -> object:
    """What stands at the path; None where nothing does."""
    for step in path:
        match value, step:
            case dict(), str():
                value = value.get(step)
            case list(), int() if step < len(value):
                value = value[step]
            case _:
                return None
    return value


def _seen(field: Field) -> Seen:
    personal = bool(field.forms) or field.personal_keys
    fitting = None if personal or not field.present else fitting_type(field)[0]
    return Seen(present=field.present, sorts=dict(field.counts.most_common()), fitting=fitting)


def _unread_of(bodies: Iterable[bytes], paths: Iterable[Path], *, taken: Sequence[str]) -> tuple[list[Verdict], Field]:
    unknown = UnknownFields(paths)
    rest: list[bytes] = []
    for body in bodies:
        try:
            found = unknown.of(body)
        except Unfit:
            continue  # the decoder's to refuse
        if found is not None:
            rest.append(found.document)
    samples = observe(rest)
    return judge(samples, taken=taken), samples.root


def _hiding(verdict: Verdict, masked: Sequence[Path]) -> Verdict:
    """The verdict, unless it would load in the clear a document of which a column masks a part."""
    shows = isinstance(verdict, Loaded) and verdict.personal is None
    if shows and any(path[: len(verdict.path)] == verdict.path for path in masked):
        why = "a column masks a part of it, which the whole would show in the clear"
        return LeftOut(path=verdict.path, why=why)
    return verdict


def _told(verdicts: Iterable[Verdict], root: Field) -> tuple[list[Unread], list[Unread]]:
    """The fields whose names may be shown, and all others as one, if there are any."""
    told: list[Unread] = []
    nameless: list[Counter[Sort]] = []
    for verdict in verdicts:
        field = _field(root, verdict.path)
        if verdict.path and all(map(is_plain_name, verdict.path)):
            told.append(_unread(verdict, field))
        else:
            nameless.append(field.counts if verdict.path else Counter())  # keys of the body itself are not counted
    if not nameless:
        return told, []
    hidden = sum(nameless, Counter[Sort]())
    seen = Seen(present=hidden.total(), sorts=dict(hidden.most_common()))
    why = "their names are no plain words, so they may be data and are not shown; --ignore '?' leaves them out"
    return told, [Unread(name=None, seen=seen, why=why)]


def _field(root: Field, path: tuple[str, ...]) -> Field:
    for key in path:
        root = root.members[key]
    return root


def _unread(verdict: Verdict, field: Field) -> Unread:
    name = format_path(verdict.path)
    match verdict:
        case LeftOut():
            return Unread(name=name, seen=_seen(field), why=verdict.why)
        case Loaded():
            toml = "\n".join(column_lines(verdict))
            [column] = tomllib.loads(toml)["column"]
            return Unread(
                name=name,
                seen=_seen(field),
                why=verdict.why,
                column=msgspec.convert(column, ColumnSettings),
                toml=toml,
            )


def _refused(rejections: Iterable[Rejection]) -> list[Refused]:
    counts = Counter((rejection.reason, rejection.field) for rejection in rejections)
    return [Refused(reason=reason, column=field, messages=n) for (reason, field), n in counts.most_common()]
