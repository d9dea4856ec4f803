"""Carrying out a plan: each fault at its moment, those of one family one after the other.

Owns the lanes. What a fault does is its proxy's, the database's or the fleet's.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from faults.database import Database
from faults.fleet import Fleet
from faults.http_proxy import HttpProxy
from faults.loop import LoopThread
from faults.plan import Fault
from faults.tcp_proxy import WAITING, TcpProxy

FROZEN_SECONDS = 1.5
"""Beyond the visibility timeout, a worker sleeps so much longer."""


class Injectors:
    """Does what a plan says. ``due`` is for one thread."""

    def __init__(
        self,
        faults: Sequence[Fault],
        *,
        loop: LoopThread,
        queue: HttpProxy,
        network: TcpProxy,
        database: Database,
        fleet: Fleet,
        visibility_seconds: int,
    ) -> None:
        self._faults = list(reversed(faults))
        self._loop, self._queue, self._network = loop, queue, network
        self._database, self._fleet = database, fleet
        self._frozen_seconds = visibility_seconds + FROZEN_SECONDS
        self._lanes = {family: ThreadPoolExecutor(1, family) for family in ("network", "database", "worker")}
        self._under_way: list[Future[None]] = []
        self._done: Counter[str] = Counter()
        self._before = self._met()

    def due(self, deleted: int) -> None:
        """Begin every fault whose moment has come."""
        while self._faults and self._faults[-1].at <= deleted:
            self._begin(self._faults.pop())

    @property
    def under_way(self) -> int:
        """Faults that have begun and are not over."""
        for future in [future for future in self._under_way if future.done()]:
            self._under_way.remove(future)
            future.result()
        return len(self._under_way)

    @property
    def to_come(self) -> int:
        """Faults whose moment has not come."""
        return len(self._faults)

    def happened(self) -> Counter[str]:
        """Faults that took place, by name: those that waited for a call and met none are not among them."""
        return self._met() - self._before + self._done

    def _met(self) -> Counter[str]:
        fired = Counter({f"queue: {kind}": count for kind, count in self._queue.traffic.fired.items()})
        fired.update({f"network: {kind}": count for kind, count in self._network.fired.items()})
        fired.update({f"worker: died {point}": count for point, count in self._fleet.crashed.items()})
        return fired

    def close(self) -> None:
        """Wait for those under way, and let nothing more happen."""
        for lane in self._lanes.values():
            lane.shutdown(wait=True)
        assert self.under_way == 0
        self._queue.forget_planned()
        self._network.disarm()
        self._fleet.forget_crashes()

    def _begin(self, fault: Fault) -> None:
        match fault.family:
            case "queue":
                self._queue.plan(fault.operation, fault.kind)
            case "messages":
                self._done[fault.name] += 1
            case "network" if fault.kind in WAITING:
                self._network.arm(fault.kind)
            case family:
                self._under_way.append(self._lanes[family].submit(self._carry_out, fault))

    def _carry_out(self, fault: Fault) -> None:
        match fault.family:
            case "network":
                self._loop.run(self._network.trouble(fault.kind, fault.seconds))
                return
            case "database":
                self._database.spoil(fault.kind, fault.seconds)
            case _ if fault.kind.startswith("died "):
                self._fleet.crash(fault.worker, f"{fault.kind.removeprefix('died ')}:{fault.nth}")
                return
            case _:
                self._to_worker(fault)
        self._done[fault.name] += 1

    def _to_worker(self, fault: Fault) -> None:
        match fault.kind:
            case "killed":
                self._fleet.signal(fault.worker, signal.SIGKILL)
            case "told to stop":
                self._fleet.signal(fault.worker, signal.SIGTERM)
            case "told to stop twice":
                self._fleet.signal(fault.worker, signal.SIGTERM)
                self._fleet.signal(fault.worker, signal.SIGINT)
            case "hung up":
                self._fleet.signal(fault.worker, signal.SIGHUP)
            case _:
                self._fleet.freeze(fault.worker, seconds=self._frozen_seconds)
