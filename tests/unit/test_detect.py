"""Detectors one by one, and what a field's values come to together."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.detect import DETECTORS, Tally, form_of, holds_personal, identify, is_token
from sofetch.detect.numbers import is_card, is_iban, is_ssn, luhn
from sofetch.detect.phones import is_any_phone, is_phone

TOKEN = "h1.k1." + "0a" * 20


def tally(name: str, *values: str) -> Tally:
    counted = Tally(name)
    for value in values:
        counted.look(value)
    return counted


@given(st.text(max_size=400))
def test_any_text_is_looked_at_without_an_error(text: str) -> None:
    assert identify(text, name=text) in {*DETECTORS, None}


@given(st.from_regex(r"[0-9]{13,18}", fullmatch=True))
def test_one_last_digit_in_ten_passes_the_luhn_check(digits: str) -> None:
    assert sum(luhn(f"{digits}{last}") for last in range(10)) == 1


@given(st.integers(0, 10**18 - 1))
def test_a_changed_digit_is_no_iban(number: int) -> None:
    body = f"{number:018d}"
    check = 98 - int(f"{body}131400") % 97
    good, bad = f"DE{check:02d}{body}", f"DE{check:02d}{(number + 1) % 10**18:018d}"
    assert is_iban(good)
    assert not is_iban(bad)


@pytest.mark.parametrize(
    "number", ["4111111111111111", "378282246310005", "6011 1111 1111 1117", "5555-5555-5555-4444"]
)
def test_cards_of_known_issuers_are_cards(number: str) -> None:
    assert is_card(number)
    assert not is_card(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize("number", ["1111111111111117", "4111 1111-1111 1111", "41 11 11 11 11 11 11 11"])
def test_other_issuers_and_groupings_are_not_cards(number: str) -> None:
    assert not is_card(number)


@pytest.mark.parametrize("number", ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000"])
def test_social_security_numbers_that_were_never_given_out_are_none(number: str) -> None:
    assert not is_ssn(number)
    assert is_ssn("593-47-5928")


def test_bare_digits_are_a_telephone_number_only_in_a_field_named_for_it() -> None:
    assert not is_phone("2125550123")
    assert is_any_phone("2125550123")
    assert identify("2125550123", name="order_no") is None
    assert identify("2125550123", name="customer.phone") == "phone"


def test_four_numbers_are_a_version_in_a_field_named_for_it() -> None:
    assert identify("10.4.0.2", name="app_version") is None
    assert identify("10.4.0.2", name="origin") == "ip"


@pytest.mark.parametrize("name", ["buyer", "order.customer", "signedBy", "attendees[]", "recipients"])
def test_a_full_name_is_a_persons_in_a_field_named_for_somebodys_part(name: str) -> None:
    for text in ("Ada Quillfeather", "Søren O'Hara-Öztürk", "Dr. Ada M. Quill"):
        assert identify(text, name=name) == "person_name"
        assert identify(text, name="title") is None
    for text in ("c-1234", "Acme", "gold tier", "Ada", "7", "Ada Quill 2"):
        assert identify(text, name=name) is None


def test_a_special_category_is_known_by_its_fields_name_and_income_by_a_digit_too() -> None:
    assert identify("negative", name="hiv_status") == "special"
    assert identify("negative", name="status") is None
    assert identify("52.000 EUR", name="salary") == "income"
    assert identify("on request", name="salary") is None


@pytest.mark.parametrize(
    "document",
    [
        {"firstName": "Ada", "plan": "gold"},
        {"plan": {"holders": [{"dob": "1985-03-12"}]}},
        {"passenger": {"name": "Ada"}},
        {"patient": {"pregnant": True}},
        [{"seen": "198.51.100.7"}],
        {"x": {"ada@example.org": 1}},
    ],
)
def test_a_document_written_as_text_is_looked_into(document: object) -> None:
    text = json.dumps(document)
    assert identify(text, name="payload") == "free_text"
    assert identify(f"  {json.dumps(document, indent=2)}\n") == "free_text"
    assert identify(json.dumps({"inner": text})) == "free_text"
    assert identify(text[:-1], name="payload") in {None, "free_text"}  # what is cut off is no document


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", "[1, 2]", "{x}", "[draft]", '{"plan": "gold", "product": {"name": "Blue"}, "email_verified": true}'],
)
def test_a_document_without_anything_personal_is_nothing(text: str) -> None:
    assert identify(text, name="payload") is None


def test_our_own_tokens_are_nothing_any_more() -> None:
    assert is_token(TOKEN)
    assert identify(TOKEN, name="email") is None
    assert form_of(TOKEN) is None
    assert tally("masked_email", TOKEN, TOKEN).signs() == []


def test_a_name_alone_is_a_sign_before_and_without_values() -> None:
    [sign] = tally("customer.passport_no").signs()
    assert (sign.detector, sign.by_name, sign.personal) == ("identity", True, True)


def test_a_weak_form_counts_only_from_its_share_on() -> None:
    numbers = ["x"] * 99 + ["4111111111111111"]
    [weak] = tally("reference", *numbers).signs()
    assert (weak.detector, weak.matches, weak.share, weak.personal) == ("card", 1, 0.01, False)
    [strong] = tally("reference", *numbers[-10:]).signs()
    assert strong.personal


def test_one_address_in_a_thousand_texts_counts() -> None:
    [sign] = tally("reference", *["x"] * 999, "jane@example.org").signs()
    assert sign.personal


def test_a_uuid_is_told_of_and_is_not_personal_by_itself() -> None:
    [sign] = tally("user", "424cdd21-063a-43a7-b91b-7ca1a833afae").signs()
    assert (sign.detector, sign.counts, sign.personal) == ("uuid", True, False)


def test_values_are_not_kept() -> None:
    counted = tally("x", "jane@example.org")
    assert "jane" not in repr(counted)
    assert "jane" not in repr(counted.signs())


@pytest.mark.parametrize("piece", ["[", '{"a":', "1.", "+1 ", "a@", "1:", "12-", "A1 ", "0" * 9, "@a.", "(212) "])
def test_hostile_repetitions_are_looked_through_in_linear_time(piece: str) -> None:
    # Would not end within the life of the test if a pattern went back and forth over the text.
    holds_personal(piece * 50_000)
    identify(piece * 50_000, name="phone")
