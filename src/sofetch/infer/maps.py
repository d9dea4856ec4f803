"""Objects that are maps: their keys are data, and no column is to be called after one.

Owns the two guesses: keys that differ from message to message, and keys that are people's names. Pure.
"""

from __future__ import annotations

from typing import Final

from sofetch.detect.fields import is_full_name
from sofetch.detect.names import suggested
from sofetch.infer.names import snake
from sofetch.infer.observe import Field

_LEAST_OBJECTS: Final = 3
_LEAST_KEYS: Final = 12
_TIMES_THE_MEAN: Final = 3.0
"""Where each kind of event has fields of its own there are more keys than in one object too, but of several sorts."""

_OF_FIELDS: Final = frozenset(
    {"address", "amount", "city", "code", "count", "country", "currency", "date", "day", "description", "group", "id"}
    | {"key", "level", "mode", "month", "name", "no", "number", "price", "quantity", "rate", "region", "size", "state"}
    | {"status", "tax", "time", "total", "type", "unit", "url", "value", "version", "year"}
)
"""Words that end the name of a field and no person's, where fields are written as the heads of a table are."""


def is_map(seen: Field) -> bool:
    """Whether the objects seen here have each other keys, and under all of them the same sort of value."""
    objects, keys = seen.counts["object"], len(seen.members)
    if objects < _LEAST_OBJECTS or keys < _LEAST_KEYS or not _alike(seen):
        return False
    return keys > _TIMES_THE_MEAN * sum(member.present for member in seen.members.values()) / objects


def has_names_as_keys(seen: Field) -> bool:
    """Whether every key looks like a person's full name, and none like the head of a table's column."""
    return len(seen.members) > 1 and _alike(seen) and all(map(_is_persons, seen.members))


def _alike(seen: Field) -> bool:
    sorts = {"number" if sort == "int" else sort for member in seen.members.values() for sort in member.counts}
    return len(sorts) == 1


def _is_persons(key: str) -> bool:
    return is_full_name(key) and suggested(key) is None and _OF_FIELDS.isdisjoint(snake(key).split("_"))
