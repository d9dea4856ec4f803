"""Changing a keyring, wrapped keys in it, and two keyrings side by side."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from masking import K1, K2, cell_of, entry, masker, message, ring, ring_text
from sofetch.errors import ConfigError, KeyringError
from sofetch.mask import Keyring, Keyrings, parse_keyring, unseal
from sofetch.mask.keyring_changes import (
    destroyed,
    entries_of,
    is_chain_step,
    is_oldest,
    new_entry,
    next_kid,
    retired,
    rotated,
    wrapped_as,
)
from sofetch.mask.keyring_text import KeyEntry, Wrapped, render_entries
from sofetch.record import Reason, Rejection
from sofetch.settings import ColumnSettings

K3 = bytes(range(64, 96))


def entries(*raw: dict[str, str]) -> list[KeyEntry]:
    return entries_of(ring_text(*raw), where="the keyring")


def statuses(changed: list[KeyEntry]) -> list[tuple[str, str]]:
    return [(one.kid, one.status) for one in changed]


def as_ring(changed: list[KeyEntry]) -> Keyring:
    return parse_keyring(render_entries(changed))


def wrapped_entry(kid: str = "k1", material: bytes = K1, **more: str) -> dict[str, str]:
    turned = base64.b64encode(material[::-1]).decode()
    return {"kid": kid, "wrapped": turned, "kms_key": "alias/test", "status": "primary"} | more


def turn_back(_kid: str, wrapped: Wrapped) -> bytes:
    return wrapped.ciphertext[::-1]


def test_rotation_puts_the_new_primary_right_after_the_old_one() -> None:
    changed = rotated(entries(entry("k0", None, "destroyed"), entry(), entry("k5", K3, "active")), new_entry("k2"))
    assert statuses(changed) == [("k0", "destroyed"), ("k1", "active"), ("k2", "primary"), ("k5", "active")]
    assert [key.kid for key in as_ring(changed).token_chain] == ["k1", "k2"]


def test_rotation_never_uses_a_kid_again() -> None:
    with pytest.raises(ConfigError, match="has a key k0 already"):
        rotated(entries(entry("k0", None, "destroyed"), entry()), new_entry("k0"))


@pytest.mark.parametrize(
    ("primary", "others", "expected"),
    [
        ("k1", (), "k2"),
        ("k1", ("k2", "k3"), "k4"),
        ("k9", (), "k10"),
        ("2026", (), "2027"),
        ("main", (), "main1"),
        ("eightlet", (), "eightle1"),
        ("k9999999", (), "10000000"),
    ],
)
def test_next_kid_was_never_used_and_is_one(primary: str, others: tuple[str, ...], expected: str) -> None:
    ring_entries = [KeyEntry(primary, "primary", K1), *(KeyEntry(kid, "destroyed") for kid in others)]
    assert next_kid(ring_entries) == expected
    as_ring(rotated(ring_entries, new_entry(next_kid(ring_entries))))


def test_retired_key_only_opens() -> None:
    changed = retired(entries(entry("k1", K1, "active"), entry("k2", K2)), "k1")
    assert statuses(changed) == [("k1", "decrypt_only"), ("k2", "primary")]


@pytest.mark.parametrize("status", ["primary", "decrypt_only", "destroyed"])
def test_only_an_active_key_is_retired(status: str) -> None:
    mine = entry("k1", None if status == "destroyed" else K1, status)
    ring_entries = entries(mine) if status == "primary" else entries(mine, entry("k2", K2))
    with pytest.raises(ConfigError, match=f"key k1 is {status}, not active"):
        retired(ring_entries, "k1")


def test_destroyed_key_leaves_its_name_and_nothing_else() -> None:
    changed = destroyed(entries(entry("k1", K1, "decrypt_only"), entry("k2", K2)), "k1")
    assert json.loads(render_entries(changed))["keys"][0] == {"kid": "k1", "status": "destroyed"}
    wrapped = destroyed(entries(wrapped_entry(status="active"), entry("k2", K2)), "k1")
    assert "kms_key" not in render_entries(wrapped)


def test_primary_is_not_destroyed_and_what_is_destroyed_is_not_destroyed_again() -> None:
    ring_entries = entries(entry("k0", None, "destroyed"), entry())
    with pytest.raises(ConfigError, match="k1 is the primary"):
        destroyed(ring_entries, "k1")
    with pytest.raises(ConfigError, match="k0 is destroyed already"):
        destroyed(ring_entries, "k0")


@pytest.mark.parametrize("change", [retired, destroyed])
def test_change_of_a_key_that_is_not_there_names_those_that_are(
    change: Callable[[list[KeyEntry], str], object],
) -> None:
    with pytest.raises(ConfigError) as caught:
        change(entries(entry()), "k7")
    assert caught.value.hint == "it has k1"


def test_steps_of_the_chain_and_the_oldest_key_are_known() -> None:
    ring_entries = entries(
        entry("k0", None, "destroyed"), entry("k1", K1, "active"), entry("k2", K2), entry("k3", K3, "active")
    )
    assert [is_chain_step(ring_entries, kid) for kid in ("k0", "k1", "k2", "k3")] == [False, True, False, False]
    assert [is_oldest(ring_entries, kid) for kid in ("k0", "k1", "k2", "k3")] == [False, True, False, False]


def test_wrapping_keeps_order_status_and_what_the_keys_make() -> None:
    plain = entries(entry("k1", K1, "active"), entry("k2", K2))
    wrapped = [wrapped_as(one, Wrapped((one.material or b"")[::-1], "alias/test")) for one in plain]
    text = render_entries(wrapped)
    assert "material" not in text
    assert base64.b64encode(K1).decode() not in text
    opened = parse_keyring(text, unwrap=turn_back)
    assert cell_of("x", opened) == cell_of("x", as_ring(plain))


def test_wrapped_key_without_one_who_unwraps_is_a_refusal() -> None:
    with pytest.raises(KeyringError, match="has a key that AWS KMS wrapped: k1"):
        parse_keyring(ring_text(wrapped_entry()))


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (wrapped_entry() | {"material": "x"}, "both material and a wrapped key"),
        (wrapped_entry() | {"wrapped": "?"}, "not the base64 of what KMS encrypted"),
        (wrapped_entry() | {"wrapped": ""}, "not the base64 of what KMS encrypted"),
        (wrapped_entry() | {"wrapped": base64.b64encode(bytes(6_145)).decode()}, "not the base64 of what KMS"),
        (wrapped_entry() | {"kms_key": "a key"}, "its kms_key does not name a KMS key"),
        ({"kid": "k1", "status": "primary", "kms_key": "alias/x"}, "not the base64 of what KMS encrypted"),
        (wrapped_entry(status="destroyed"), "destroyed and must have no material"),
    ],
)
def test_malformed_wrapped_key_is_refused_with_what_is_wrong(raw: dict[str, str], complaint: str) -> None:
    with pytest.raises(KeyringError, match=complaint):
        parse_keyring(ring_text(raw), unwrap=turn_back)


@pytest.mark.parametrize(
    ("raws", "complaint"),
    [
        ([wrapped_entry(material=K1[:16])], "unusable key k1: its material is 16 bytes long"),
        ([wrapped_entry(material=bytes(32))], "unusable key k1: its material is one byte repeated"),
        ([wrapped_entry(status="active"), entry("k2", K1)], "gives one material to two keys"),
    ],
)
def test_what_comes_out_of_a_wrapping_is_checked_like_any_key(raws: list[dict[str, str]], complaint: str) -> None:
    with pytest.raises(KeyringError, match=complaint):
        parse_keyring(ring_text(*raws), unwrap=turn_back)


COLUMNS = tuple(ColumnSettings(name=mask, mask=mask, domain="d") for mask in ("token", "reversible", "ip", "ip_prefix"))


def test_two_keyrings_keep_what_can_be_opened_apart_from_tokens() -> None:
    rings = Keyrings(ring(entry("k1", K1)), ring(entry("r1", K2)))
    kids = {(one.scheme, one.kid) for one in masker(*COLUMNS, keyring=rings, dedupe="content").fingerprints()}
    assert kids == {
        ("h1", "k1"),
        ("ledger", "k1"),
        ("r1", "r1"),
        ("ip", "r1"),
        ("ip_prefix", "r1"),
        ("quarantine", "r1"),
    }


def test_quarantine_opens_with_the_reversible_keyring_and_not_with_that_of_the_tokens() -> None:
    rings = Keyrings(ring(entry("k1", K1)), ring(entry("r1", K2)))
    sealed = masker(keyring=rings).seal([Rejection(message(b"body"), Reason.NOT_JSON, None)])[0]
    assert sealed.kid == "r1"
    opened = unseal(
        sealed.sealed_body, key=sealed.key, kid=sealed.kid, pipeline="user_logins", keyring=rings.holding("r1")
    )
    assert opened == b"body"
    with pytest.raises(KeyringError):
        unseal(sealed.sealed_body, key=sealed.key, kid=sealed.kid, pipeline="user_logins", keyring=rings.tokens)


def test_one_keyring_serves_for_everything_where_there_is_no_other() -> None:
    rings = Keyrings(ring())
    assert not rings.separate
    assert {one.kid for one in masker(*COLUMNS, keyring=rings).fingerprints()} == {"k1"}


def test_a_kid_in_both_keyrings_is_refused() -> None:
    with pytest.raises(KeyringError, match="kid k1 is in both"):
        Keyrings(ring(), ring(entry("k1", K2)))


def test_a_key_in_both_keyrings_is_refused_under_whatever_name() -> None:
    with pytest.raises(KeyringError, match="one key is in both"):
        Keyrings(ring(), ring(entry("r1", K1)))


def test_keyrings_show_nothing_and_know_who_holds_a_key() -> None:
    rings = Keyrings(ring(), ring(entry("r1", K2)))
    assert repr(rings) == "<Keyrings redacted>"
    assert rings.holding("k1") is rings.tokens
    assert rings.holding("r1") is rings.reversible
    with pytest.raises(KeyringError, match="no key of the wanted kid"):
        rings.holding("k9")
