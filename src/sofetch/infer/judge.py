"""From what was seen of a field to a column: its name, path, type or mask, and the reason in words.

Owns the choices. Where it doubts, it masks or leaves out: a field too many in the clear cannot be called back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from sofetch.infer.observe import MAX_DEPTH, MAX_MEMBERS, Field, Samples, Sort
from sofetch.paths import format_path
from sofetch.personal import CARD, FREE_TEXT, Personal, personal_by_name
from sofetch.settings import ColumnType

MAX_COLUMNS: Final = 1_000
"""Postgres takes 1,600 columns at most, fewer of wide types."""

_MAX_KEY_CHARS = 200
_MAX_NAME_CHARS = 63
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')  # keys that the decoder cannot look for
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_INT4_MAX = 2**31 - 1
_INT8_MAX = 2**63 - 1
_TEXT_TYPES: Final[tuple[ColumnType, ...]] = ("uuid", "date", "timestamp", "inet")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A field that becomes a column: masked if ``personal`` is set, else of ``type``.

    ``present`` counts the samples in which it is there and not null.
    """

    name: str
    path: Path
    why: str
    present: int
    personal: Personal | None = None
    type: ColumnType = "text"
    longest_chars: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A field that becomes no column, and why."""

    path: Path
    why: str


Verdict = Loaded | LeftOut


def judge(samples: Samples) -> list[Verdict]:
    """A verdict for each field, in the order in which the samples showed them."""
    names = _Names()
    verdicts = [_verdict(path, seen, names) for path, seen in _fields(samples.root)]
    if samples.root.personal_keys:
        verdicts.append(LeftOut(path=(), why="keys of the body that look like personal values themselves"))
    return verdicts


def _fields(root: Field) -> Iterator[tuple[Path, Field]]:
    """Every field that could be a column: scalars, lists, and objects that cannot be taken apart."""
    pending: list[tuple[Path, Field]] = [((), root)]
    while pending:
        path, seen = pending.pop()
        if path and not _comes_apart(path, seen):
            yield path, seen
        else:
            pending += reversed([((*path, key), member) for key, member in seen.members.items()])


def _comes_apart(path: Path, seen: Field) -> bool:
    if seen.sorts != {"object"} or seen.personal_keys or not seen.members:
        return False
    return len(path) <= MAX_DEPTH and len(seen.members) <= MAX_MEMBERS


def _verdict(path: Path, seen: Field, names: _Names) -> Verdict:
    if any(_UNREADABLE.search(key) or len(key) > _MAX_KEY_CHARS for key in path):
        return LeftOut(path=path, why="a key with a quote, backslash or control character in it, or a very long one")
    if names.full():
        return LeftOut(path=path, why=f"more than {MAX_COLUMNS:,} columns")
    if seen.sorts & {"list", "object"}:
        return _document(path, seen, names)
    return _scalar(path, seen, names)


def _document(path: Path, seen: Field, names: _Names) -> Verdict:
    name = names.propose(path)
    what = _hidden_personal(path, name, seen)
    if what is not None:
        return LeftOut(path=path, why=f"a list or object that seems to hold {what}: a document cannot be masked")
    return Loaded(name=names.take(name), path=path, why=_document_reason(seen), present=seen.present, type="jsonb")


def _document_reason(seen: Field) -> str:
    if seen.sorts == {"list"}:
        return "a list"
    return "an object" if seen.sorts == {"object"} else "values of several sorts"


def _hidden_personal(path: Path, name: str, seen: Field) -> str | None:
    by_name = personal_by_name(format_path(path)) or personal_by_name(name)
    if by_name is not None:
        return by_name.what
    pending = [((), seen)] if not seen.members else [((), seen), *_below(seen)]
    for keys, member in pending:
        if member.personal_keys:
            return "personal values as keys"
        found = next(iter(member.forms), None) or (personal_by_name(".".join(keys)) if keys else None)
        if found is not None:
            return found.what
    return None


def _below(seen: Field) -> list[tuple[Path, Field]]:
    found: list[tuple[Path, Field]] = []
    pending: list[tuple[Path, Field]] = [((), seen)]
    while pending:
        path, field = pending.pop()
        below = [((*path, key), member) for key, member in field.members.items()]
        found += below
        pending += below
    return found


def _scalar(path: Path, seen: Field, names: _Names) -> Loaded:
    proposed = names.propose(path)
    personal, why = (None, "") if seen.sorts == {"bool"} else _personal(path, proposed, seen)
    if personal is not None:
        name = names.take(names.masked(proposed))
        return Loaded(name=name, path=path, why=why, present=seen.present, personal=personal)
    column_type, why = _type(seen)
    name = names.take(proposed)
    return Loaded(
        name=name, path=path, why=why, present=seen.present, type=column_type, longest_chars=seen.longest_chars
    )


def _personal(path: Path, name: str, seen: Field) -> tuple[Personal | None, str]:
    by_name = personal_by_name(format_path(path)) or personal_by_name(name)
    if by_name is not None:
        return by_name, f"its name suggests {by_name.what}"
    if FREE_TEXT in seen.forms:
        return FREE_TEXT, f"its values look like {FREE_TEXT.what}"
    for personal, count in seen.forms.most_common():
        if personal != CARD or count * 2 > seen.scalars:
            return personal, f"its values look like {personal.what}"
    return None, ""


def _type(seen: Field) -> tuple[ColumnType, str]:
    match sorted(seen.sorts):
        case []:
            return "text", "only null was seen"
        case ["text"]:
            return _text_type(seen)
        case [sort]:
            return _plain_type(sort, seen.largest)
        case ["int", "number"]:
            return "numeric", "integers and other numbers"
        case _:
            return "jsonb", "values of several sorts"


def _text_type(seen: Field) -> tuple[ColumnType, str]:
    for column_type in _TEXT_TYPES:
        if column_type in seen.text_types:
            return column_type, f"every text reads as {column_type}"
    return "text", "text"


def _plain_type(sort: Sort, largest: int) -> tuple[ColumnType, str]:
    match sort:
        case "bool":
            return "bool", "true and false"
        case "number":
            return "numeric", "numbers"
        case "int" if largest <= _INT4_MAX:
            return "int", "integers; take bigint if they may pass two billion"
        case "int" if largest <= _INT8_MAX:
            return "bigint", "integers past two billion"
        case "int":
            return "numeric", "integers of any size"
        case "text" | "list" | "object":
            raise AssertionError(sort)
        case _:
            assert_never(sort)


class _Names:
    """Gives each column a name of its own: lower snake case, at most 63 characters of ASCII."""

    def __init__(self) -> None:
        self._taken: set[str] = set(_SYSTEM_COLUMNS)

    def full(self) -> bool:
        return len(self._taken) - len(_SYSTEM_COLUMNS) >= MAX_COLUMNS

    def propose(self, path: Path) -> str:
        """A free name that says what the path says. A name cut short may look personal where the path does not."""
        return self._free(_snake("_".join(path)))

    def masked(self, name: str) -> str:
        return name if name.startswith("masked_") else self._free(f"masked_{name}")

    def take(self, name: str) -> str:
        self._taken.add(name)
        return name

    def _free(self, name: str) -> str:
        candidate, number = name[:_MAX_NAME_CHARS], 1
        while candidate in self._taken:
            number += 1
            suffix = f"_{number}"
            candidate = name[: _MAX_NAME_CHARS - len(suffix)] + suffix
        return candidate


def _snake(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_") or "field"
    return name if name[0].isalpha() else f"field_{name}"
