"""I3: planted values are looked for in everything the program wrote or had written, bytes on disk included.

Owns the places. The forms in which a value is looked for are those of ``canaries``, and an address's bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from canaries import forms_of
from faults.oracle import MOST_SHOWN, Violation

_BLOCK = 1 << 23
_OVERLAP = 256


def leaks_in(places: Iterable[Path], planted: Sequence[str], planted_bytes: Sequence[bytes] = ()) -> list[Violation]:
    """Files that hold one of the values, folders searched to their depths."""
    needles = [form.lower() for value in planted for form in forms_of(value)] + [one.lower() for one in planted_bytes]
    guilty = [str(path) for path in _files(places) if _holds(path, needles)]
    return [Violation("leaked", len(guilty), tuple(guilty[:MOST_SHOWN]))] if guilty else []


def places_of_postgres(folder: Path) -> list[Path]:
    """Where a cluster keeps tables, indexes, temporary files and its write-ahead log, and what it says."""
    data = folder / "postgres" / "data"
    return [data / "base", data / "pg_wal", data / "global", folder / "postgres" / "log"]


def _files(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from (path for path in sorted(place.rglob("*")) if path.is_file())
        elif place.exists():
            yield place


def _holds(path: Path, needles: Sequence[bytes]) -> bool:
    try:
        with path.open("rb") as file:
            before = b""
            while block := file.read(_BLOCK):
                lower = (before + block).lower()
                if any(needle in lower for needle in needles):
                    return True
                before = block[-_OVERLAP:]
    except FileNotFoundError:  # Postgres has removed it meanwhile
        return False
    return False
