"""The messages of a campaign: number → body, and what must become of it, worked out from the RFCs and not by sofetch.

Owns the kinds of bodies. Each is a function of seed and number alone, so a million messages need no memory. Every one
carries personal values that are found by the few texts in ``PLANTED``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Any

from keyrings import MASTER_KEY

PLANTED = ("kanarie-", "198.18.", "2001:db8:ca4a:9a71")
"""Every device is the first with its number; every address is of the second's or the third's network."""

PLANTED_BYTES = IPv6Address("2001:db8:ca4a:9a71::").packed[:8]
"""The third as Postgres' inet or a canonical form would hold it."""

POISONED = (
    "ALTER TABLE user_logins ADD CONSTRAINT no_poison CHECK (user_id NOT LIKE 'poison-%')",
    """CREATE FUNCTION refuse_venom() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.user_id LIKE 'venom-%' THEN
        RAISE EXCEPTION 'a trigger says no';
    END IF;
    RETURN new;
END $$""",
    "CREATE TRIGGER no_venom BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION refuse_venom()",
)
"""What makes the database refuse the rows of the kinds ``poison`` and ``venom``."""

Row = tuple[str, str | None, str, str, str | None, str | None]
"""user_id, device_type, masked_ip, masked_device_id, locale, app_version."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message: its body, and either the row or the reason for its quarantine that is expected of it."""

    body: str
    row: Row | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Corpus:
    """The messages of a seed. ``bad_in_1000`` are unfit in some way; ``bursts`` are stretches of rows that the database
    refuses, as first number → (length, one of how many).
    """

    seed: int
    bad_in_1000: int = 15
    bursts: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def message(self, number: int) -> Sent:
        """The message of this number."""
        draw = random.Random(self.seed * 1_000_003 + number)
        login = _login(number, draw)
        if self._in_burst(number):
            return _poison(login)
        if draw.random() * 1_000 < self.bad_in_1000:
            return _BAD[int(draw.random() * len(_BAD))](login)
        good = _GOOD[int(draw.random() * len(_GOOD))] if draw.random() < 0.2 else _plain
        return good(login)

    def _in_burst(self, number: int) -> bool:
        for first, (length, one_in) in self.bursts.items():
            if first <= number < first + length:
                return (number - first) % one_in == 0
        return False


def user_of(number: int) -> str:
    """The user of a message, and so the name of its row."""
    return f"user-{number}"


Login = dict[str, Any]


def _login(number: int, draw: random.Random) -> Login:
    network = IPv6Address(f"2001:db8:ca4a:9a71::{number & 0xFFFF:x}") if number % 8 == 0 else None
    return {
        "user_id": user_of(number),
        "app_version": ("2.3.0", "0.60", "0.96", "3.7")[number % 4],
        "device_type": ("android", "ios")[number % 2],
        "ip": str(network) if network else f"198.18.{number >> 8 & 255}.{number & 255}",
        "locale": ("RU", None, "BR")[int(draw.random() * 3)],
        "device_id": f"kanarie-{number}",
    }


def _plain(login: Login) -> Sent:
    return Sent(json.dumps(login), _row(login, _address(login["ip"])))


def _mapped_address(login: Login) -> Sent:
    if ":" in login["ip"]:
        return _plain(login)
    return Sent(json.dumps(login | {"ip": f"::ffff:{login['ip']}"}), _row(login, _address(login["ip"])))


def _more_fields(login: Login) -> Sent:
    more = login | {"kanarie-key": 1, "contact": {"mail": "kanarie-mail@example.org"}, "tags": ["kanarie-tag"] * 20}
    return Sent(json.dumps(more), _row(login, _address(login["ip"])))


def _no_address(login: Login) -> Sent:
    """Not of its kind: by policy a token of the text."""
    text = f"kanarie-no-address-{login['user_id']}"
    return Sent(json.dumps(login | {"ip": text}), _row(login, b"\x53" + text.encode()))


def _large(login: Login) -> Sent:
    more = login | {"padding": "kanarie-padding " * 2_000}
    return Sent(json.dumps(more), _row(login, _address(login["ip"])))


def _statement(login: Login) -> Sent:
    text = "'); DROP TABLE user_logins; --"
    return Sent(json.dumps(login | {"device_type": text}), _row(login | {"device_type": text}, _address(login["ip"])))


def _poison(login: Login) -> Sent:
    return Sent(json.dumps(login | {"user_id": f"poison-{login['user_id']}"}), reason="check_violation")


def _venom(login: Login) -> Sent:
    return Sent(json.dumps(login | {"user_id": f"venom-{login['user_id']}"}), reason="database_refused_value")


def _with(reason: str, **changes: object) -> Callable[[Login], Sent]:
    return lambda login: Sent(json.dumps(login | changes), reason=reason)


def _made(reason: str, body: Callable[[Login], str]) -> Callable[[Login], Sent]:
    return lambda login: Sent(body(login), reason=reason)


_GOOD = (_mapped_address, _more_fields, _no_address, _large, _statement)
_BAD: tuple[Callable[[Login], Sent], ...] = (
    _poison,
    _venom,
    _with("missing_field", user_id=None),
    _with("missing_field", device_id=None),
    _with("wrong_type", device_type=4711),
    _with("wrong_type", ip={"nested": "198.18.0.1"}),
    _with("too_long", user_id="kanarie-" * 20),
    _with("nul_character", locale="kanarie-\0"),
    _made("not_json", lambda login: json.dumps(login)[:-20]),
    _made("not_json", lambda login: f"kanarie-text {login['ip']}"),
    _made("not_json", lambda login: json.dumps(login) * 2),
    _made("not_an_object", lambda login: json.dumps([login["device_id"], login["ip"]])),
    _made("not_an_object", lambda login: json.dumps(login["device_id"])),
    _made("too_deep", lambda login: json.dumps(login)[:-1] + ', "deep": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    _made("invalid_unicode", lambda login: json.dumps(login).replace('"user-', '"\\ud800-')),
)


def _row(login: Login, canonical_ip: bytes) -> Row:
    return (
        login["user_id"],
        login["device_type"],
        token("ip", canonical_ip),
        token("device_id", b"\x53" + str(login["device_id"]).encode()),
        login["locale"],
        login["app_version"],
    )


def _address(text: str) -> bytes:
    address = ip_address(text)
    return (b"\x04" if address.version == 4 else b"\x06") + address.packed


def token(domain: str, canonical: bytes) -> str:
    """HKDF-SHA256 and HMAC written out from the RFCs, sharing no code with the program."""
    return f"h1.k1.{hmac.digest(_key(domain), canonical, hashlib.sha256)[:20].hex()}"


_keys: dict[str, bytes] = {}


def _key(domain: str) -> bytes:
    if domain not in _keys:
        extracted = hmac.digest(bytes(32), MASTER_KEY, hashlib.sha256)
        info = b"pii/v1\0h1\0" + domain.encode() + b"\x01"
        _keys[domain] = hmac.digest(extracted, info, hashlib.sha256)
    return _keys[domain]
