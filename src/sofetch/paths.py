"""Paths into a JSON document, as the configuration writes them.

Owns the grammar: keys joined by dots, array positions in brackets, keys with other characters in double quotes with
JSON's escapes. ``a``, ``a.b``, ``a.b[0].c``, ``"odd.key".c``. Must not know of settings, bodies or messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

Path = tuple[str | int, ...]

MAX_STEPS = 32
"""More steps than this are a slip of the pen, and each one is a nested type in the decoder."""

MAX_INDEX = 999
"""A decoder has one slot for each array position up to the highest one named."""

_BARE = r"[^\s.\[\]\"\x00-\x1f\x7f]+"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_STEP = re.compile(rf"(?P<bare>{_BARE})|(?P<quoted>{_QUOTED})|\[(?P<index>[0-9]+)\]", re.DOTALL)


def parse_path(text: str) -> Path:
    """The steps of a path: a str for a key, an int for an array position. ValueError says what is wrong and where."""
    steps = tuple(_steps(text))
    if len(steps) > MAX_STEPS:
        raise ValueError(f"has {len(steps)} steps; at most {MAX_STEPS} are possible")
    return steps


def format_path(path: Path) -> str:
    """The text of a path, so that ``parse_path(format_path(path)) == path``; keys are quoted where they must be."""
    first, *rest = [f"[{step}]" if isinstance(step, int) else _format_key(step) for step in path]
    return first + "".join(step if step.startswith("[") else f".{step}" for step in rest)


def _steps(text: str) -> Iterator[str | int]:
    position = 0
    while True:
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(_complaint(text, position))
        yield _step(match)
        position = match.end()
        if position == len(text):
            return
        if text[position] == "." and match.end() < len(text) - 1 and text[position + 1] != "[":
            position += 1
        elif text[position] != "[":
            raise ValueError(_complaint(text, position))


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        if match.start() == 0:
            raise ValueError("starts with an array position; a body is an object, so a path starts with a key")
        return _index(match["index"])
    if match["bare"] is not None:
        return match["bare"]
    return _unquote(match["quoted"], match.start())


def _index(digits: str) -> int:
    if len(digits) > len(str(MAX_INDEX)) or int(digits) > MAX_INDEX:
        raise ValueError(f"names an array position above {MAX_INDEX}")
    return int(digits)


def _unquote(quoted: str, position: int) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except (msgspec.DecodeError, UnicodeError):
        raise ValueError(f"character {position + 1}: the quoted key is not a JSON string") from None


def _format_key(key: str) -> str:
    return key if re.fullmatch(_BARE, key) else msgspec.json.encode(key).decode()


def _complaint(text: str, position: int) -> str:
    if not text:
        return "is empty; write a key, such as `user.id`"
    what = f"{text[position]!r} is not expected" if position < len(text) else "a key is missing at the end"
    return f'character {position + 1}: {what}; write keys as `a.b[0].c` and quote odd ones: `"odd.key".c`'
