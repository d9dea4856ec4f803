"""``sofetch show``: the table as it is: rows, counts, and which values repeat. Reads only."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.text import count, fits_as_table, shorten, shown, table, terminal_safe

if TYPE_CHECKING:
    from sofetch.load.reading import Counts, Repeated, Rows
    from sofetch.settings import Settings

_TIMES = ("sent_time", "receive_time", "sent_date")


@command(
    "show",
    example="sofetch show --limit 5\nsofetch show --by masked_ip --by masked_device_id --counts\n"
    "sofetch show --json | jq '.rows[]'",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Most rows.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Also list the values of COLUMN that repeat; repeatable.")
@click.option("--counts", is_flag=True, help="Also count all rows, and the quarantine by reason.")
@click.option("--wide", is_flag=True, help="Whole values, however wide the lines become.")
def show(frame: Frame, *, limit: int, by: tuple[str, ...], counts: bool, wide: bool) -> None:
    """Show the table: some rows, and on request counts and repeated values.

    Rows come newest first where a column holds the time or the date of sending. Personal columns hold tokens: equal
    tokens mean equal values, so that --by masked_ip lists the addresses that were seen more than once, and nobody can
    read them. ∅ is NULL.
    """
    from sofetch.load import reading
    from sofetch.load.dsn import resolve_dsn

    settings = frame.settings()
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    rows = reading.read_rows(settings, dsn=dsn, limit=limit, newest_by=_newest_by(settings))
    repeated = {column: reading.repeated_values(settings, column, dsn=dsn) for column in by}
    counted = reading.count_rows(settings, dsn=dsn) if counts else None
    if frame.json:
        frame.data(_as_json(settings, rows, repeated, counted))
        return
    width = None if wide else shutil.get_terminal_size().columns
    sections = [_rows(settings, rows, width)] if limit else []
    sections += [_repeated(column, values, width) for column, values in repeated.items()]
    sections += [_counts(settings, counted)] if counted else []
    frame.say("\n\n".join("\n".join(section) for section in sections))


def _newest_by(settings: Settings) -> str | None:
    """The column that tells best when a message was sent."""
    for value in _TIMES:
        for column in settings.column:
            if column.value == value:
                return column.name
    return None


def _as_json(
    settings: Settings, rows: Rows, repeated: dict[str, list[Repeated]], counted: Counts | None
) -> dict[str, object]:
    known: dict[str, object] = {
        "table": settings.sink.table,
        "rows": [dict(zip(rows.columns, row, strict=True)) for row in rows.rows],
    }
    if repeated:
        known["duplicates"] = {
            column: [{"value": one.value, "rows": one.rows} for one in values] for column, values in repeated.items()
        }
    if counted is not None:
        known["counts"] = {"rows": counted.rows, "quarantined": counted.quarantined}
    return known


def _rows(settings: Settings, rows: Rows, width: int | None) -> list[str]:
    if not rows.rows:
        return [f"{settings.sink.table} is empty: nothing was loaded yet"]
    closing = f"{count(len(rows.rows), 'row')} of {settings.sink.table}"
    if width is not None and not fits_as_table(len(rows.columns), width):
        return [*_one_below_the_other(rows, width), closing]
    lines = table(rows.columns, rows.rows, width=width, grouped=False)
    shortened = any("…" in line for line in lines)
    return [*_with_head(lines), "", f"{closing}; --wide shows whole values" if shortened else closing]


def _one_below_the_other(rows: Rows, width: int) -> list[str]:
    """Rows of many columns: a line for each value."""
    names = [terminal_safe(name) for name in rows.columns]
    longest = max(map(len, names))
    lines: list[str] = []
    for row in rows.rows:
        lines += [shorten(f"{name:<{longest}}  {shown(value)}", width) for name, value in zip(names, row, strict=True)]
        lines.append("")
    return lines


def _repeated(column: str, values: list[Repeated], width: int | None) -> list[str]:
    if not values:
        return [f"no value of {terminal_safe(column)} repeats"]
    held = [[shown(one.value), one.rows] for one in values]
    return _with_head(table([column, "rows"], held, width=width))


def _counts(settings: Settings, counted: Counts) -> list[str]:
    held: list[list[object]] = [[f"rows in {settings.sink.table}", counted.rows]]
    held.append(["messages in quarantine", sum(counted.quarantined.values())])
    held += [[f"  {reason}", number] for reason, number in counted.quarantined.items()]
    return table(["", ""], held)[2:]


def _with_head(lines: list[str]) -> list[str]:
    """The lines of a table, what stands over its rule in bold."""
    rule = next(index for index, line in enumerate(lines) if line.startswith("─"))
    return [*(click.style(line, bold=True) for line in lines[:rule]), *lines[rule:]]
