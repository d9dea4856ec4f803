"""``date_shift`` and ``noise``: what depends on the subject or the message, and never the true value by itself."""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masking import K1, K2, entry, masker, message, ring
from sofetch.errors import ConfigError
from sofetch.mask import Keyring, Keyrings
from sofetch.record import Masked, Message, Reason, Record, Value
from sofetch.settings import ColumnSettings

SHIFT: dict[str, Any] = {"mask": "date_shift", "subject": "user", "shift_days": 30}
NOISE: dict[str, Any] = {"mask": "noise", "noise_scale": 100.0, "domain": "pay"}
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))


def shifted(*rows: tuple[Value, ...], keyring: Keyring | None = None, user: Any = None, **given: Any) -> Masked:
    """Rows of a user and as many dates as there are, masked."""
    dates = [ColumnSettings(name=f"day{at}", **(SHIFT | given)) for at in range(1, len(rows[0]))]
    columns = [ColumnSettings(name="user", **(user or {})), *dates]
    records = [Record(message(id=str(row)), values) for row, values in enumerate(rows)]
    return masker(*columns, keyring=keyring).mask(records)


def days_of(masked: Masked) -> list[Any]:
    return [record.values[1] for record in masked.records]


@settings(max_examples=80)
@given(st.text("abcdef", min_size=1), DAYS, DAYS, st.integers(1, 400))
def test_days_between_a_subjects_dates_stay_and_no_date_is_its_own(user: str, one: date, two: date, most: int) -> None:
    [(_, first, second)] = [r.values for r in shifted((user, str(one), str(two)), shift_days=most).records]
    assert isinstance(first, date)
    assert isinstance(second, date)
    assert second - first == two - one
    assert timedelta(0) < abs(first - one) <= timedelta(most)


def test_every_shift_occurs_but_none() -> None:
    masked = shifted(*[(f"u{number}", "2000-06-15") for number in range(200)], shift_days=3)
    assert {(day - date(2000, 6, 15)).days for day in days_of(masked)} == {-3, -2, -1, 1, 2, 3}


def test_a_subject_is_the_same_in_every_spelling_masked_or_not_and_in_every_message() -> None:
    user = {"mask": "token", "kind": "email", "domain": "email"}
    masked = shifted(("Ann@x.example", "2000-06-15"), (" ann@X.example", "2000-06-15"), user=user)
    [one, two] = days_of(masked)
    assert one == two


def test_another_key_or_domain_shifts_otherwise_and_a_rotation_does_not() -> None:
    rows = [(f"u{number}", "2000-06-15") for number in range(20)]
    here = days_of(shifted(*rows))
    assert here != days_of(shifted(*rows, domain="other"))
    assert here != days_of(shifted(*rows, keyring=ring(entry(material=K2))))
    assert here == days_of(shifted(*rows, keyring=ring(entry("k1", K1, "active"), entry("k2", K2))))


@pytest.mark.parametrize("nobody", [None, "", "  ", "unknown"])
def test_a_date_about_nobody_is_rejected_or_null_and_never_true(nobody: Value) -> None:
    user = {"mask": "token", "domain": "u", "sentinels": ["unknown"]}
    rejected = shifted((nobody, "2000-06-15"), user=user)
    assert [(one.reason, one.field) for one in rejected.rejections] == [(Reason.MISSING_FIELD, "day1")]
    assert days_of(shifted((nobody, "2000-06-15"), user=user, without_subject="null")) == [None]
    assert days_of(shifted((nobody, None), user=user)) == [None]


def test_what_is_no_date_is_null_and_counted_or_rejected() -> None:
    masked = shifted(("u", "15.06.2000"), ("u", 7))
    assert (days_of(masked), masked.not_of_kind) == ([None, None], {"day1": 2})
    assert [one.reason for one in shifted(("u", "soon"), not_of_kind="reject").rejections] == [Reason.NOT_OF_KIND]


def test_a_date_that_the_calendar_does_not_hold_when_shifted_is_rejected() -> None:
    masked = shifted(*[(f"u{number}", "9999-12-31") for number in range(20)])
    assert masked.rejections
    assert {one.reason for one in masked.rejections} == {Reason.OUT_OF_RANGE}
    assert all(day < date(9999, 12, 31) for day in days_of(masked))


def test_a_subject_without_utf_8_is_rejected() -> None:
    assert [one.reason for one in shifted(("\ud800", "2000-06-15")).rejections] == [Reason.INVALID_UNICODE]


@pytest.mark.parametrize("subject", [None, "day1", "other"])
def test_a_shift_without_a_subject_that_there_is_cannot_be_compiled(subject: str | None) -> None:
    with pytest.raises(ConfigError, match="subject"):
        shifted(("u", "2000-06-15"), subject=subject)


def noised(*values: Value, messages: list[Message] | None = None, keyring: Keyring | None = None, **given: Any) -> Any:
    column = ColumnSettings(name="pay", **(NOISE | given))
    sent = messages or [message(id=f"m{number}") for number in range(len(values))]
    records = [Record(one, (value,)) for one, value in zip(sent, values, strict=True)]
    masked = masker(column, keyring=keyring).mask(records)
    return [record.values[0] for record in masked.records] if not masked.rejections else masked.rejections


def test_a_redelivery_has_the_same_noise_and_another_message_has_its_own() -> None:
    first, again = message(id="m1", receive_count=1), message(id="m1", receive_count=9)
    one, two, other = noised(1000, 1000, 1000, messages=[first, again, message(id="m2")])
    assert one == two != other
    assert noised(1000, messages=[first], keyring=ring(entry("k1", K1, "active"), entry("k2", K2))) == [one]
    assert noised(1000, messages=[first], domain="other") != [one]
    assert noised(1001, messages=[first]) not in ([one], [one + 1])


@pytest.mark.parametrize(("noise", "spread"), [("laplace", 100.0), ("uniform", 50.0)])
def test_noise_has_its_scale_and_leans_to_no_side(noise: str, spread: float) -> None:
    off = [float(cell) - 5000 for cell in noised(*[5000] * 2000, noise=noise)]
    assert statistics.fmean(map(abs, off)) == pytest.approx(spread, rel=0.1)
    assert abs(statistics.fmean(off)) < 12
    assert noise == "laplace" or max(map(abs, off)) <= 100


def test_noise_is_rounded_so_that_the_last_digits_tell_nothing() -> None:
    assert all(cell == cell.to_integral_value() for cell in noised(*[1000] * 50))
    assert all(cell % 50 == 0 for cell in noised("1000.123", 7, Decimal("1e3"), round_to=50.0))
    assert noised("12.5", None, noise_scale=0.0001, round_to=0.5) == [Decimal("12.5"), None]


def test_what_is_no_number_is_null_or_rejected() -> None:
    assert noised("many", True, "1" * 31) == [None, None, None]
    assert [one.reason for one in noised("many", not_of_kind="reject")] == [Reason.NOT_OF_KIND]


@pytest.mark.parametrize("given", [SHIFT, NOISE, {"mask": "fpe", "domain": "d"}])
def test_what_a_key_undoes_is_made_with_the_keyring_for_that(given: dict[str, Any]) -> None:
    columns = [ColumnSettings(name="user"), ColumnSettings(name="masked", **given)]
    records = [Record(message(id=str(row)), (f"u{row}", f"20{row:02}-02-03")) for row in range(10, 30)]
    records += [Record(message(id=str(row)), (f"u{row}", f"{row}000")) for row in range(10, 30)]
    alone, two, other = (
        [one.values for one in masker(*columns, keyring=rings).mask(records).records]
        for rings in (
            ring(entry("r1", K2)),
            Keyrings(ring(), ring(entry("r1", K2))),
            Keyrings(ring(entry("r1", K2)), ring()),
        )
    )
    assert alone == two != other
