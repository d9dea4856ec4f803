"""What may be shown of a field that nobody has described: plain names of fields, short whole numbers, yes and no.

Owns that rule, by which the masker collects unknown fields and the privacy report looks at what was collected. A guess
about names: an object whose keys are people's names in plain letters looks like any other.
"""

from __future__ import annotations

import re
from typing import Final

from sofetch.detect.fields import identify
from sofetch.detect.forms import form_of
from sofetch.detect.names import suggested

LEFT_OUT: Final = "?"
"""The key that stands for what was left out, with the number of members or values."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}[0-9]{0,2}")
_SHORT_WHOLE = re.compile(r"-?[0-9]{1,6}")


def is_plain_name(key: str) -> bool:
    """Whether a key looks like the name of a field, and like nothing personal."""
    return _NAME.fullmatch(key) is not None and form_of(key) is None


def is_plain_number(number: str, *, path: str) -> bool:
    """Whether a number is whole, has at most six digits, and looks personal neither by itself nor by its path."""
    if _SHORT_WHOLE.fullmatch(number) is None:
        return False
    return suggested(path) is None and identify(number, name=path) is None


def is_plain_flag(path: str) -> bool:
    """Whether true or false at this path says nothing of a person: of ``is_pregnant`` it says what there is to say."""
    return suggested(path) is None


def is_better_left_out(path: str) -> bool:
    """Whether a token would be too much: what falls under Art. 9 GDPR often has so few values that their shares tell
    which is which.
    """
    return suggested(path) == "special"
