"""``sofetch token``: what a value's token is, for looking a person up in the table, or for a test.

Owns where the values come from and how the tokens are told. A value is never shown again, in a result, an error or a
log: it goes by its position.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, Frame, command
from sofetch.cli.lines import STDIN
from sofetch.cli.text import count
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.mask.column import ColumnMasker
    from sofetch.record import Cell
    from sofetch.settings import ColumnSettings, Kind, MaskName, Settings

_MASKS: tuple[MaskName, ...] = ("token", "reversible", "ip", "ip_prefix")
_KINDS: tuple[Kind, ...] = ("string", "ip", "email", "uuid", "int", "date")
_NULL = "∅"
_REFUSED = "✗"
_NAMED = 5
_EXAMPLE = """\
sofetch token --domain ip < addresses.txt
sofetch token --domain email --kind email --json ann@example.com
sofetch token --domain ip --scheme ip_prefix 199.172.111.135
"""


def _checked_domain(_ctx: click.Context, _parameter: click.Parameter, domain: str) -> str:
    if not re.fullmatch(r"[a-z0-9_.~-]{1,64}", domain):
        raise click.BadParameter("use 1 to 64 of a-z 0-9 _ . ~ -")
    return domain


@command("token", example=_EXAMPLE, environment=(KEY_ENV,))
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
def token(frame: Frame, *, values: tuple[str, ...], domain: str, kind: Kind | None, scheme: MaskName) -> None:
    """Print the token of each VALUE, or of each line of standard input, under the keyring's primary key.

    It needs a keyring and nothing else: no queue, no database. Where there is a configuration, it says where the
    keyring is, and the column of that domain and mask gives kind and sentinels. A value that is stored as NULL has no
    token: ∅ stands for it.

    A VALUE on the command line can be seen by others in the list of processes and stays in the shell's history: give
    it on standard input; without input from a file or pipe it is asked for and not shown. Who can run this command can
    test guesses against a table of tokens: keep the keyring where only those are who may.
    """
    settings = _settings(frame)
    column = _column(frame, settings, domain=domain, kind=kind, mask=scheme)
    masker = _masker(settings, column)
    found = list(_tokens(masker, _given(values), say=not frame.json))
    if frame.json:
        tokens = [{"position": it.position, "token": it.cell, "of_kind": it.of_kind, "why": it.why} for it in found]
        frame.data({"domain": domain, "scheme": scheme, "kind": _kind(column), "tokens": tokens})
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


def _masker(settings: Settings | None, column: ColumnSettings) -> ColumnMasker:
    from sofetch.keys import load_keyrings
    from sofetch.mask.column import ColumnMasker
    from sofetch.mask.schemes import ring_of_mask
    from sofetch.settings import KeysSettings

    keys = settings.keys if settings is not None else KeysSettings()
    rings = load_keyrings(keys, environ=os.environ)
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


def _tokens(masker: ColumnMasker, values: Iterable[str | None], *, say: bool) -> Iterator[Token]:
    """One by one, and printed as they come, so that a pipe may hold any number."""
    for position, value in enumerate(values, start=1):
        made = _token(masker, position, value)
        if say:
            click.echo(f"{_REFUSED} {made.why}" if made.why else _NULL if made.cell is None else str(made.cell))
        yield made


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
