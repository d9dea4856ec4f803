"""One simulated worker: the real ``Worker`` on an actor, and the real clerk with its calls to the queue in its hands.

Owns what a process loses when it dies: the clerk, the calls under way, the batch in hand. The threads of the fleets are
left out; each thing they do is a method here, so that any order of them can be tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulated.actor import Actor
from simulated.store import Masker, Store, StoreOfWorker, decode
from sofetch.ack import Acknowledgement
from sofetch.calls import Calls
from sofetch.errors import SofetchError
from sofetch.events import Events
from sofetch.pipeline import Steps
from sofetch.ports import Clock
from sofetch.record import Message
from sofetch.settings import BatchSettings
from sofetch.source.agenda import Agenda, Work
from sofetch.source.clerk import Clerk, Permit
from sofetch.source.pace import Pace
from sofetch.source.registry import Held, Registry
from sofetch.source.transport import RawMessage
from sofetch.stopping import Stop
from sofetch.worker import Worker

RELEASE_AFTER_SECONDS = 3


@dataclass(slots=True, eq=False)
class Poll:
    """A receive call under way; ``raws`` once the queue has answered, at ``answered_at``.

    ``overtaken`` are messages that the queue brought once more while the answer was on its way.
    """

    permit: Permit
    raws: list[RawMessage] | None = None
    answered_at: float = 0.0
    overtaken: set[str] = field(default_factory=set)

    @property
    def ends_at(self) -> float:
        """When the queue answers that there is nothing."""
        return self.permit.poll.started + self.permit.poll.wait_seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one worker may hold and take at once."""

    max_messages: int = 20
    max_bytes: int = 1 << 20
    receivers: int = 3
    deleters: int = 2
    batch_messages: int = 6
    wait_seconds: int = 2


@dataclass(slots=True, eq=False)
class Consumer:
    """A worker process."""

    clock: Clock
    timeout_seconds: int
    store: Store
    limits: Limits
    registry: Registry = field(init=False)
    clerk: Clerk = field(init=False)
    stop: _Stop = field(init=False)
    actor: Actor = field(init=False)
    polls: list[Poll] = field(default_factory=list)
    works: list[tuple[Work, float]] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    closing: bool = False
    excused: set[str] = field(default_factory=set)
    """Held messages whose visibility may run out, since a call for them failed or the whole process stood still."""

    def __post_init__(self) -> None:
        limits = self.limits
        self.registry = Registry(max_messages=limits.max_messages, max_bytes=limits.max_bytes)
        pace = Pace(receivers=limits.receivers, wait_seconds=limits.wait_seconds)
        self.clerk = Clerk(self.registry, Agenda(self.registry, jitter=random.Random(0).random), pace, queue="q")
        self.clerk.set_timeout(self.timeout_seconds)
        self.stop = _Stop(self)
        worker = Worker(
            source=_Source(self),
            steps=Steps(decode, Masker(), StoreOfWorker(self.store, self.pause)),
            batch=BatchSettings(max_messages=limits.batch_messages, max_wait_seconds=0.5),
            release_after_seconds=RELEASE_AFTER_SECONDS,
            clock=self.clock,
            events=Events(),
            stop=self.stop,
        )
        self.actor = Actor(worker.run)

    def pause(self, until: Callable[[], bool] | None = None) -> None:
        """Called from the actor: anything may happen meanwhile."""
        self.actor.pause(until)

    def turn(self) -> None:
        """Let the worker go on to its next pause. Raises what the oracles inside it found."""
        self.actor.step()
        if self.actor.error is not None and not isinstance(self.actor.error, SofetchError):
            raise self.actor.error

    def held(self) -> list[Held]:
        """Every message it holds."""
        held = [one for message_id in self.seen if (one := self.registry.get(message_id)) is not None]
        self.seen = {one.message_id for one in held}
        return held

    def left_behind(self) -> list[str]:
        """Every message that stays invisible for a while if it dies now."""
        on_the_way = [raw.id for poll in self.polls for raw in poll.raws or ()]
        return sorted({*on_the_way, *(one.message_id for one in self.held())})


class _Source:
    """Fills ``ports.Source`` for the worker: the desk without its lock, waiting by pauses."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def receive(self, *, max_messages: int, max_bytes: int, wait_seconds: float) -> Sequence[Message]:
        me = self._consumer
        me.clerk.want(max_messages)
        deadline = me.clock.monotonic() + wait_seconds
        me.pause(
            lambda: me.clock.monotonic() >= deadline or me.clerk.ready(max_messages=max_messages, max_bytes=max_bytes)
        )
        me.given = {one for one in me.given if me.registry.get(one) is not None}  # not what was held for too long
        given = me.clerk.give(max_messages=max_messages, max_bytes=max_bytes)
        for message in given:
            assert message.id not in me.given, f"{message.id} was given twice while it was held"
            assert message.body, f"{message.id} was given though it is damaged"
            me.given.add(message.id)
        return given

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        me = self._consumer
        for message_id in acknowledgement.delete:
            assert me.store.durable(message_id), f"{message_id} is to be deleted and is not durable"
        me.clerk.settle(acknowledgement, now=me.clock.monotonic())
        me.given -= {*acknowledgement.delete, *acknowledgement.release}
        me.pause()

    def pause(self) -> None:
        self._consumer.clerk.pause()

    def resume(self) -> None:
        self._consumer.clerk.resume()

    def flush(self, *, timeout_seconds: float) -> bool:
        return True

    def drained(self) -> bool:
        return self._consumer.clerk.drained(now=self._consumer.clock.monotonic())

    def calls(self) -> Calls:
        return Calls()

    def close(self, *, grace_seconds: float) -> None:
        """The world closes it, step by step."""


class _Stop(Stop):
    """A wait that passes when the fake clock says so."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__()
        self._consumer = consumer

    def wait(self, seconds: float) -> bool:
        deadline = self._consumer.clock.monotonic() + seconds
        self._consumer.pause(lambda: self.asked or self._consumer.clock.monotonic() >= deadline)
        return self.asked
