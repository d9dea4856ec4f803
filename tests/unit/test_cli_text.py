"""Text for people: what a terminal is shown of hostile values, and how tables fit."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.cli.text import count, display_width, duration, shorten, shown, table, terminal_safe, to_json

HOSTILE = ["\x1b[31mred", "\x9b31m", "a\rb", "a\nb", "a\x00b", "\x07", "\u202etxt", "\u2028", "\x7f", "\ud800"]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_lose_what_steers_a_terminal(value: str) -> None:
    safe = terminal_safe(value)
    assert "\ufffd" in safe
    assert safe.isprintable() or "\ufffd" in safe
    safe.encode()


@given(st.text())
def test_safe_text_never_holds_a_control_character_and_keeps_its_length(value: str) -> None:
    safe = terminal_safe(value)
    assert len(safe) == len(value)
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in safe)


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_letters_of_every_script_pass_unchanged(value: str) -> None:
    assert terminal_safe(value) == value


def test_null_is_shown_apart_from_the_word() -> None:
    assert shown(None) != shown("None")
    assert shown(None) != shown("")


@given(st.text(), st.integers(min_value=1, max_value=60))
def test_shortened_text_fits(value: str, width: int) -> None:
    assert display_width(shorten(terminal_safe(value), width)) <= width


def test_a_token_loses_its_middle_and_words_lose_their_end() -> None:
    assert shorten("h1.k1.0123456789abcdef", 11) == "h1.k1…bcdef"
    assert shorten("many words in a row", 10) == "many word…"


def test_numbers_stand_at_the_right_and_text_at_the_left() -> None:
    lines = table(["name", "rows"], [["ab", 1], ["c", 12_345]])
    assert lines == ["name    rows", "────  ──────", "ab         1", "c     12,345"]


def test_a_table_fits_the_width_it_is_given() -> None:
    rows = [["424cdd21-063a-43a7-b91b-7ca1a833afae", "h1.k1." + "0123456789" * 4, "日本語の値" * 8, None, 5]] * 3
    for line in table(["user_id", "masked_ip", "note", "locale", "n"], rows, width=80):
        assert display_width(line) <= 80


def test_every_type_of_a_row_has_a_json_form() -> None:
    row = {
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 2),
        "amount": Decimal("1.10"),
        "id": UUID(int=1),
        "document": b'{"a":1}',
    }
    read = json.loads(to_json(row))
    assert read == {
        "at": "2026-01-02T03:04:05+00:00",
        "day": "2026-01-02",
        "amount": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "document": {"a": 1},
    }


@given(st.text())
def test_json_is_ascii_so_that_no_terminal_misreads_it(value: str) -> None:
    assert to_json(value).isascii()


def test_counts_and_durations_read_as_a_person_would_write_them() -> None:
    assert (count(1, "message"), count(12_000, "message")) == ("1 message", "12,000 messages")
    assert count(2, "entry", "entries") == "2 entries"
    told = [duration(seconds) for seconds in (0, 3.24, 59.9, 61, 3_600, 7_500, 273_600)]
    assert told == ["0.0 s", "3.2 s", "1 min", "1 min 1 s", "1 h", "2 h 5 min", "3 d 4 h"]


def test_a_document_is_shown_as_json() -> None:
    assert shown([{"sku": "X1", "new": True, "note": None}]) == '[{"sku": "X1", "new": true, "note": null}]'
    assert "\x1b" not in shown({"a": "\x1b[31m"})
