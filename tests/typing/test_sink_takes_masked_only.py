"""A sink takes masked records only: passing anything in the clear is a type error, and mypy says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]
SNIPPET = """
from sofetch.ports import Sink
from sofetch.record import MaskedRecord, Message, Record, Rejection, SealedRejection

def load(
    sink: Sink,
    masked: list[MaskedRecord],
    sealed: list[SealedRejection],
    records: list[Record],
    rejections: list[Rejection],
    messages: list[Message],
) -> None:
    sink.load(masked, sealed)
    sink.load(records, sealed)  # wrong
    sink.load(messages, sealed)  # wrong
    sink.load(masked, rejections)  # wrong
    sink.load([("u1", "199.172.111.135")], [])  # wrong
"""


@pytest.mark.slow
def test_record_message_and_unsealed_rejection_are_refused_by_the_type_of_load(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    # By the cache of `make check`, if there is one: other options would have one of their own.
    report, errors, _ = api.run(["--strict", "--config-file", str(ROOT / "pyproject.toml"), str(snippet)])
    assert not errors
    lines = SNIPPET.splitlines()
    found = {int(line) for line in re.findall(r"snippet\.py:(\d+): error:", report)}
    assert found == {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}
    assert report.count("[arg-type]") + report.count("[list-item]") == len(found)
