"""Synthetic logins: repeatable, varied, of the shape of the example."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from sofetch.presets.synthetic import example_logins, synthetic_logins


def _logins(count: int, *, seed: int = 7) -> list[dict[str, Any]]:
    return [json.loads(body) for body in synthetic_logins(count, seed=seed)]


def test_the_example_is_ten_logins_and_one_that_does_not_fit() -> None:
    bodies = [json.loads(body) for body in example_logins()]
    assert [sorted(body) for body in bodies[:10]] == [sorted(_logins(1)[0])] * 10
    assert bodies[10:] == [{"foo": "oops_wrong_msg_type", "bar": "123"}]


def test_the_same_seed_gives_the_same_bytes_in_every_python() -> None:
    digest = hashlib.sha256(b"\n".join(synthetic_logins(1_000, seed=7))).hexdigest()
    assert digest == "6b82a73d8945b8094f3d9909a81fc75459d14c8f2f4dd384fdab71b1d7e2ad5e"


def test_another_seed_gives_other_logins() -> None:
    assert not {login["user_id"] for login in _logins(50, seed=1)} & {login["user_id"] for login in _logins(50, seed=2)}


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    assert _logins(100)[:10] == _logins(10)


def test_they_are_made_lazily() -> None:
    assert len(list(itertools.islice(synthetic_logins(10**12, seed=7), 3))) == 3


def test_users_devices_and_addresses_return_now_and_then() -> None:
    logins = _logins(89)
    for name in ("user_id", "device_id", "ip"):
        repeated = [value for value, count in Counter(login[name] for login in logins).items() if count > 1]
        assert 3 <= len(repeated) <= 30, name


def test_values_look_like_the_real_ones() -> None:
    logins = _logins(500)
    assert {UUID(login["user_id"]).version for login in logins} == {4}
    assert {login["device_type"] for login in logins} == {"android", "ios"}
    assert None in {login["locale"] for login in logins}
    assert "0.60" in {login["app_version"] for login in logins}
    addresses = [ip_address(login["ip"]) for login in logins]
    assert {address.version for address in addresses} == {4, 6}
    assert all(address.is_global for address in addresses)


def test_a_body_is_no_longer_than_a_message_of_its_kind_needs() -> None:
    assert max(len(body) for body in synthetic_logins(500, seed=7)) < 256
