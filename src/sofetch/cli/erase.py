"""``sofetch erase``: a person's keys, rows and quarantined messages, gone for good, with a receipt.

Owns the question before it and the receipt after it. What is done, and in which order, is ``sofetch.governance``'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sofetch.cli.asked import PURPOSE_ENV, STDIN, asked_by, purpose_options
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.governed import means_of_erasure
from sofetch.cli.text import count, shown, terminal_safe
from sofetch.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from sofetch.governance.erasure import Receipt
    from sofetch.settings import Settings

_VAULT_ENV = {"SOFETCH_VAULT_DSN": "The vault's connection string; may hold the password."}
_MOST_BYTES = 65_536
_EXAMPLE = """\
sofetch erase --subject - --actor ana --purpose art-17 --ticket DS-18 --dry-run
sofetch erase --subject - --actor ana --purpose art-17 --ticket DS-18 --yes > receipt.json
"""


@command("erase", example=_EXAMPLE, environment=(SINK_ENV, _VAULT_ENV, KEY_ENV, PURPOSE_ENV, OVERRIDE_ENV))
@click.option(
    "--subject", required=True, metavar="VALUE|-", help="Whom to erase; - reads it from standard input, or asks."
)
@purpose_options()
@click.option("--dry-run", is_flag=True, help="Count what would go; erase nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(
    frame: Frame, *, subject: str, actor: str | None, purpose: str | None, ticket: str | None, dry_run: bool, yes: bool
) -> None:
    """Erase a person: their vault keys, their rows, what is quarantined of them.

    The subject is the value of the column that [erasure] subject names, as messages hold it. Their keys in the vault
    are destroyed, so that no copy of the vault can be opened for them; their rows are deleted, or stay with random
    values ([erasure] mode); their quarantined messages are deleted. It cannot be undone. An erasure that was cut off is
    run again.

    The receipt names the subject by a fingerprint alone, and says what this cannot reach: backups, messages still in
    the queue, and in mode randomise the column that collects unknown fields ([drift]). A VALUE on the command line
    can be seen by others in the list of processes and stays in the shell's history: prefer -. Exit code 5 if something
    could not be examined.
    """
    by = asked_by(actor=actor, purpose=purpose, ticket=ticket)
    settings = frame.settings()
    value = _subject(subject)
    if not dry_run:
        _confirm(settings, yes=yes)
    from sofetch.governance import erasure

    with means_of_erasure(settings, environ=os.environ) as means:
        receipt = erasure.erase(value, by, means, dry_run=dry_run)
    _tell(frame, receipt)
    if not dry_run and not receipt.complete:
        raise SystemExit(ExitCode.FINDINGS)


def _subject(given: str) -> str:
    if given != STDIN:
        return given
    if sys.stdin.isatty():
        return str(click.prompt("Subject", hide_input=True, err=True))
    data = sys.stdin.buffer.read(_MOST_BYTES + 1)
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:  # it carries the value
        text = ""
    if not text or "\n" in text or len(data) > _MOST_BYTES:
        raise ConfigError("standard input does not name one subject", hint="give one line of UTF-8 text")
    return text


def _confirm(settings: Settings, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to confirm: add --yes, or see first with --dry-run")
    tables = ", ".join([settings.sink.table, *(table.name for table in settings.erasure.table)])
    from sofetch.governance.erasure import left_collected

    what = "delete their rows" if settings.erasure.mode == "delete" else "put random values into their rows"
    if (column := left_collected(settings)) is not None:
        what += f" (not into {terminal_safe(column)}, which stays as it is)"
    click.confirm(f"Destroy this subject's keys and {what} in {tables}? It cannot be undone.", abort=True, err=True)


def _tell(frame: Frame, receipt: Receipt) -> None:
    import msgspec

    if frame.json or not sys.stdout.isatty():
        frame.data(msgspec.to_builtins(receipt))
        return
    for line in _in_words(receipt):
        frame.say(line)
    frame.note("  → with --json the receipt is a document to file")


def _in_words(receipt: Receipt) -> Iterator[str]:
    would = "would be " if receipt.dry_run else ""
    yield click.style("Dry run: nothing was erased" if receipt.dry_run else "Receipt of an erasure", bold=True)
    yield f"subject      {receipt.subject} (a fingerprint; the audit has it too)"
    yield f"asked by     {terminal_safe(receipt.actor)}, ticket {terminal_safe(receipt.ticket)}"
    if receipt.vault is not None:
        keys, values = receipt.vault["keys"], receipt.vault["values"]
        yield f"vault        {count(keys, 'key')} {would}destroyed, {count(values, 'value')} {would}unreadable"
    done = "deleted" if receipt.mode == "delete" else "given random values"
    for table, rows in receipt.tables.items():
        yield f"table        {terminal_safe(table)}: {count(rows, 'row')} {would}{done}"
    quarantine = receipt.quarantine
    yield f"quarantine   {count(quarantine.purged, 'entry', 'entries')} {would}purged"
    yield f"backups      hold it until {shown(receipt.backups_until) if receipt.backups_until else 'nobody said when'}"
    yield "not covered  " + "; ".join(receipt.not_covered)
    yield f"audit        {', '.join(receipt.audit)}"
