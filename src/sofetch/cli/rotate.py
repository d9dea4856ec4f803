"""``sofetch rotate``: stored tokens become the newest key's, table by table, while workers run.

Owns what is said about it and the verdict. Which rows, and how, is ``sofetch.load.rotation.tokens``'s; the bytes are
``sofetch.mask.upgrade``'s.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.cli.text import count, terminal_safe
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.load.rotation.addresses import AddressesRotated
    from sofetch.load.rotation.kids import KidUse
    from sofetch.load.rotation.tokens import Progress, Rotated
    from sofetch.load.vault.rotation import VaultRotated
    from sofetch.settings import PipelineSettings, Settings


@command(
    "rotate",
    example="sofetch keys rotate\nsofetch rotate --dry-run\nsofetch rotate\nsofetch rotate --table logins_archive",
    environment=(KEY_ENV, SINK_ENV, VAULT_ENV, OVERRIDE_ENV),
)
@click.option(
    "--table", "tables", multiple=True, metavar="T", help="A table with the same columns. Default: the configured one."
)
@click.option("--dry-run", is_flag=True, help="Count what would be upgraded and change nothing.")
@click.option(
    "--batch-rows",
    type=click.IntRange(1, 100_000),
    default=5_000,
    show_default=True,
    metavar="N",
    help="Most rows in one transaction.",
)
@click.option("--workers-stopped", is_flag=True, help="Sessions that are named as workers are none.")
def rotate(frame: Frame, *, tables: Sequence[str], dry_run: bool, batch_rows: int, workers_stopped: bool) -> None:
    """Upgrade stored tokens to the primary key, so that they join those that are made now.

    No value in the clear is needed: a token of an earlier key is taken one step further, and what can be reversed is
    opened and closed again. Workers may run, and those with the old keyring too: what they add meanwhile is upgraded
    in the next sweep, until none is left. The vault's tokens are upgraded too, where there is one. Whatever cuts it
    off, the next run goes on from there. Every table that has a join domain in common must be upgraded before it joins
    the others again. Exits with 5 if something is left.

    Columns of addresses (masks ip and ip_prefix) are another matter: an address does not say which key it is under.
    They are changed in one transaction that locks the table, all --table together, and only while no worker runs.

    So are tokens in the `key` that rows are written by ([sink] write): stop all workers of the table, rotate, and start
    them with the new keyring. A row under the new key beside one under the old would be a second of the same identity.

    What [drift] collects of unknown fields is not renewed: its tokens (u1) stay those of the key that made them.
    """
    settings = frame.settings()
    targets = _named(settings, tables)
    addresses = _addresses_rotated(targets, dry_run=dry_run, workers_stopped=workers_stopped)
    _say_addresses(frame, addresses, dry_run=dry_run)
    done = [
        _rotated(frame, named, dry_run=dry_run, batch_rows=batch_rows, workers_stopped=workers_stopped)
        for named in targets
    ]
    _say_collecting(frame, settings)
    kept = _vault_rotated(settings, dry_run=dry_run) if settings.keeps_values else None
    if frame.json:
        vault = {} if kept is None else {"vault": msgspec.to_builtins(kept)}
        listed = {"tables": [_as_json(one) for one in done], "addresses": msgspec.to_builtins(addresses)}
        collecting = settings.drift.collect_into
        not_renewed = {} if collecting is None else {"not_renewed": [collecting]}
        frame.data({"dry_run": dry_run, **listed, **vault, **not_renewed})
    if kept is not None:
        _say_vault(frame, kept, dry_run=dry_run)
    if any(one.stranded or (one.left and not dry_run) for one in done) or (kept is not None and kept.stranded):
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _named(settings: Settings, tables: Sequence[str]) -> list[Settings]:
    """The configuration, once for each table."""
    replace = msgspec.structs.replace
    return [
        replace(settings, sink=replace(settings.sink, table=table), pipeline=_same_pipeline(settings))
        for table in tables or [settings.sink.table]
    ]


def _same_pipeline(settings: Settings) -> PipelineSettings:
    return msgspec.structs.replace(settings.pipeline, name=settings.pipeline_name)


def _rotated(frame: Frame, settings: Settings, *, dry_run: bool, batch_rows: int, workers_stopped: bool) -> Rotated:
    from sofetch.keys import load_keyrings
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.rotation.tokens import plan_rotation, rotate_table
    from sofetch.mask.upgrade import compile_upgrades

    upgrades = compile_upgrades(settings, load_keyrings(settings.keys, environ=os.environ))
    dsn = resolve_dsn(settings.sink, environ=os.environ)
    if dry_run:
        planned = plan_rotation(settings, upgrades, dsn=dsn)
        _say_planned(frame, planned)
        return planned
    with _progress(frame) as told:
        done = rotate_table(
            settings, upgrades, dsn=dsn, batch_rows=batch_rows, workers_stopped=workers_stopped, told=told
        )
    _say_done(frame, done)
    return done


def _addresses_rotated(targets: Sequence[Settings], *, dry_run: bool, workers_stopped: bool) -> list[AddressesRotated]:
    from sofetch.keys import load_keyrings
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.rotation.addresses import rotate_addresses
    from sofetch.mask.upgrade import compile_address_upgrades

    upgrades = compile_address_upgrades(targets[0], load_keyrings(targets[0].keys, environ=os.environ))
    if not upgrades:
        return []
    dsn = resolve_dsn(targets[0].sink, environ=os.environ)
    return rotate_addresses(targets, upgrades, dsn=dsn, dry_run=dry_run, workers_stopped=workers_stopped)


def _vault_rotated(settings: Settings, *, dry_run: bool) -> VaultRotated:
    from sofetch.keys import load_keyrings
    from sofetch.load.dsn import resolve_vault_dsn
    from sofetch.load.vault.rotation import rotate_vault
    from sofetch.mask.upgrade import compile_vault_upgrades

    upgrades = compile_vault_upgrades(settings, load_keyrings(settings.keys, environ=os.environ))
    dsn = resolve_vault_dsn(settings, environ=os.environ)
    return rotate_vault(upgrades, dsn=dsn, limits=settings.sink, dry_run=dry_run)


@contextmanager
def _progress(frame: Frame) -> Iterator[Callable[[Progress], None]]:
    if frame.json or frame.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from sofetch.cli.progress import rotating

    with rotating() as told:
        yield told


def _say_planned(frame: Frame, planned: Rotated) -> None:
    rows = sum(use.rows for use in planned.left)
    frame.say(f"{terminal_safe(planned.table)}: {count(rows, 'value')} would be upgraded")
    _say_uses(frame, planned.left)
    _say_stranded(frame, planned)


def _say_addresses(frame: Frame, addresses: Sequence[AddressesRotated], *, dry_run: bool) -> None:
    for one in addresses:
        would = "would be " if dry_run else ""
        where = f"{terminal_safe(one.table)}.{terminal_safe(one.column)}"
        frame.say(
            f"{where}: {count(one.rows, 'address', 'addresses')} {would}taken from key {one.kid_from} to {one.kid_to}"
        )


def _say_vault(frame: Frame, kept: VaultRotated, *, dry_run: bool) -> None:
    frame.say(f"the vault: {count(kept.values, 'token')} {'would be' if dry_run else ''} upgraded".replace("  ", " "))
    if kept.stranded:
        frame.warn(f"the vault: {count(kept.stranded, 'token')} cannot be upgraded: not as they were made")


def _say_collecting(frame: Frame, settings: Settings) -> None:
    if settings.drift.collect_into is not None:
        column = terminal_safe(settings.drift.collect_into)
        frame.note(
            f"  → {column} is left as it is: tokens of collected fields (u1) are not renewed, and those of earlier "
            "keys do not equal new ones"
        )


def _say_done(frame: Frame, done: Rotated) -> None:
    resumed = ", going on where one was cut off" if done.resumed else ""
    frame.say(
        f"{terminal_safe(done.table)}: {count(done.rows, 'row')} upgraded in {count(done.sweeps, 'sweep')}{resumed}"
    )
    if done.stragglers:
        frame.note(
            f"  → {count(done.stragglers, 'row')} came in under an earlier key meanwhile: a worker still runs with the "
            "old keyring; restart it, then run this again"
        )
    if done.left:
        frame.warn(f"{done.table}: rows under an earlier key are left, more than {done.sweeps} sweeps could upgrade")
        _say_uses(frame, done.left)
        frame.note("  → restart every worker with the new keyring, then run this again")
    _say_stranded(frame, done)


def _say_stranded(frame: Frame, done: Rotated) -> None:
    if not done.stranded:
        return
    frame.warn(
        f"{done.table}: some values cannot be upgraded: their key is no step of the chain, or is not in the ring"
    )
    _say_uses(frame, done.stranded)
    frame.note("  → an active key before the primary is a step; use the keyring that they were made with")


def _say_uses(frame: Frame, uses: Sequence[KidUse]) -> None:
    for use in uses:
        frame.say(f"  {terminal_safe(use.column)}: {count(use.rows, 'row')} under key {terminal_safe(use.kid)}")


def _as_json(done: Rotated) -> dict[str, object]:
    made: dict[str, object] = msgspec.to_builtins(done)
    return made | {"complete": done.complete}
