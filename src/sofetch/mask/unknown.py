"""Unknown fields on their way into the column that collects them.

Owns what of them may be seen. It must not pass a text through: nobody has said what these fields hold, so every text
becomes a keyed token, ``u1.<kid>.<40 hex>``, whatever detectors say of it. Seen are null, true and false, whole
numbers of at most six digits, unless their field's name looks personal, and names that look like names. A number with
a fraction is a token: two of them may be a place on the map. Equal texts at one path have one token under one key; a
rotation makes others. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from sofetch.detect.plain import LEFT_OUT, is_better_left_out, is_plain_flag, is_plain_name, is_plain_number
from sofetch.mask.column import MaskedColumn
from sofetch.mask.keyring import Keyring
from sofetch.mask.primitives import KEY_BYTES, TAG_BYTES, keyed_hash
from sofetch.record import Record

U1: Final = "u1"
DOMAIN: Final = "unknown-fields"
MOST_VALUES: Final = 64
MOST_LEVELS: Final = 6
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class UnknownMasker:
    """Masks what decode found that no column reads."""

    __slots__ = ("_digest", "_position", "_prefix", "name")

    def __init__(self, name: str, position: int, keyring: Keyring) -> None:
        key = keyring.primary
        self.name = name
        self._position = position
        self._prefix = f"{U1}.{key.kid}."
        self._digest = keyed_hash(key.derive(scheme=U1, domain=DOMAIN, length=KEY_BYTES))

    def mask(self, records: Sequence[Record]) -> MaskedColumn:
        """A JSON object for each record with unknown fields, else NULL."""
        return MaskedColumn([self._cell(record.values[self._position]) for record in records], {}, 0)

    def _cell(self, found: object) -> bytes | None:
        if not isinstance(found, bytes):
            return None
        return _ENCODER.encode(self._seen(_DECODER.decode(found), "", MOST_LEVELS, _Room(MOST_VALUES)))

    def _seen(self, value: Any, path: str, levels: int, room: _Room) -> Any:
        match value:
            case None:
                return None
            case dict() | list() if not levels or is_better_left_out(path):
                return {LEFT_OUT: len(value)}
            case dict():
                return self._object(value, path, levels, room)
            case list():
                taken = [member for member in value if room.take()]
                return [self._seen(member, f"{path}[]", levels - 1, room) for member in taken]
            case _:
                return self._scalar(value, path)

    def _scalar(self, value: str | bool | int | Decimal, path: str) -> Any:
        if isinstance(value, bool):  # one of two tokens would hide nothing
            return value if is_plain_flag(path) else {LEFT_OUT: 1}
        if is_better_left_out(path):
            return {LEFT_OUT: 1}
        if not isinstance(value, str) and is_plain_number(str(value), path=path):
            return value
        return self._token(path, str(value))

    def _object(self, value: dict[str, Any], path: str, levels: int, room: _Room) -> dict[str, Any]:
        taken = {key: member for key, member in value.items() if room.take()}
        seen: dict[str, Any] = {}
        for key, member in taken.items():
            name = key if is_plain_name(key) else self._token(f"{path}.*", key)
            seen[name] = self._seen(member, f"{path}.{name}", levels - 1, room)
        if len(taken) < len(value):
            seen[LEFT_OUT] = len(value) - len(taken)
        return seen

    def _token(self, path: str, text: str) -> str:
        return self._prefix + self._digest(f"{path}\0{text}".encode())[:TAG_BYTES].hex()


class _Room:
    """How many more values one row may hold."""

    def __init__(self, values: int) -> None:
        self._left = values

    def take(self) -> bool:
        """Take room for one value; False if there is none."""
        self._left -= 1
        return self._left >= 0
