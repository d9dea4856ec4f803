"""What keeps a recovery from being approved, or an erasure from finding anybody, is found when the file is read."""

from __future__ import annotations

import pytest

from sofetch.config import lint_text
from sofetch.settings import ErasureTableSettings

KEY = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
GOOD = f"""
[source]
queue = "q"
[sink]
table = "t"
[recovery]
approvals = 1
[[recovery.approver]]
name = "bo"
public_key = "{KEY}"
[erasure]
subject = "who"
[[erasure.table]]
name = "orders"
subject_column = "who"
[[column]]
name = "who"
max_length = 9
"""


def codes(text: str) -> list[str]:
    return [finding.code for finding in lint_text(text, environ={}) if finding.severity == "error"]


def test_a_sound_configuration_has_nothing_to_find() -> None:
    assert codes(GOOD) == []


@pytest.mark.parametrize(
    ("was", "now", "code"),
    [
        ("approvals = 1", "approvals = 2", "approvals_unreachable"),
        (KEY, KEY[:-4], "bad_approver"),
        (KEY, "AAAA", "bad_approver"),
        (KEY, "?", "bad_approver"),
        ('subject = "who"', 'subject = "hwo"', "erasure_subject"),
        ('subject_column = "who"', "", "wrong_value"),
        ('name = "orders"', 'name = "orders"\nsubjekt = "x"', "wrong_value"),
        ("approvals = 1", "approvals = 99", "wrong_value"),
    ],
)
def test_what_would_fail_on_the_day_is_found_before(was: str, now: str, code: str) -> None:
    assert codes(GOOD.replace(was, now)) == [code]


VAULT = """
[vault]
subject = "account"
recovery_public_key = "recovery.pub"
[[column]]
name = "account"
from = "{path}"
[[column]]
name = "ip"
mask = "token"
vault = true
"""


@pytest.mark.parametrize(("path", "expected"), [("who", []), ("account.id", ["erasure_subject"])])
def test_an_erasure_whose_subject_the_vault_would_not_know_is_found(path: str, expected: list[str]) -> None:
    assert codes(GOOD + VAULT.format(path=path)) == expected


def test_one_person_with_two_keys_is_one_approver() -> None:
    again = f'[[recovery.approver]]\nname = " BO"\npublic_key = "{KEY}"\n[erasure]'
    assert codes(GOOD.replace("approvals = 1", "approvals = 2").replace("[erasure]", again, 1)) == [
        "approvals_unreachable"
    ]


def test_a_table_of_an_erasure_needs_no_more_than_its_name_and_column() -> None:
    assert ErasureTableSettings(name="t", subject_column="c").token_columns == []
