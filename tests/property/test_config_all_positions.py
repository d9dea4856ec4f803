"""Whatever document tomllib accepts, every key of it has a position, and none is made up."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from hypothesis import assume, given
from hypothesis import strategies as st

from sofetch.config.positions import Path, find_positions

keys = st.sampled_from(["a", "b", "c-d", "1", '"x.y"', "''", '"\\u0061"', '"a#b"', "'[z]'"])
key_paths = st.lists(keys, min_size=1, max_size=3).flatmap(
    lambda names: st.sampled_from([".", " . "]).map(lambda dot: dot.join(names))
)
scalars = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        '"a"',
        "'b'",
        '"# no"',
        '"\\""',
        '"""x\ny"""',
        "'''\n]\n'''",
        '"""" "" """',
        "1979-05-27",
        "1979-05-27 07:32:00Z",
        "inf",
    ]
)
gaps = st.sampled_from(["", " ", "\n", "\n# c = 1 ]\n", "  \n  "])


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(gaps, inner, gaps).map("".join), max_size=3)
    return items.map(lambda parts: "[" + ",".join(parts) + "]")


def inline_tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(key_paths, inner).map(" = ".join), max_size=3)
    return pairs.map(lambda parts: "{ " + ", ".join(parts) + " }")


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)
lines = st.one_of(
    key_paths.map(lambda path: f"[{path}]"),
    key_paths.map(lambda path: f"[[ {path} ]] # header"),
    st.tuples(key_paths, values).map(" = ".join),
    st.sampled_from(["", "# [comment]", "   "]),
)


@given(st.lists(lines, max_size=9).map("\n".join))
def test_positions_name_exactly_the_paths_that_tomllib_finds(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
        raise
    found = set(find_positions(text).lines())
    assert {path for path in found if path} >= set(_paths(document, ())) - _supertables(found)
    assert found <= set(_paths(document, ()))


def _paths(value: object, path: Path) -> Iterator[Path]:
    if path:
        yield path
    match value:
        case dict():
            for key, inner in value.items():
                yield from _paths(inner, (*path, str(key)))
        case list():
            for index, inner in enumerate(value):
                yield from _paths(inner, (*path, index))


def _supertables(found: set[Path]) -> set[Path]:
    """Tables that only a longer header names, as ``a`` of ``[a.b]``: they stand nowhere by themselves."""
    return {path[:length] for path in found for length in range(1, len(path))}
