"""Names of columns from paths of fields.

Owns that each is free and one that Postgres takes. It must not say what a name means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sofetch.detect.letters import in_plain_letters

MAX_COLUMNS: Final = 1_000
"""Postgres takes 1,600 columns at most, fewer of wide types."""

_MAX_NAME_CHARS = 63
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})

Path = tuple[str, ...]


class Names:
    """Gives each column a name of its own: lower snake case, at most 63 characters of ASCII."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken: set[str] = {*_SYSTEM_COLUMNS, *taken}

    def full(self) -> bool:
        """Whether there are as many as a table may have."""
        return len(self._taken) - len(_SYSTEM_COLUMNS) >= MAX_COLUMNS

    def propose(self, path: Path) -> str:
        """A free name that says what the path says. A name cut short may look personal where the path does not."""
        return self._free(snake("_".join(path)))

    def masked(self, name: str) -> str:
        """What a masked column of this name is called."""
        return name if name.startswith("masked_") else self._free(f"masked_{name}")

    def take(self, name: str) -> str:
        """The name, which is no longer free."""
        self._taken.add(name)
        return name

    def _free(self, name: str) -> str:
        candidate, number = name[:_MAX_NAME_CHARS], 1
        while candidate in self._taken:
            number += 1
            suffix = f"_{number}"
            candidate = name[: _MAX_NAME_CHARS - len(suffix)] + suffix
        return candidate


def snake(text: str) -> str:
    """The text in lower snake case, of ASCII, a letter first."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", in_plain_letters(text))
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_") or "field"
    return name if name[0].isalpha() else f"field_{name}"
