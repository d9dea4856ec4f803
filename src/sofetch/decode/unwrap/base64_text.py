"""Base64: bytes in the text of a message.

Owns how strictly it is read: the standard alphabet with its padding and nothing after it. Line breaks and blanks
round it are let pass, since common tools write them. Strict, because what is read leniently is read wrongly.
"""

from __future__ import annotations

import binascii
from typing import Final

from sofetch.decode.unfit import Unfit
from sofetch.record import Reason

_BREAKS: Final = b"\r\n"


def decode_base64(body: bytes) -> bytes:
    """The bytes that were encoded; never more than were given."""
    text = body.strip(b" \t\r\n").translate(None, _BREAKS)
    if len(text) % 4:  # also with a padding too many, which strict mode lets pass after whole groups
        raise Unfit(Reason.BAD_ENCODING)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise Unfit(Reason.BAD_ENCODING) from None
