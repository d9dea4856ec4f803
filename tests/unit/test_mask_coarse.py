"""``partial`` and ``round``: what is kept, and that nothing is where too much would be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masking import cell_of, mask_all
from sofetch.columns import produced
from sofetch.mask.canonical import canonical_number
from sofetch.record import Value
from sofetch.settings import ColumnSettings


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("4111 1111 1111 1234", "***1234"),
        ("593-47-5928", "***5928"),
        ("12345678", "***5678"),
        ("1234567", "[redacted]"),
        ("----5678", "[redacted]"),
        ("x", "[redacted]"),
        ("1234\x005678", "[redacted]"),
        (4111111111111234, "***1234"),
    ],
)
def test_the_end_is_kept_of_what_is_at_least_twice_as_long(value: Value, kept: str) -> None:
    assert cell_of(value, mask="partial") == kept


@settings(max_examples=100)
@given(st.text(min_size=1, max_size=30).filter(str.strip), st.integers(1, 8))
def test_no_more_than_the_end_is_kept_and_never_half(text: str, keep_last: int) -> None:
    cell = str(cell_of(text, mask="partial", keep_last=keep_last, redact_to="-"))
    column = ColumnSettings(name="c", mask="partial", keep_last=keep_last, redact_to="-")
    assert cell == "-" or (len(cell) == 3 + keep_last and len(text) >= 2 * keep_last)
    assert len(cell) <= (produced(column).max_chars or 0)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("jane.doe@Example.org", "j***@example.org"),
        ("j@example.org", "***@example.org"),
        ("jo@straße.example", "j***@xn--strae-oqa.example"),
        ("no address", "[redacted]"),
        (7, "[redacted]"),
    ],
)
def test_of_an_address_the_initial_and_the_domain_are_kept(value: Value, kept: str) -> None:
    assert cell_of(value, mask="partial", kind="email") == kept


@pytest.mark.parametrize(
    ("value", "step", "rounded"),
    [
        (52_300, 1000.0, "52000"),
        ("52500", 1000.0, "52000"),
        ("53500", 1000.0, "54000"),
        (-749, 500.0, "-500"),
        (0.07, 0.05, "0.05"),
        ("1e3", 7.5, "997.5"),
        ("+12.50", 0.1, "12.5"),
        (3, 1000.0, "0"),
        (-3, 1000.0, "0"),
    ],
)
def test_a_number_becomes_the_nearest_multiple_of_the_step(value: Value, step: float, rounded: str) -> None:
    made = cell_of(value, mask="round", round_to=step)
    assert isinstance(made, Decimal)
    assert str(made.normalize() if "." in rounded else made) == rounded


@settings(max_examples=100)
@given(st.decimals(-(10**20), 10**20, places=5), st.sampled_from([0.01, 0.5, 3.0, 1000.0]))
def test_a_rounded_number_is_a_multiple_within_half_a_step(number: Decimal, step: float) -> None:
    made = cell_of(str(number), mask="round", round_to=step)
    assert isinstance(made, Decimal)
    assert made % Decimal(str(step)) == 0
    assert abs(made - number) <= Decimal(str(step)) / 2


@pytest.mark.parametrize("value", ["much", True, "1,5", "0x10", "nan", "1e99", "1" * 31, "1e-31", "٣"])
def test_what_is_no_number_is_null_and_counted(value: Any) -> None:
    masked = mask_all(ColumnSettings(name="c", mask="round", round_to=1.0), [value])
    assert [record.values for record in masked.records] == [(None,)]
    assert masked.not_of_kind == {"c": 1}


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([1, 1.0, "1", "1.00", "+1", Decimal("1.0"), "1e0"], b"N1"),
        ([1000, "1e3", 1e3], b"N1000"),
        ([0, "-0", "0.00", -0.0], b"N0"),
        (["0.10", 0.1], b"N0.1"),
    ],
)
def test_one_number_has_one_form(values: list[Value], form: bytes) -> None:
    assert {canonical_number(value) for value in values} == {form}
