"""What ``sofetch run`` reads anew at SIGHUP: the configuration, and the keys and connections it only points to.

Owns how two states of them are told apart, and what is asked before one takes the place of another. What a difference
means for what runs is ``sofetch.pipelines``'.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from sofetch.cli.frame import Frame
from sofetch.errors import ConfigError, SofetchError

if TYPE_CHECKING:
    from sofetch.events import Events
    from sofetch.mask import Masker
    from sofetch.pipelines import Planned
    from sofetch.settings import LogSettings, Settings

ONE = "worker"
"""What the pipeline of a process that has only one is called in it, so that another name in the file changes it."""


def planned(several: Sequence[Settings]) -> list[Planned]:
    """Each with the mark of its keys and connections. Raises KeyringError or ConfigError where one cannot be used."""
    return [_planned(one.pipeline_name, one) for one in several]


def planned_one(settings: Settings) -> list[Planned]:
    """The same of a process' only pipeline."""
    return [_planned(ONE, settings)]


def read_several(frame: Frame, names: Sequence[str], before: Sequence[Settings], events: Events) -> list[Planned]:
    """The pipelines as they are configured now. Raises SofetchError where they cannot be used.

    What belongs to the process stays as it was ``before``; an event says so.
    """
    now = frame.pipelines(names).pipelines
    read = planned(now)
    changed = ["log"] if log_of(now) != log_of(before) else []
    if listen_of(now) != listen_of(before):
        changed.append("http")
    _tell(changed, events)
    return read


def read_one(frame: Frame, before: Settings, events: Events, *, supervising: bool = False) -> list[Planned]:
    """The only pipeline as it is configured now. Raises SofetchError where it cannot be used.

    With ``supervising`` what all workers together show is the process's, too.
    """
    now = frame.pipelines()
    if now.several:
        hint = "stop `sofetch run` and start it again"
        raise ConfigError("the configuration holds several pipelines now", hint=hint, code="restart_needed")
    settings = now.pipelines[0]
    read = planned_one(settings)
    own = ("log", "http", "telemetry") if supervising else ("log",)
    _tell([section for section in own if getattr(settings, section) != getattr(before, section)], events)
    return read


def rehearsal(*, apply_schema: bool) -> Callable[[Settings], None]:
    """What is asked of a pipeline that is to take the place of one that runs. The database is not asked by one that
    makes its own tables.
    """
    return partial(rehearse, apply_schema=apply_schema)


def rehearse(settings: Settings, *, apply_schema: bool) -> None:
    """Raise what such a pipeline would end with at its start: database, vault or queue refuse it, or the keys differ.

    Nothing is received, and nothing stays of it. What is away is no reason to refuse: it would be waited for, as it is
    now.
    """
    from sofetch.keys import load_keyrings
    from sofetch.keys.recovery import load_recovery_public_key
    from sofetch.mask import compile_masker

    rings, recovery = load_keyrings(settings.keys, environ=os.environ), load_recovery_public_key(settings.vault)
    masker = compile_masker(settings, rings, recovery=recovery)
    if not apply_schema:
        with _waited_for():
            _ask_databases(settings, masker)
    with _waited_for():
        _ask_queue(settings)


@contextmanager
def _waited_for() -> Iterator[None]:
    try:
        yield
    except SofetchError as error:
        if not error.retryable:
            raise


def _ask_databases(settings: Settings, masker: Masker) -> None:
    from sofetch import parts
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.postgres import PostgresSink

    PostgresSink(settings, dsn=resolve_dsn(settings.sink, environ=os.environ)).rehearse(masker.fingerprints())
    vault = parts.vault(settings, os.environ)
    if vault is not None:
        with closing(vault):
            vault.prepare()


def _ask_queue(settings: Settings) -> None:
    from sofetch.source.control import QueueControl

    with QueueControl.open(settings.source) as queue:
        if settings.source.visibility_timeout_seconds is None:  # asked of the queue at the start, and so allowed
            queue.attributes()


def log_of(several: Sequence[Settings]) -> LogSettings:
    """The [log] of the process: at most one of them sets it."""
    return next((one.log for one in several if one.log != type(one.log)()), several[0].log)


def listen_of(several: Sequence[Settings]) -> str | None:
    """Where the process listens, if it does."""
    return next((one.http.listen for one in several if one.http.listen is not None), None)


def mark_of(settings: Settings, *, environ: Mapping[str, str]) -> bytes:
    """A digest of what the settings only point to: keys by their fingerprints, connection strings, the recovery key."""
    from sofetch.keys import load_keyrings
    from sofetch.keys.recovery import load_recovery_public_key
    from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
    from sofetch.mask import compile_masker

    rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
    compile_masker(settings, rings, recovery=recovery)
    keys = (*rings.tokens.keys, *rings.reversible.keys)
    # A destroyed key has nothing to tell it by; the status of a key decides which tokens are made.
    parts = [key.fingerprint(scheme="h1", domain="").fingerprint for key in keys if key.status != "destroyed"]
    parts += [f"{key.kid} {key.status}".encode() for key in keys]
    parts.append(resolve_dsn(settings.sink, environ=environ).encode())
    if settings.keeps_values:
        parts.append(resolve_vault_dsn(settings, environ=environ).encode())
    for file in (settings.vault.recovery_public_key, _archive_key(settings)):
        if file is not None:
            parts.append(Path(file).expanduser().read_bytes())
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()


def _archive_key(settings: Settings) -> str | None:
    from sofetch.keys.archive import load_archive_public_key

    if settings.archive.to is None:
        return None
    load_archive_public_key(settings.archive)
    return settings.archive.public_key


def _planned(name: str, settings: Settings) -> Planned:
    from msgspec.structs import replace

    from sofetch.pipelines import Planned

    # The log is the process's, and no reason to exchange a pipeline.
    return Planned(name, replace(settings, log=type(settings.log)()), mark_of(settings, environ=os.environ))


def _tell(changed: Sequence[str], events: Events) -> None:
    from sofetch.events import RestartNeeded

    if changed:
        events.emit(RestartNeeded(sections=", ".join(changed)))
