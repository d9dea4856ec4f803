"""``sofetch scan``: personal data in a file or a queue, by path, and what the configuration does with it.

Owns what is read and how it is told. A value is never shown, whatever is found.
"""

from __future__ import annotations

import itertools
import os
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import OVERRIDE_ENV, QUEUE_ENV, Frame, command
from sofetch.cli.lines import STDIN, open_lines
from sofetch.cli.sample import MOST_WAITING, WAITING, refuse_more_than_is_looked_at
from sofetch.cli.text import count, shorten, table, terminal_safe
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.detect import Sign
    from sofetch.detect.bodies import Survey
    from sofetch.detect.exposure import FieldSeen
    from sofetch.settings import Settings

_LONGEST_PATH = 32
_EXAMPLE = """\
sofetch scan events.jsonl
sofetch scan --queue -n 200
head -n 500 events.jsonl | sofetch scan --json - | jq '.fields[].path'
"""


@command("scan", example=_EXAMPLE, environment=(QUEUE_ENV, OVERRIDE_ENV))
@click.argument("file", metavar="FILE|-", required=False)
@click.option("--queue", is_flag=True, help="Look at messages that wait in the configured queue; none is taken.")
@click.option(
    "-n",
    "--number",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Most messages looked at. Default: the whole file, or {WAITING} of the queue.",
)
def scan(frame: Frame, *, file: str | None, queue: bool, number: int | None) -> None:
    """Find personal data in messages: in JSON lines of a file, or waiting in the queue.

    For each path: what was found, by the field's name and the values' form, in which share of the values, and what the
    configuration does with it. No value is ever shown. Exits with 5 if personal data would be loaded in the clear;
    without a configuration, if there is any.

    What is found is a guess, and what is not found may still be personal. `personal = false` in a column's
    configuration says that it only looks so. Names of fields are shown that do not look personal by themselves: an
    object whose keys are people's names shows them, if it has no more than 200.
    """
    if (file is None) != queue:
        raise click.UsageError("name either a FILE (- for stdin) or --queue")
    if queue:
        refuse_more_than_is_looked_at(number)
    settings = _settings(frame, needed=queue)
    seen = _file(file, number, settings) if file is not None else _queue(settings, number)
    from sofetch.detect.exposure import fields_seen

    fields = fields_seen(seen, settings)
    source = "the queue" if file is None else "standard input" if file == STDIN else file
    if frame.json:
        frame.data(_as_json(source, seen, fields, configured=settings is not None))
    else:
        _tell(frame, source, seen, fields)
    if any(field.exposed for field in fields):
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _settings(frame: Frame, *, needed: bool) -> Settings | None:
    """The configuration; None if none is named, there is no ./sofetch.toml, and nothing needs one."""
    from sofetch.config import CONFIG_VARIABLE, DEFAULT_FILE

    named = frame.config or os.environ.get(CONFIG_VARIABLE) or Path(DEFAULT_FILE).exists()
    return frame.settings() if named or needed else None


def _file(path: str, number: int | None, settings: Settings | None) -> Survey:
    from sofetch.detect.bodies import survey
    from sofetch.detect.exposure import configured_places

    open_body = _opener(settings)
    with open_lines(path) as lines:
        bodies = (open_body(line.body) for line in itertools.islice(lines, number))
        return survey(bodies, places=configured_places(settings))


def _opener(settings: Settings | None) -> Callable[[bytes], bytes]:
    """Lines may be messages as they came or the documents in them: what is not wrapped is looked at as it is."""
    from sofetch.decode.unwrap import body_opener
    from sofetch.settings import UnwrapSettings

    return body_opener(UnwrapSettings() if settings is None else settings.unwrap)


def _queue(settings: Settings | None, number: int | None) -> Survey:
    from sofetch.detect.bodies import survey
    from sofetch.detect.exposure import configured_places
    from sofetch.source import open_object_store
    from sofetch.source.control import QueueControl
    from sofetch.unwrapping import open_some

    assert settings is not None  # noqa: S101 - read, or ConfigError
    with QueueControl.open(settings.source) as control:
        messages = control.peek(number or WAITING)
    opened, unopened = open_some(messages, settings, open_store=open_object_store, most=MOST_WAITING)
    looked_at = [*opened, *(rejection.message for rejection in unopened)]
    return survey((message.body for message in looked_at), places=configured_places(settings))


def _as_json(source: str, seen: Survey, fields: Sequence[FieldSeen], *, configured: bool) -> dict[str, object]:
    return {
        "source": source,
        "messages": seen.messages,
        "unreadable": seen.unreadable,
        "values_not_looked_at": seen.unplaced,
        "configured": configured,
        "exposed": sum(field.exposed for field in fields),
        "fields": [_field_as_json(field) for field in fields],
    }


def _field_as_json(field: FieldSeen) -> dict[str, object]:
    import msgspec

    known: dict[str, object] = msgspec.to_builtins(field)
    found = [msgspec.to_builtins(sign) | {"personal": sign.personal} for sign in field.signs]
    known["found"] = found
    del known["signs"]
    return known


def _tell(frame: Frame, source: str, seen: Survey, fields: Sequence[FieldSeen]) -> None:
    unreadable = f", {count(seen.unreadable, 'is', 'are')} not JSON" if seen.unreadable else ""
    frame.say(f"{terminal_safe(source)}: {count(seen.messages, 'message')} looked at{unreadable}")
    width = shutil.get_terminal_size().columns
    told = [field for field in fields if field.signs]
    if told:
        frame.say()
        for line in _lines(told, width):
            frame.say(line)
    if seen.unplaced:
        frame.say(f"\n{count(seen.unplaced, 'value')} at further paths not looked at: too many different paths")
    frame.say()
    for line in _verdict(fields, len(told)):
        frame.say(line)


def _lines(fields: Sequence[FieldSeen], width: int) -> list[str]:
    rows = [row for field in fields for row in _rows(field)]
    head, rule, *lines = table(["", "path", "found", "of values", "in the table"], rows, width=width)
    coloured = [click.style(line, fg="red") if line.startswith("✗") else line for line in lines]
    return [click.style(head, bold=True), rule, *coloured]


def _rows(field: FieldSeen) -> list[list[object]]:
    """A row for each sign; a name that says nothing more than the values do is left out."""
    shown = [sign for sign in field.signs if sign.matches] or field.signs
    path = shorten(terminal_safe(field.path), _LONGEST_PATH)
    first: list[object] = ["✗" if field.exposed else "", path, *_sign(shown[0], field), _handled(field)]
    rest: list[list[object]] = [["", "", *_sign(sign, field), ""] for sign in shown[1:]]
    return [first, *rest]


def _sign(sign: Sign, field: FieldSeen) -> tuple[str, str]:
    what = sign.detector.replace("_", " ")
    if not sign.matches:
        return f"{what}, by name", "–"
    doubt = "" if sign.counts else ", perhaps"
    return f"{what}{doubt}", f"{sign.matches:,} of {field.values:,}"


def _handled(field: FieldSeen) -> str:
    match field.handling:
        case "clear":
            return f"in the clear: {', '.join(field.columns)}"
        case "declared":
            return f"in the clear, declared not personal: {', '.join(field.columns)}"
        case "masked":
            return f"{', '.join(field.masks)}: {', '.join(field.columns)}"
        case "collected":
            return f"collected, as tokens: {', '.join(field.columns)}"
        case "not_loaded":
            return "not loaded"
        case _:
            return "no configuration"


def _verdict(fields: Sequence[FieldSeen], told: int) -> list[str]:
    exposed = [field for field in fields if field.exposed]
    silent = len(fields) - told
    if not exposed:
        what = "no personal data would be loaded in the clear"
        if all(field.handling == "unknown" for field in fields):
            what = "nothing personal was found"
        return [click.style(what, bold=True), f"{count(silent, 'path')} showed no sign; that proves nothing about them"]
    if exposed[0].handling == "unknown":
        what = f"personal data was found at {count(len(exposed), 'path')}"
        hint = "`sofetch init --from FILE` writes a configuration that masks it"
    else:
        what = f"personal data would be loaded in the clear from {count(len(exposed), 'path')}"
        hint = "give the columns a `mask`, leave them out, or say `personal = false` where a field only looks personal"
    return [click.style(what, fg="red", bold=True), *textwrap.wrap(f"→ {hint}", 78, subsequent_indent="  ")]
