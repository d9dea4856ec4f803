"""ipcrypt (draft-denis-ipcrypt): addresses encrypted to addresses, deterministic and prefix-preserving.

Owns the two constructions over AES. An address here is its packed bytes, 4 or 16 of them; a list of addresses goes
through AES in one call. Neither construction authenticates: under a wrong key every address still opens, to another
address. It must not know keyrings, domains or columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from sofetch.mask.primitives import BLOCK_BYTES, block_decryption, block_encryption

DETERMINISTIC_KEY_BYTES: Final = 16
PREFIX_KEY_BYTES: Final = 32

Addresses = list[bytes]


class AddressCipher(NamedTuple):
    """Both ways through one key, list by list."""

    encrypt: Callable[[Addresses], Addresses]
    decrypt: Callable[[Addresses], Addresses]


def deterministic(key: bytes) -> AddressCipher:
    """ipcrypt-deterministic: AES-128 of the address as 16 bytes, IPv4 as ``::ffff:a.b.c.d``. IPv6 comes out, but for
    one address in 2⁹⁶. Hides everything but which addresses are equal.
    """
    if len(key) != DETERMINISTIC_KEY_BYTES:
        raise ValueError("ipcrypt-deterministic takes a key of 16 bytes")
    encrypt, decrypt = block_encryption(key), block_decryption(key)
    return AddressCipher(
        lambda addresses: _narrow(encrypt(_widen(addresses))), lambda addresses: _narrow(decrypt(_widen(addresses)))
    )


def prefix_preserving(key: bytes) -> AddressCipher:
    """ipcrypt-pfx: two addresses that share their first n bits, and no more, still do. The family is kept.

    Bit n is flipped or not by a keyed function of the n bits before it, so networks stay networks, and whoever can
    have addresses of his choice loaded learns whose prefixes they share.
    """
    if len(key) != PREFIX_KEY_BYTES or key[:16] == key[16:]:
        raise ValueError("ipcrypt-pfx takes a key of 32 bytes whose halves differ")
    one, other = block_encryption(key[:16]), block_encryption(key[16:])

    def flips(prefixes: bytes) -> bytes:
        """A digit, 0 or 1, for each prefix: whether the bit after it is flipped."""
        left, right = one(prefixes)[15::16], other(prefixes)[15::16]
        mixed = int.from_bytes(left) ^ int.from_bytes(right)
        return mixed.to_bytes(len(left)).translate(_LOWEST_BIT)

    return AddressCipher(lambda addresses: _flip(addresses, flips), lambda addresses: _unflip(addresses, flips))


_Flips = Callable[[bytes], bytes]

_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOWEST_BIT: Final = bytes(b"01"[byte & 1] for byte in range(256))
_SEPARATORS: Final = {4: [(1 << 96 | 0xFFFF) << n for n in range(32)], 16: [1 << n for n in range(128)]}
"""By width and prefix length: what stands before the prefix in its block. IPv4 is ``::ffff:0:0/96`` and on."""

_AT_A_TIME: Final = 256  # 128 prefixes of 16 bytes for each IPv6 address: half a megabyte


def _widen(addresses: Addresses) -> bytes:
    return b"".join([address if len(address) == BLOCK_BYTES else _MAPPED + address for address in addresses])


def _narrow(blocks: bytes) -> Addresses:
    wide = [blocks[at : at + BLOCK_BYTES] for at in range(0, len(blocks), BLOCK_BYTES)]
    return [block[12:] if block.startswith(_MAPPED) else block for block in wide]


def _flip(addresses: Addresses, flips: _Flips) -> Addresses:
    """All prefixes are known beforehand, so that AES runs once for many addresses.

    Making a prefix's block costs less than looking up whether a neighbour has it.
    """
    return [
        flipped
        for start in range(0, len(addresses), _AT_A_TIME)
        for flipped in _flip_some(addresses[start : start + _AT_A_TIME], flips)
    ]


def _flip_some(addresses: Addresses, flips: _Flips) -> Iterator[bytes]:
    digits = flips(b"".join([block for address in addresses for block in _prefixes(address)]))
    start = 0
    for address in addresses:
        end = start + 8 * len(address)
        yield (int.from_bytes(address) ^ int(digits[start:end], 2)).to_bytes(len(address))
        start = end


def _prefixes(address: bytes) -> list[bytes]:
    number, separators = int.from_bytes(address), _SEPARATORS[len(address)]
    bits = len(separators)
    return [(before | number >> bits - n).to_bytes(BLOCK_BYTES) for n, before in enumerate(separators)]


def _unflip(addresses: Addresses, flips: _Flips) -> Addresses:
    """A prefix is known when the bits before it are: AES runs once for each bit, for all addresses together."""
    numbers = [0] * len(addresses)
    for n in range(8 * max(map(len, addresses), default=0)):
        live = [row for row, address in enumerate(addresses) if n < 8 * len(address)]
        blocks = [(_SEPARATORS[len(addresses[row])][n] | numbers[row]).to_bytes(BLOCK_BYTES) for row in live]
        for row, digit in zip(live, flips(b"".join(blocks)), strict=True):
            address = addresses[row]
            bit = address[n // 8] >> 7 - n % 8 & 1
            numbers[row] = numbers[row] << 1 | (bit ^ digit & 1)
    return [number.to_bytes(len(address)) for number, address in zip(numbers, addresses, strict=True)]
