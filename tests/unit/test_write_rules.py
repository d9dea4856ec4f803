"""What the lint says of write modes and their keys."""

from __future__ import annotations

import pytest

from sofetch.config import lint_text

COLUMNS = """
[[column]]
name = "user"
mask = "token"
required = true
[[column]]
name = "sent"
value = "sent_time"
type = "timestamp"
[[column]]
name = "day"
value = "sent_date"
type = "date"
[[column]]
name = "state"
"""


def codes(sink: str, columns: str = COLUMNS) -> list[str]:
    text = f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n{sink}\n{columns}'
    return [finding.code for finding in lint_text(text)]


@pytest.mark.parametrize(
    "sink",
    [
        'write = "insert"',
        'write = "insert_ignore"\nkey = ["user"]\ndedupe = "content"',
        'write = "insert_ignore"\nkey = ["user", "sent"]',
        'write = "upsert"\nkey = ["user"]',
        'write = "upsert"\nkey = ["user", "day"]\npartition_by = "day"\npartition_column = "day"',
    ],
)
def test_what_can_work_is_taken(sink: str) -> None:
    assert codes(sink) == []


@pytest.mark.parametrize(
    ("sink", "code"),
    [
        ('key = ["user"]', "key_unused"),
        ('write = "upsert"', "bad_key"),
        ('write = "upsert"\nkey = []', "bad_key"),
        ('write = "upsert"\nkey = ["usr"]', "bad_key"),
        ('write = "upsert"\nkey = ["user", "user"]', "bad_key"),
        ('write = "upsert"\nkey = ["state"]', "key_nullable"),
        ('write = "upsert"\nkey = ["user", "sent"]', "bad_key"),
        ('write = "upsert"\nkey = ["user"]\ndedupe = "content"', "keys_exclude"),
        ('write = "upsert"\nkey = ["user"]\ndedupe = ["user"]', "keys_exclude"),
        ('write = "upsert"\nkey = ["user"]\npartition_by = "day"\npartition_column = "day"', "bad_key"),
    ],
)
def test_what_cannot_work_is_an_error(sink: str, code: str) -> None:
    assert codes(sink) == [code]


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ('mask = "redact"\nrequired = true', "bad_key"),
        ('mask = "ip_prefix"\nrequired = true', "bad_key"),
        ('mask = "truncate"\ntruncate_to = 3\nrequired = true', "key_coarse"),
        ('type = "jsonb"\nrequired = true', "bad_key"),
    ],
)
def test_a_key_that_does_not_tell_rows_apart_is_told_of(column: str, code: str) -> None:
    assert codes('write = "insert_ignore"\nkey = ["k"]', f'[[column]]\nname = "k"\n{column}') == [code]


def test_an_upsert_without_the_sent_time_in_the_row_is_refused() -> None:
    only = '[[column]]\nname = "user"\nrequired = true\n[[column]]\nname = "day"\nvalue = "sent_date"\ntype = "date"'
    assert codes('write = "upsert"\nkey = ["user"]', only) == ["upsert_version"]
