"""What a column holds: SQL type, cell type and widest text, held against what the masker really makes."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from masking import cell_of, entry, ring
from sofetch.columns import KINDS_OF_MASK, ONLY_KIND, produced, token_domain, unsuited
from sofetch.settings import ColumnSettings, ColumnType, Kind, MaskName

NEEDED = {"truncate_to": 1, "round_to": 1.0, "noise_scale": 1.0, "shift_days": 1, "subject": "s"}


def column(**given: Any) -> ColumnSettings:
    return ColumnSettings(name="c", **given)


@pytest.mark.parametrize(
    ("given", "sql_type", "max_chars"),
    [
        ({}, "text", None),
        ({"max_length": 128}, "varchar(128)", 128),
        ({"type": "int"}, "integer", None),
        ({"type": "version_int"}, "integer", None),
        ({"type": "bigint"}, "bigint", None),
        ({"type": "numeric"}, "numeric", None),
        ({"type": "bool"}, "boolean", None),
        ({"type": "timestamp"}, "timestamptz", None),
        ({"type": "date"}, "date", None),
        ({"type": "uuid"}, "uuid", None),
        ({"type": "inet"}, "inet", None),
        ({"type": "jsonb"}, "jsonb", None),
    ],
)
def test_unmasked_column_has_the_sql_type_of_its_type(given: Any, sql_type: str, max_chars: int | None) -> None:
    made = produced(column(**given))
    assert (made.sql_type, made.type, made.max_chars) == (sql_type, given.get("type", "text"), max_chars)


def test_every_type_has_an_sql_type() -> None:
    assert all(produced(column(type=name)).sql_type for name in get_args(ColumnType))


@pytest.mark.parametrize(
    ("given", "sql_type", "cell_type", "max_chars"),
    [
        ({"mask": "token"}, "varchar(256)", "text", 52),
        ({"mask": "token", "type": "int", "max_length": 9}, "varchar(256)", "text", 52),
        ({"mask": "redact"}, "varchar(256)", "text", 10),
        ({"mask": "redact", "redact_to": "x" * 300}, "varchar(300)", "text", 300),
        ({"mask": "truncate", "kind": "ip"}, "varchar(256)", "text", 19),
        ({"mask": "truncate", "truncate_to": 3}, "varchar(256)", "text", 10),
        ({"mask": "truncate", "truncate_to": 30}, "varchar(256)", "text", 30),
        ({"mask": "reversible"}, "text", "text", None),
        ({"mask": "reversible", "kind": "uuid"}, "text", "text", None),
        ({"mask": "reversible", "kind": "int", "not_of_kind": "reject"}, "text", "text", None),
        ({"mask": "reversible", "kind": "uuid", "not_of_kind": "reject"}, "varchar(256)", "text", 98),
        ({"mask": "reversible", "kind": "email", "not_of_kind": "reject"}, "varchar(460)", "text", 460),
        ({"mask": "ip"}, "inet", "inet", None),
        ({"mask": "date_shift"}, "date", "date", None),
        ({"mask": "round"}, "numeric", "numeric", None),
        ({"mask": "noise"}, "numeric", "numeric", None),
        ({"mask": "fpe"}, "text", "text", None),
        ({"mask": "partial", "keep_last": 9}, "varchar(256)", "text", 12),
        ({"mask": "partial", "kind": "email"}, "varchar(258)", "text", 258),
        ({"mask": "ip_prefix"}, "inet", "inet", None),
        ({"mask": "bucket", "kind": "email"}, "varchar(256)", "text", 253),
        ({"mask": "bucket", "kind": "date"}, "date", "date", None),
    ],
)
def test_masked_column_is_text_wide_enough_or_a_date(
    given: Any, sql_type: str, cell_type: str, max_chars: int | None
) -> None:
    made = produced(column(**given))
    assert (made.sql_type, made.type, made.max_chars) == (sql_type, cell_type, max_chars)


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("x", {"mask": "token"}),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", {"mask": "truncate", "kind": "ip"}),
        ("x" * 31, {"mask": "truncate", "truncate_to": 30}),
        ("a@" + "abc." * 62 + "comus", {"mask": "bucket", "kind": "email"}),
        ("x", {"mask": "redact"}),
        ("2001:db8::1", {"mask": "reversible", "kind": "ip", "not_of_kind": "reject"}),
        ("424cdd21-063a-43a7-b91b-7ca1a833afae", {"mask": "reversible", "kind": "uuid", "not_of_kind": "reject"}),
        ("2026-11-23", {"mask": "reversible", "kind": "date", "not_of_kind": "reject"}),
        (
            "a" * 64 + "@" + "abc." * 62 + "comus",
            {"mask": "reversible", "kind": "email", "not_of_kind": "reject"},
        ),
    ],
)
def test_widest_cell_is_as_wide_as_the_column_says(value: str, given: Any) -> None:
    cell = cell_of(value, ring(entry("eightkid")), **given)
    assert len(str(cell)) == produced(column(**given)).max_chars


@pytest.mark.parametrize("given", [{"mask": "token"}, {"mask": "reversible"}, {"mask": "redact"}])
def test_shortest_result_needs_the_least_width(given: Any) -> None:
    cell = cell_of("x", ring(entry("eightkid")), **given)
    assert len(str(cell)) == produced(column(**given)).least_chars


@pytest.mark.parametrize(
    ("given", "domain"),
    [({}, "c"), ({"from_": "user.ip"}, "user.ip"), ({"from_": "user.ip", "domain": "ip"}, "ip")],
)
def test_join_domain_is_the_setting_else_the_path(given: Any, domain: str) -> None:
    assert token_domain(column(**given)) == domain


def test_each_mask_takes_exactly_the_kinds_it_names() -> None:
    for mask in get_args(MaskName):
        taken = {kind for kind in get_args(Kind) if not unsuited(column(mask=mask, kind=kind, **NEEDED))}
        unsaid = {"string"} if mask in ONLY_KIND else set()  # the default, which stands for the one kind here
        assert taken == set(KINDS_OF_MASK[mask]) | unsaid
    assert unsuited(column()) is None


@pytest.mark.parametrize(
    ("mask", "needed"),
    [("round", "round_to"), ("noise", "noise_scale"), ("date_shift", "shift_days"), ("date_shift", "subject")],
)
def test_a_mask_that_lacks_a_setting_says_which(mask: MaskName, needed: str) -> None:
    found = unsuited(column(mask=mask, **{key: value for key, value in NEEDED.items() if key != needed}))
    assert found is not None
    assert f"`{needed}`" in found.hint
    assert unsuited(column(mask=mask, **NEEDED)) is None


def test_dates_of_one_subject_are_shifted_in_one_domain_whatever_their_paths() -> None:
    assert token_domain(column(mask="date_shift", subject="user_id", from_="born")) == "user_id"
    assert token_domain(column(mask="date_shift", subject="user_id", domain="people")) == "people"
