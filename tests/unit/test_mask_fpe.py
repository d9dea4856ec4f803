"""``fpe``: FF1 as NIST publishes it, and which texts it takes: never one of which something would stay in the clear."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masking import K1, K2, cell_of, entry, mask_all, ring
from masking import settings as settings_of
from sofetch.errors import ConfigError
from sofetch.mask import Keyring, compile_masker
from sofetch.mask.ff1 import ff1, least_chars
from sofetch.mask.fpe import ALPHABETS, decrypt_column
from sofetch.record import Reason, Value
from sofetch.settings import Alphabet, ColumnSettings, MasksSettings

VECTORS = Path(__file__).parents[1] / "fixtures/vectors/ff1.json"
NIST: list[dict[str, Any]] = json.loads(VECTORS.read_text())["vectors"]
CIPHER = ff1(K1, alphabet=digits)


def replaced(value: Value, keyring: Keyring | None = None, **given: Any) -> str:
    return str(cell_of(value, keyring, mask="fpe", **given))


@pytest.mark.parametrize("vector", NIST, ids=lambda vector: f"sample {vector['sample']}")
def test_ff1_equals_the_samples_of_nist_both_ways(vector: dict[str, Any]) -> None:
    alphabet = (digits + ascii_lowercase)[: vector["radix"]]
    cipher = ff1(bytes.fromhex(vector["key"]), alphabet=alphabet, tweak=bytes.fromhex(vector["tweak"]))
    assert cipher.encrypt(vector["plaintext"]) == vector["ciphertext"]
    assert cipher.decrypt(vector["ciphertext"]) == vector["plaintext"]


@settings(max_examples=60)
@given(st.text(digits, min_size=6, max_size=120))
def test_ff1_is_one_to_one_and_keeps_length_and_alphabet_at_any_length(text: str) -> None:
    made = CIPHER.encrypt(text)
    assert re.fullmatch(f"[0-9]{{{len(text)}}}", made)
    assert CIPHER.decrypt(made) == text


@pytest.mark.parametrize(("radix", "chars"), [(10, 6), (36, 4), (62, 4)])
def test_ff1_takes_no_text_of_which_there_are_fewer_than_a_million(radix: int, chars: int) -> None:
    alphabet = ALPHABETS["alnum"][:radix]
    assert least_chars(radix) == chars
    assert len(ff1(K1, alphabet=alphabet).encrypt("0" * chars)) == chars
    for text in ("0" * (chars - 1), "", "?" * chars):
        with pytest.raises(ValueError, match="characters of its alphabet") as raised:
            ff1(K1, alphabet=alphabet).encrypt(text)
        assert "?" not in str(raised.value)


def test_signs_stay_where_they_are_and_the_rest_is_another() -> None:
    made = replaced("593-47-5928")
    assert re.fullmatch(r"\d{3}-\d{2}-\d{4}", made)
    assert made != "593-47-5928"
    assert made.replace("-", "") == replaced("593475928")


@pytest.mark.parametrize("alphabet", ["digits", "alnum_lower", "alnum"])
def test_who_holds_the_key_opens_it(alphabet: Alphabet) -> None:
    made = replaced("12-34-56/78", alphabet=alphabet)
    assert decrypt_column(ring().oldest, "d", alphabet=alphabet)([made]) == ["12-34-56/78"]
    assert decrypt_column(ring(entry(material=K2)).oldest, "d", alphabet=alphabet)([made]) != ["12-34-56/78"]


def test_another_domain_or_key_gives_another_text() -> None:
    texts = [
        replaced("593-47-5928"),
        replaced("593-47-5928", domain="other"),
        replaced("593-47-5928", ring(entry(material=K2))),
        replaced("593-47-5928", alphabet="alnum"),
    ]
    assert len(set(texts)) == 4


def test_no_rotation_changes_it() -> None:
    rotated = ring(entry("k1", K1, "active"), entry("k2", K2))
    assert replaced("593-47-5928", rotated) == replaced("593-47-5928")


@pytest.mark.parametrize(
    "value",
    [
        "12345",
        "1-2-3-4-5",
        "AB-123456",
        "123456x",
        "12345é6",
        "١٢٣٤٥٦",
        "1" * 257,
        True,
        1.5,
        "-----",
        12345,
        "123\x00456",
    ],
)
@pytest.mark.parametrize("not_of_kind", ["token", "reject"])
def test_what_would_stay_in_part_is_rejected(value: Value, not_of_kind: str) -> None:
    column = ColumnSettings(name="c", mask="fpe", domain="d", not_of_kind=not_of_kind)  # type: ignore[arg-type]
    masked = mask_all(column, [value])
    assert [(one.reason, one.field) for one in masked.rejections] == [(Reason.NOT_OF_KIND, "c")]


def test_a_lone_surrogate_is_rejected_as_what_it_is() -> None:
    masked = mask_all(ColumnSettings(name="c", mask="fpe", domain="d"), ["\ud800123456"])
    assert [one.reason for one in masked.rejections] == [Reason.INVALID_UNICODE]


def test_an_integer_is_its_digits() -> None:
    assert replaced(593475928) == replaced("593475928")


def test_it_is_off_unless_it_is_allowed() -> None:
    given_settings = settings_of(ColumnSettings(name="c", mask="fpe", domain="d"))
    off = type(given_settings)(
        source=given_settings.source, sink=given_settings.sink, column=given_settings.column, masks=MasksSettings()
    )
    with pytest.raises(ConfigError, match="fpe is not allowed"):
        compile_masker(off, ring())
