"""What a configuration does with the fields of the messages: which personal ones it would load in the clear.

Owns the verdict of ``sofetch scan``. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from sofetch.detect.bodies import Place, Survey, name_of
from sofetch.detect.tally import Sign, Tally
from sofetch.paths import Path, parse_path
from sofetch.settings import ColumnSettings, Settings

Handling = Literal["clear", "declared", "masked", "collected", "not_loaded", "unknown"]
"""``declared`` is loaded in the clear and said not to be personal; ``collected`` has no column of its own, and goes as
tokens into the one that [drift] collects into; ``unknown`` where there is no configuration.
"""

_WORST_FIRST: Final[Sequence[Handling]] = ("clear", "declared", "masked")


class FieldSeen(Struct, frozen=True, kw_only=True):
    """One place in the messages. ``columns`` are filled from it, ``masks`` are theirs; ``exposed`` is what must not be:
    personal, and loaded as it is (or, without a configuration, personal at all).
    """

    path: str
    values: int
    tokens: int
    signs: list[Sign]
    handling: Handling
    columns: list[str]
    masks: list[str]
    exposed: bool


def fields_seen(seen: Survey, settings: Settings | None) -> list[FieldSeen]:
    """Every place: the exposed first, then those with signs, then the rest by path."""
    columns = None if settings is None else _columns(settings)
    collecting = None if settings is None else _collecting(settings)
    fields = [_field(place, tally, columns, collecting) for place, tally in seen.places.items()]
    return sorted(fields, key=lambda one: (not one.exposed, not one.signs, one.path))


def configured_places(settings: Settings | None) -> list[Place]:
    """The places that columns are filled from."""
    return [] if settings is None else [_as_place(path) for path, _ in _columns(settings)]


def _columns(settings: Settings) -> list[tuple[Path, ColumnSettings]]:
    """Those that read the body; the collecting column does not, not even a field of its own name."""
    reading = [column for column in settings.column if column.name != settings.drift.collect_into]
    return [(_path(column), column) for column in reading if column.value is None]


def _collecting(settings: Settings) -> str | None:
    return settings.drift.collect_into if settings.drift.unknown_fields == "collect" else None


def _path(column: ColumnSettings) -> Path:
    return (column.name,) if column.from_ is None else parse_path(column.from_)


def _as_place(path: Path) -> Place:
    return tuple(None if isinstance(step, int) else step for step in path)


def _field(
    place: Place, tally: Tally, columns: list[tuple[Path, ColumnSettings]] | None, collecting: str | None
) -> FieldSeen:
    signs = tally.signs()
    filled = [(path, column) for path, column in columns or () if _covers(path, place)]
    handling = "unknown" if columns is None else _handling(filled)
    names = [column.name for _, column in filled]
    if handling == "not_loaded" and collecting is not None:
        handling, names = "collected", [collecting]
    personal = any(sign.personal for sign in signs)
    return FieldSeen(
        path=name_of(place),
        values=tally.values,
        tokens=tally.tokens,
        signs=signs,
        handling=handling,
        columns=names,
        masks=sorted({column.mask for _, column in filled if column.mask is not None}),
        exposed=personal and handling in {"clear", "unknown"},
    )


def _handling(filled: list[tuple[Path, ColumnSettings]]) -> Handling:
    found = {_of_column(column) for _, column in filled}
    return next((handling for handling in _WORST_FIRST if handling in found), "not_loaded")


def _of_column(column: ColumnSettings) -> Handling:
    if column.mask is not None:
        return "masked"
    return "declared" if column.personal is False else "clear"


def _covers(path: Path, place: Place) -> bool:
    """Whether a column that reads ``path`` gets what stands at ``place``, itself or in a document it loads whole."""
    return len(path) <= len(place) and place[: len(path)] == _as_place(path)
