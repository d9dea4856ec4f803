"""Reading an envelope that is JSON: of one type, or Unfit.

Owns which reason is given. The document's own faults come first, as everywhere in decode; what is sound JSON and not
the envelope that is expected is ``not_an_envelope``.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from sofetch.decode.body import readable, syntax_fault
from sofetch.decode.unfit import Unfit
from sofetch.record import Reason

T = TypeVar("T")


def read_document(body: bytes, decoder: msgspec.json.Decoder[T], *, max_bytes: int) -> T:
    """The body as the decoder's type. Raises Unfit."""
    body = readable(body, max_bytes=max_bytes)
    try:
        return decoder.decode(body)
    except RecursionError:
        raise Unfit(Reason.TOO_DEEP) from None
    except (msgspec.DecodeError, ValueError):
        raise Unfit(syntax_fault(body) or Reason.NOT_AN_ENVELOPE) from None
