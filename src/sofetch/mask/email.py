"""The domain of an e-mail address, as the ASCII labels that mail is routed by.

Owns one function. The mapping is UTS 46, non-transitional, as browsers and mail servers do it today: ``straße.de`` is
``xn--strae-oqa.de``. The standard library's ``idna`` codec is IDNA 2003 and would make it ``strasse.de``, another
owner's domain; its ``nameprep`` is right for everything but the four characters that IDNA 2008 stopped mapping away,
and its tables are frozen (Unicode 3.2), so that a token does not change with the Python it is made by.
"""

from __future__ import annotations

import re
from encodings.idna import nameprep
from typing import Final
from unicodedata import normalize


def domain_to_ascii(domain: str) -> str | None:
    """Lower-case A-labels, or None for what is no host name of two labels or more (an address literal, say)."""
    if domain.isascii():
        host = domain.lower()
    else:
        labels = [_label_to_ascii(label) for label in _DOTS.split(domain)]
        host = ".".join(label or "" for label in labels)  # an empty label makes it no host
    return host if len(host) <= 253 and _HOST.fullmatch(host) else None


_LABEL: Final = "(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+$){_LABEL}")
_DOTS: Final = re.compile("[.\u3002\uff0e\uff61]")
_KEPT: Final = re.compile("([ßς\u200c\u200d])")  # what IDNA 2003 maps away and UTS 46, non-transitional, keeps


def _label_to_ascii(label: str) -> str | None:
    if label.isascii():
        return label.lower()
    try:
        prepared = "".join(
            part if _KEPT.fullmatch(part) else nameprep(part) for part in _KEPT.split(label.replace("ẞ", "ß"))
        )
    except UnicodeError:  # prohibited, or directions mixed
        return None
    prepared = normalize("NFC", prepared)
    return prepared if prepared.isascii() else "xn--" + prepared.encode("punycode").decode("ascii")
