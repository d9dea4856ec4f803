"""Answers of the queue that nest as no answer does."""

from __future__ import annotations

import pytest

from sofetch.source.answers import failures_of, messages_of

DEEP = b"[" * 200_000


@pytest.mark.parametrize("name", [b"Messages", b"Failed", b"Successful", b"Other"])
@pytest.mark.parametrize("end", [b"", b"]" * len(DEEP) + b"}"])
def test_an_answer_that_is_nested_too_deeply_is_none(name: bytes, end: bytes) -> None:
    answer = b'{"' + name + b'":' + DEEP + end
    assert failures_of(answer, entries=3) is None
    assert not messages_of(answer)
