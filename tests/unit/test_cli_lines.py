"""Reading JSONL: lines as they are, blank ones skipped, what SQS cannot take refused by its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.cli.lines import MAX_BODY_BYTES, Line, open_lines
from sofetch.errors import ConfigError


def read(path: Path) -> list[Line]:
    with open_lines(str(path)) as lines:
        return list(lines)


def test_lines_keep_their_bytes_and_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"a": 1}\r\n\n   \n {"b":2} \nnot json\n{"last": "ohne \xc3\xa4"}')
    assert [line[:2] for line in read(file)] == [
        (1, b'{"a": 1}'),
        (4, b' {"b":2} '),
        (5, b"not json"),
        (6, b'{"last": "ohne \xc3\xa4"}'),
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(("over", "problem"), [(0, None), (1, "longer than 1 MiB"), (9_000_000, "longer than 1 MiB")])
def test_a_line_over_the_limit_is_told_and_its_neighbours_are_not(
    tmp_path: Path, end: bytes, over: int, problem: str | None
) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"1\n" + b"x" * (MAX_BODY_BYTES + over) + end + (b"3" if end else b""))
    lines = read(file)
    assert [(line.number, line.problem) for line in lines] == [(1, None), (2, problem), *([(3, None)] if end else [])]
    assert max(len(line.body) for line in lines) <= MAX_BODY_BYTES + 3


def test_a_line_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"a": 1}\nsecret \xff')
    assert [line.problem for line in read(file)] == [None, "not UTF-8"]


@pytest.mark.parametrize("name", ["missing.jsonl", ".", "nul\0"])
def test_a_file_that_cannot_be_read_is_a_users_mistake(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / name)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1).filter(str.strip)))
def test_what_is_written_a_line_each_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("lines") / "x.jsonl"
    bodies = [text.encode() for text in texts]
    file.write_bytes(b"\n".join(bodies))
    assert [line.body for line in read(file)] == [body for body in bodies if body.strip()]
