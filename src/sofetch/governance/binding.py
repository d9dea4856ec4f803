"""Whether a value that the vault gave is the one that its token was made of.

Owns that check, made anew from the keyring: a value in the vault is bound to its place, but the token that it is looked
up by is not, since a rotation renews it. Whoever can write there could put another's value behind it, or one of their
own making. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final

from sofetch.columns import kind_of, token_domain
from sofetch.mask.canonical import canonical_of, canonical_text
from sofetch.mask.keyring import Key, Keyring
from sofetch.mask.primitives import TAG_BYTES, keyed_hash
from sofetch.mask.schemes import chain_tag, token_key
from sofetch.settings import ColumnSettings

MOST_STEPS: Final = 8
"""Earlier keys of which any chain is tried: 256 of them."""


def is_made_of(token: str, value: str, *, columns: Iterable[ColumnSettings], domain: str, ring: Keyring) -> bool | None:
    """Whether the h1 token is that of the value in this domain; None where the ring lacks the keys to tell."""
    _, kid, tag = token.split(".")
    last = next((key for key in ring.keys if key.kid == kid and key.status != "destroyed"), None)
    if last is None:
        return None
    earlier = ring.keys[: ring.keys.index(last)]
    usable = [key for key in earlier if key.status != "destroyed"][-MOST_STEPS:]
    forms = {form for column in columns if token_domain(column) == domain for form in _forms(column, value)}
    if any(_tag(form, chain, domain).hex() == tag for form in forms for chain in _chains(usable, last)):
        return True
    return False if len(usable) == len(earlier) else None


def _forms(column: ColumnSettings, value: str) -> Iterator[bytes]:
    """A number is kept as its text, and has the string form where it was not of its kind."""
    for form in (canonical_of(kind_of(column))(value), canonical_text(value)):
        if form is not None:
            yield form


def _chains(earlier: Sequence[Key], last: Key) -> Iterator[Sequence[Key]]:
    """Whatever of the keys before it a token may have passed through: a key that was retired was a step once."""
    for size in range(len(earlier) + 1):
        for steps in combinations(earlier, size):
            yield (*steps, last)


def _tag(form: bytes, chain: Sequence[Key], domain: str) -> bytes:
    first, *later = (keyed_hash(token_key(key, domain)) for key in chain)
    return chain_tag(first(form)[:TAG_BYTES], later)
