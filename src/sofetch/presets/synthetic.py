"""Synthetic logins: invented messages of the shape of the example data, the same for the same seed everywhere.

Owns their look. No value comes from a real person: addresses, devices and users are drawn from a seeded generator.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from importlib.resources import files
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar
from uuid import UUID

_T = TypeVar("_T")

_VERSIONS = ("2.3.0", "2.2.8", "2.2.1", "0.2.6", "0.4.6", "0.5.0", "0.5.5", "0.60", "0.96", "3.7", "4.10.2")
_LOCALES = ("RU", "PH", "ID", "FR", "PT", "BR", "DE", "JP", "US", "ZA", None, None)
_DEVICE_TYPES = ("android", "android", "ios")
_RETURNING_IN_100 = 25  # logins by someone seen before, most of them from a device and an address seen before
_IPV6_IN_100 = 12
_REMEMBERED = 1_000
_UNROUTED_FIRST_OCTETS = frozenset((0, 10, 100, 127, 169, 172, 192, 198, 203))


def example_logins() -> list[bytes]:
    """The shipped example: ten logins and one message that does not fit."""
    return (files("sofetch.presets") / "logins.jsonl").read_bytes().splitlines()


def synthetic_logins(count: int, *, seed: int) -> Iterator[bytes]:
    """``count`` login bodies; users, devices and addresses return now and then. Lazily, in little memory."""
    draw = _Draw(seed)
    seen: list[dict[str, str | None]] = []
    for _ in range(count):
        login = _returning(draw, seen) if seen and draw.chance(_RETURNING_IN_100) else _first(draw)
        _remember(draw, seen, login)
        yield json.dumps(login).encode()


class _Draw:
    # random() alone: Python promises the same sequence of it for a seed in every version, and of nothing else.

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311  looks, not secrets

    def below(self, limit: int) -> int:
        return int(self._random() * limit)

    def chance(self, in_100: int) -> bool:
        return self.below(100) < in_100

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count // 16):
            value = value << 16 | self.below(1 << 16)
        return value

    def one_of(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]


def _first(draw: _Draw) -> dict[str, str | None]:
    return {
        "user_id": str(UUID(int=draw.bits(128), version=4)),
        "app_version": draw.one_of(_VERSIONS),
        "device_type": draw.one_of(_DEVICE_TYPES),
        "ip": _address(draw),
        "locale": draw.one_of(_LOCALES),
        "device_id": f"{draw.below(1000):03d}-{draw.below(100):02d}-{draw.below(10_000):04d}",
    }


def _returning(draw: _Draw, seen: list[dict[str, str | None]]) -> dict[str, str | None]:
    login = dict(draw.one_of(seen))
    match draw.below(4):
        case 0:  # the same person and device, from elsewhere
            login["ip"] = _address(draw)
        case 1:  # another person behind the same address and device, as in a family
            login["user_id"] = str(UUID(int=draw.bits(128), version=4))
        case 2:  # an update was installed
            login["app_version"] = draw.one_of(_VERSIONS)
        case _:
            pass
    return login


def _remember(draw: _Draw, seen: list[dict[str, str | None]], login: dict[str, str | None]) -> None:
    if len(seen) < _REMEMBERED:
        seen.append(login)
    else:
        seen[draw.below(_REMEMBERED)] = login


def _address(draw: _Draw) -> str:
    if draw.chance(_IPV6_IN_100):
        return str(IPv6Address(0x2A02 << 112 | draw.bits(112)))
    first = draw.below(222) + 1
    while first in _UNROUTED_FIRST_OCTETS:
        first = draw.below(222) + 1
    return str(IPv4Address(first << 24 | draw.below(1 << 24)))
