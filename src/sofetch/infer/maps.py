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
"""Where each kind of event has fields of its own there are more keys than in one object, too."""
_LEAST_SHARE: Final = 1 / 3
_TIMES_EACH: Final = 2
"""How often the keys of a kind of event have come together, on an average."""

_OF_FIELDS: Final = frozenset(
    {"address", "amount", "at", "average", "balance", "category", "city", "clicks", "code", "cost", "count", "country"}
    | {"currency", "date", "day", "description", "discount", "duration", "group", "height", "hours", "id", "key"}
    | {"left", "length", "level", "line", "lines", "location", "method", "minutes", "mode", "month", "name", "no"}
    | {"number", "order", "orders", "percent", "points", "price", "product", "quantity", "rate", "reason", "region"}
    | {"right", "score", "seconds", "seen", "size", "source", "state", "status", "sum", "tax", "temperature"}
    | {"time", "title", "total", "type", "unit", "url", "user", "users", "value", "version", "views", "visitors"}
    | {"volume", "weight", "width", "year"}
)
"""Words of the names of fields and no person's, where fields are written as the heads of a table are."""


def is_map(seen: Field) -> bool:
    """Whether the objects seen here have each other keys, and under all of them the same sort of value."""
    objects, keys = seen.counts["object"], len(seen.members)
    if objects < _LEAST_OBJECTS or keys < _LEAST_KEYS or not _alike(seen):
        return False
    mean = sum(member.present for member in seen.members.values()) / objects
    return keys > _TIMES_THE_MEAN * mean and not _called_as_fields(seen) and not _is_of_kinds(seen)


def has_names_as_keys(seen: Field) -> bool:
    """Whether every key looks like a person's full name, and none like the head of a table's column."""
    return len(seen.members) > 1 and _alike(seen) and all(map(_is_persons, seen.members))


def _called_as_fields(seen: Field) -> bool:
    """Whether a third of the keys or more say what is under them, as fields do that may each be missing."""
    return sum(map(_is_fields, seen.members)) >= _LEAST_SHARE * len(seen.members)


def _is_fields(key: str) -> bool:
    return snake(key).rpartition("_")[2] in _OF_FIELDS or suggested(key) is not None


def _is_of_kinds(seen: Field) -> bool:
    """Whether the keys are fields of several kinds of events: the same few come together again, and they are called as
    fields are, of two words or more. What is data comes in any company, and is seldom called so.
    """
    in_words = sum(map(_has_words, seen.members))
    if in_words * 2 < len(seen.members) or len(seen.key_sets) * _TIMES_EACH > seen.counts["object"]:
        return False
    return len(seen.key_sets) < len(seen.members) or _has_kinds_inside(seen)


def _has_words(key: str) -> bool:
    """Whether it is of several words and no digits, in snake, kebab or camel case."""
    return key.replace("-", "_").isidentifier() and "_" in (name := snake(key)) and not any(map(str.isdigit, name))


def _has_kinds_inside(seen: Field) -> bool:
    """Whether the objects under the keys have each other fields: a kind of event under each key."""
    inside = [member.members for member in seen.members.values()]
    fields = sum(map(len, inside))
    return len(set().union(*inside)) > _TIMES_THE_MEAN * fields / len(inside)


def _alike(seen: Field) -> bool:
    sorts = {"number" if sort == "int" else sort for member in seen.members.values() for sort in member.counts}
    return len(sorts) == 1


def _is_persons(key: str) -> bool:
    return is_full_name(key) and suggested(key) is None and _OF_FIELDS.isdisjoint(snake(key).split("_"))
