"""``sofetch token``: what a value's token is, for looking a person up in the table, or for a test.

Owns where the values come from and how the tokens are told. A value is never shown again, in a result, an error or a
log: it goes by its position. Where values are kept in a vault, no token is told before an audit row says who asked.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.asked import PURPOSE_ENV, asked_by, purpose_options
from sofetch.cli.frame import KEY_ENV, SINK_ENV, Frame, command
from sofetch.cli.governed import opened_audit
from sofetch.cli.lines import STDIN
from sofetch.cli.text import count, terminal_safe
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.governance.audit import AuditRow
    from sofetch.governance.request import Purpose
    from sofetch.mask.column import ColumnMasker
    from sofetch.mask.keyring import Keyrings
    from sofetch.record import Cell
    from sofetch.settings import ColumnSettings, Kind, MaskName, Settings

_MASKS: tuple[MaskName, ...] = ("token", "reversible", "ip", "ip_prefix", "fpe")
_KINDS: tuple[Kind, ...] = ("string", "ip", "email", "uuid", "int", "code", "date")
_NULL = "∅"
_REFUSED = "✗"
_NAMED = 5
_MOST_A_ROW = 1_000
"""Tokens that one audit row tells of; more are told of by more rows."""
_EXAMPLE = """\
sofetch token --domain ip < addresses.txt
sofetch token --domain email --kind email --json ann@example.com
sofetch token --domain ip --scheme ip_prefix 199.172.111.135
sofetch token --domain ip --actor ana --purpose access --ticket DS-17 < addresses.txt
"""


def _checked_domain(_ctx: click.Context, _parameter: click.Parameter, domain: str) -> str:
    if not re.fullmatch(r"[a-z0-9_.~-]{1,64}", domain):
        raise click.BadParameter("use 1 to 64 of a-z 0-9 _ . ~ -")
    return domain


@command("token", example=_EXAMPLE, environment=(KEY_ENV, SINK_ENV, PURPOSE_ENV))
@click.argument("values", nargs=-1, metavar="[VALUE…|-]")
@click.option(
    "--domain", required=True, metavar="DOMAIN", callback=_checked_domain, help="The join domain of the column."
)
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    metavar="KIND",
    help="How a value is made canonical. Default: as the configuration's column of that domain, else string.",
)
@click.option("--scheme", type=click.Choice(_MASKS), default="token", show_default=True, help="The column's mask.")
@purpose_options(required=False)
def token(
    frame: Frame,
    *,
    values: tuple[str, ...],
    domain: str,
    kind: Kind | None,
    scheme: MaskName,
    actor: str | None,
    purpose: str | None,
    ticket: str | None,
) -> None:
    """Print the token of each VALUE, or of each line of standard input, under the keyring's primary key.

    It needs a keyring and nothing else: no queue, no database. Where there is a configuration, it says where the
    keyring is, and the column of that domain and mask gives kind and sentinels. A value that is stored as NULL has no
    token: ∅ stands for it.

    A VALUE on the command line can be seen by others in the list of processes and stays in the shell's history: give
    it on standard input; without input from a file or pipe it is asked for and not shown. Who can run this command can
    test guesses against a table of tokens: keep the keyring where only those are who may.

    Where the configuration keeps values in a vault, looking somebody up is audited: --actor, --purpose, --ticket and
    the sink's database are needed, and no token is printed before the row that says so is committed.
    """
    settings = _settings(frame)
    column = _column(frame, settings, domain=domain, kind=kind, mask=scheme)
    by = _asked_by(frame, settings, actor=actor, purpose=purpose, ticket=ticket)
    with _lookup(settings, by, column) as (rings, audited):
        found = list(_tokens(_masker(column, rings), _given(values), audited, say=not frame.json))
    if frame.json:
        tokens = [{"position": it.position, "token": it.cell, "of_kind": it.of_kind, "why": it.why} for it in found]
        told = {"domain": domain, "scheme": scheme, "kind": _kind(column), "tokens": tokens}
        frame.data(told if by is None else told | {"audit": audited.heads})
    for head in audited.heads:
        frame.note(f"the audit says that {terminal_safe(by.actor if by else '')} was told this; head {head}")
    _say_what_is_odd(frame, found, _kind(column))


@dataclass(frozen=True, slots=True)
class Token:
    """What became of the value at a position: its cell (None: NULL), or why there is none."""

    position: int
    cell: Cell
    of_kind: bool = True
    why: str | None = None


def _settings(frame: Frame) -> Settings | None:
    """The configuration, if one is named or there is a ./sofetch.toml."""
    from sofetch.config import CONFIG_VARIABLE, DEFAULT_FILE

    named = frame.config or os.environ.get(CONFIG_VARIABLE) or Path(DEFAULT_FILE).exists()
    return frame.settings() if named else None


def _column(
    frame: Frame, settings: Settings | None, *, domain: str, kind: Kind | None, mask: MaskName
) -> ColumnSettings:
    """The configuration's column of that mask and domain, or one like it."""
    import msgspec

    from sofetch.columns import token_domain
    from sofetch.settings import ColumnSettings

    if mask == "fpe" and (settings is None or not settings.masks.allow_fpe):
        raise ConfigError("the mask fpe is not allowed", hint="see [masks] allow_fpe in the configuration")
    columns = settings.column if settings is not None else []
    alike = [it for it in columns if it.mask is not None and token_domain(it) == domain]
    same = [it for it in alike if it.mask == mask]
    if settings is not None and not same:
        frame.warn(f'no column of the configuration has mask "{mask}" and domain "{domain}"')
    model = next(iter(same or alike), ColumnSettings(name="value"))
    return msgspec.structs.replace(model, name="value", mask=mask, domain=domain, kind=kind or model.kind, vault=False)


def _kind(column: ColumnSettings) -> Kind:
    from sofetch.columns import kind_of

    return kind_of(column)


def _asked_by(
    frame: Frame, settings: Settings | None, *, actor: str | None, purpose: str | None, ticket: str | None
) -> Purpose | None:
    """On whose word, where lookups are audited; None where they are not. Raises click's usage error."""
    if settings is not None and settings.keeps_values:
        return asked_by(actor=actor, purpose=purpose, ticket=ticket)
    if purpose or ticket:
        frame.warn("this is not audited: no configuration at hand keeps values in a vault")
    return None


class _Audited:
    """Writes what is about to be told into the audit, or, where ``append`` is None, nowhere."""

    def __init__(self, append: Callable[[Sequence[Cell]], AuditRow] | None = None) -> None:
        self.heads: list[str] = []
        self.batch = 1 if append is None else _MOST_A_ROW
        self._append = append

    def write(self, found: Sequence[Token]) -> None:
        """Returns when the row is committed. Raises AuditUnavailable."""
        if self._append is not None:
            self.heads.append(str(self._append([it.cell for it in found]).head))


@contextmanager
def _lookup(
    settings: Settings | None, by: Purpose | None, column: ColumnSettings
) -> Iterator[tuple[Keyrings, _Audited]]:
    from sofetch.keys import load_keyrings
    from sofetch.settings import KeysSettings

    if settings is None or by is None:
        yield load_keyrings(settings.keys if settings is not None else KeysSettings(), environ=os.environ), _Audited()
        return
    from sofetch.governance.lookup import lookup_entry

    with opened_audit(settings, os.environ) as (rings, audit):
        yield (
            rings,
            _Audited(lambda cells: audit.append(lookup_entry(by, settings, column, cells, keys=audit.keys))),
        )


def _masker(column: ColumnSettings, rings: Keyrings) -> ColumnMasker:
    from sofetch.mask.column import ColumnMasker
    from sofetch.mask.schemes import ring_of_mask

    return ColumnMasker(column, ring_of_mask(column.mask or "token", rings))


def _given(values: Sequence[str]) -> Iterable[str | None]:
    """The values in order; None is one that is not UTF-8."""
    if values and STDIN not in values:
        return values
    if len(values) > 1:
        raise click.UsageError("give VALUEs or - for standard input, not both")
    if not values and sys.stdin.isatty():
        return [click.prompt("Value", hide_input=True, err=True)]
    return _lines()


def _lines() -> Iterator[str | None]:
    for line in sys.stdin.buffer:
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError:  # it carries the line
            yield None


def _tokens(masker: ColumnMasker, values: Iterable[str | None], audited: _Audited, *, say: bool) -> Iterator[Token]:
    """Printed as they come, so that a pipe may hold any number; a batch at a time where each needs an audit row."""
    numbered = enumerate(values, start=1)
    while batch := [_token(masker, position, value) for position, value in islice(numbered, audited.batch)]:
        audited.write(batch)
        for made in batch if say else ():
            click.echo(f"{_REFUSED} {made.why}" if made.why else _NULL if made.cell is None else str(made.cell))
        yield from batch


def _token(masker: ColumnMasker, position: int, value: str | None) -> Token:
    if value is None:
        return Token(position, None, of_kind=False, why="not_utf8")
    masked = masker.mask([value])
    refused = masked.refused.get(0)
    return Token(
        position,
        masked.cells[0],
        of_kind=refused is None and masked.not_of_kind == 0,
        why=str(refused) if refused is not None else None,
    )


def _say_what_is_odd(frame: Frame, found: list[Token], kind: Kind) -> None:
    strays = [it for it in found if not it.of_kind and it.why is None]
    refused = [it for it in found if it.why is not None]
    if strays:
        frame.warn(f'{count(len(strays), "value")} not of kind "{kind}", taken for a string: {_some(strays)}')
    if refused:
        hint = f'it takes values of kind "{kind}" in UTF-8; the others are done'
        raise ConfigError(f"{count(len(refused), 'value')} refused: {_some(refused)}", hint=hint)


def _some(tokens: list[Token]) -> str:
    named = [str(it.position) for it in tokens[:_NAMED]]
    return ", ".join(named) + (", …" if len(tokens) > _NAMED else "")
