"""JSON that is written into a text, as programs do that know no other way: whether it holds something personal.

Owns the look into it, by the names of its fields and by what asks for the values' forms. Pure; nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from sofetch.detect.names import suggested
from sofetch.paths import format_path

_ENDS: Final = {"{": "}", "[": "]"}
_MOST_CHARS: Final = 100_000


def document_in(text: str) -> object:
    """The object or list that the text is, as a whole; None for any other text."""
    text = text.strip()
    if len(text) > _MOST_CHARS or text[-1:] != _ENDS.get(text[:1], " "):
        return None
    try:
        document: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list) else None


def holds_personal_fields(document: object, *, is_personal: Callable[[str], bool]) -> bool:
    """Whether a field that is not empty is named for what is personal, or a text or key ``is_personal``."""
    return any(_says(path) if text is None else is_personal(text) for path, text in _parts(document))


def _says(path: tuple[str, ...]) -> bool:
    return bool(path) and suggested(format_path(path)) is not None


def _parts(document: object) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """The path of each value, and each text and key itself."""
    pending: list[tuple[tuple[str, ...], object]] = [((), document)]
    while pending:
        path, value = pending.pop()
        match value:
            case dict():
                for key, member in value.items():
                    yield path, str(key)
                    pending.append(((*path, str(key)), member))
            case list():
                pending += [(path, item) for item in value]
            case None | "":
                pass
            case bool():
                if path and suggested(format_path(path)) == "special":  # elsewhere a flag is not what it is a flag of
                    yield path, None
            case str():
                yield path, value
                yield path, None
            case _:  # of a number its name alone tells: long ones pass a card's check by chance
                yield path, None
