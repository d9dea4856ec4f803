"""Laws of what can be opened: it comes back whole, networks keep their lengths, and neighbours change nothing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from masking import K2, cell_of, entry, mask_all, ring
from sofetch.mask import open_column, reveal
from sofetch.mask.canonical import canonical_of, canonical_text
from sofetch.mask.ipcrypt import prefix_preserving
from sofetch.mask.reversible import Closed, ReversibleMask
from sofetch.record import Address
from sofetch.settings import ColumnSettings, Kind

RING = ring()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(str.strip)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
FOURS = st.ip_addresses(v=4)
SIXES = st.ip_addresses(v=6)
ADDRESSES = FOURS | SIXES
ADDRESS_MASKS: st.SearchStrategy[ReversibleMask] = st.sampled_from(["ip", "ip_prefix"])
MASKS: st.SearchStrategy[ReversibleMask] = st.sampled_from(["reversible", "ip", "ip_prefix"])
KINDS: st.SearchStrategy[Kind] = st.sampled_from(["string", "ip", "email", "uuid", "int", "code", "date"])
OF_SOME_KIND = ADDRESSES.map(str) | st.emails() | st.uuids().map(str) | st.integers() | st.dates().map(str)


@given(KINDS, TEXTS | NUMBERS | OF_SOME_KIND)
def test_token_opens_to_the_canonical_form_of_any_value_of_any_kind(kind: Kind, value: str | float) -> None:
    token = cast("str", cell_of(value, RING, mask="reversible", kind=kind))
    form = canonical_of(kind)(value) or canonical_text(value)
    assert open_column([token], mask="reversible", domain="d", keyring=RING) == [form]


@given(ADDRESSES, ADDRESS_MASKS)
def test_address_opens_to_itself(address: IPv4Address | IPv6Address, mask: ReversibleMask) -> None:
    cell = cast("Closed", cell_of(str(address), RING, mask=mask))
    plain = getattr(address, "ipv4_mapped", None) or address
    assert reveal([cell], mask=mask, domain="d", keyring=RING) == [str(plain)]


@given(st.lists(ADDRESSES.map(lambda address: address.packed), max_size=20), st.binary(min_size=32, max_size=32))
def test_prefix_cipher_turns_both_ways_for_any_addresses_together(addresses: list[bytes], key: bytes) -> None:
    cipher = prefix_preserving(key if key[:16] != key[16:] else bytes(range(32)))
    assert cipher.decrypt(cipher.encrypt(addresses)) == addresses
    assert cipher.encrypt(cipher.decrypt(addresses)) == addresses


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 2**32 - 1))
def test_shared_prefix_of_ipv4_has_the_same_length_afterwards(number: int, bit: int, noise: int) -> None:
    one, other = IPv4Address(number), IPv4Address(_diverging(number, noise, bit=bit, width=32))
    assert _shared_bits(*_masked(one, other)) == 31 - bit


@given(st.integers(0, 2**128 - 1), st.integers(0, 127), st.integers(0, 2**128 - 1))
def test_shared_prefix_of_ipv6_has_the_same_length_afterwards(number: int, bit: int, noise: int) -> None:
    one, other = IPv6Address(number), IPv6Address(_diverging(number, noise, bit=bit, width=128))
    if one.ipv4_mapped is None and other.ipv4_mapped is None:
        assert _shared_bits(*_masked(one, other)) == 127 - bit


@given(ADDRESSES)
def test_prefix_mask_keeps_the_family(address: IPv4Address | IPv6Address) -> None:
    plain = getattr(address, "ipv4_mapped", None) or address
    assert _masked(address)[0].version == plain.version


@given(st.lists(ADDRESSES | TEXTS, max_size=8), MASKS)
def test_other_domain_and_other_key_give_another_result(values: list[object], mask: ReversibleMask) -> None:
    for value in map(str, values):
        column = ColumnSettings(name="masked", mask=mask, kind="ip", domain="d")
        results = [
            [record.values[0] for record in mask_all(column, [value], keyring).records]
            for column, keyring in (
                (column, RING),
                (ColumnSettings(name="masked", mask=mask, kind="ip", domain="e"), RING),
                (column, ring(entry(material=K2))),
            )
        ]
        made = [tuple(result) for result in results if result]
        assert len(set(made)) == len(made)


@given(
    st.lists(ADDRESSES.map(str) | st.sampled_from(["192.0.2.1", "::ffff:192.0.2.1", None, "x", 7]), max_size=12), MASKS
)
def test_batch_composition_changes_nothing(values: list[str | int | None], mask: ReversibleMask) -> None:
    column = ColumnSettings(name="masked", mask=mask, kind="ip", domain="d")
    together = mask_all(column, values, RING)
    alone = [mask_all(column, [value], RING) for value in values]
    assert [r.values for r in together.records] == [r.values for one in alone for r in one.records]
    assert len(together.rejections) == sum(len(one.rejections) for one in alone)


@given(st.lists(ADDRESSES.map(str), min_size=1, max_size=12, unique=True), MASKS)
def test_different_addresses_stay_different(values: list[str], mask: ReversibleMask) -> None:
    column = ColumnSettings(name="masked", mask=mask, kind="ip", domain="d")
    forms = {canonical_of("ip")(value) for value in values}
    assert len({record.values[0] for record in mask_all(column, values, RING).records}) == len(forms)


def _masked(*addresses: Address) -> list[Address]:
    return [cast("Address", cell_of(str(address), RING, mask="ip_prefix")) for address in addresses]


def _diverging(number: int, noise: int, *, bit: int, width: int) -> int:
    """``number`` with that bit turned and random bits below it: it shares exactly the bits above."""
    del width
    below = (1 << bit) - 1
    return (number ^ 1 << bit) & ~below | noise & below


def _shared_bits(one: Address, other: Address) -> int:
    assert one.version == other.version
    return one.max_prefixlen - (int(one) ^ int(other)).bit_length()
