"""What the decoder relies on in msgspec, so that a new version that differs is noticed here and not in a queue."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Raw

from sofetch.decode.unfit import reason_of
from sofetch.record import Reason


class One(msgspec.Struct):
    used: Any = None


COMPLAINTS: list[tuple[Any, bytes, Reason]] = [
    (str | None, b"1", Reason.WRONG_TYPE),
    (Annotated[str, Meta(max_length=2)] | None, b'"abc"', Reason.TOO_LONG),
    (Annotated[int, Meta(ge=-1, le=1)] | None, b"2", Reason.OUT_OF_RANGE),
    (Annotated[int, Meta(ge=-1, le=1)] | None, b"-2", Reason.OUT_OF_RANGE),
    (Annotated[int, Meta(ge=-1, le=1)] | None, b"9" * 5_000, Reason.OUT_OF_RANGE),
    (int | float | str | None, b"1e400", Reason.OUT_OF_RANGE),
    (int | None, b"1.0", Reason.WRONG_TYPE),
    (bool | None, b"1", Reason.WRONG_TYPE),
    (date | None, b'"x"', Reason.BAD_VALUE),
    (datetime | None, b'"x"', Reason.BAD_VALUE),
    (Annotated[datetime, Meta(tz=True)] | None, b'"2020-01-01T00:00:00"', Reason.BAD_VALUE),
    (UUID | None, b'"x"', Reason.BAD_VALUE),
    (UUID | None, b"1", Reason.WRONG_TYPE),
    (int | None, b"[]", Reason.WRONG_TYPE),
    (list[int] | None, b"{}", Reason.WRONG_TYPE),
]


@pytest.mark.parametrize(("wire", "value", "reason"), COMPLAINTS)
def test_complaint_is_understood_and_names_its_place(wire: Any, value: bytes, reason: Reason) -> None:
    parse = msgspec.json.Decoder(msgspec.defstruct("S", [("used", wire, None)])).decode
    with pytest.raises(msgspec.ValidationError) as caught:
        parse(b'{"used": ' + value + b"}")
    text = str(caught.value)
    assert text.endswith(" - at `$.used`")
    assert reason_of(text.removesuffix(" - at `$.used`")) is reason


def test_invalid_utf8_goes_unnoticed_where_no_field_reads_it_so_the_body_is_checked_as_a_whole() -> None:
    assert msgspec.json.decode(b'{"skipped": "\xff"}', type=One).used is None
    assert bytes(msgspec.json.decode(b'"\xff"', type=Raw)) == b'"\xff"'


@pytest.mark.parametrize(
    "value", [b"01", b"1.", b"NaN", b'"\\q"', b'"\x01"', b"[1,]", b'"\\ud800"', b'{"a" 1}', b"tru"]
)
def test_syntax_is_checked_where_no_field_reads_it(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(b'{"skipped": ' + value + b"}", type=One)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(value, type=Raw)


def test_too_deep_for_the_interpreter_is_an_exception_and_no_crash() -> None:
    with pytest.raises((RecursionError, msgspec.DecodeError)):
        msgspec.json.decode(b'{"skipped": ' + b"[" * 500_000, type=One)


def test_numbers_are_exact_and_the_last_of_equal_keys_counts() -> None:
    assert msgspec.json.decode(b'{"used": 1, "used": ' + b"9" * 40 + b"}", type=One).used == int("9" * 40)


def test_trailing_data_is_refused() -> None:
    for rest in (b"{}", b"\x00", b"x"):
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(b"{}" + rest, type=One)
