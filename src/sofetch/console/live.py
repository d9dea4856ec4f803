"""What the charts ask for every second: the columns that are new to them, and how everything stands.

Owns the form of the answer. It takes nothing of a message: numbers, names of the configuration, codes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from sofetch.console.collector import Collector, WorkerSeen
from sofetch.console.history import DAY_SECONDS, step_for

if TYPE_CHECKING:
    from starlette.requests import Request

_LEAST_SECONDS = 60
_TROUBLES = 20
_NOT_COUNTED = "nothing of it is counted here; name this pipeline's worker with --worker"


class WorkerLine(Struct, frozen=True, kw_only=True):
    """One worker as the table shows it. ``state`` is ``health``'s, or that it does not answer."""

    name: str
    state: str
    well: bool
    breakers: dict[str, str]
    up_seconds: float | None
    loaded: int | None
    why: str


class Live:
    """The handler of ``/api/live``."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def answer(self, request: Request) -> Response:
        """The last ``window`` seconds, or of them what is not older than ``since``."""
        window = _whole(request, "window", least=_LEAST_SECONDS, most=DAY_SECONDS, otherwise=600)
        end = int(time.time()) + 1
        since = _whole(request, "since", least=0, most=end, otherwise=0)
        step = step_for(window)
        stretch = self._collector.history.stretch(begin=max(end - window, since), end=end, step=step)
        pipeline, workers = self._collector.pipeline, self._collector.workers
        known = {
            "now": {name: float(f"{value:.4g}") for name, value in self._collector.now.items()},
            "time": end - 1,
            "window": window,
            "stretch": stretch,
            "workers": [line for seen in workers.values() for line in lines_of(seen, pipeline=pipeline)],
            "elsewhere": {name: one.why for name, one in self._collector.elsewhere.items()},
            "troubles": self._collector.troubles.latest(_TROUBLES),
        }
        return Response(msgspec.json.encode(known), media_type="application/json")


def lines_of(seen: WorkerSeen, *, pipeline: str) -> list[WorkerLine]:
    """The workers behind one address: one, or those of a supervisor. Where it runs several pipelines: for this one."""
    if not seen.answers or seen.health is None:
        state = "answers" if seen.answers else "does not answer"
        return [_line(seen.url, {"state": state, "healthy": seen.answers}, why=seen.why)]
    if seen.another:
        return [
            _line(seen.url, {"state": f"runs another pipeline, {seen.another}", "healthy": False}, why=_NOT_COUNTED)
        ]
    several = seen.health.get("processes")
    if not isinstance(several, list):
        return [_process(seen.url, seen.health, pipeline)]
    found = [
        _process(f"{seen.url} · worker {one.get('process')}", one.get("health") or one, pipeline) for one in several
    ]
    waiting = {"state": "waits to be started again", "healthy": False}
    found += [_line(f"{seen.url} · worker {number}", waiting) for number in seen.health.get("restarting") or ()]
    return found or [_line(seen.url, {"state": "no worker runs", "healthy": False})]


def _process(name: str, health: dict[str, Any], pipeline: str) -> WorkerLine:
    """One process: a worker, or its part with this pipeline, once it has begun with any."""
    pipelines = health.get("pipelines")
    if pipelines is None:
        return _line(name, health)
    if not pipelines:
        return _line(name, {"state": "starting"} | health)
    return _line(name, pipelines.get(pipeline) or {"state": "without this pipeline", "healthy": False})


def _line(name: str, health: dict[str, Any], *, why: str = "") -> WorkerLine:
    dependencies = health.get("dependencies") or {}
    codes = [
        " ".join(filter(None, (dependency, one.get("code"), one.get("sqlstate"))))
        for dependency, one in dependencies.items()
        if one.get("breaker") != "closed"
    ]
    return WorkerLine(
        name=name,
        state=str(health.get("state", "")).replace("_", " "),
        well=bool(health.get("healthy")),
        breakers={
            dependency: str(one.get("breaker", "")).replace("_", "-") for dependency, one in dependencies.items()
        },
        up_seconds=health.get("up_seconds"),
        loaded=(health.get("counts") or {}).get("loaded"),
        why=why or "; ".join(codes),
    )


def _whole(request: Request, name: str, *, least: int, most: int, otherwise: int) -> int:
    try:
        return min(most, max(least, int(request.query_params.get(name, otherwise))))
    except ValueError:
        return otherwise
