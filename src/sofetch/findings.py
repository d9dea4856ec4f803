"""A finding: one thing that a check looked at, whether it is right, and what to do if it is not."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Severity = Literal["ok", "warning", "error"]


class Finding(Struct, frozen=True, kw_only=True):
    """``where`` names a file and line, a queue, a table or a column; ``what`` and ``hint`` never hold a value."""

    severity: Severity
    code: str
    where: str
    what: str
    hint: str = ""
