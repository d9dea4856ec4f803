"""FF1 of NIST SP 800-38G: a text of an alphabet becomes another text of that alphabet and length, under a key.

Owns the construction, a Feistel network of ten rounds over AES. It must not know keyrings, columns or what a text is.
It does not authenticate: under a wrong key every text still opens, to another text. What fewer than a million texts
share is refused (revision 1 of the publication): with so few the construction does not hide which is which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sofetch.mask.primitives import BLOCK_BYTES, block_encryption, cbc_mac

LEAST_TEXTS: Final = 1_000_000
_ROUNDS: Final = 10
_MOST_CHARS: Final = 4_096
"""More are allowed by the publication, and no identifier is that long."""

Texts = Callable[[str], str]


class TextCipher(NamedTuple):
    """Both ways through one key. Both raise ValueError, which names no text, for what they cannot take."""

    encrypt: Texts
    decrypt: Texts


def least_chars(radix: int) -> int:
    """The length from which there are a million texts."""
    chars = 2
    while radix**chars < LEAST_TEXTS:
        chars += 1
    return chars


def ff1(key: bytes, *, alphabet: str, tweak: bytes = b"") -> TextCipher:
    """The cipher of a key of 16, 24 or 32 bytes over an alphabet of up to 256 different characters."""
    network = _Network(key, radix=len(alphabet), tweak=tweak)
    value_of = {char: value for value, char in enumerate(alphabet)}
    least = least_chars(len(alphabet))

    def run(text: str, *, forwards: bool) -> str:
        if not least <= len(text) <= _MOST_CHARS or not value_of.keys() >= set(text):
            raise ValueError(f"FF1 takes {least} to {_MOST_CHARS} characters of its alphabet")
        half = len(text) // 2
        left, right = _number(text[:half], value_of), _number(text[half:], value_of)
        left, right = network.run(left, right, len(text), forwards=forwards)
        return _text(left, half, alphabet) + _text(right, len(text) - half, alphabet)

    return TextCipher(lambda text: run(text, forwards=True), lambda text: run(text, forwards=False))


class _Network:
    """The rounds. Names are the publication's: halves of ``u`` and ``v`` characters, A and B as numbers."""

    def __init__(self, key: bytes, *, radix: int, tweak: bytes) -> None:
        self._radix = radix
        self._tweak = tweak
        self._mac = cbc_mac(key)
        self._encrypt = block_encryption(key)

    def run(self, a: int, b: int, chars: int, *, forwards: bool) -> tuple[int, int]:
        u = chars // 2
        v = chars - u
        sizes = (self._radix**u, self._radix**v)
        b_bytes = -(-(sizes[1] - 1).bit_length() // 8)
        rounds = self._rounds(chars, u, b_bytes)
        if forwards:
            for number in range(_ROUNDS):
                a, b = b, (a + rounds(number, b)) % sizes[number % 2]
        else:
            for number in reversed(range(_ROUNDS)):
                a, b = (b - rounds(number, a)) % sizes[number % 2], a
        return a, b

    def _rounds(self, chars: int, u: int, b_bytes: int) -> Callable[[int, int], int]:
        """The round function for texts of this length."""
        tweak, t = self._tweak, len(self._tweak)
        head = b"\1\2\1" + self._radix.to_bytes(3, "big") + bytes([_ROUNDS, u % 256])
        head += chars.to_bytes(4, "big") + t.to_bytes(4, "big")
        head += tweak + bytes((-t - b_bytes - 1) % BLOCK_BYTES)
        d_bytes = 4 * -(-b_bytes // 4) + 4

        def round_value(number: int, half: int) -> int:
            first = self._mac(head + bytes([number]) + half.to_bytes(b_bytes, "big"))
            return int.from_bytes(self._expanded(first, d_bytes)[:d_bytes], "big")

        return round_value

    def _expanded(self, first: bytes, d_bytes: int) -> bytes:
        if d_bytes <= BLOCK_BYTES:
            return first
        start = int.from_bytes(first, "big")
        more = (start ^ block for block in range(1, -(-d_bytes // BLOCK_BYTES)))
        return first + self._encrypt(b"".join(block.to_bytes(BLOCK_BYTES, "big") for block in more))


def _number(text: str, value_of: dict[str, int]) -> int:
    radix, number = len(value_of), 0
    for char in text:
        number = number * radix + value_of[char]
    return number


def _text(number: int, chars: int, alphabet: str) -> str:
    made = []
    for _ in range(chars):
        number, value = divmod(number, len(alphabet))
        made.append(alphabet[value])
    return "".join(reversed(made))
