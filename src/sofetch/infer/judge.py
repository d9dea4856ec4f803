"""From what was seen of a field to a column: its name, path, type or mask, and the reason in words.

Owns the choices. Where it doubts, it masks or leaves out: a field too many in the clear cannot be called back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sofetch.detect.few_values import few_values
from sofetch.detect.personal import BIRTH, CARD, FREE_TEXT, PLACE, SPECIAL, Personal, personal_by_name, personal_by_part
from sofetch.infer.fitting import document_reason, fitting_type, is_amount
from sofetch.infer.maps import has_names_as_keys, is_map
from sofetch.infer.names import MAX_COLUMNS, Names, Path
from sofetch.infer.observe import MAX_DEPTH, MAX_MEMBERS, Field, Samples
from sofetch.paths import format_path
from sofetch.settings import ColumnType

_MAX_KEY_CHARS = 200
_UNREADABLE = re.compile(r'["\\\x00-\x1f]')  # keys that the decoder cannot look for


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A field that becomes a column: masked if ``personal`` is set, else of ``type``.

    ``present`` counts the samples in which it is there and not null; ``placeholders`` are the texts among them that say
    that there is no value.
    """

    name: str
    path: Path
    why: str
    present: int
    personal: Personal | None = None
    type: ColumnType = "text"
    longest_chars: int = 0
    placeholders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A field that becomes no column, and why. ``place`` says that it may be a list of a latitude and a longitude."""

    path: Path
    why: str
    place: bool = False


Verdict = Loaded | LeftOut


def judge(samples: Samples, *, taken: Iterable[str] = ()) -> list[Verdict]:
    """A verdict for each field, in the order in which the samples showed them. No column gets a name that is taken."""
    names = Names(taken)
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
    if is_map(seen) or has_names_as_keys(seen):
        return False
    return len(path) <= MAX_DEPTH and len(seen.members) <= MAX_MEMBERS


def _verdict(path: Path, seen: Field, names: Names) -> Verdict:
    if any(_UNREADABLE.search(key) or len(key) > _MAX_KEY_CHARS for key in path):
        return LeftOut(path=path, why="a key with a quote, backslash or control character in it, or a very long one")
    if names.full():
        return LeftOut(path=path, why=f"more than {MAX_COLUMNS:,} columns")
    if seen.sorts & {"list", "object"}:
        return _document(path, seen, names)
    return _scalar(path, seen, names)


def _document(path: Path, seen: Field, names: Names) -> Verdict:
    name = names.propose(path)
    what = _hidden_personal(path, name, seen)
    if what is not None:
        why = f"a list or object that seems to hold {what}: a document cannot be masked"
        return LeftOut(path=path, why=why, place=what == PLACE.what and seen.sorts == {"list"})
    why = "an object with other keys in each message" if is_map(seen) else document_reason(seen)
    return Loaded(name=names.take(name), path=path, why=why, present=seen.present, type="jsonb")


def _hidden_personal(path: Path, name: str, seen: Field) -> str | None:
    by_name = personal_by_name(format_path(path)) or personal_by_name(name)
    if by_name is not None:
        return by_name.what
    pending = [((), seen)] if not seen.members else [((), seen), *_below(seen)]
    for keys, member in pending:
        if member.personal_keys or has_names_as_keys(member):
            return "personal values as keys"
        found = next(iter(member.forms), None) or (personal_by_name(".".join(keys)) if keys else None)
        if found is None and member.full_names:
            found = personal_by_part(format_path((*path, *keys)))
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


def _scalar(path: Path, seen: Field, names: Names) -> Loaded:
    proposed = names.propose(path)
    personal, why = _personal(path, proposed, seen)
    if personal is not None and (personal is SPECIAL or seen.sorts != {"bool"}):
        name = names.take(names.masked(proposed))
        few = few_values(format_path(path)) or few_values(name)
        if personal.mask == "token" and few is not None:
            personal = Personal(what=personal.what, mask="redact")
            why += f"; its name suggests {few} too, which tokens do not hide"
        personal, why = _of_kind(personal, seen, why)
        nothing = tuple(sorted(seen.placeholders))
        return Loaded(name=name, path=path, why=why, present=seen.present, personal=personal, placeholders=nothing)
    column_type, why = fitting_type(seen, amount=is_amount(path))
    name = names.take(proposed)
    return Loaded(
        name=name, path=path, why=why, present=seen.present, type=column_type, longest_chars=seen.longest_chars
    )


def _of_kind(personal: Personal, seen: Field, why: str) -> tuple[Personal, str]:
    """What becomes of values that the mask cannot take as what they are, said beside it."""
    strangers, of = seen.strangers[personal.kind], f"{seen.strangers[personal.kind]} of {seen.values} samples are"
    if not strangers or personal.mask not in {"token", "bucket"}:
        return personal, why
    if personal is not BIRTH:
        return personal, f"{why}; {of} not of kind {personal.kind}, and only the very same text has the same token"
    if strangers < seen.values:
        return personal, f"{why}; {of} not written as 1985-12-31, and become NULL"
    return Personal(what=BIRTH.what, mask="redact"), f"{why}; none is written as 1985-12-31: no month can be kept"


def _personal(path: Path, name: str, seen: Field) -> tuple[Personal | None, str]:
    by_name = personal_by_name(format_path(path)) or personal_by_name(name)
    if by_name is not None:
        return by_name, f"its name suggests {by_name.what}"
    if FREE_TEXT in seen.forms:
        return FREE_TEXT, f"its values look like {FREE_TEXT.what}"
    for personal, count in seen.forms.most_common():
        if personal != CARD or count * 2 > seen.scalars:
            return personal, f"its values look like {personal.what}"
    if seen.full_names and (by_part := personal_by_part(format_path(path))) is not None:
        return by_part, f"its name and values suggest {by_part.what}"
    return None, ""
