"""Reading an envelope that is JSON: of one type, or Unfit.

Owns which reason is given. The document's own faults come first, as everywhere in decode; what is sound JSON and not
the envelope that is expected is ``not_an_envelope``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import msgspec

from sofetch.decode.body import body_check, syntax_fault
from sofetch.decode.unfit import Unfit
from sofetch.record import Reason
from sofetch.settings import LimitSettings

T = TypeVar("T")


def read_document(body: bytes, decoder: msgspec.json.Decoder[T], *, max_bytes: int) -> T:
    """The body as the decoder's type. Raises Unfit."""
    body = _check(max_bytes)(body)
    try:
        return decoder.decode(body)
    except RecursionError:
        raise Unfit(Reason.TOO_DEEP) from None
    except (msgspec.DecodeError, ValueError):
        raise Unfit(syntax_fault(body) or Reason.NOT_AN_ENVELOPE) from None


@cache
def _check(max_bytes: int) -> Callable[[bytes], bytes]:
    """What makes sure that parsing is safe; an envelope has the default limits, whatever those of documents are."""
    return body_check(LimitSettings(max_body_bytes=max_bytes))
