"""Replays and purges that were asked for in the console, carried out by one who holds the keys.

Owns how a request is carried out and when a worker looks for one. What is asked for comes from somebody who may
only ask: an entry is named by its key, who asked goes into the audit, and nothing that was opened is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

from sofetch.errors import SofetchError, place_of
from sofetch.events import Events, RequestDone, RequestFailed, Unexpected
from sofetch.governance import quarantine
from sofetch.governance.audit import AuditKeys, Detail
from sofetch.governance.request import Purpose
from sofetch.keys import load_keyrings
from sofetch.load.audit import AuditTable
from sofetch.load.dsn import resolve_dsn
from sofetch.load.quarantine.entries import count_quarantine, purge_quarantine
from sofetch.load.quarantine.requests import Taken, finish, take
from sofetch.load.quarantine.selection import Selection
from sofetch.ports import Clock
from sofetch.replay import replay
from sofetch.settings import Settings

LOOK_SECONDS = 5.0
"""How often an idle worker looks for a request: somebody sits at a page and waits."""

BUSY_LOOK_SECONDS = 30.0
"""How often one looks that is never idle: each look is a connection, and each request holds up the loading."""

DONE = "done"


class CarriedOut(Struct, frozen=True, kw_only=True):
    """What came of a request. ``outcome`` is ``done``, an error's code, or why some entries stayed."""

    id: int
    action: Literal["replay", "purge"]
    messages: int
    done: int
    outcome: str


def carry_out_next(settings: Settings, *, environ: Mapping[str, str]) -> CarriedOut | None:
    """Carry out the oldest request that is open; None if there is none.

    One that fails for good is ended with its code. Raises what may pass (SinkUnavailable, AuditUnavailable): then the
    request stays taken, and is taken again after a quarter of an hour.
    """
    dsn = resolve_dsn(settings.sink, environ=environ)
    request = take(settings, dsn=dsn)
    if request is None:
        return None
    try:
        carried = _carry_out(settings, request, environ=environ, dsn=dsn)
    except SofetchError as error:
        if error.retryable:
            raise
        carried = _result(request, done=0, outcome=error.code)
    finish(settings, request, outcome=carried.outcome, done=carried.done, dsn=dsn)
    return carried


class Errands:
    """To be called whenever the worker is idle, and by ``meanwhile`` between batches. Looks for requests every few
    seconds, or half-minutes, and carries out what it finds.
    """

    def __init__(self, carry_out: Callable[[], CarriedOut | None], *, clock: Clock, events: Events) -> None:
        self._carry_out = carry_out
        self._clock = clock
        self._events = events
        self._due = clock.monotonic()
        self._overdue = self._due + BUSY_LOOK_SECONDS

    def meanwhile(self) -> None:
        """The worker is between two batches. As when it is idle, if that has not been for a while."""
        if self._clock.monotonic() >= self._overdue:
            self()

    def __call__(self) -> None:
        """The worker is idle. Carries out one request at most. Never raises: what fails must not stop the loading."""
        if self._clock.monotonic() < self._due:
            return
        try:
            carried = self._carry_out()
        except SofetchError as error:
            self._events.emit(RequestFailed(code=error.code, what=error.what))
        except Exception as error:  # noqa: BLE001 - a fault here is no reason to stop loading
            self._events.emit(Unexpected(error=type(error).__name__, place=place_of(error.__traceback__)))
        else:
            if carried is not None:
                self._events.emit(told(carried))
        self._due = self._clock.monotonic() + LOOK_SECONDS
        self._overdue = self._clock.monotonic() + BUSY_LOOK_SECONDS


def told(carried: CarriedOut) -> RequestDone:
    """The event for it."""
    return RequestDone(
        request=carried.id,
        action=carried.action,
        messages=carried.messages,
        done=carried.done,
        outcome=carried.outcome,
    )


def _carry_out(settings: Settings, request: Taken, *, environ: Mapping[str, str], dsn: str) -> CarriedOut:
    selection = Selection(names=[str(key) for key in request.keys])
    if request.action == "replay":
        return _replay(settings, request, selection, environ=environ)
    return _purge(settings, request, selection, environ=environ, dsn=dsn)


def _replay(settings: Settings, request: Taken, selection: Selection, *, environ: Mapping[str, str]) -> CarriedOut:
    done = replay(settings, selection, environ=environ)
    reasons: Counter[str] = Counter()
    for fault, number in done.refused.items():
        reasons[fault.reason.value] += number
    stayed = [f"{reason} {number:,}" for reason, number in sorted(reasons.items())]
    if done.unopened:
        stayed.append(f"not opened {sum(done.unopened.values()):,}")
    outcome = f"stayed: {', '.join(stayed)}" if stayed else DONE
    return _result(request, done=done.loaded + done.duplicates, outcome=outcome)


def _purge(
    settings: Settings, request: Taken, selection: Selection, *, environ: Mapping[str, str], dsn: str
) -> CarriedOut:
    found = count_quarantine(settings, selection, dsn=dsn)
    if not found.entries:
        return _result(request, done=0, outcome="gone before")
    keys = AuditKeys(load_keyrings(settings.keys, environ=environ).tokens)
    by = Purpose(actor=request.actor, purpose=request.purpose, ticket=request.ticket)
    what: dict[str, Detail] = {
        "count": found.entries,
        "unexpired": found.unexpired,
        "keys": [str(key) for key in request.keys],
        "reasons": None,
        "asked_in": "console",
    }
    with AuditTable(settings.sink, dsn=dsn, keys=keys) as audit:
        purged = quarantine.purge(
            lambda: purge_quarantine(settings, selection, dsn=dsn), settings=settings, by=by, audit=audit, what=what
        )
    return _result(request, done=purged.entries, outcome=DONE)


def _result(request: Taken, *, done: int, outcome: str) -> CarriedOut:
    return CarriedOut(id=request.id, action=request.action, messages=len(request.keys), done=done, outcome=outcome)
