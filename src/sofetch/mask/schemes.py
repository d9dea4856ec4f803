"""The schemes: what a canonical form becomes in the table.

Owns the tokens' form, ``h1.<kid>.<40 hex>``. A scheme takes a canonical form, so it
never sees how a value was spelled, and works on a column at a time. Each scheme is one function that compiles to a
closure; ``compile_scheme`` picks it, and a new scheme is one more case there. What a key can open again is
``mask.reversible``'s and ``mask.fpe``'s, what keeps a part ``mask.coarse``'s, and what needs the row ``mask.rows``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from sofetch.columns import produced, token_domain, unsuited
from sofetch.errors import ConfigError
from sofetch.mask.coarse import coarsen
from sofetch.mask.fpe import FF1, encrypt_column
from sofetch.mask.keyring import Key, Keyring, Keyrings
from sofetch.mask.primitives import KEY_BYTES, TAG_BYTES, Hash, keyed_hash
from sofetch.mask.reversible import R1, encrypt_addresses, seal_column
from sofetch.record import Cell
from sofetch.settings import ColumnSettings, MaskName

H1: Final = "h1"
_CHAIN_STEP: Final = b"T"

Scheme = Callable[[Sequence[bytes]], Sequence[Cell]]
"""From the canonical forms of a column to its cells, one for one."""

_One = Callable[[bytes], Cell]


def compile_scheme(column: ColumnSettings, keyring: Keyring) -> tuple[Scheme, Scheme]:
    """The column's scheme, and what it does with the string form of a value that is not of the column's kind.

    Raises ConfigError if the mask cannot work on that kind.
    """
    if (reason := unsuited(column)) is not None:
        raise ConfigError(f"column {column.name}: {reason.what}", hint=reason.hint)
    domain, redact = token_domain(column), _redact(column.redact_to)
    match column.mask:
        case "token":
            token = _token(domain, keyring.token_chain)
            return token, token
        case "reversible":
            sealed = seal_column(keyring.primary, domain)
            return sealed, sealed
        case "ip" | "ip_prefix":
            return encrypt_addresses(keyring.primary, domain, mask=column.mask), _redact(None)
        case "redact":
            return redact, redact
        case "truncate" | "bucket" | "partial" | "round":
            kept, of_stranger = coarsen(column)
            constant = redact if produced(column).type == "text" else _redact(None)
            return _each(kept), _each(of_stranger) if of_stranger else constant
        case "fpe":
            return encrypt_column(keyring.oldest, domain, alphabet=column.alphabet), _redact(None)
        case "date_shift" | "noise":
            raise ConfigError(f'column {column.name}: mask "{column.mask}" needs the whole row')
        case None:
            raise ConfigError(f"column {column.name}: it has no mask", hint="set `mask`")
        case _:
            assert_never(column.mask)


def keys_of_scheme(mask: MaskName, keyring: Keyring) -> list[tuple[str, Key]]:
    """The keys that a mask works with now, each with the scheme it is derived for; none if it hides by leaving out."""
    match mask:
        case "token":
            return [(H1, key) for key in keyring.token_chain]
        case "reversible":
            return [(R1, keyring.primary)]
        case "ip" | "ip_prefix":
            return [(mask, keyring.primary)]
        case "date_shift" | "noise":
            return [(mask, keyring.oldest)]
        case "fpe":
            return [(FF1, keyring.oldest)]
        case "redact" | "truncate" | "bucket" | "partial" | "round":
            return []
        case _:
            assert_never(mask)


def ring_of_mask(mask: MaskName, rings: Keyrings) -> Keyring:
    """The keyring that a mask works with: what can be opened again has one of its own, where there are two."""
    return rings.reversible if mask in _OPENED_BY_THE_KEY else rings.tokens


_OPENED_BY_THE_KEY: Final = frozenset({"reversible", "ip", "ip_prefix", "fpe", "date_shift", "noise"})
"""Who holds the key can undo these: of a date and of noise, where it is known whose or which message's it is."""


def token_key(key: Key, domain: str) -> bytes:
    """The h1 key of a join domain."""
    return key.derive(scheme=H1, domain=domain, length=KEY_BYTES)


def chain_tag(tag: bytes, steps: Sequence[Hash]) -> bytes:
    """The tag of a token after further steps of the chain: tag₂ = HMAC(K₂, 54 ‖ tag₁)[:20]."""
    for step in steps:
        tag = step(_CHAIN_STEP + tag)[:TAG_BYTES]
    return tag


def _token(domain: str, chain: Sequence[Key]) -> Scheme:
    """h1: HMAC-SHA-256(K, canonical)[:20], irreversible, the same in every table of the domain.

    Not hidden by it: that two rows are equal, and how often a value occurs. After a rotation a token is chained,
    tag₂ = HMAC(K₂, 54 ‖ tag₁)[:20], so that stored rows are upgraded with no plaintext and meet the new ones.
    """
    first, *later = (keyed_hash(token_key(key, domain)) for key in chain)
    prefix = f"{H1}.{chain[-1].kid}."

    def token(forms: Sequence[bytes]) -> list[str]:
        return [prefix + first(form)[:TAG_BYTES].hex() for form in forms]

    def chained_token(forms: Sequence[bytes]) -> list[str]:
        return [prefix + chain_tag(first(form)[:TAG_BYTES], later).hex() for form in forms]

    return chained_token if later else token


def _redact(constant: str | None) -> Scheme:
    return lambda forms: [constant] * len(forms)


def _each(one: _One) -> Scheme:
    return lambda forms: [one(form) for form in forms]
