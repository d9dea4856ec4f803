"""``sofetch schema``: the DDL, printed for those who apply it their own way, or applied.

The plan is `sofetch.load`'s. What compares or looks only is in modules of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command_with_members
from sofetch.cli.schema_diff import diff
from sofetch.cli.schema_drift import drift
from sofetch.cli.text import count, terminal_safe

if TYPE_CHECKING:
    from sofetch.load.setup.schema import SchemaStep
    from sofetch.settings import Settings


@command_with_members(
    "schema",
    example="sofetch schema > schema.sql\nsofetch schema --apply\nsofetch schema --apply --widen\n"
    "sofetch schema --roles > roles.sql\nsofetch schema --roles --prefix app_ --apply",
    environment=(SINK_ENV, VAULT_ENV, OVERRIDE_ENV),
)
@click.option("--apply", is_flag=True, help="Apply the DDL instead of printing it.")
@click.option("--widen", is_flag=True, help="Also turn integer columns into text where the configuration says text.")
@click.option("--roles", is_flag=True, help="The database roles instead of the schema, as they are to be.")
@click.option(
    "--prefix", default="sofetch_", show_default=True, metavar="TEXT", help="What the roles' names begin with."
)
def schema(frame: Frame, *, apply: bool, widen: bool, roles: bool, prefix: str) -> None:
    """Print what is missing in the database, as SQL, or apply it.

    That is the schema `sofetch` (ledger, quarantine, key fingerprints), the table if there is none, and columns it
    lacks. Nothing is ever dropped. A column that exists with another type is left alone, but for --widen: an
    `app_version integer` cannot hold 2.3.0 and turns 0.60 into 0.6, so it becomes text, which rewrites the table under
    an exclusive lock. Where a column has vault = true, the schema `sofetch_vault` is made too, in the vault's database.

    Where the configuration holds several pipelines, it is done for each, or for the one of --pipeline.

    --roles is about who may do what: loader, analyst, auditor, console and console_asker in the table's database,
    vault_writer, vault_reader and eraser in the vault's. They are groups without a login; grant them to the users that
    connect.
    """
    configured = frame.pipelines()
    done: dict[str, dict[str, Any]] = {}
    for settings in configured.pipelines:
        if configured.several:
            frame.say(_heading(settings.pipeline_name, apply=apply))
        done[settings.pipeline_name] = (
            _roles(frame, settings, prefix=prefix, apply=apply)
            if roles
            else _schema_of(frame, settings, apply=apply, widen=widen)
        )
    if frame.json:
        frame.data({"pipelines": done} if configured.several else next(iter(done.values())))


schema.add_command(diff)
schema.add_command(drift)


def _heading(name: str, *, apply: bool) -> str:
    """Of what follows; a comment where that is SQL."""
    return click.style(terminal_safe(name), bold=True) if apply else f"-- pipeline {terminal_safe(name)}\n"


def _schema_of(frame: Frame, settings: Settings, *, apply: bool, widen: bool) -> dict[str, Any]:
    steps = _schema(settings, apply=apply, widen=widen)
    if apply:
        shown = _applied(frame, steps)
        steps = _schema(settings, apply=False, widen=widen)
    else:
        shown = _pending(frame, steps, widen=widen)
    _say_of_partitions(frame, settings, apply=apply)
    left = [step for step in steps if not step.automatic]
    if left and not widen:
        frame.note(f"  → {count(len(left), 'column')} would change only with --widen")
    return shown


def _schema(settings: Settings, *, apply: bool, widen: bool) -> list[SchemaStep]:
    """The schema's steps, the vault's after the table's; done if ``apply``."""
    from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
    from sofetch.load.setup.schema import apply_schema, plan_schema
    from sofetch.load.vault.schema import apply_vault, plan_vault

    dsn = resolve_dsn(settings.sink, environ=os.environ)
    vault_dsn = resolve_vault_dsn(settings, environ=os.environ) if settings.keeps_values else None
    steps = apply_schema(settings, dsn=dsn, widen=widen) if apply else plan_schema(settings, dsn=dsn)
    if vault_dsn is None:
        return steps
    return steps + (apply_vault if apply else plan_vault)(vault_dsn, limits=settings.sink)


def _say_of_partitions(frame: Frame, settings: Settings, *, apply: bool) -> None:
    """What applying cannot change, an unpartitioned table above all; and who makes the partitions."""
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.partitions.check import partition_problems

    problems = partition_problems(settings, dsn=resolve_dsn(settings.sink, environ=os.environ))
    for problem in problems:
        if problem.code == "sink_partitioning":
            frame.warn(f"{problem.where}: {problem.what}")
            frame.note(f"  → {terminal_safe(problem.hint)}")
    if apply and any(problem.code == "sink_partitions" for problem in problems):
        frame.note("  → `sofetch maintain` makes the partitions of the days or months to come")


def _roles(frame: Frame, settings: Settings, *, prefix: str, apply: bool) -> dict[str, Any]:
    from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
    from sofetch.load.setup.roles import sink_roles, vault_roles

    steps = sink_roles(settings, dsn=resolve_dsn(settings.sink, environ=os.environ), prefix=prefix, apply=apply)
    if settings.keeps_values:
        dsn = resolve_vault_dsn(settings, environ=os.environ)
        steps += vault_roles(settings, dsn=dsn, prefix=prefix, apply=apply)
    return _applied(frame, steps) if apply else _pending(frame, steps, widen=False)


def _applied(frame: Frame, steps: Sequence[SchemaStep]) -> dict[str, Any]:
    """Say what was done; the same as JSON."""
    for step in steps:
        frame.say(f"{click.style('✓', fg='green')} {terminal_safe(step.what)}")
    frame.say(f"{count(len(steps), 'step')} applied" if steps else "nothing to do: the database has everything")
    return {"applied": [msgspec.to_builtins(step) for step in steps]}


def _pending(frame: Frame, steps: Sequence[SchemaStep], *, widen: bool) -> dict[str, Any]:
    """Print the SQL; the same as JSON."""
    if not steps:
        frame.say("-- nothing to do: the database has everything")
    for step in steps:
        frame.say(_as_sql(step, widen=widen))
    return {"pending": [msgspec.to_builtins(step) for step in steps]}


def _as_sql(step: SchemaStep, *, widen: bool) -> str:
    text = step.sql.rstrip().removesuffix(";") + ";"
    heading = f"-- {terminal_safe(step.what)}"
    if step.automatic or widen:
        return f"{heading}\n{text}\n"
    lines = "\n".join(f"-- {line}" for line in text.splitlines())
    return f"{heading} (only with --widen)\n{lines}\n"
