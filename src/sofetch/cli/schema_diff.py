"""``sofetch schema diff``: messages, configuration and table beside one another, and what brings them together.

Owns how it is told. The comparison is ``sofetch.reconcile``'s; nothing is changed, and no value is ever shown.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from sofetch.cli.findings import finding_lines
from sofetch.cli.frame import OVERRIDE_ENV, QUEUE_ENV, SINK_ENV, Frame, command
from sofetch.cli.lines import STDIN
from sofetch.cli.sample import LINES, WAITING, refuse_more_than_is_looked_at, sampled
from sofetch.cli.text import count, table, terminal_safe
from sofetch.errors import ExitCode
from sofetch.findings import Finding

if TYPE_CHECKING:
    from sofetch.load.setup.layout import Layout
    from sofetch.reconcile import Comparison, Difference, Line, Sample
    from sofetch.reconcile.sample import Seen
    from sofetch.settings import Settings

_EXAMPLE = """\
sofetch schema diff --from events.jsonl
sofetch schema diff --queue -n 500
sofetch schema diff --from events.jsonl --sql > next.sql
sofetch schema diff --from events.jsonl --ignore trace_id --ignore debug
"""
_HIDDEN = "(odd names)"
_NOTHING = "–"
_OF_ALL = {"field_unread": _HIDDEN, "fields_unlisted": "the body", "messages_refused": "the body"}


@command("diff", example=_EXAMPLE, environment=(SINK_ENV, QUEUE_ENV, OVERRIDE_ENV))
@click.option("--from", "file", metavar="FILE|-", help="Compare with JSON lines, one message a line.")
@click.option("--queue", is_flag=True, help="Compare with messages that wait in the queue; none is taken.")
@click.option(
    "-n",
    "--sample",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Most messages looked at. Default: {LINES:,} of a file, {WAITING} of the queue.",
)
@click.option("--no-table", is_flag=True, help="Leave the database out of it: messages and configuration only.")
@click.option("--ignore", multiple=True, metavar="NAME", help="A field or column that is meant to differ; repeatable.")
@click.option("--sql", is_flag=True, help="Print only the SQL that brings the table to the others. It is not run.")
def diff(
    frame: Frame,
    *,
    file: str | None,
    queue: bool,
    number: int | None,
    no_table: bool,
    ignore: tuple[str, ...],
    sql: bool,
) -> None:
    """Compare messages, configuration and table, and show what brings them together.

    Without --from or --queue, configuration and table alone. For each field and column: what messages hold, what the
    configuration reads and what the table takes; fields that no column reads, messages that would go to quarantine,
    columns that are missing, do not fit, or keep every row out. Beside it the [[column]] and the SQL that reconcile
    them, with the mask that a field's name or form suggests. Nothing is changed and no value is shown.

    Exits with 5 if anything differs, with 0 if all agree. --ignore is for what is meant. ✗ keeps something from being
    loaded, ! does not. SQL that rewrites the table, loses something, or needs its [[column]] first is commented out.
    """
    if file is not None and queue:
        raise click.UsageError("choose one of --from and --queue")
    if no_table and file is None and not queue:
        raise click.UsageError("--no-table leaves nothing to compare: name --from FILE or --queue")
    if queue:
        refuse_more_than_is_looked_at(number)
    if sql and (frame.json or no_table):
        raise click.UsageError("--sql goes with neither --json nor --no-table")
    settings = frame.settings()
    found = _compared(
        settings, file, messages=queue or file is not None, number=number, no_table=no_table, ignore=ignore
    )
    if frame.json:
        _as_json(frame, settings, found)
    elif sql:
        _tell_sql(frame, found)
    else:
        source = "the queue" if file is None else "standard input" if file == STDIN else file
        _tell(frame, found, source)
    if not found.agree:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _compared(
    settings: Settings, file: str | None, *, messages: bool, number: int | None, no_table: bool, ignore: Sequence[str]
) -> Comparison:
    from sofetch.reconcile import compare, look_at

    sample = None
    if messages:
        documents, unopened = sampled(settings, file, number)
        sample = look_at(documents, settings, unopened=unopened)
    return compare(settings, sample, None if no_table else _layout(settings, sample), ignored=frozenset(ignore))


def _layout(settings: Settings, sample: Sample | None) -> Layout:
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.setup.layout import read_layout

    unread = [] if sample is None else sample.unread
    proposed = [one.column for one in unread if one.column is not None]
    return read_layout(settings, dsn=resolve_dsn(settings.sink, environ=os.environ), proposed=proposed)


def _as_json(frame: Frame, settings: Settings, found: Comparison) -> None:
    import msgspec

    frame.data({"pipeline": settings.pipeline_name, "agree": found.agree, **msgspec.to_builtins(found)})


def _tell_sql(frame: Frame, found: Comparison) -> None:
    told = [one for one in found.differences if one.sql is not None]
    if not told:
        frame.say("-- nothing to do in the database")
    for one in told:
        frame.say(as_sql(terminal_safe(_plain(one)), one.sql or "", caution=one.caution))


def as_sql(heading: str, text: str, *, caution: str) -> str:
    """A statement under its heading; commented out where there is a reason for caution."""
    lines = f"{text.rstrip().removesuffix(';')};".splitlines()
    if not caution:
        return "\n".join([f"-- {heading}", *lines, ""])
    return "\n".join([f"-- {heading}", f"-- ({caution})", *(f"-- {line}" for line in lines), ""])


def _plain(one: Difference) -> str:
    return " ".join(f"{one.field}: {one.what}".split() if one.column is None and one.field else one.what.split())


def _tell(frame: Frame, found: Comparison, source: str) -> None:
    frame.say(_looked_at(found, source))
    frame.say()
    for line in _side_by_side(found):
        frame.say(line)
    for one in found.differences:
        frame.say()
        for line in _paragraph(one):
            frame.say(line)
    frame.say()
    frame.say(click.style(_verdict(found), bold=True))


def _looked_at(found: Comparison, source: str) -> str:
    if found.messages is None:
        return "no messages looked at: --from FILE or --queue names some"
    refused = f", {found.refused:,} would go to quarantine" if found.refused else ""
    return f"{terminal_safe(source)}: {count(found.messages, 'message')} looked at{refused}"


def _side_by_side(found: Comparison) -> list[str]:
    head = ["", "field", "in messages", "in the configuration", "in the table", ""]
    rows = [_row(line, found) for line in found.lines]
    first, rule, *lines = table(head, rows, width=shutil.get_terminal_size().columns)
    coloured = [click.style(line, fg="red") if line.startswith("✗") else line for line in lines]
    return [click.style(first, bold=True), rule, *coloured]


def _row(line: Line, found: Comparison) -> list[object]:
    nowhere = line.field is line.column is None  # fields whose names are not shown; what is about all is no line's
    about = [
        one
        for one in found.differences
        if (one.field, one.column) == (line.field, line.column) and (not nowhere or one.code == "field_unread")
    ]
    mark = "✗" if any(one.severity == "error" for one in about) else "!" if about else ""
    field = terminal_safe(line.field or line.column or _HIDDEN)
    return [mark, field, _seen(line.messages, found), _configured(line), _in_table(line), "; ".join(_words(about))]


def _words(about: Sequence[Difference]) -> list[str]:
    return list(dict.fromkeys(one.verdict for one in about))


def _seen(seen: Seen | None, found: Comparison) -> str:
    if seen is None or not seen.present:
        return _NOTHING
    return f"{', '.join(f'{sort} {times:,}' for sort, times in seen.sorts.items())} of {found.documents:,}"


def _configured(line: Line) -> str:
    if line.config is None:
        return _NOTHING
    what = line.config.mask or line.config.type
    named = "" if line.column == line.field or line.field is None else f"{terminal_safe(line.column or '')}: "
    return f"{named}{what}{', required' if line.config.required else ''}"


def _in_table(line: Line) -> str:
    if line.table is None:
        return _NOTHING
    short = line.table.type.replace("character varying", "varchar").replace("timestamp with time zone", "timestamptz")
    return f"{terminal_safe(short)}{' not null' if line.table.not_null else ''}"


def _paragraph(one: Difference) -> Iterator[str]:
    where = one.field or one.column or _OF_ALL.get(one.code, "the table")
    finding = Finding(severity=one.severity, code=one.code, where=where, what=one.what, hint=one.hint)
    yield from finding_lines([finding])
    statement = None if one.sql is None else f"{one.sql.removesuffix(';')};"
    if statement is not None and one.caution:
        statement = f"-- {one.caution}\n{statement}"
    for text in (one.toml, statement):
        if text is not None:
            yield ""
            yield from (f"      {terminal_safe(line)}" for line in text.splitlines())


def _verdict(found: Comparison) -> str:
    sides = [
        *(["messages"] if found.messages is not None else []),
        "configuration",
        *([f"table {terminal_safe(found.table)}"] if found.table is not None else []),
    ]
    together = " and ".join([", ".join(sides[:-1]), sides[-1]])
    if found.agree:
        return f"{together} agree"
    errors = sum(one.severity == "error" for one in found.differences)
    warnings = len(found.differences) - errors
    return f"{together} differ: {count(errors, 'error')}, {count(warnings, 'warning')}"
