"""Places: taking cells out of a row, and putting them in order, compiled once.

Owns nothing but that it is done in one call of C.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

Row = tuple[Any, ...]


def arrangement(read_order: list[int]) -> Callable[[Row], Row] | None:
    """From the order in which values are read to the order of the configuration; None if they are the same."""
    if read_order == sorted(read_order):
        return None
    return picker([read_order.index(at) for at in range(len(read_order))])


def picker(places: list[int]) -> Callable[[Row], Row]:
    """The cells at these places, as a row of their own."""
    match places:
        case []:
            return lambda _row: ()
        case [only]:
            return lambda row: (row[only],)
        case _:
            return itemgetter(*places)
