"""The schemes: what a canonical form becomes in the table.

Owns the results' form (``h1.<kid>.<40 hex>``, /24 and /48, months, domains). A scheme takes a canonical form, so it
never sees how a value was spelled, and it must never give the whole of one back. Each scheme is one function that
compiles to a closure; ``compile_scheme`` picks it, and a new scheme is one more case there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address
from typing import Final, assert_never

from sofetch.columns import token_domain, unsuited
from sofetch.errors import ConfigError
from sofetch.mask.canonical import IPV4
from sofetch.mask.keyring import Key, Keyring
from sofetch.mask.primitives import KEY_BYTES, TAG_BYTES, Hash, keyed_hash
from sofetch.record import Cell
from sofetch.settings import ColumnSettings

H1: Final = "h1"
_CHAIN_STEP: Final = b"T"

Scheme = Callable[[bytes], Cell]
"""From a canonical form to a cell."""


def compile_scheme(column: ColumnSettings, keyring: Keyring) -> tuple[Scheme, Scheme]:
    """The column's scheme, and what it does with the string form of a value that is not of the column's kind.

    Raises ConfigError if the mask cannot work on that kind.
    """
    if (reason := unsuited(column)) is not None:
        raise ConfigError(f"column {column.name}: {reason.what}", hint=reason.hint)
    redact = _redact(column.redact_to)
    match column.mask:
        case "token":
            token = _token(token_domain(column), keyring)
            return token, token
        case "redact":
            return redact, redact
        case "truncate":
            return (_truncate_ip if column.kind == "ip" else _truncate_string(column)), redact
        case "bucket":
            return (_month, _redact(None)) if column.kind == "date" else (_email_domain, redact)
        case None:
            raise ConfigError(f"column {column.name}: it has no mask", hint="set `mask`")
        case _:
            assert_never(column.mask)


def token_key(key: Key, domain: str) -> bytes:
    """The h1 key of a join domain."""
    return key.derive(scheme=H1, domain=domain, length=KEY_BYTES)


def _token(domain: str, keyring: Keyring) -> Scheme:
    """h1: HMAC-SHA-256(K, canonical)[:20], irreversible, the same in every table of the domain.

    Not hidden by it: that two rows are equal, and how often a value occurs. After a rotation a token is chained,
    tag₂ = HMAC(K₂, 54 ‖ tag₁)[:20], so that stored rows are upgraded with no plaintext and meet the new ones.
    """
    first, *later = (keyed_hash(token_key(key, domain)) for key in keyring.token_chain)
    prefix = f"{H1}.{keyring.primary.kid}."

    def token(form: bytes) -> str:
        return prefix + first(form)[:TAG_BYTES].hex()

    def chained_token(form: bytes) -> str:
        return prefix + _chain(first(form)[:TAG_BYTES], later).hex()

    return chained_token if later else token


def _chain(tag: bytes, steps: list[Hash]) -> bytes:
    for step in steps:
        tag = step(_CHAIN_STEP + tag)[:TAG_BYTES]
    return tag


def _redact(constant: str | None) -> Scheme:
    def redact(_form: bytes) -> str | None:
        return constant

    return redact


def _truncate_ip(form: bytes) -> str:
    """The network: 256 addresses of IPv4, 2⁸⁰ of IPv6. A small network may still be one household."""
    if form.startswith(IPV4):
        return f"{IPv4Address(form[1:4] + bytes(1))}/24"
    return f"{IPv6Address(form[1:7] + bytes(10))}/48"


def _truncate_string(column: ColumnSettings) -> Scheme:
    """The first characters. What they would leave whole, or what Postgres cannot hold, is redacted instead."""
    kept_chars, constant = column.truncate_to, column.redact_to

    def truncate(form: bytes) -> str:
        text = form[1:].decode()
        head = text[:kept_chars]
        return head if len(head) < len(text) and "\0" not in head else constant

    return truncate


def _month(form: bytes) -> date:
    return date(int(form[1:5]), int(form[6:8]), 1)


def _email_domain(form: bytes) -> str:
    return form.rpartition(b"@")[2].decode()
