"""Reading JSONL: lines as they are, blank ones skipped, what SQS cannot take refused by its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.cli.lines import MAX_BODY_BYTES, open_lines
from sofetch.errors import ConfigError


def read(path: Path) -> list[tuple[int, bytes]]:
    with open_lines(str(path)) as lines:
        return list(lines)


def test_lines_keep_their_bytes_and_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"a": 1}\r\n\n   \n {"b":2} \nnot json\n{"last": "ohne \xc3\xa4"}')
    assert read(file) == [(1, b'{"a": 1}'), (4, b' {"b":2} '), (5, b"not json"), (6, b'{"last": "ohne \xc3\xa4"}')]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not(tmp_path: Path, end: bytes) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b"1\n" + b"x" * MAX_BODY_BYTES + end)
    assert len(read(file)) == 2
    file.write_bytes(b"1\n" + b"x" * (MAX_BODY_BYTES + 1) + end)
    with pytest.raises(ConfigError, match=r"x\.jsonl:2: the line is longer than 1 MiB"):
        read(file)


def test_a_line_that_is_not_utf8_is_refused_without_showing_it(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"a": 1}\nsecret \xff')
    with pytest.raises(ConfigError, match=r":2: byte 7 is not UTF-8") as refused:
        read(file)
    assert "secret" not in str(refused.value)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1).filter(str.strip)))
def test_what_is_written_a_line_each_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("lines") / "x.jsonl"
    bodies = [text.encode() for text in texts]
    file.write_bytes(b"\n".join(bodies))
    assert [body for _, body in read(file)] == [body for body in bodies if body.strip()]
