"""Whether a text mentions somebody, where no field can be asked: in a body that is broken, or in what a person typed.

Owns the spellings of a name and the ways in which a broken body may write it. It errs towards finding: what is missed
here outlives an erasure. Pure; what it holds is personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from unicodedata import normalize

from sofetch.mask.canonical import CODE, EMAIL, INT, IPV4, IPV6, STRING, UUID, canonical_ip

_NESTED: Final = 4
"""Documents in documents, each escaped once more, are read so deep: SNS in SQS is one."""

_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bfnrt]))")
_MEANT: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_BETWEEN: Final = r"[\s./+()_:\-\u2010-\u2015]*"
"""What ``canonical_code`` drops."""
_LONG_CODE: Final = 7
"""A shorter code, taken apart, is found in every date and time of somebody else's."""


def plain_spellings(value: str, form: bytes) -> Iterator[str]:
    """The text as given and in its usual spellings, for a column that holds it in the clear."""
    yield value
    yield from (value.strip(), normalize("NFC", value).strip(), normalize("NFD", value).strip())
    if form[:1] in {STRING, UUID, EMAIL, INT, CODE}:
        yield form[1:].decode()
    if form[:1] == UUID:
        yield form[1:].decode().upper()


def mention_finder(value: str, form: bytes | None) -> Callable[[str], bool]:
    """Finds a name as a word of its own, so that subject 7 is not found in 1978. A kind that has one form for many
    spellings (an e-mail, a UUID, a code, an address) is found in each of them.
    """
    written = {text.strip() for text in plain_spellings(value, form or STRING)}
    kind, named = (form or STRING)[:1], (form or STRING)[1:]
    patterns = [_word("|".join(map(re.escape, sorted(filter(None, written)))), ignoring=kind in {EMAIL, UUID})]
    if kind == UUID:
        patterns.append(_word("-?".join(named.decode().split("-")), ignoring=True))
    if kind == CODE and len(named) >= _LONG_CODE:
        patterns.append(_word(_BETWEEN.join(named.decode()), ignoring=True))
    is_address = kind in {IPV4, IPV6}

    def mentions(text: str) -> bool:
        if any(pattern.search(text) for pattern in patterns):
            return True
        return is_address and any(canonical_ip(found.strip(".")) == form for found in _ADDRESS.findall(text))

    return mentions


def readings(body: bytes) -> Iterator[str]:
    """The texts that a body may be: in each encoding in which it may have come, then without JSON's escapes."""
    for decoded in _decoded(body):
        text, plainer = None, decoded
        for _ in range(_NESTED):
            if plainer == text:
                break
            yield plainer
            text, plainer = plainer, _PAIR.sub(_joined, _ESCAPE.sub(_unescaped, plainer))


def _decoded(body: bytes) -> Iterator[str]:
    try:
        yield body.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError:
        yield body.decode("utf-8", "replace")
        yield body.decode("latin-1")
    for start in (0, 1):  # it may have been cut within a character
        yield body[start:].decode("utf-16-le", "replace")
        yield body[start:].decode("utf-16-be", "replace")


def _word(pattern: str, *, ignoring: bool) -> re.Pattern[str]:
    whole = rf"(?<![0-9A-Za-z])(?:{pattern})(?![0-9A-Za-z])" if pattern else r"(?!)"
    return re.compile(whole, re.IGNORECASE if ignoring else 0)


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _MEANT.get(found[2], found[2])


def _joined(found: re.Match[str]) -> str:
    return found[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
