"""The type of a field from what was seen of it, and the reason in words.

Owns that the type holds every value that was seen. Whether a field may be in the clear is ``judge``'s.
"""

from __future__ import annotations

from typing import Final, assert_never

from sofetch.infer.names import Path, snake
from sofetch.infer.observe import Field, Sort
from sofetch.settings import ColumnType

_INT4_MAX = 2**31 - 1
_INT8_MAX = 2**63 - 1
_NUMBERS: Final[frozenset[Sort]] = frozenset({"int", "number", "text"})
_AMOUNTS: Final = frozenset(
    {"amount", "balance", "charge", "cost", "discount", "fare", "fee", "gross", "net", "paid", "payment", "price"}
    | {"refund", "subtotal", "sum", "tax", "tip", "total", "vat"}
)
_TEXT_TYPES: Final[tuple[ColumnType, ...]] = ("uuid", "date", "timestamp", "inet")


def is_amount(path: Path) -> bool:
    """Whether the name suggests an amount of money. Other numbers in texts are often none: versions, postcodes."""
    return snake(path[-1]).rpartition("_")[2] in _AMOUNTS


def fitting_type(seen: Field, *, amount: bool = False) -> tuple[ColumnType, str]:  # noqa: PLR0911  # one for each sort
    """The type that holds every value seen, and why. An ``amount`` may be a number that is written as a text."""
    match sorted(seen.sorts):
        case []:
            return "text", "only null was seen"
        case sorts if "list" in sorts or "object" in sorts:
            return "jsonb", document_reason(seen)
        case sorts if amount and "text" in sorts and {*sorts} <= _NUMBERS and "numeric" in seen.text_types:
            return "numeric", "every text reads as a number, and its name suggests an amount"
        case ["text"]:
            return _text_type(seen)
        case [sort]:
            return _plain_type(sort, seen.largest)
        case ["int", "number"]:
            return "numeric", "integers and other numbers"
        case _:
            return "jsonb", "values of several sorts"


def _text_type(seen: Field) -> tuple[ColumnType, str]:
    for column_type in _TEXT_TYPES:
        if column_type in seen.text_types:
            return column_type, f"every text reads as {column_type}"
    return "text", "text"


def _plain_type(sort: Sort, largest: int) -> tuple[ColumnType, str]:
    match sort:
        case "bool":
            return "bool", "true and false"
        case "number":
            return "numeric", "numbers"
        case "int" if largest <= _INT4_MAX:
            return "int", "integers; take bigint if they may pass two billion"
        case "int" if largest <= _INT8_MAX:
            return "bigint", "integers past two billion"
        case "int":
            return "numeric", "integers of any size"
        case "text" | "list" | "object":
            raise AssertionError(sort)
        case _:
            assert_never(sort)


def document_reason(seen: Field) -> str:
    """Why a field is a document: what of it is no scalar."""
    if seen.sorts == {"list"}:
        return "a list"
    return "an object" if seen.sorts == {"object"} else "values of several sorts"
