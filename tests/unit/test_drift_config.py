"""What [drift] may say."""

from __future__ import annotations

import pytest

from sofetch.config import lint_text

CONFIG = """
[source]
queue = "q"
[sink]
table = "t"
[[column]]
name = "id"
[[column]]
name = "extra"
"""
JSONB = 'type = "jsonb"\n'


def codes(rest: str) -> list[str]:
    return [finding.code for finding in lint_text(CONFIG + rest)]


def test_what_is_collected_goes_into_a_plain_jsonb_column() -> None:
    assert codes(f'{JSONB}[drift]\nunknown_fields = "collect"\ncollect_into = "extra"') == []


@pytest.mark.parametrize(
    "rest",
    [
        f'{JSONB}[drift]\nunknown_fields = "collect"',
        f'{JSONB}[drift]\ncollect_into = "other"',
        '[drift]\ncollect_into = "extra"',
        f'{JSONB}from = "a"\n[drift]\ncollect_into = "extra"',
        f'{JSONB}required = true\n[drift]\ncollect_into = "extra"',
    ],
)
def test_a_column_that_cannot_hold_it_is_an_error(rest: str) -> None:
    assert codes(rest) == ["drift_column"]


NAMED = """
[source]
queue = "q"
[sink]
table = "t"
{sink}
[drift]
unknown_fields = "collect"
collect_into = "extra"
{sections}
[[column]]
name = "id"
required = true
personal = false
[[column]]
name = "sent"
value = "sent_time"
type = "timestamp"
[[column]]
name = "born"
mask = "date_shift"
subject = "{subject}"
shift_days = 30
[[column]]
name = "token"
from = "id"
mask = "token"
{vault}
[[column]]
name = "extra"
type = "jsonb"
"""


def named(*, sink: str = "", sections: str = "", subject: str = "id", vault: str = "") -> str:
    return NAMED.format(sink=sink, sections=sections, subject=subject, vault=vault)


def test_a_configuration_that_names_other_columns_is_right() -> None:
    sections = '[vault]\nsubject = "id"\nrecovery_public_key = "k"\n[erasure]\nsubject = "id"\n'
    sections += '[[erasure.table]]\nname = "other"\nsubject_column = "extra"\ntoken_columns = ["extra"]'
    whole = named(sink='write = "insert_ignore"\nkey = ["id"]', sections=sections, vault="vault = true")
    assert lint_text(whole) == []


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("dedupe", named(sink='dedupe = ["id", "extra"]')),
        ("key", named(sink='write = "upsert"\nkey = ["id", "extra"]')),
        ("partition_column", named(sink='partition_by = "day"\npartition_column = "extra"')),
        ("subject", named(subject="extra")),
        (
            "subject",
            named(sections='[vault]\nsubject = "extra"\nrecovery_public_key = "k"', vault="vault = true"),
        ),
        ("subject", named(sections='[erasure]\nsubject = "extra"')),
        (
            "subject_column",
            named(sections='[[erasure.table]]\nname = "public.t"\nsubject_column = "extra"'),
        ),
        (
            "token_columns",
            named(sections='[[erasure.table]]\nname = "t"\nsubject_column = "id"\ntoken_columns = ["id", "extra"]'),
        ),
    ],
    ids=["dedupe", "key", "partition", "date_shift", "vault", "erasure", "erasure_table", "erasure_tokens"],
)
def test_the_collecting_column_is_named_for_nothing_that_needs_to_know_what_it_holds(key: str, text: str) -> None:
    [finding] = lint_text(text)
    assert (finding.code, finding.severity) == ("drift_named", "error")
    assert f"`{key}` names `extra`" in finding.what
    line = text.splitlines()[int(finding.where.rpartition(":")[2]) - 1]
    assert "extra" in line or line == "[[erasure.table]]"
    assert "[[column]]" in finding.hint
