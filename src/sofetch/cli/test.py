"""``sofetch test``: the cases kept beside the configuration, run or written.

Owns which files are read and how verdicts are told. What a case is and whether it holds is ``sofetch.cases``'s.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.asked import read_file
from sofetch.cli.frame import OVERRIDE_ENV, Frame, command
from sofetch.cli.recorded import write_beside
from sofetch.cli.text import count, terminal_safe
from sofetch.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from sofetch.cases import Case, Verdict
    from sofetch.settings import Settings

_MAX_FILE_BYTES = 8_388_608
_EXAMPLE = """\
sofetch test
sofetch test tests/*.toml --junit report.xml
sofetch test --write --from events.jsonl -n 5
"""


@command("test", example=_EXAMPLE, environment=(OVERRIDE_ENV,))
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--junit", metavar="FILE", help="Also write the verdicts as JUnit XML, for CI.")
@click.option("--write", is_flag=True, help="Run nothing; write cases from messages, with every value replaced.")
@click.option("--from", "sample", metavar="FILE|-", help="With --write: messages as JSON lines.")
@click.option("--from-queue", is_flag=True, help="With --write: messages that wait in the queue; none is taken.")
@click.option("-n", "--number", type=click.IntRange(1, 1000), default=10, show_default=True, help="Most cases written.")
@click.option("-o", "--output", metavar="FILE|-", help="With --write: where to. Default: beside the configuration.")
@click.option("--force", is_flag=True, help="With --write: replace an existing file.")
def test(
    frame: Frame,
    *,
    files: tuple[str, ...],
    junit: str | None,
    write: bool,
    sample: str | None,
    from_queue: bool,
    number: int,
    output: str | None,
    force: bool,
) -> None:
    """Test the configuration: messages in, the rows or rejections that are to come out of them.

    Without FILE the cases are those beside the configuration: sofetch.tests.toml for sofetch.toml. Tokens are made
    with a key of tests that everybody knows, so that they can be committed; their kid is `test`. No queue, database or
    keyring is needed. Exits with 5 if a case does not hold.

    --write makes first cases from real messages: one for each sort of message, by what it comes to. Values are replaced
    by made-up ones of the same kind and form; no real value is written, except of columns that the configuration calls
    `personal = false`, and words such as `android`.
    """
    settings = frame.settings()
    if write:
        if files or junit is not None or (sample is None) != from_queue:
            raise click.UsageError("--write takes one of --from and --from-queue, and no FILE")
        write_beside(frame, settings, sample, output=output or str(beside(frame)), most=number, force=force)
        return
    if sample is not None or from_queue or output is not None or force:
        raise click.UsageError("--from, --from-queue, --output and --force go with --write")
    verdicts = _run(settings, files or (str(beside(frame)),))
    if junit is not None:
        _write_junit(junit, verdicts)
    failed = [verdict for verdict in verdicts if verdict.differences]
    if frame.json:
        frame.data(_as_json(verdicts, failed))
    for verdict in failed:
        for line in _paragraph(verdict):
            frame.say(line)
    frame.say(_headline(len(verdicts), len(failed)))
    _note_gaps(frame, settings, verdicts)
    if failed:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def beside(frame: Frame) -> Path:
    """The file of cases that belongs to the configuration: its name with ``.tests.toml``."""
    from sofetch.config import CONFIG_VARIABLE, DEFAULT_FILE

    return Path(frame.config or os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE).with_suffix(".tests.toml")


def _run(settings: Settings, files: Sequence[str]) -> list[Verdict]:
    from sofetch.cases import Bench

    cases = [case for file in files for case in _read(file, settings)]
    return Bench(settings).run(cases)


def _read(file: str, settings: Settings) -> list[Case]:
    from sofetch.cases import read_cases

    if not Path(file).exists():
        hint = "`sofetch test --write --from FILE` writes first ones from messages, with every value replaced"
        raise ConfigError(f"there is no file of tests {file}", hint=hint)
    text = read_file(file, most_bytes=_MAX_FILE_BYTES).removeprefix("\ufeff").replace("\r\n", "\n")
    return read_cases(text, file=file, settings=settings)


def _write_junit(file: str, verdicts: Sequence[Verdict]) -> None:
    from sofetch.cases.junit import junit_xml

    try:
        Path(file).write_bytes(junit_xml(verdicts))
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}", hint="--junit names another file") from None


def _as_json(verdicts: Sequence[Verdict], failed: Sequence[Verdict]) -> dict[str, object]:
    return {
        "ok": not failed,
        "passed": len(verdicts) - len(failed),
        "failed": len(failed),
        "cases": [
            {
                "name": verdict.case.name,
                "where": verdict.case.where,
                "ok": not verdict.differences,
                "differences": [
                    {"column": one.column, "expected": one.expected, "got": one.got} for one in verdict.differences
                ],
            }
            for verdict in verdicts
        ],
    }


def _paragraph(verdict: Verdict) -> list[str]:
    mark, where = click.style("✗", fg="red", bold=True), click.style(verdict.case.where, dim=True)
    lines = [f"{mark} {click.style(terminal_safe(verdict.case.name), bold=True)}  {where}"]
    for one in verdict.differences:
        if one.column is not None:
            lines.append(f"  {one.column}")
        lines.append(f"    expected  {click.style(terminal_safe(one.expected), fg='green')}")
        lines.append(f"    got       {click.style(terminal_safe(one.got), fg='red')}")
    return [*lines, ""]


def _headline(cases: int, failed: int) -> str:
    if failed:
        return f"{failed:,} of {count(cases, 'case')} failed"
    return f"{click.style('✓', fg='green', bold=True)} {count(cases, 'case')} passed"


def _note_gaps(frame: Frame, settings: Settings, verdicts: Sequence[Verdict]) -> None:
    from sofetch.cases import uncovered

    gaps = uncovered([verdict.case for verdict in verdicts], settings)
    if gaps:
        frame.note(f"no case expects a value of {', '.join(gaps)}")
