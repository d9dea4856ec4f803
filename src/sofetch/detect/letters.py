"""Names in plain letters, so that `Straße` and `prénom` are read as they are said.

Owns what each letter becomes. Pure.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_WITHOUT_PARTS: Final = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"}
)
"""Letters that Unicode does not take apart into a plain one and a mark."""


def in_plain_letters(text: str) -> str:
    """The text in ASCII: without accents, `ß` as `ss`. What has no plain letter, as of another script, is left out."""
    apart = unicodedata.normalize("NFKD", text.translate(_WITHOUT_PARTS))
    return apart.encode("ascii", "ignore").decode()
