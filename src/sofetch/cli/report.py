"""``sofetch report``: reports on what is in the table. They hold names, counts and shares, and no value."""

from __future__ import annotations

import os
import shutil
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.findings import finding_lines
from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command, group
from sofetch.cli.text import count, table, terminal_safe
from sofetch.errors import ConfigError, ExitCode
from sofetch.findings import Finding

if TYPE_CHECKING:
    from sofetch.report import ColumnReport, PrivacyReport, Spread, Verdict

_WIDEST = 100
_EXAMPLE = """\
sofetch report privacy
sofetch report privacy --html privacy.html
sofetch report privacy --quasi locale --quasi app_version --json | jq .together
"""


@group("report", example="sofetch report privacy --html privacy.html", environment=(SINK_ENV, OVERRIDE_ENV))
def report() -> None:
    """Report on what is in the table: what it gives away, and to whom."""


@command("privacy", example=_EXAMPLE, environment=(SINK_ENV, OVERRIDE_ENV))
@click.option("--html", type=click.Path(dir_okay=False), metavar="FILE", help="Also write it as one HTML page.")
@click.option(
    "--sample",
    type=click.IntRange(min=1_000),
    default=1_000_000,
    show_default=True,
    metavar="N",
    help="Count a sample of about N rows where the table holds more.",
)
@click.option(
    "--quasi",
    multiple=True,
    metavar="COLUMN",
    help="Columns to count together; repeatable. Default: those in the clear that do not single out rows alone.",
)
def privacy(frame: Frame, *, html: str | None, sample: int, quasi: tuple[str, ...]) -> None:
    """Report what the table gives away, column by column and together.

    For each column: how it is masked, how many values occur once, how large the smallest group is (k), how common the
    commonest value is, whether one in the clear looks personal, whether a masked one holds what is no token, and what
    to do. No value is shown. Exits with 5 if a column must be changed.

    Counted in the database, in one read-only snapshot, each statement within [sink] statement_timeout_seconds.
    """
    made = _make(frame, sample=sample, quasi=quasi)
    if html is not None:
        _write(html, made)
    if frame.json:
        frame.data(_as_json(made))
    else:
        for line in _lines(made, min(shutil.get_terminal_size().columns, _WIDEST)):
            frame.say(line)
        if html is not None:
            frame.say(f"\nwrote {html}")
    if made.errors:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


report.add_command(privacy)


def _make(frame: Frame, *, sample: int, quasi: tuple[str, ...]) -> PrivacyReport:
    from sofetch import __version__
    from sofetch.clock import SystemClock
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.profile import profile_table
    from sofetch.report import Observer, privacy_report

    settings = frame.settings()
    observer = Observer(settings, quasi=quasi)
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    profile = profile_table(settings, dsn=dsn, look=observer.look, combine=observer.combine, sample_rows=sample)
    made_at = datetime.fromtimestamp(SystemClock().now_ms() // 1000, tz=UTC)
    return privacy_report(settings, profile, observer, made_at=made_at, version=__version__)


def _write(path: str, made: PrivacyReport) -> None:
    from sofetch.report import html_page

    try:
        Path(path).write_text(html_page(made), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", hint="--html names another file") from None


def _as_json(made: PrivacyReport) -> dict[str, object]:
    import msgspec

    known: dict[str, object] = msgspec.to_builtins(made)
    return {"ok": not made.errors, "errors": len(made.errors), "warnings": len(made.warnings), **known}


def _lines(made: PrivacyReport, width: int) -> list[str]:
    from sofetch.report.words import METHOD, headline, limits

    examined = count(made.rows, "row")
    if made.sampled:
        examined = f"a sample of {made.rows:,} of about {count(made.estimated_rows, 'row')}"
    lines = [click.style(f"{terminal_safe(made.table)} in {terminal_safe(made.database)}: {examined}", bold=True), ""]
    lines += _table(made, width)
    lines += ["", *finding_lines([*map(_finding, made.columns), *_missing(made)], width=width)]
    lines += ["", *_together(made, width)]
    verdict = headline(made)
    colour = {"ok": "green", "warning": "yellow", "error": "red"}[verdict.severity]
    lines += ["", click.style(verdict.what, fg=colour, bold=True)]
    for sentence in (METHOD[-2], *limits(made)[len(METHOD) :]):
        lines += textwrap.wrap(sentence, width)
    return lines


def _table(made: PrivacyReport, width: int) -> list[str]:
    header = ["column", "mask", "NULL", "distinct", "once", "k", "below 5", "commonest"]
    rows = [_row(column) for column in made.columns]
    wide = [max(map(len, texts)) for texts in zip(header, *rows, strict=True)]
    aligned = [[*row[:2], *(text.rjust(size) for text, size in zip(row[2:], wide[2:], strict=True))] for row in rows]
    numbers = (name.rjust(size) for name, size in zip(header[2:], wide[2:], strict=True))
    head, *rest = table([*header[:2], *numbers], aligned, width=width)
    return [click.style(head, bold=True), *rest]


def _row(column: ColumnReport) -> list[str]:
    spread = column.spread
    first = [column.name, column.scheme or "–"]
    if spread is None:
        return [*first, *["?"] * 6]
    shares = [_percent(spread.share_below_5), _percent(spread.top_share)] if spread.present else ["–", "–"]
    numbers = [f"{number:,}" for number in (column.nulls or 0, spread.groups, spread.singles)]
    return [*first, *numbers, "–" if spread.smallest is None else f"{spread.smallest:,}", *shares]


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.01 else ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def _finding(column: ColumnReport) -> Finding:
    return _verdict(column.name, column.verdict)


def _verdict(where: str, verdict: Verdict) -> Finding:
    return Finding(severity=verdict.severity, code="privacy", where=where, what=verdict.what, hint=verdict.hint)


def _missing(made: PrivacyReport) -> list[Finding]:
    hint = "`sofetch schema` says how to add it"
    what = "configured, but not in the table"
    return [Finding(severity="warning", code="privacy", where=name, what=what, hint=hint) for name in made.missing]


def _together(made: PrivacyReport, width: int) -> list[str]:
    together = made.together
    lines = finding_lines([_verdict(", ".join(together.columns) or "together", together.verdict)], width=width)
    lines += _sizes(together.spread)
    if together.left_out:
        what = f"left out, each pointing to a row or a person by itself: {', '.join(together.left_out)}"
        lines += [f"  {line}" for line in textwrap.wrap(terminal_safe(what), width - 2, break_on_hyphens=False)]
    return [click.style("The columns in the clear, taken together", bold=True), *lines]


def _sizes(spread: Spread | None) -> list[str]:
    if spread is None or not spread.present:
        return []
    return [
        f"  {count(spread.groups, 'combination')}, {spread.singles:,} once only, smallest group {spread.smallest:,}"
    ]
