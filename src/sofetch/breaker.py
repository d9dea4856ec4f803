"""The circuit breaker of one dependency: closed while it works, open while it is away, half-open while it is probed.

Owns when a call may be made, how long the pauses are, and what is known of the outage. Pure state driven by times that
are given to it: no threads, no clock, no calls. It must not know what the calls are; ``outages`` makes them.

It opens with the first failure. A threshold would let through calls that are known to fail, and each of them would cost
more messages a receive; being closed too late costs a quarter of a second.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import StrEnum
from typing import Literal, get_args

from msgspec import Struct, structs

from sofetch.backoff import backoff_seconds
from sofetch.errors import SofetchError

Dependency = Literal["queue", "database", "archive"]
DEPENDENCIES: tuple[Dependency, ...] = get_args(Dependency)


class State(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Standing(Struct, frozen=True, kw_only=True):
    """What is known of a dependency. Times are on the monotonic clock.

    ``since`` is when it went away or came back; ``attempts`` counts the failures since it went away; ``code`` and
    ``sqlstate`` are the last one's. All of it is replaced at once, so that another thread may read it.
    """

    state: State = State.CLOSED
    since: float = 0.0
    attempts: int = 0
    probe_at: float = 0.0
    code: str | None = None
    sqlstate: str | None = None

    @property
    def away(self) -> bool:
        """It failed, and has not succeeded since."""
        return self.state is not State.CLOSED


class Breaker:
    """One dependency's breaker. One thread changes it; any may read ``standing``."""

    def __init__(self, *, now: float = 0.0, jitter: Callable[[], float] = random.random) -> None:
        self.standing = Standing(since=now)
        self._jitter = jitter

    def admit(self, *, now: float) -> bool:
        """Whether a call may be made now. While open none may, and when the pause is over one: the probe."""
        before = self.standing
        if before.state is State.OPEN and now >= before.probe_at:
            self.standing = structs.replace(before, state=State.HALF_OPEN)
            return True
        return before.state is State.CLOSED

    def pause_seconds(self, *, now: float) -> float:
        """How long until a probe is admitted; 0 where none is waited for."""
        return max(0.0, self.standing.probe_at - now) if self.standing.state is State.OPEN else 0.0

    def failed(self, error: SofetchError, *, now: float) -> float:
        """A call that was admitted failed. The pause until the next."""
        before = self.standing
        attempts = before.attempts + 1
        pause = backoff_seconds(attempts, jitter=self._jitter)
        self.standing = Standing(
            state=State.OPEN,
            since=before.since if before.away else now,
            attempts=attempts,
            probe_at=now + pause,
            code=error.code,
            sqlstate=getattr(error, "sqlstate", None),
        )
        return pause

    def left_open(self) -> None:
        """A probe ended in a way that says nothing of the dependency: another may be made."""
        if self.standing.state is State.HALF_OPEN:
            self.standing = structs.replace(self.standing, state=State.OPEN)

    def succeeded(self, *, now: float) -> Standing:
        """A call that was admitted succeeded: it is closed. How it stood before."""
        before = self.standing
        if before.away:
            self.standing = Standing(since=now)
        return before


class Breakers:
    """The breakers of everything a worker depends on."""

    def __init__(self, *, now: float = 0.0, jitter: Callable[[], float] = random.random) -> None:
        self._breakers = {dependency: Breaker(now=now, jitter=jitter) for dependency in DEPENDENCIES}

    def __getitem__(self, dependency: Dependency) -> Breaker:
        return self._breakers[dependency]

    def standings(self) -> dict[Dependency, Standing]:
        """How each stands."""
        return {dependency: breaker.standing for dependency, breaker in self._breakers.items()}

    def away(self) -> list[Dependency]:
        """The dependencies that are away."""
        return [dependency for dependency, standing in self.standings().items() if standing.away]
