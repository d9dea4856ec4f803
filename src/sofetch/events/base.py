"""What every event has: a severity, the counters that it raises, and whose it is.

Owns the form. An event has only the fields declared for it: names, codes, counts and durations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Level = Literal["debug", "info", "warning", "error"]
Measure = tuple[str, str, float]
"""A metric's name, its one label's value ("" if it has none), and by how much it grows."""


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=_snake):
    """Base of the events. ``level`` is its severity; the fields are the line.

    ``pipeline`` names the pipeline where several share a process, ``process`` the worker's process where a supervisor
    has several; where there is one it stands in no line.
    """

    pipeline: str | UnsetType = UNSET
    process: int | UnsetType = UNSET

    @property
    def level(self) -> Level:
        """How severe it is."""
        return "info"

    def measures(self) -> Iterator[Measure]:
        """The counters that this event raises."""
        yield from ()
