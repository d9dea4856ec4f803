"""Upgrading what is stored to the primary key: tokens by the chain, with no plaintext; the rest by opening and closing.

Owns the bytes of a rotation: tag₂ = HMAC(K₂, 54 ‖ tag₁)[:20], as new tokens are made too (``mask.schemes``). Which rows
are upgraded, and when, is ``sofetch.load.rotation.tokens``'s. What cannot be upgraded is None, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from sofetch.columns import token_domain
from sofetch.errors import ConfigError, KeyringError
from sofetch.mask.keyring import KeyFingerprint, Keyring, Keyrings
from sofetch.mask.primitives import Hash, keyed_hash
from sofetch.mask.reversible import R1, encrypt_addresses, open_column, seal_column
from sofetch.mask.schemes import H1, chain_tag, ring_of_mask, token_key
from sofetch.settings import Settings

Renew = Callable[[Sequence[str]], list[str | None]]
"""Values of earlier keys become values of the primary, one for one; None for what is not of this scheme and domain."""


class Upgrade(Struct, frozen=True):
    """How one column's values are renewed. ``kids`` can be upgraded; ``kid`` is the primary's.

    A value of another kid stays as it is: its key is not a step of the chain, or is gone. ``fingerprints`` are of the
    keys at work; whoever writes must compare them first, for under a wrong key a token becomes a wrong token.
    """

    column: str
    scheme: str
    domain: str
    kid: str
    kids: frozenset[str]
    fingerprints: Sequence[KeyFingerprint]
    renew: Renew


class AddressUpgrade(Struct, frozen=True):
    """The same for a column of addresses, which name no kid: ``renew`` takes the kid they are all under.

    ``fingerprints`` are of every usable key, by kid.
    """

    column: str
    mask: Literal["ip", "ip_prefix"]
    domain: str
    kid: str
    fingerprints: Mapping[str, KeyFingerprint]
    renew: Callable[[str, Sequence[str]], list[str]]


def compile_upgrades(settings: Settings, rings: Keyrings) -> list[Upgrade]:
    """For each column whose values name their key."""
    upgrades = []
    for column in settings.column:
        domain = token_domain(column)
        if column.mask == "token":
            upgrades.append(token_upgrade(column.name, domain, rings.tokens))
        elif column.mask == "reversible":
            upgrades.append(_sealed_upgrade(column.name, domain, rings.reversible))
    return upgrades


def token_upgrade(column: str, domain: str, keyring: Keyring) -> Upgrade:
    """h1: every key of the chain but the last can be upgraded, whatever it hid."""
    chain = keyring.token_chain
    hashes = [keyed_hash(token_key(key, domain)) for key in chain]
    later = {key.kid: hashes[step:] for step, key in enumerate(chain[:-1], start=1)}
    prefix = f"{H1}.{chain[-1].kid}."

    def renew(tokens: Sequence[str]) -> list[str | None]:
        return [_chained(token, later, prefix) for token in tokens]

    prints = [key.fingerprint(scheme=H1, domain=domain) for key in chain]
    return Upgrade(column, H1, domain, chain[-1].kid, frozenset(later), prints, renew)


def compile_vault_upgrades(settings: Settings, rings: Keyrings) -> list[Upgrade]:
    """For each join domain of the vault: the tokens that its values are found by."""
    domains = {token_domain(column) for column in settings.column if column.vault}
    return [token_upgrade("token", domain, rings.tokens) for domain in sorted(domains)]


def compile_address_upgrades(settings: Settings, rings: Keyrings) -> list[AddressUpgrade]:
    """For each column of addresses."""
    upgrades = []
    for column in settings.column:
        if column.mask == "ip" or column.mask == "ip_prefix":  # noqa: PLR1714  # mypy narrows this and not `in`
            domain, ring = token_domain(column), ring_of_mask(column.mask, rings)
            upgrades.append(_address_upgrade(column.name, column.mask, domain, ring))
    return upgrades


_TOKEN: Final = re.compile(r"h1\.([a-z0-9]{1,8})\.([0-9a-f]{40})")


def _chained(token: str, later: dict[str, list[Hash]], prefix: str) -> str | None:
    match = _TOKEN.fullmatch(token)
    steps = later.get(match[1]) if match else None
    if match is None or steps is None:
        return None
    return prefix + chain_tag(bytes.fromhex(match[2]), steps).hex()


def _sealed_upgrade(column: str, domain: str, keyring: Keyring) -> Upgrade:
    primary = keyring.primary
    kids = frozenset(key.kid for key in keyring.keys if key.status != "destroyed" and key is not primary)
    seal = seal_column(primary, domain)

    def renew(tokens: Sequence[str]) -> list[str | None]:
        opened = list(_opened(tokens, domain, keyring))
        sealed = iter(seal([form for form in opened if form is not None]))
        return [None if form is None else next(sealed) for form in opened]

    prints = [primary.fingerprint(scheme=R1, domain=domain)]  # of the others every token is a proof
    return Upgrade(column, R1, domain, primary.kid, kids, prints, renew)


def _opened(tokens: Sequence[str], domain: str, keyring: Keyring) -> Iterable[bytes | None]:
    """All at once; where one does not open, one by one, so that it spares its neighbours."""
    try:
        return open_column(tokens, mask="reversible", domain=domain, keyring=keyring)
    except (KeyringError, ConfigError):
        return [_opened_alone(token, domain, keyring) for token in tokens]


def _opened_alone(token: str, domain: str, keyring: Keyring) -> bytes | None:
    try:
        return open_column([token], mask="reversible", domain=domain, keyring=keyring)[0]
    except (KeyringError, ConfigError):
        return None


def _address_upgrade(column: str, mask: Literal["ip", "ip_prefix"], domain: str, keyring: Keyring) -> AddressUpgrade:
    primary = keyring.primary
    encrypt = encrypt_addresses(primary, domain, mask=mask)

    def renew(kid: str, addresses: Sequence[str]) -> list[str]:
        forms = open_column(addresses, mask=mask, domain=domain, keyring=keyring, kid=kid)
        return [str(address) for address in encrypt(forms)]

    usable = [key for key in keyring.keys if key.status != "destroyed"]
    prints = {key.kid: key.fingerprint(scheme=mask, domain=domain) for key in usable}
    return AddressUpgrade(column, mask, domain, primary.kid, prints, renew)
