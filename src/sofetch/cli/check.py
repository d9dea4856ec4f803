"""``sofetch check``: everything that the configuration names, tried. Each part knows how to check itself.

Owns the order of the checks and the verdict. It changes nothing, in the queue or in the database.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import click
import msgspec
from msgspec import structs

from sofetch.cli.findings import finding_lines
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, QUEUE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.cli.keys import keyring_fingerprint
from sofetch.cli.text import count
from sofetch.errors import ExitCode, KeyringError, SofetchError
from sofetch.findings import Finding

if TYPE_CHECKING:
    from sofetch.settings import Settings


@command(
    "check",
    example="sofetch check\nsofetch check --offline -c staging.toml\nsofetch check --config-only",
    environment=(KEY_ENV, SINK_ENV, VAULT_ENV, QUEUE_ENV, OVERRIDE_ENV),
)
@click.option("--offline", is_flag=True, help="Check the configuration and the keys only.")
@click.option("--config-only", is_flag=True, help="Check the configuration only, as where there are no keys.")
def check(frame: Frame, *, offline: bool, config_only: bool) -> None:
    """Check the configuration, then try everything it names: keys, queue, buckets, database, archive, vault.

    Each finding says what to do about it: ✓ is right, ! is worth a look, ✗ keeps `sofetch run` from working. Exits
    with 5 if there is one ✗. Nothing is changed, and no message is taken.
    """
    found: list[Finding] = []
    for finding in _findings(frame, offline=offline, config_only=config_only):
        found.append(finding)
        for line in finding_lines([finding]):
            frame.say(line)
    errors = sum(finding.severity == "error" for finding in found)
    warnings = sum(finding.severity == "warning" for finding in found)
    if frame.json:
        listed = [msgspec.to_builtins(finding) for finding in found]
        frame.data({"ok": errors == 0, "errors": errors, "warnings": warnings, "findings": listed})
    frame.say()
    frame.say(_verdict(errors, warnings, what="the configuration" if config_only else "`sofetch run`"))
    if errors:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _findings(frame: Frame, *, offline: bool, config_only: bool) -> Iterator[Finding]:
    linted = _guarded("configuration", lambda: _lint(frame))
    yield from linted
    if any(finding.severity == "error" for finding in linted):
        return
    configured = frame.pipelines()
    if len(configured.pipelines) > 1:
        yield _together(configured.pipelines)
    for settings in configured.pipelines:
        for finding in _findings_of(settings, offline=offline, config_only=config_only):
            where = f"{settings.pipeline_name}: {finding.where}" if configured.several else finding.where
            yield structs.replace(finding, where=where)


def _findings_of(settings: Settings, *, offline: bool, config_only: bool) -> Iterator[Finding]:
    yield _described(settings)
    if config_only:
        return
    yield from _guarded("keys", lambda: _check_keys(settings))
    if not offline:
        yield from _guarded("queue", lambda: _check_queue(settings))
        if settings.unwrap.s3_buckets:
            yield from _guarded("buckets", lambda: _check_buckets(settings))
        yield from _guarded("database", lambda: _check_database(settings))
    if settings.archive.to is not None:
        yield from _guarded("archive", lambda: _check_archive(settings, offline=offline))
    if settings.keeps_values:
        yield from _guarded("vault", lambda: _check_recovery_key(settings))
        if not offline:
            yield from _guarded("vault", lambda: _check_vault(settings))


def _together(several: Sequence[Settings]) -> Finding:
    """What they may hold at once: the limits are each pipeline's own, and the memory is one."""
    held = sum(one.source.max_in_flight_bytes for one in several)
    messages = sum(one.source.max_in_flight for one in several)
    most = f"{messages:,} messages and {held / 1_048_576:,.0f} MiB of bodies"
    what = f"{count(len(several), 'pipeline')}: together they hold up to {most}"
    return Finding(severity="ok", code="pipelines_together", where="configuration", what=what)


def _lint(frame: Frame) -> list[Finding]:
    from sofetch.config import lint_config

    return lint_config(frame.config, environ=os.environ)


def _described(settings: Settings) -> Finding:
    masked = [column.name for column in settings.column if column.mask is not None]
    what = f"{count(len(settings.column), 'column')}, {len(masked):,} masked ({', '.join(masked) or 'none'})"
    if settings.drift.collect_into is not None and settings.drift.unknown_fields == "collect":
        what += f"; fields that none reads are collected into {settings.drift.collect_into}, as tokens"
    return Finding(severity="ok", code="config_valid", where="configuration", what=what)


def _guarded(where: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """What a part finds; if it cannot even look, that is the finding."""
    try:
        return look()
    except SofetchError as error:
        return [Finding(severity="error", code=error.code, where=where, what=error.what, hint=error.hint)]


def _check_keys(settings: Settings) -> list[Finding]:
    from sofetch.keys import load_keyrings
    from sofetch.mask import compile_masker

    rings = load_keyrings(settings.keys, environ=os.environ)
    compile_masker(settings, rings, loads=False)
    what = f"primary key {rings.tokens.primary.kid}, fingerprint {keyring_fingerprint(rings.tokens)}"
    if rings.separate:
        other = rings.reversible
        what += f"; for what can be reversed {other.primary.kid}, fingerprint {keyring_fingerprint(other)}"
    return [Finding(severity="ok", code="keys_present", where="keys", what=what)]


def _check_queue(settings: Settings) -> list[Finding]:
    from sofetch.source.control import check_source

    return check_source(settings.source, batch=settings.batch, ledger_days=settings.sink.ledger_days)


def _check_buckets(settings: Settings) -> list[Finding]:
    from sofetch.source.control import check_buckets

    return check_buckets(settings.unwrap)


def _check_database(settings: Settings) -> list[Finding]:
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.setup.inspect import check_sink

    dsn = resolve_dsn(settings.sink, environ=os.environ)
    found = check_sink(settings, dsn=dsn)
    if any(finding.code == "sink_unreachable" for finding in found):
        return found
    return found + _check_key_use(settings, dsn)


def _check_key_use(settings: Settings, dsn: str) -> list[Finding]:
    from sofetch.keys import load_keyrings
    from sofetch.load.rotation.kids import check_kids
    from sofetch.load.setup.key_check import check_key_use
    from sofetch.mask import compile_masker

    try:
        rings = load_keyrings(settings.keys, environ=os.environ)
        masker = compile_masker(settings, rings, loads=False)
    except KeyringError:
        return []  # that is a finding of its own already
    kids = {"h1": rings.tokens.primary.kid, "r1": rings.reversible.primary.kid}
    found = check_key_use(settings, dsn=dsn, fingerprints=masker.fingerprints())
    return found + check_kids(settings, dsn=dsn, kid_of_scheme=kids)


def _check_recovery_key(settings: Settings) -> list[Finding]:
    from sofetch.keys.recovery import load_recovery_public_key

    key = load_recovery_public_key(settings.vault)
    what = f"values are sealed for recovery key {key.id.hex()}" if key else "there is no recovery public key"
    return [Finding(severity="ok" if key else "error", code="vault_key", where="vault", what=what)]


def _check_archive(settings: Settings, *, offline: bool) -> list[Finding]:
    from contextlib import closing

    from sofetch.archive.opening import open_place
    from sofetch.keys.archive import load_archive_public_key

    key = load_archive_public_key(settings.archive)
    what = f"messages are sealed for archive key {key.id.hex()}"
    found = [Finding(severity="ok", code="archive_sealed", where="archive", what=what)]
    if offline:
        return found
    with closing(open_place(settings.archive)) as place:
        return [*found, place.check()]


def _check_vault(settings: Settings) -> list[Finding]:
    from sofetch.load.dsn import resolve_vault_dsn
    from sofetch.load.vault.schema import check_vault

    return check_vault(resolve_vault_dsn(settings, environ=os.environ), limits=settings.sink)


def _verdict(errors: int, warnings: int, *, what: str) -> str:
    if errors:
        text = f"{count(errors, 'error')}, {count(warnings, 'warning')}: {what} would not work"
    elif warnings:
        text = f"{count(warnings, 'warning')}, no error: {what} would work"
    else:
        text = f"all is well: {what} would work"
    return click.style(text, bold=True)
