"""``fpe``: a text of the same form, by FF1. Owns which characters are replaced, and what is no text for it.

Characters of the alphabet are replaced by others of it, the signs between them stay where they are. Fails closed: a
text with any other character, or with too few of the alphabet, is not of its kind and is rejected, since what stays of
it would be in the clear. Which key made a value cannot be told, so the ring's oldest does: no rotation changes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_letters, ascii_lowercase, digits
from typing import Final

from sofetch.mask.canonical import STRING, canonical_string, integer_text
from sofetch.mask.ff1 import TextCipher, ff1, least_chars
from sofetch.mask.keyring import Key
from sofetch.record import Value
from sofetch.settings import Alphabet

FF1: Final = "ff1"
KEY_BYTES: Final = 32
MOST_CHARS: Final = 256

ALPHABETS: Final[dict[Alphabet, str]] = {
    "digits": digits,
    "alnum_lower": digits + ascii_lowercase,
    "alnum": digits + ascii_letters,
}
_SIGNS: Final = r" \-./+()_:"


def encrypt_column(key: Key, domain: str, *, alphabet: Alphabet) -> Callable[[Sequence[bytes]], list[str]]:
    """Forms that ``canonical_text_of`` gave become texts of the same form. Equal in, equal out, one to one."""
    encrypt = _cipher(key, domain, alphabet).encrypt
    return lambda forms: [_replaced(form[1:].decode(), alphabet, encrypt) for form in forms]


def decrypt_column(key: Key, domain: str, *, alphabet: Alphabet) -> Callable[[Sequence[str]], list[str]]:
    """The texts behind what ``encrypt_column`` made. Another key or domain gives other texts without a word."""
    decrypt = _cipher(key, domain, alphabet).decrypt
    return lambda texts: [_replaced(text, alphabet, decrypt) for text in texts]


def canonical_text_of(alphabet: Alphabet) -> Callable[[Value], bytes | None]:
    """The string form of what can be encrypted over the alphabet; None for anything else."""
    chars = ALPHABETS[alphabet]
    form_of = re.compile(rf"[{chars}{_SIGNS}]{{1,{MOST_CHARS}}}")
    sign, least = re.compile(f"[{_SIGNS}]"), least_chars(len(chars))

    def canonical(value: Value) -> bytes | None:
        if isinstance(value, int) and not isinstance(value, bool):
            value = integer_text(value)
        form = canonical_string(value)
        if form is None or form == STRING:
            return form
        text = form[1:].decode()
        return form if form_of.fullmatch(text) and len(sign.sub("", text)) >= least else None

    return canonical


def _cipher(key: Key, domain: str, alphabet: Alphabet) -> TextCipher:
    return ff1(key.derive(scheme=FF1, domain=domain, length=KEY_BYTES), alphabet=ALPHABETS[alphabet])


def _replaced(text: str, alphabet: Alphabet, cipher: Callable[[str], str]) -> str:
    """The text with its characters of the alphabet run through the cipher, the signs where they were."""
    chars = ALPHABETS[alphabet]
    made = iter(cipher("".join(char for char in text if char in chars)))
    return "".join(next(made) if char in chars else char for char in text)
