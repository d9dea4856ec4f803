"""What a key of each status does, as a table: made with, passed through, opened by; and what is never done."""

from __future__ import annotations

import pytest

from masking import K1, K2, cell_of, entry, masker, message, ring
from sofetch.errors import KeyringError
from sofetch.mask import Keyring, open_column, unseal
from sofetch.mask.keyring import Status
from sofetch.record import Reason, Rejection
from sofetch.settings import ColumnSettings

K3 = bytes(range(64, 96))
OTHER = entry("k9", K3, "primary")
PIPELINE = "user_logins"

#        status          place              makes  chains opens  sealed by it is made / opened, fingerprint
MATRIX: list[tuple[Status, str, bool, bool, bool, bool]] = [
    ("primary", "alone", True, True, True, True),
    ("active", "before the primary", False, True, True, True),
    ("active", "after the primary", False, False, True, True),
    ("decrypt_only", "before the primary", False, False, True, True),
    ("decrypt_only", "after the primary", False, False, True, True),
    ("destroyed", "before the primary", False, False, False, False),
    ("destroyed", "after the primary", False, False, False, False),
]
NAMES = ("status", "place", "makes", "chains", "opens", "has_fingerprint")
matrix = pytest.mark.parametrize(NAMES, MATRIX, ids=[f"{row[0]} {row[1]}" for row in MATRIX])

PLAIN = ring(entry())


def ring_with(status: Status, place: str) -> Keyring:
    """A ring in which k1 has this status, beside another primary where it is not the primary itself."""
    mine = entry("k1", None if status == "destroyed" else K1, status)
    if place == "alone":
        return ring(mine)
    return ring(mine, OTHER) if place == "before the primary" else ring(OTHER, mine)


@matrix
def test_which_key_makes_new_values(
    status: Status, place: str, makes: bool, chains: bool, opens: bool, has_fingerprint: bool
) -> None:
    keyring = ring_with(status, place)
    for mask in ("token", "reversible"):
        made = str(cell_of("x", keyring, mask=mask))
        assert (made.split(".")[1] == "k1") is makes
    assert (cell_of("1.2.3.4", keyring, mask="ip") == cell_of("1.2.3.4", PLAIN, mask="ip")) is makes


@matrix
def test_which_key_a_token_passes_through(
    status: Status, place: str, makes: bool, chains: bool, opens: bool, has_fingerprint: bool
) -> None:
    keyring = ring_with(status, place)
    token = cell_of("x", keyring)
    assert (token != cell_of("x", ring(OTHER))) is chains
    assert ("k1" in [key.kid for key in keyring.token_chain]) is chains


@matrix
def test_which_key_opens_what_it_closed(
    status: Status, place: str, makes: bool, chains: bool, opens: bool, has_fingerprint: bool
) -> None:
    keyring = ring_with(status, place)
    closed = str(cell_of("x", PLAIN, mask="reversible"))
    if opens:
        assert open_column([closed], mask="reversible", domain="d", keyring=keyring) == [b"\x53x"]
    else:
        with pytest.raises(KeyringError, match="k1 is destroyed"):
            open_column([closed], mask="reversible", domain="d", keyring=keyring)


@matrix
def test_which_key_seals_and_opens_the_quarantine(
    status: Status, place: str, makes: bool, chains: bool, opens: bool, has_fingerprint: bool
) -> None:
    keyring = ring_with(status, place)
    rejection = Rejection(message(b"secret"), Reason.NOT_JSON, None)
    assert (masker(keyring=keyring).seal([rejection])[0].kid == "k1") is makes
    before = masker(keyring=PLAIN).seal([rejection])[0]
    if opens:
        body = unseal(before.sealed_body, key=before.key, kid="k1", pipeline=PIPELINE, keyring=keyring)
        assert body == b"secret"
    else:
        with pytest.raises(KeyringError, match="k1 is destroyed"):
            unseal(before.sealed_body, key=before.key, kid="k1", pipeline=PIPELINE, keyring=keyring)


@matrix
def test_which_key_has_a_fingerprint_and_which_fingerprints_are_checked_at_the_start(
    status: Status, place: str, makes: bool, chains: bool, opens: bool, has_fingerprint: bool
) -> None:
    keyring = ring_with(status, place)
    if has_fingerprint:
        one = keyring.get("k1").fingerprint(scheme="h1", domain="d")
        assert one == PLAIN.primary.fingerprint(scheme="h1", domain="d")
    else:
        with pytest.raises(KeyringError, match="k1 is destroyed"):
            keyring.get("k1").fingerprint(scheme="h1", domain="d")
    columns = (
        ColumnSettings(name="t", mask="token", domain="d"),
        ColumnSettings(name="r", mask="reversible", domain="d"),
    )
    stored = {(one.scheme, one.kid) for one in masker(*columns, keyring=keyring).fingerprints()}
    assert (("h1", "k1") in stored) is chains
    assert (("r1", "k1") in stored) is makes
    assert (("quarantine", "k1") in stored) is makes


def test_a_ring_of_two_steps_upgrades_no_value_twice() -> None:
    chained = ring(entry("k1", K1, "active"), entry("k2", K2, "active"), OTHER)
    assert [key.kid for key in chained.token_chain] == ["k1", "k2", "k9"]
    assert cell_of("x", chained) not in {
        cell_of("x", ring(entry("k2", K2, "active"), OTHER)),
        cell_of("x", ring(OTHER)),
    }
