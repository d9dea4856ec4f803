"""What a token looks like, and which columns hold the same one for the same value.

Pure. Owns which masked values may be shown at all: those whose form no value in the clear has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from sofetch.columns import JOINABLE_MASKS, kind_of, token_domain
from sofetch.settings import ColumnSettings, Settings

FORMS: Final = {
    "token": r"^h1\.[a-z0-9]{1,8}\.[0-9a-f]{40}$",
    "reversible": r"^r1\.[a-z0-9]{1,8}\.[A-Za-z0-9_-]+$",
}
"""What a token looks like. Whatever else stands in such a column was not put there by us, and is not shown. A masked
address looks like any other, and what ``fpe`` makes like any value of its form: none of them is shown at all. Their
rows are counted, and each goes by its rank.
"""


def form_of(token: str) -> str | None:
    """The mask whose form this has; None if it has none of them."""
    return next((mask for mask, form in FORMS.items() if re.match(form, token)), None)


def columns_of_tokens(settings: Settings) -> list[ColumnSettings]:
    """Columns whose values say nothing to whoever has no key, and of which equal ones are equal."""
    return [column for column in settings.column if column.mask in JOINABLE_MASKS]


def joining(column: ColumnSettings, others: Sequence[ColumnSettings]) -> Iterator[ColumnSettings]:
    """Those in which equal values have the same tokens, under the same keys. Another kind has other canonical forms."""
    yield from (other for other in others if other is not column and _maker(other) == _maker(column))


def _maker(column: ColumnSettings) -> tuple[object, ...]:
    return column.mask, kind_of(column), token_domain(column), column.alphabet if column.mask == "fpe" else None
