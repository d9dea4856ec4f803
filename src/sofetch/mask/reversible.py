"""What a key can open again: ``reversible`` (r1), ``ip`` and ``ip_prefix``, closing and opening side by side.

Owns the form ``r1.<kid>.<base64url, no padding>`` and what each scheme's key is derived for: scheme "r1" (64 bytes),
"ip" (16) and "ip_prefix" (32). Opening is for governed use: errors name a value by its position, never by what it is.
A closed address carries no kid and no proof: under a wrong key it opens to a wrong address without a word.
"""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal, assert_never, get_args

from sofetch.errors import ConfigError, KeyringError
from sofetch.mask.canonical import IPV4, IPV6
from sofetch.mask.ipcrypt import (
    DETERMINISTIC_KEY_BYTES,
    PREFIX_KEY_BYTES,
    AddressCipher,
    deterministic,
    prefix_preserving,
)
from sofetch.mask.keyring import Key, Keyring
from sofetch.mask.primitives import BLOCK_BYTES, SIV_KEY_BYTES, siv_opener, siv_sealer

R1: Final = "r1"
IP: Final = "ip"
IP_PREFIX: Final = "ip_prefix"

AddressMask = Literal["ip", "ip_prefix"]
ReversibleMask = Literal["reversible", AddressMask]
REVERSIBLE_MASKS: Final = frozenset(get_args(ReversibleMask))

Closed = str | IPv4Address | IPv6Address
"""What one of these masks made, as the table gives it back."""

Addresses = list[IPv4Address | IPv6Address]


def seal_column(key: Key, domain: str) -> Callable[[Sequence[bytes]], list[str]]:
    """r1: AES-256-SIV of canonical ‖ 80 ‖ 00… to a multiple of 16, bound to kid and domain. Equal in, equal out.

    Not hidden by it: which rows are equal, how often a value occurs, and its length to within 16 bytes.
    """
    prefix = _r1_prefix(key)
    seal = siv_sealer(_r1_key(key, domain), associated=_r1_associated(key, domain))

    def seal_all(forms: Sequence[bytes]) -> list[str]:
        return [prefix + text for text in _base64url(seal(_padded(forms)))]

    return seal_all


def encrypt_addresses(key: Key, domain: str, *, mask: AddressMask) -> Callable[[Sequence[bytes]], Addresses]:
    """``ip`` and ``ip_prefix``: forms of addresses become addresses, a column in one call."""
    encrypt = _address_cipher(key, domain, mask=mask).encrypt
    return lambda forms: [_address(packed) for packed in encrypt([form[1:] for form in forms])]


def open_column(
    closed: Sequence[Closed], *, mask: ReversibleMask, domain: str, keyring: Keyring, kid: str | None = None
) -> list[bytes]:
    """The canonical forms behind values that ``mask`` closed in ``domain``, one for one. Governed use only.

    An r1 token names its key. An address does not: ``kid`` does, or else it is the primary. Any key of the ring that
    is not destroyed opens. Raises KeyringError for a key that is not there or does not open a value, ConfigError for
    what is no closed value of this mask at all.
    """
    match mask:
        case "reversible":
            return _open_tokens(closed, domain=domain, keyring=keyring)
        case "ip" | "ip_prefix":
            key = keyring.primary if kid is None else keyring.get(kid)
            packed = [_packed(value, position) for position, value in enumerate(closed, start=1)]
            opened = _address_cipher(key, domain, mask=mask).decrypt(packed)
            return [(IPV4 if len(address) == 4 else IPV6) + address for address in opened]
        case _:
            assert_never(mask)


def reveal(
    closed: Sequence[Closed], *, mask: ReversibleMask, domain: str, keyring: Keyring, kid: str | None = None
) -> list[str]:
    """The texts behind closed values, as their canonical forms spell them. As ``open_column`` otherwise."""
    return [text_of(form) for form in open_column(closed, mask=mask, domain=domain, keyring=keyring, kid=kid)]


def text_of(form: bytes) -> str:
    """A canonical form's text: an address in its usual spelling, else what stands after the type byte."""
    return str(_address(form[1:])) if form[:1] in {IPV4, IPV6} else form[1:].decode()


_TOKEN: Final = re.compile(r"r1\.([a-z0-9]{1,8})\.([A-Za-z0-9_-]+)")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = str.maketrans("-_", "+/")
_END: Final = b"\x80"
_PADDING: Final = [_END.ljust(BLOCK_BYTES - rest, b"\0") for rest in range(BLOCK_BYTES)]
"""By how many bytes a form goes beyond whole blocks."""


def _r1_prefix(key: Key) -> str:
    return f"{R1}.{key.kid}."


def _r1_key(key: Key, domain: str) -> bytes:
    return key.derive(scheme=R1, domain=domain, length=SIV_KEY_BYTES)


def _r1_associated(key: Key, domain: str) -> list[bytes]:
    return [_r1_prefix(key).encode(), domain.encode()]


def _padded(forms: Sequence[bytes]) -> list[bytes]:
    return [form + _PADDING[len(form) % BLOCK_BYTES] for form in forms]


def _base64url(column: Sequence[bytes]) -> list[str]:
    """A line for each, all translated in one go."""
    lines = b"".join(map(b2a_base64, column)).translate(_TO_URL, b"=").decode()
    return lines.split("\n")[:-1]


def _open_tokens(tokens: Sequence[Closed], *, domain: str, keyring: Keyring) -> list[bytes]:
    openers: dict[str, Callable[[bytes], bytes | None]] = {}
    forms = []
    for position, token in enumerate(tokens, start=1):
        kid, sealed = _parsed(token, position)
        if kid not in openers:
            key = keyring.get(kid)
            openers[kid] = siv_opener(_r1_key(key, domain), associated=_r1_associated(key, domain))
        padded = openers[kid](sealed)
        if padded is None:
            raise KeyringError(
                f"value {position} does not open with key {kid} in domain {domain}",
                hint="use the keyring and the domain it was made under; if both are right, it was altered",
            )
        forms.append(padded.rstrip(b"\0").removesuffix(_END))
    return forms


def _parsed(token: Closed, position: int) -> tuple[str, bytes]:
    match = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    if match is None:
        raise _not_made(position, "reversible", "r1.<kid>.<base64url>")
    kid, text = match.groups()
    try:
        sealed = a2b_base64(text.translate(_FROM_URL) + "=" * (-len(text) % 4))
    except NotBase64:
        sealed = b""
    if _base64url([sealed]) != [text]:  # bits left over would make two tokens of one
        raise _not_made(position, "reversible", "r1.<kid>.<base64url>")
    return kid, sealed


def _packed(value: Closed, position: int) -> bytes:
    if not isinstance(value, str):
        return value.packed
    try:
        return ip_address(value).packed
    except ValueError:  # it carries the value
        raise _not_made(position, "ip", "an address") from None


def _not_made(position: int, mask: str, form: str) -> ConfigError:
    return ConfigError(f'value {position} was not made by mask "{mask}"', hint=f"its form is {form}")


def _address_cipher(key: Key, domain: str, *, mask: AddressMask) -> AddressCipher:
    if mask == "ip":
        return deterministic(key.derive(scheme=IP, domain=domain, length=DETERMINISTIC_KEY_BYTES))
    return prefix_preserving(key.derive(scheme=IP_PREFIX, domain=domain, length=PREFIX_KEY_BYTES))


def _address(packed: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
