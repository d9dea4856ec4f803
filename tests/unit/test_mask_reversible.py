"""Opening what a key closed: which keys may, what is refused, and that no error shows a value."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import get_args

import pytest

from masking import K1, K2, cell_of, entry, mask_all, masker, message, ring
from sofetch.errors import ConfigError, KeyringError, SofetchError
from sofetch.mask import open_column, reveal
from sofetch.mask.ipcrypt import deterministic, prefix_preserving
from sofetch.mask.reversible import Closed, ReversibleMask
from sofetch.record import Record
from sofetch.settings import ColumnSettings

SECRET = "199.172.111.135"
MASKS: tuple[ReversibleMask, ...] = ("reversible", "ip", "ip_prefix")


def closed(mask: ReversibleMask, value: str = SECRET, domain: str = "ip") -> Closed:
    cell = cell_of(value, mask=mask, kind="ip", domain=domain)
    assert isinstance(cell, str | IPv4Address | IPv6Address)
    return cell


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("status", ["primary", "active", "decrypt_only"])
def test_key_that_is_not_destroyed_opens_what_it_closed(mask: ReversibleMask, status: str) -> None:
    others = [] if status == "primary" else [entry("k2", K2)]
    keyring = ring(entry("k1", K1, status), *others)
    assert reveal([closed(mask)], mask=mask, domain="ip", keyring=keyring, kid="k1") == [SECRET]


@pytest.mark.parametrize("mask", MASKS)
def test_destroyed_key_opens_nothing(mask: ReversibleMask) -> None:
    keyring = ring(entry("k1", None, "destroyed"), entry("k2", K2))
    with pytest.raises(KeyringError, match="k1 is destroyed"):
        reveal([closed(mask)], mask=mask, domain="ip", keyring=keyring, kid="k1")


@pytest.mark.parametrize("mask", MASKS)
def test_key_that_the_ring_lacks_opens_nothing(mask: ReversibleMask) -> None:
    with pytest.raises(KeyringError, match="no key of the wanted kid"):
        reveal([closed(mask)], mask=mask, domain="ip", keyring=ring(entry("k2", K2)), kid="k1")


@pytest.mark.parametrize("mask", MASKS)
def test_new_values_are_closed_with_the_primary_key(mask: ReversibleMask) -> None:
    rotated = ring(entry("k1", K1, "active"), entry("k2", K2), entry("k3", bytes(range(64, 96)), "active"))
    alone = ring(entry("k2", K2))
    assert cell_of(SECRET, rotated, mask=mask, kind="ip") == cell_of(SECRET, alone, mask=mask, kind="ip")


def test_tokens_of_several_keys_open_together() -> None:
    rotated = ring(entry("k1", K1, "decrypt_only"), entry("k2", K2))
    tokens = [
        str(cell_of(value, keyring, mask="reversible"))
        for value, keyring in (("one", ring()), ("two", rotated), ("three", ring()))
    ]
    assert reveal(tokens, mask="reversible", domain="d", keyring=rotated) == ["one", "two", "three"]


def test_token_tells_the_kind_of_what_it_holds() -> None:
    token = str(closed("reversible"))
    assert open_column([token], mask="reversible", domain="ip", keyring=ring()) == [b"\x04\xc7\xac\x6f\x87"]


@pytest.mark.parametrize("mask", ["ip", "ip_prefix"])
def test_address_opens_from_its_text_too(mask: ReversibleMask) -> None:
    assert reveal([str(closed(mask))], mask=mask, domain="ip", keyring=ring()) == [SECRET]


def altered(token: str, at: int) -> str:
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.parametrize("at", [6, 20, -2])
def test_altered_token_does_not_open_and_is_named_by_its_position(at: int) -> None:
    token = str(closed("reversible"))
    with pytest.raises(KeyringError, match=r"^value 2 does not open with key k1 in domain ip"):
        reveal([token, altered(token, at % len(token))], mask="reversible", domain="ip", keyring=ring())


def test_token_does_not_open_in_another_domain_or_under_another_kid_or_key() -> None:
    token = str(closed("reversible"))
    for text, domain, keyring in (
        (token, "device_id", ring()),
        (token.replace("r1.k1.", "r1.k2."), "ip", ring(entry("k2", K1))),
        (token, "ip", ring(entry("k1", K2))),
    ):
        with pytest.raises(KeyringError, match="value 1 does not open"):
            reveal([text], mask="reversible", domain=domain, keyring=keyring)


@pytest.mark.parametrize(
    ("mask", "value"),
    [
        ("reversible", "h1.k1.5e03e9e13a3094413eddb85dc5fe52c1d6bea98e"),
        ("reversible", "r1.K1.AAAA"),
        ("reversible", "r1.k1.AAAAA"),
        ("reversible", "r1.k1.Uv12jwv012TsYrAM5rlkPENVHg4hswbBNenUIBe4DxF"),
        ("reversible", "r1.k1.Uv12jwv012TsYrAM5rlkPENVHg4hswbBNenUIBe4DxE="),
        ("reversible", "canary-593-47-5928"),
        ("reversible", IPv4Address("192.0.2.1")),
        ("ip", "canary-593-47-5928"),
        ("ip_prefix", "192.0.2.0/24"),
    ],
)
def test_what_the_mask_never_made_is_refused_without_showing_it(mask: ReversibleMask, value: Closed) -> None:
    with pytest.raises(ConfigError, match=r"^value 1 was not made by mask") as caught:
        reveal([value], mask=mask, domain="ip", keyring=ring())
    assert_hides(caught.value, str(value))


def test_error_of_a_token_that_does_not_open_shows_nothing_of_it() -> None:
    token = altered(str(closed("reversible")), 10)
    with pytest.raises(KeyringError) as caught:
        reveal([token], mask="reversible", domain="ip", keyring=ring())
    assert_hides(caught.value, token[6:])


def assert_hides(error: SofetchError, value: str) -> None:
    assert value not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_address_under_a_wrong_key_opens_to_another_address() -> None:
    """No construction that keeps an address an address can tell."""
    assert reveal([closed("ip")], mask="ip", domain="ip", keyring=ring(entry("k1", K2))) != [SECRET]


def test_every_reversible_mask_is_tried_here() -> None:
    assert set(MASKS) == set(get_args(ReversibleMask))


def test_keys_of_the_wrong_form_are_refused() -> None:
    for length in (0, 15, 17, 32):
        with pytest.raises(ValueError, match="16 bytes"):
            deterministic(bytes(length))
    for key in (bytes(range(16)), bytes(range(31)), bytes(range(16)) * 2):
        with pytest.raises(ValueError, match="halves differ"):
            prefix_preserving(key)


def test_empty_column_of_addresses_stays_empty() -> None:
    for cipher in (deterministic(bytes(range(16))), prefix_preserving(bytes(range(32)))):
        assert cipher.encrypt([]) == cipher.decrypt([]) == []


@pytest.mark.parametrize("mask", MASKS)
def test_threads_may_share_a_masker(mask: ReversibleMask) -> None:
    """AES contexts cannot be shared; keyed state can be copied. 40 columns at once find out."""
    column = ColumnSettings(name="masked", mask=mask, kind="ip", domain="ip")
    values = [str(ip_address(0x0A000000 + number)) for number in range(300)]
    expected = [record.values for record in mask_all(column, values).records]
    shared = masker(column)
    records = [Record(message(), (value,)) for value in values]
    with ThreadPoolExecutor(8) as pool:
        for masked in pool.map(lambda _: shared.mask(records), range(40)):
            assert [record.values for record in masked.records] == expected
