"""Which names of objects are ones that we read.

Owns the refusal of names that could mean another object on the way: S3 takes any name, and what stands between (a
client, a proxy, a server of one's own) may read ``..`` in it as a step up, out of the bucket that is allowed.
"""

from __future__ import annotations

from typing import Final

from sofetch.decode.unfit import Unfit
from sofetch.record import ObjectRef, Reason

_MAX_KEY_BYTES: Final = 1_024
_STEPS: Final = frozenset({".", ".."})


def object_ref(bucket: str, key: str, version_id: str | None = None) -> ObjectRef:
    """The object of that name. Raises Unfit for a name that none that we read has."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise Unfit(Reason.NOT_AN_ENVELOPE) from None
    if not 0 < size <= _MAX_KEY_BYTES or not _STEPS.isdisjoint(key.split("/")) or any(map(_is_control, key)):
        raise Unfit(Reason.NOT_AN_ENVELOPE)
    return ObjectRef(bucket, key, version_id or None)


def _is_control(character: str) -> bool:
    return character < " " or character == "\x7f"
