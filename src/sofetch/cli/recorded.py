"""Writing first cases for ``sofetch test`` from messages of a file or the queue.

Owns where cases go. A real message is held in memory alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sofetch.cli.frame import Frame
from sofetch.cli.sample import sampled
from sofetch.cli.text import count
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.settings import Settings

_STDOUT = "-"


def write_beside(frame: Frame, settings: Settings, sample: str | None, *, output: str, most: int, force: bool) -> None:
    """Cases from the file ``sample``, or from the queue if it is None, written to ``output``."""
    from sofetch.cases import record_cases, write_cases

    if output != _STDOUT and not force and Path(output).exists():
        raise ConfigError(f"{output} exists already", hint="--force replaces it, -o names another file")
    documents, unopened = sampled(settings, sample)
    recorded = record_cases(documents, settings, most=most)
    if not recorded.cases:
        raise ConfigError(
            "no message could be made a case of", hint="write one by hand: docs/how-to/testing-a-config.md"
        )
    _write(frame, output, write_cases(recorded.cases), cases=len(recorded.cases))
    if skipped := recorded.skipped + len(unopened):
        frame.note(f"{count(skipped, 'sort')} of message left out: with made-up values it would not come to the same")


def _write(frame: Frame, output: str, text: str, *, cases: int) -> None:
    import click

    if output == _STDOUT:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}", hint="-o names another file") from None
    if frame.json:
        frame.data({"file": str(Path(output).resolve()), "cases": cases})
        return
    frame.say(f"wrote {output}: {count(cases, 'case')}")
    frame.note("read it before you commit it; `sofetch test` runs it")
