"""``sofetch audit``: who was shown or erased what, and whether the record still stands as it was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, Frame, command, group
from sofetch.cli.text import count, shown, terminal_safe
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.governance.audit import AuditKeys, AuditRow, Verdict
    from sofetch.load.audit import AuditTable

_NAMES = frozenset({"approvers", "in_tables"})
"""Lists of a row's detail that hold names and no fingerprints."""
_ENVIRONMENT = (SINK_ENV, KEY_ENV, OVERRIDE_ENV)


@group("audit", example="sofetch audit list\nsofetch audit verify", environment=_ENVIRONMENT)
def audit() -> None:
    """Show and verify the record of recoveries and erasures.

    Every row names who acted, what they did, why, and on which ticket; it holds counts and fingerprints, never a value.
    Each row is sealed under a key of the keyring and names the row before it.
    """


@command(
    "list",
    example="sofetch audit list\nsofetch audit list --limit 5 --json\nsofetch audit list --token h1.k1.0123…",
    environment=_ENVIRONMENT,
)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Most rows.")
@click.option("--token", metavar="TOKEN", help="Only the rows about this token, among all there are.")
def list_(frame: Frame, *, limit: int, token: str | None) -> None:
    """List the newest rows, the newest last.

    --token finds the recoveries of one token: a row holds no token, but its fingerprint, which the keyring makes again.
    """
    with _opened(frame) as (table, keys):
        found = _about(table, keys, token, limit) if token else list(table.rows(last=limit))
    if frame.json:
        frame.data({"rows": [row_as_json(row) for row in found]})
        return
    if not found:
        frame.say("no such row" if token else "the audit is empty: nothing was recovered or erased yet")
    for row in found:
        for line in described(row):
            frame.say(line)


@command(
    "verify",
    example="sofetch audit verify\nsofetch audit verify --expect-head 17:4f0c…",
    environment=_ENVIRONMENT,
)
@click.option(
    "--expect-head",
    "expected",
    metavar="SEQ:DIGEST",
    help="A head noted earlier, elsewhere: shows whether the end was cut off.",
)
def verify(frame: Frame, *, expected: str | None) -> None:
    """Find any row that was altered, removed or reordered. Exit code 5 if there is one.

    That the newest rows were cut off shows only against a head that was noted outside this database: the last line
    here, or a receipt of an erasure.
    """
    from sofetch.governance.audit import parse_head, verify_chain

    head = parse_head(expected) if expected else None
    with _opened(frame) as (table, keys):
        verdict = verify_chain(table.rows(), keys=keys, expected=head)
    _say_verdict(frame, verdict, against_head=head is not None)
    if verdict.faults:
        raise SystemExit(ExitCode.FINDINGS)


audit.add_command(list_)
audit.add_command(verify)


def described(row: AuditRow) -> list[str]:
    """A row in two lines, for people."""
    what = click.style(f"{row.seq:>5}  {shown(row.at)}  {terminal_safe(row.action)}", bold=True)
    who = f"{terminal_safe(row.actor)}, ticket {terminal_safe(row.ticket)}: {terminal_safe(row.purpose)}"
    told = ", ".join(_detail(row))
    return [f"{what}  {who}", *([f"       {told}"] if told else [])]


def row_as_json(row: AuditRow) -> dict[str, object]:
    """A row as JSON has it, digests in hexadecimal."""
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return fields | {"previous": row.previous.hex(), "digest": row.digest.hex()}


def _detail(row: AuditRow) -> Iterator[str]:
    """The counts and names; fingerprints only by their number."""
    for name, value in row.detail.items() if isinstance(row.detail, dict) else ():
        label = terminal_safe(str(name).replace("_", " "))
        match value:
            case None:
                continue
            case list() if name in _NAMES:
                yield f"{label}: {', '.join(terminal_safe(str(one)) for one in value) or 'none'}"
            case list():
                yield f"{label}: {count(len(value), 'entry', 'entries')}"
            case dict():
                parts = (f"{terminal_safe(str(key))} {shown(number)}" for key, number in value.items())
                yield f"{label}: {' '.join(parts) or 'none'}"
            case _:
                yield f"{label}: {shown(value)}"


def _about(table: AuditTable, keys: AuditKeys, token: str, limit: int) -> list[AuditRow]:
    wanted = set(keys.fingerprints("token", token))
    held = [row for row in table.rows() if isinstance(row.detail, dict) and wanted & _listed(row.detail.get("tokens"))]
    return held[-limit:]


def _listed(value: object) -> set[str]:
    return {str(one) for one in value} if isinstance(value, list) else set()


def _say_verdict(frame: Frame, verdict: Verdict, *, against_head: bool) -> None:
    if frame.json:
        faults = [{"code": fault.code, "seq": fault.seq, "what": fault.what} for fault in verdict.faults]
        frame.data({"rows": verdict.rows, "head": str(verdict.head), "intact": not faults, "faults": faults})
        return
    for fault in verdict.faults:
        frame.say(f"{click.style('✗', fg='red')} {fault.code}: {fault.what}")
    if verdict.faults:
        frame.say(f"the audit is not as it was written: {count(len(verdict.faults), 'fault')}")
    else:
        frame.say(f"{click.style('✓', fg='green')} {count(verdict.rows, 'row')}, each as it was written")
    frame.say(f"head {verdict.head}")
    if not against_head:
        frame.note("  → note the head elsewhere: with --expect-head it shows later that nothing was cut off")


@contextmanager
def _opened(frame: Frame) -> Iterator[tuple[AuditTable, AuditKeys]]:
    from sofetch.governance.audit import AuditKeys
    from sofetch.keys import load_keyring
    from sofetch.load.audit import AuditTable
    from sofetch.load.dsn import resolve_dsn

    settings = frame.settings()
    keys = AuditKeys(load_keyring(settings.keys, environ=os.environ))
    with AuditTable(settings.sink, dsn=resolve_dsn(settings.sink, environ=os.environ), keys=keys) as table:
        yield table, keys
