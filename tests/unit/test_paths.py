from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.paths import MAX_INDEX, MAX_STEPS, Path, format_path, parse_path


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("a[1][20]", ("a", 1, 20)),
        ('"odd.key".c', ("odd.key", "c")),
        ('a."b[0]"[3]', ("a", "b[0]", 3)),
        ('"say \\"hi\\""', ('say "hi"',)),
        ('""', ("",)),
        ("user-id.$ref.@type", ("user-id", "$ref", "@type")),
        ("größe.0", ("größe", "0")),
    ],
)
def test_path_is_taken_apart(text: str, steps: Path) -> None:
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (".", "character 1"),
        (".a", "character 1"),
        ("a.", "character 2"),
        ("a..b", "character 3"),
        ("a.[0]", "character 2"),
        ("[0].a", "starts with an array position"),
        ("a[-1]", "character 2"),
        ("a[x]", "character 2"),
        ("a[0", "character 2"),
        ("a[0]b", "character 5"),
        ("a b", "character 2"),
        (" a", "character 1"),
        ('"a', "character 1"),
        ('"a"b', "character 4"),
        ('"\\q"', "not a JSON string"),
        ('"\\ud800"', "not a JSON string"),
        ("a\x00", "character 2"),
        (f"a[{MAX_INDEX + 1}]", "above"),
        ("a[" + "9" * 5000 + "]", "above"),
        (".".join("a" * (MAX_STEPS + 1)), "steps"),
    ],
)
def test_bad_path_is_refused_with_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_path(text)


_KEYS = st.text(st.characters(exclude_categories=["Cs"]))
_PATHS = st.builds(
    lambda first, rest: (first, *rest), _KEYS, st.lists(_KEYS | st.integers(0, MAX_INDEX), max_size=MAX_STEPS - 1)
)


@given(_PATHS)
def test_formatted_path_is_parsed_back(path: Path) -> None:
    assert parse_path(format_path(path)) == path


@given(st.text(alphabet='a."[]0\\ ', max_size=12))
def test_any_text_is_a_path_or_a_value_error(text: str) -> None:
    try:
        path = parse_path(text)
    except ValueError:
        return
    assert parse_path(format_path(path)) == path
