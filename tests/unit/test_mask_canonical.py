"""Canonical forms: which spellings are one identity, and what is not of a kind at all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sofetch.mask.canonical import (
    canonical_code,
    canonical_date,
    canonical_email,
    canonical_int,
    canonical_ip,
    canonical_string,
    canonical_text,
    canonical_uuid,
)

NOT_TEXT = [None, True, 7, 7.0, Decimal(7), b"7", date(2024, 5, 1)]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("593-47-5928", b"\x53593-47-5928"),
        ("\t 593-47-5928 \n", b"\x53593-47-5928"),
        ("Case Kept", b"\x53Case Kept"),
        ("e\u0301", b"\x53\xc3\xa9"),
        ("\u212b", b"\x53\xc3\x85"),
        ("\u00a0x\u3000", b"\x53x"),
        ("a\0b", b"\x53a\0b"),
        ("", b"\x53"),
        (" \t\n\u2003", b"\x53"),
    ],
)
def test_string_is_stripped_nfc_with_its_case_kept(text: str, form: bytes) -> None:
    assert canonical_string(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("199.172.111.135", "04c7ac6f87"),
        (" 199.172.111.135\n", "04c7ac6f87"),
        ("::ffff:199.172.111.135", "04c7ac6f87"),
        ("::FFFF:c7ac:6f87", "04c7ac6f87"),
        ("0:0:0:0:0:ffff:199.172.111.135", "04c7ac6f87"),
        ("2001:db8::1", "0620010db8000000000000000000000001"),
        ("2001:0DB8:0:0:0:0:0:1", "0620010db8000000000000000000000001"),
        ("::199.172.111.135", "06000000000000000000000000c7ac6f87"),
        ("::", "0600000000000000000000000000000000"),
    ],
)
def test_every_spelling_of_an_address_has_one_form(text: str, form: str) -> None:
    assert canonical_ip(text) == bytes.fromhex(form)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "unknown",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.04",
        "0x7f.0.0.1",
        "127.1",
        "3232235521",
        "1.2.3.4/24",
        "1.2.3.4:80",
        "[2001:db8::1]",
        "2001:db8::1/64",
        "fe80::1%eth0",
        "2001:db8:::1",
        "12345::",
        "1.2.3.4\0",
        "1.2. 3.4",
        "١.٢.٣.٤",
        "\ud800",
        "::\ud800",
        pytest.param(":" * 100_000, id="colons"),
    ],
)
def test_what_is_no_plain_address_is_not_of_kind_ip(text: str) -> None:
    assert canonical_ip(text) is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (" Ann.Lee+Shop@Example.COM ", b"\x45ann.lee+shop@example.com"),
        ("a@b\u00fccher.de", b"\x45a@xn--bcher-kva.de"),
        ("a@BU\u0308CHER.DE", b"\x45a@xn--bcher-kva.de"),
        ("a@xn--Bcher-kva.de", b"\x45a@xn--bcher-kva.de"),
        ("a@stra\u00dfe.de", b"\x45a@xn--strae-oqa.de"),
        ("a@STRA\u1e9eE.de", b"\x45a@xn--strae-oqa.de"),
        ("a@\u03b2\u03cc\u03bb\u03bf\u03c2.com", b"\x45a@xn--nxasmm1c.com"),
        ("a@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com", b"\x45a@xn--mgba3gch31f060k.com"),
        ("a@\uff45xample\u3002com", b"\x45a@example.com"),
        ("j\u00d6rg@example.com", b"\x45j\xc3\xb6rg@example.com"),
        ("o'neil/dept=x@sub.example.co.uk", b"\x45o'neil/dept=x@sub.example.co.uk"),
    ],
)
def test_email_is_lower_with_its_domain_as_a_labels_and_its_tag_kept(text: str, form: bytes) -> None:
    assert canonical_email(text) == form


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@example.com.",
        "ann@.com",
        "ann@a..com",
        "a b@example.com",
        "ann@127.0.0.1",
        "ann@[127.0.0.1]",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        '"a b"@example.com',
        "ann@-a.com",
        "ann@a-.com",
        "ann@a_b.com",
        "ann@exa mple.com",
        "a@b@example.com",
        "a\0@example.com",
        "a\u00a0@b.com",
        "Ann <ann@example.com>",
        "x" * 65 + "@example.com",
        "ann@" + "a" * 64 + ".com",
        "ann@" + "abc." * 63 + "com",
        "ann@a\u0627.com",
        "ann@\ufffc.com",
        "ann@\ud800.com",
        pytest.param("\u00e9." * 50_000 + "@", id="long"),
        "a@" + "\u00e9" * 70 + ".com",
    ],
)
def test_malformed_address_is_not_of_kind_email(text: str) -> None:
    assert canonical_email(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "424cdd21-063a-43a7-b91b-7ca1a833afae",
        "424CDD21-063A-43A7-B91B-7CA1A833AFAE",
        " 424cdd21063a43a7b91b7ca1a833afae ",
        "{424cdd21-063a-43a7-b91b-7ca1a833afae}",
        "urn:uuid:424cdd21-063a-43a7-b91b-7ca1a833afae",
    ],
)
def test_every_spelling_of_a_uuid_has_one_form(text: str) -> None:
    assert canonical_uuid(text) == b"\x55424cdd21-063a-43a7-b91b-7ca1a833afae"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "424cdd21",
        "424cdd21-063a-43a7-b91b-7ca1a833afa",
        "424cdd21-063a43a7-b91b-7ca1a833afae",
        "g" * 32,
        "\ud800",
        "{424cdd21-063a-43a7-b91b-7ca1a833afae",
        "424cdd21-063a-43a7-b91b-7ca1a833afae}",
    ],
)
def test_what_is_no_uuid_is_not_of_kind_uuid(text: str) -> None:
    assert canonical_uuid(text) is None


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (0, b"I0"),
        (-0, b"I0"),
        ("-0", b"I0"),
        (7, b"I7"),
        ("7", b"I7"),
        (" +007 ", b"I7"),
        (-12, b"I-12"),
        ("-012", b"I-12"),
        (10**30, b"I1" + b"0" * 30),
        pytest.param("9" * 10_000, b"I" + b"9" * 10_000, id="nines"),
        pytest.param("0" * 10_000, b"I0", id="zeros"),
    ],
)
def test_integers_and_their_texts_have_one_form(value: Any, form: bytes) -> None:
    assert canonical_int(value) == form


@pytest.mark.parametrize(
    "value",
    [True, 7.0, Decimal(7), "7.0", "1e3", "", "-", "1_000", "٧", "0x7", "7 7", pytest.param(10**5000, id="huge")],
)
def test_floats_booleans_and_other_texts_are_not_of_kind_int(value: Any) -> None:
    assert canonical_int(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "1987-05-31",
        " 1987-05-31 ",
        "1987-05-31T23:59:59+02:00",
        "1987-05-31 00:00",
        "1987-05-31T00:00:00.000Z",
        date(1987, 5, 31),
        datetime(1987, 5, 31, 23, tzinfo=UTC),
    ],
)
def test_date_counts_as_it_is_written_whatever_its_zone(value: Any) -> None:
    assert canonical_date(value) == b"\x441987-05-31"


@pytest.mark.parametrize(
    "value", ["", "1987-02-29", "31.05.1987", "19870531", "1987-W22-1", "0000-01-01", 19870531, "\ud800"]
)
def test_what_is_no_iso_date_is_not_of_kind_date(value: Any) -> None:
    assert canonical_date(value) is None


@pytest.mark.parametrize("canonical", [canonical_string, canonical_ip, canonical_email, canonical_uuid])
@pytest.mark.parametrize("value", NOT_TEXT)
def test_what_is_no_text_is_not_of_a_kind_of_text(canonical: Any, value: Any) -> None:
    assert canonical(value) is None


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (12345, b"S12345"),
        (12345.0, b"S12345"),
        (Decimal("12345.00"), b"S12345"),
        (1.5, b"S1.5"),
        (Decimal("1.50"), b"S1.5"),
        (True, b"Strue"),
        (False, b"Sfalse"),
        (-0.0, b"S0"),
        (1e22, b"S1" + b"0" * 22),
        (Decimal("1e400"), b"S1E+400"),
        (Decimal("-1e-999999"), b"S-1E-999999"),
        ("x", b"Sx"),
    ],
)
def test_scalars_have_a_string_form_and_equal_numbers_the_same(value: Any, form: bytes) -> None:
    assert canonical_text(value) == form


@pytest.mark.parametrize(
    "value",
    [None, float("inf"), float("nan"), Decimal("sNaN"), pytest.param(10**5000, id="huge"), b"x", date(2024, 5, 1)],
)
def test_what_has_no_text_has_no_string_form(value: Any) -> None:
    assert canonical_text(value) is None


@pytest.mark.parametrize("canonical", [canonical_string, canonical_email])
def test_text_without_utf8_is_never_given_a_form(canonical: Any) -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical("\udcff@example.com")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("4111 1111 1111 1111", b"C4111111111111111"),
        ("4111-1111\u00a01111\u20111111", b"C4111111111111111"),
        (" 4111111111111111\n", b"C4111111111111111"),
        (4111111111111111, b"C4111111111111111"),
        ("gb82 west 1234 5698 7654 32", b"CGB82WEST12345698765432"),
        ("+49 (30) 123/45.67", b"C49301234567"),
        ("0049 30 1234567", b"C0049301234567"),
        (0, b"C0"),
    ],
)
def test_a_code_is_the_same_whatever_stands_between_its_letters_and_digits(value: str | int, form: bytes) -> None:
    assert canonical_code(value) == form


@pytest.mark.parametrize(
    "value",
    [None, True, 7.0, Decimal(7), -7, "", " - ", "12#4", "stra\u00dfe", "\u0131d", "\u0661\u0662", "a\0b", "\ud800"],
)
def test_what_has_other_letters_or_signs_is_no_code(value: Any) -> None:
    assert canonical_code(value) is None
