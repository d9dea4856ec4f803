"""Shape: from paths to the parser's types, and from a parsed body to its values, compiled once.

Owns the tree of structs and the map from the parser's complaints back to columns. Must not know of messages, envelopes
or what becomes of a value.

Every key on a configured path is a field of a generated ``msgspec.Struct``; arrays are structs with one slot for each
position. A body is parsed straight into them, what no column names is skipped, and one ``operator.attrgetter`` takes
all values out. Columns that want the same place in different ways (two types, or an object and a member of it) go to
different layers, and the body is parsed once for each layer: nearly always there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw

from sofetch.decode.unfit import Unfit, reason_of
from sofetch.errors import ConfigError
from sofetch.paths import Path, format_path
from sofetch.record import Reason


class Leaf(msgspec.Struct, frozen=True):
    """One column to be read from the body: its place in the row, name, path, and type for the parser."""

    at: int
    column: str
    path: Path
    wire: Any


class Layer:
    """Columns that one parse of the body reads together. ``read`` gives their values in the order of ``leaves``.

    A missing value is None, or empty bytes where the wire type is ``Raw``.
    """

    def __init__(self, leaves: list[Leaf], tree: _Tree) -> None:
        self.leaves = leaves
        self._parse = msgspec.json.Decoder(tree.struct()).decode
        self._pick = _picker([tree.attribute(leaf.path) for leaf in leaves])
        self._columns = _columns_by_place(leaves)

    def read(self, body: bytes) -> tuple[Any, ...]:
        """The values of one body. Raises what msgspec raises; ``blame`` says what a ValidationError means."""
        return self._pick(self._parse(body))

    def blame(self, error: msgspec.ValidationError) -> Unfit:
        """The reason and the column for a body that is JSON but not of this shape; takes no text from the error."""
        text = str(error)
        places = [place for place in self._columns if text.endswith(place)]
        if not places:
            return Unfit(Reason.NOT_AN_OBJECT)
        place = max(places, key=len)
        return Unfit(reason_of(text.removesuffix(place)), self._columns[place])


def layers(leaves: Iterable[Leaf]) -> list[Layer]:
    """As few layers as hold all leaves; at least one, so that a body is always parsed. ConfigError for odd paths."""
    groups: list[tuple[list[Leaf], _Tree]] = [([], _Tree())]
    parents: dict[Path, type] = {}
    for leaf in leaves:
        _check_keys(leaf)
        _check_parents(leaf, parents)
        if not any(_joined(leaf, members, tree) for members, tree in groups):
            groups.append(([], _Tree()))
            _joined(leaf, *groups[-1])
    return [Layer(members, tree) for members, tree in groups]


class _Tree:
    """One JSON value that columns look at: a leaf with its type, or an object or array with members."""

    def __init__(self) -> None:
        self.wire: Any = None
        self.members: dict[str | int, _Tree] = {}

    def has_room(self, path: Path, wire: Any) -> bool:
        """True unless the path's place is already read in another way."""
        if not path:
            return not self.members and self.wire in (None, wire)
        step, *rest = path
        if self.wire is not None:
            return False
        return step not in self.members or self.members[step].has_room(tuple(rest), wire)

    def add(self, path: Path, wire: Any) -> None:
        """Put a leaf at the path, which has room."""
        node = self
        for step in path:
            node = node.members.setdefault(step, _Tree())
        node.wire = wire

    def attribute(self, path: Path) -> str:
        """The path as attributes of the generated structs: ``f0.f3``."""
        step, *rest = path
        name = self._names()[step]
        return f"{name}.{self.members[step].attribute(tuple(rest))}" if rest else name

    def struct(self) -> type[msgspec.Struct]:
        """The struct for this object or array, with its members' structs inside it."""
        names = self._names()
        parents = {names[step]: member.struct() for step, member in self.members.items() if member.members}
        return msgspec.defstruct(
            "Array" if self._is_array() else "Object",
            [_field(name, parents.get(name) or self.members.get(step, _SKIPPED).wire) for step, name in names.items()],
            namespace={"__post_init__": _filler(parents)} if parents else None,
            rename={name: step for step, name in names.items() if isinstance(step, str)},
            array_like=self._is_array(),
            gc=False,
        )

    def _names(self) -> dict[str | int, str]:
        if self._is_array():
            return {position: f"f{position}" for position in range(max(map(int, self.members)) + 1)}
        return {step: f"f{number}" for number, step in enumerate(self.members)}

    def _is_array(self) -> bool:
        return any(isinstance(step, int) for step in self.members)


_SKIPPED = _Tree()
_SKIPPED.wire = Raw


def _joined(leaf: Leaf, members: list[Leaf], tree: _Tree) -> bool:
    if not tree.has_room(leaf.path, leaf.wire):
        return False
    tree.add(leaf.path, leaf.wire)
    members.append(leaf)
    return True


def _field(name: str, wire: Any) -> tuple[str, Any, Any]:
    if wire is Raw:
        return name, wire, Raw()
    return name, wire | None, None


def _filler(parents: Mapping[str, type[msgspec.Struct]]) -> Callable[[msgspec.Struct], None]:
    """A missing or null parent becomes an empty one, so that taking its members out needs no test for it."""
    empty = {name: parent() for name, parent in parents.items()}

    def fill(parsed: msgspec.Struct) -> None:
        for name, value in empty.items():
            if getattr(parsed, name) is None:
                setattr(parsed, name, value)

    return fill


def _picker(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    match attributes:
        case []:
            return lambda _parsed: ()
        case [only]:
            get = attrgetter(only)
            return lambda parsed: (get(parsed),)
        case _:
            return attrgetter(*attributes)


def _columns_by_place(leaves: Iterable[Leaf]) -> dict[str, str]:
    """Where msgspec says an error is, to the first column that needs that place; its parents' places too."""
    columns: dict[str, str] = {}
    for leaf in leaves:
        place = "$"
        for step in leaf.path:
            place += f"[{step}]" if isinstance(step, int) else f".{step}"
            columns.setdefault(f" - at `{place}`", leaf.column)
    return columns


def _check_keys(leaf: Leaf) -> None:
    """Refuse keys that msgspec cannot look for."""
    if any(isinstance(step, str) and _UNREADABLE.search(step) for step in leaf.path):
        raise ConfigError(
            f"column `{leaf.column}`: {format_path(leaf.path)} has a quote, backslash or control character in a key",
            hint="such a key cannot be read; let the producer rename it, or load the object round it as jsonb",
        )


def _check_parents(leaf: Leaf, parents: dict[Path, type]) -> None:
    """Refuse to read one value as an object and as an array: whatever came, one of the two columns would refuse it."""
    for depth, step in enumerate(leaf.path):
        parent = leaf.path[:depth]
        if parents.setdefault(parent, type(step)) is not type(step):
            raise ConfigError(
                f"column `{leaf.column}`: {format_path(parent)} is read as an object and as an array",
                hint="correct the path, or load the whole value as jsonb",
            )


_UNREADABLE = re.compile(r'["\\\x00-\x1f]')
