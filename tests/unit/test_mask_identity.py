"""Ledger keys: what makes two messages the same, and what must not part them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_interface
from typing import Any
from uuid import UUID

import pytest

from masking import K1, K2, MESSAGE_ID, entry, masker, message, ring
from sofetch.errors import ConfigError
from sofetch.mask import Keyring, ledger_key
from sofetch.mask.identity import encode_values
from sofetch.record import Message, Reason, Record, Rejection, Value
from sofetch.settings import ColumnSettings

COLUMNS = [ColumnSettings(name="user_id"), ColumnSettings(name="ip", mask="token", kind="ip")]


def test_key_is_48_bits_of_sent_time_and_80_bits_of_the_message_id() -> None:
    key = ledger_key(message(sent_ms=1_700_000_000_123))
    assert key == (1_700_000_000_123).to_bytes(6, "big") + UUID(MESSAGE_ID).bytes[:10]
    assert UUID(bytes=key).bytes == key  # the ledger stores it as a uuid


def test_key_is_the_same_at_every_delivery_even_where_the_server_gives_no_sent_time() -> None:
    first = message(sent_ms=None)
    again = Message(
        id=MESSAGE_ID.upper(), body=b"{}", queue="login-queue", sent_ms=None, received_ms=9_999, receive_count=3
    )
    assert ledger_key(first) == ledger_key(again) == bytes(6) + UUID(MESSAGE_ID).bytes[:10]


def test_keys_are_in_the_order_of_time() -> None:
    times = [0, 1, 255, 256, 1_700_000_000_123, 2**48 - 1]
    keys = [ledger_key(message(sent_ms=sent_ms)) for sent_ms in times]
    assert keys == sorted(keys)


@pytest.mark.parametrize("sent_ms", [-1, 2**48, 2**70])
def test_sent_time_out_of_48_bits_still_makes_a_key(sent_ms: int) -> None:
    assert len(ledger_key(message(sent_ms=sent_ms))) == 16


@pytest.mark.parametrize("odd_id", ["", "m1", MESSAGE_ID + "0", "{" + MESSAGE_ID + "}", "\udcff"])
def test_message_id_that_is_no_uuid_is_hashed(odd_id: str) -> None:
    expected = hashlib.sha256(odd_id.encode(errors="surrogatepass")).digest()[:10]
    assert ledger_key(message(id=odd_id)) == b"\0\0\0\0\0\1" + expected


def test_first_key_of_a_redrive_wins_over_the_new_message_id() -> None:
    first = ledger_key(message())
    redriven = message(id="0a17a371-0000-4000-8000-000000000000", attributes={"sofetch.first_key": first.hex()})
    assert ledger_key(redriven) == first


@pytest.mark.parametrize("odd", ["", "00", "g" * 32, "0" * 33, "0" * 31 + "\n"])
def test_first_key_that_is_none_is_ignored(odd: str) -> None:
    assert ledger_key(message(attributes={"sofetch.first_key": odd})) == ledger_key(message())


@pytest.mark.parametrize("dedupe", ["content", ["user_id"]])
def test_a_claimed_first_key_decides_nothing_under_content_nor_under_fields_that_can_be_read(dedupe: Any) -> None:
    """Anybody who may send may write the attribute: under these a message of another cannot be displaced with it."""
    claiming = message(id="another", attributes={"sofetch.first_key": ledger_key(message()).hex()})
    assert record_key(claiming, dedupe=dedupe) == record_key(message(id="another"), dedupe=dedupe)


def test_content_key_is_a_keyed_hash_of_the_body_that_equals_a_recomputation() -> None:
    prk = hmac.digest(bytes(32), K1, "sha256")
    key = hmac.digest(prk, b"pii/v1\0ledger\0user_logins\x01", "sha256")
    assert record_key(message(b'{"a": 1}'), dedupe="content") == hmac.digest(key, b'{"a": 1}', "sha256")[:16]


def test_content_key_is_the_same_for_a_record_and_for_its_rejection() -> None:
    again = message(b'{"a": 1}', id="another")
    (sealed,) = masker(*COLUMNS, dedupe="content").seal([Rejection(again, Reason.WRONG_TYPE)])
    assert sealed.key == record_key(message(b'{"a": 1}'), dedupe="content")
    assert sealed.key != record_key(message(b'{"a": 2}'), dedupe="content")


def test_fields_key_looks_at_the_named_columns_only() -> None:
    key = record_key(message(), "u1", "1.2.3.4", dedupe=["user_id"])
    assert key == record_key(message(id="another"), "u1", "4.3.2.1", dedupe=["user_id"])
    assert key != record_key(message(), "u2", "1.2.3.4", dedupe=["user_id"])
    assert key != record_key(message(), "u1", "1.2.3.4", dedupe=["user_id", "ip"])


def test_rejection_under_fields_has_the_key_of_its_message() -> None:
    (sealed,) = masker(*COLUMNS, dedupe=["user_id"]).seal([Rejection(message(), Reason.WRONG_TYPE)])
    assert sealed.key == ledger_key(message())


@pytest.mark.parametrize("dedupe", ["content", ["user_id"]])
def test_rotation_changes_no_ledger_key(dedupe: Any) -> None:
    rotated = ring(entry("k0", None, "destroyed"), entry("k1", K1, "active"), entry("k2", K2))
    assert record_key(message(), dedupe=dedupe, keyring=rotated) == record_key(message(), dedupe=dedupe)
    assert record_key(message(), dedupe=dedupe, keyring=ring(entry("k2", K2))) != record_key(message(), dedupe=dedupe)


@pytest.mark.parametrize("dedupe", [[], ["user"], ["user_id", "nothing"]])
def test_dedupe_by_a_column_that_is_none_is_refused(dedupe: list[str]) -> None:
    with pytest.raises(ConfigError, match="dedupe names no column"):
        masker(*COLUMNS, dedupe=dedupe)


def test_values_of_every_type_are_encoded_apart() -> None:
    uuid, day = UUID(MESSAGE_ID), date(2024, 5, 1)
    values: list[Value] = [None, "", "1", 1, True, False, 1.5, Decimal("1.5000"), b"1", b"", day, uuid, str(uuid)]
    values += [str(day), datetime(2024, 5, 1, tzinfo=UTC), ip_interface("1.2.3.4"), ip_interface("::1"), "\ud800", -1]
    assert len({encode_values([value]) for value in values}) == len(values)


@pytest.mark.parametrize(
    "pair", [(["ab", "c"], ["a", "bc"]), ([None, ""], ["", None]), (["a"], ["a", None]), ([], [None])]
)
def test_values_are_encoded_with_their_borders(pair: tuple[list[Value], list[Value]]) -> None:
    assert encode_values(pair[0]) != encode_values(pair[1])


def test_one_instant_in_two_zones_is_one_value() -> None:
    utc = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert encode_values([utc]) == encode_values([utc.astimezone(timezone(timedelta(hours=2)))])


def record_key(
    of: Message, user: str = "u1", ip: str = "1.2.3.4", *, dedupe: Any, keyring: Keyring | None = None
) -> bytes:
    made: Callable[[list[Record]], Any] = masker(*COLUMNS, dedupe=dedupe, keyring=keyring).mask
    key: bytes = made([Record(of, (user, ip))]).records[0].key
    return key
