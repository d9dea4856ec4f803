"""The parts of a pipeline that its configuration may ask for beside the steps: made here, each by a function.

Owns whether a part is there at all. In what order they are opened and closed is ``sofetch.app``'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from msgspec import Struct

from sofetch.breaker import Breakers
from sofetch.drift import DriftKeeper
from sofetch.errands import Errands, carry_out_next
from sofetch.events import Events, Listening, SchemaApplied
from sofetch.load.drift import note_drift
from sofetch.load.dsn import resolve_vault_dsn
from sofetch.load.partitions.look import look
from sofetch.load.partitions.maintain import Maintenance, maintain
from sofetch.load.setup.schema import apply_schema
from sofetch.load.vault.store import VaultStore
from sofetch.observe.board import Showing, Watched
from sofetch.observe.health import Health
from sofetch.observe.metrics import Metrics
from sofetch.observe.probes import Probes
from sofetch.observe.procfs import process_use
from sofetch.observe.serving import HttpServer, pages
from sofetch.observe.telemetry import open_telemetry
from sofetch.outages import Outages
from sofetch.ports import Clock
from sofetch.settings import Settings
from sofetch.stopping import Stop
from sofetch.upkeep import Upkeep

if TYPE_CHECKING:
    from sofetch.archive.writer import ArchiveWriter
    from sofetch.observe.telemetry.otel import Telemetry


def watched(settings: Settings, *, breakers: Breakers, clock: Clock, events: Events, stop: Stop) -> Watched:
    """What watches the events."""
    health = Health(
        pipeline=settings.pipeline_name,
        breakers=breakers,
        clock=clock,
        stop=stop,
        unhealthy_after_seconds=settings.http.unhealthy_after_seconds,
    )
    metrics = Metrics(events.counters, clock=clock, use=process_use, pid=os.getpid())
    probes = Probes(clock=clock, stop=stop, stuck_after_seconds=settings.http.stuck_after_seconds)
    for listener in (health, metrics, probes):
        events.listen(listener)
    return Watched(health, metrics, probes)


def telemetry(
    settings: Settings, watched: Watched, opened: ExitStack, *, clock: Clock, events: Events
) -> Telemetry | None:
    """What exports metrics and traces, where it is asked for; closed with the rest."""
    name = settings.pipeline_name
    made = open_telemetry(settings.telemetry, pipeline=name, metrics=watched.metrics, clock=clock)
    if made is not None:
        opened.callback(made.close)
        events.listen(made)
    return made


def show(settings: Settings, watched: Watched, opened: ExitStack, *, events: Events, board: Showing | None) -> None:
    """What they make of the events, where it is asked to."""
    if board is not None:
        board.put(settings.pipeline_name, watched)
    elif settings.http.listen is not None:
        served = pages(report=watched.health.report, probes=watched.probes, metrics=watched.metrics)
        server = HttpServer(settings.http.listen, served)
        opened.callback(server.close)
        events.emit(Listening(address=server.address))


def apply(settings: Settings, dsn: str, *, outages: Outages, events: Events) -> None:
    """Apply the DDL that is missing, and tell of it."""
    applied = outages.outlast("database", lambda: apply_schema(settings, dsn=dsn))
    if applied:
        events.emit(SchemaApplied(steps=len(applied)))


class Chores(Struct, frozen=True):
    """What a worker does beside loading: ``idle`` while nothing comes, ``between`` between any two batches."""

    idle: Sequence[Callable[[], None]]
    between: Sequence[Callable[[], None]]


def chores(settings: Settings, dsn: str, *, environ: Mapping[str, str], clock: Clock, events: Events) -> Chores:
    """Those that are asked for. Behind a pooler partitions are only looked at: the lock of it belongs to a session."""
    idle: list[Callable[[], None]] = []
    between: list[Callable[[], None]] = []
    if settings.sink.partition_by:
        upkeep = Upkeep(lambda seconds: _keep(settings, dsn, within_seconds=seconds), clock=clock, events=events)
        idle.append(upkeep)
        between.append(upkeep.meanwhile)
    if settings.quarantine.carry_out_requests:
        errands = Errands(lambda: carry_out_next(settings, environ=environ), clock=clock, events=events)
        idle.append(errands)
        between.append(errands.meanwhile)
    return Chores(idle, between)


def _keep(settings: Settings, dsn: str, *, within_seconds: float | None) -> Maintenance:
    if settings.sink.pooled:
        return look(settings, dsn=dsn)
    return maintain(settings, dsn=dsn, if_allowed=True, within_seconds=within_seconds)


def archive(settings: Settings, *, clock: Clock, events: Events) -> ArchiveWriter | None:
    """What keeps the messages as they came, where [archive] says where. Raises KeyringError."""
    if settings.archive.to is None:
        return None
    from sofetch.archive.opening import open_place
    from sofetch.archive.writer import ArchiveWriter
    from sofetch.keys.archive import load_archive_public_key

    key = load_archive_public_key(settings.archive)
    return ArchiveWriter(settings, place=open_place(settings.archive), key=key, clock=clock, events=events)


def vault(settings: Settings, environ: Mapping[str, str]) -> VaultStore | None:
    """Where values are kept, if any are. Raises ConfigError."""
    if not settings.keeps_values:
        return None
    return VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)


def drift(settings: Settings, dsn: str, *, clock: Clock, events: Events) -> DriftKeeper:
    """What writes down how messages drifted; it hears the events."""
    keeper = DriftKeeper(lambda found: note_drift(settings, found, dsn=dsn), clock=clock, events=events)
    events.listen(keeper)
    return keeper
