"""What the audit says of somebody who asked for the tokens of values, so as to look them up in the table.

Owns the row's content. It holds the tokens' fingerprints, so that it is found by a token, and no value. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sofetch.columns import token_domain
from sofetch.governance.audit import AuditEntry, AuditKeys
from sofetch.governance.request import Purpose
from sofetch.record import Cell
from sofetch.settings import ColumnSettings, Settings

LOOKUP: Final = "token"
"""The action, named as the command is."""


def lookup_entry(
    by: Purpose, settings: Settings, column: ColumnSettings, cells: Sequence[Cell], *, keys: AuditKeys
) -> AuditEntry:
    """The row for these cells, of which None is a value that has no token."""
    return AuditEntry(
        actor=by.actor,
        action=LOOKUP,
        purpose=by.purpose,
        ticket=by.ticket,
        detail={
            "pipeline": settings.pipeline_name,
            "count": len(cells),
            "domain": token_domain(column),
            "scheme": column.mask,
            "tokens": [keys.fingerprint("token", str(cell)) for cell in cells if cell is not None],
        },
    )
