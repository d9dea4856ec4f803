"""Findings for people: a mark, where, what, and what to do about it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable

import click

from sofetch.cli.text import terminal_safe
from sofetch.findings import Finding, Severity

_MARKS: dict[Severity, tuple[str, str]] = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}
_WIDEST = 100


def finding_lines(findings: Iterable[Finding], *, width: int | None = None) -> list[str]:
    """Each finding as a wrapped paragraph, its hint below it."""
    fitted = min(width or shutil.get_terminal_size().columns, _WIDEST)
    return [line for finding in findings for line in _paragraph(finding, fitted)]


def _paragraph(finding: Finding, width: int) -> list[str]:
    mark, colour = _MARKS[finding.severity]
    text = terminal_safe(f"{finding.where}: {finding.what}" if finding.where else finding.what)
    first, *rest = textwrap.wrap(text, width - 2, break_on_hyphens=False) or [""]
    lines = [f"{click.style(mark, fg=colour, bold=True)} {first}", *(f"  {line}" for line in rest)]
    if finding.hint and finding.severity != "ok":
        hint = textwrap.wrap(terminal_safe(finding.hint), width - 4, break_on_hyphens=False)
        lines += [f"  {'→' if index == 0 else ' '} {line}" for index, line in enumerate(hint)]
    return lines
