"""What is held: every message received and not yet settled, its newest receipt handle, and the room that is left.

Owns the rule that a held message is given once, who waits for whom in a FIFO group, and the two budgets (messages, body
bytes). Pure state: no threads, no clock, no calls. Whoever uses it from several threads holds a lock (``desk``).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sofetch.record import Message
from sofetch.source.transport import MAX_BATCH_ENTRIES, MAX_MESSAGE_BYTES, RawMessage

_LARGEST_ANSWER_BYTES = 4 * MAX_MESSAGE_BYTES
"""What one call may bring once sizes are known: reading an answer takes four times its size for a moment."""

_FORGETTING = 0.8
"""By how much the expected body size may fall with each batch: it follows a rise at once and a fall in some tens."""


class Stage(Enum):
    """How far a held message has come."""

    BUFFERED = auto()
    GIVEN = auto()
    DELETING = auto()
    RELEASING = auto()


UNSETTLED = frozenset({Stage.BUFFERED, Stage.GIVEN})
"""Stages of what is not decided."""


@dataclass(slots=True, repr=False)
class Held:
    """One held message. Times are on the monotonic clock; ``extend_at`` is None while no extension is planned.

    ``group`` is the FIFO group whose order binds it, and ``sequence`` its place there. ``sent_ms`` is since the epoch.
    """

    message_id: str
    receipt_handle: str
    body_bytes: int
    received_at: float
    visible_at: float
    stage: Stage = Stage.BUFFERED
    extend_at: float | None = None
    release_seconds: int = 0
    attempts: int = 0
    lost: bool = False
    group: str | None = None
    sequence: int = 0
    sent_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room for the answer to one receive call."""

    messages: int
    bytes: int


class Registry:
    """Held messages by id, those not yet given in order of arrival, and the room reserved for calls under way.

    The bound on messages holds exactly. The bound on bytes holds as long as bodies are not larger than those before;
    when they suddenly are, it is overshot by at most what the calls under way bring. Until sizes are known the worst is
    assumed. One call may always go when nothing is held, however small the budget.
    """

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._held: dict[str, Held] = {}
        self._buffer: deque[Message] = deque()
        self._reserved_messages = 0
        self._reserved_bytes = 0
        self._expected_bytes: float = MAX_MESSAGE_BYTES
        self._sizes_known = False
        self._releasing: Counter[str] = Counter()
        self.held_bytes = 0
        self.buffered_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def buffered(self) -> int:
        """Messages received and not yet given."""
        return len(self._buffer)

    def get(self, message_id: str) -> Held | None:
        """The held message of this id."""
        return self._held.get(message_id)

    def reserve(self) -> Reservation | None:
        """Room for as many messages as one call may bring; None if there is none now."""
        count = self._room()
        if count < 1:
            return None
        reservation = Reservation(count, int(count * self._expected_bytes))
        self._reserved_messages += reservation.messages
        self._reserved_bytes += reservation.bytes
        return reservation

    @property
    def has_room(self) -> bool:
        """Whether ``reserve`` would find room."""
        return self._room() >= 1

    def free(self, reservation: Reservation) -> None:
        """The call is over; what it brought counts by itself."""
        self._reserved_messages -= reservation.messages
        self._reserved_bytes -= reservation.bytes

    def learn_sizes(self, raws: Sequence[RawMessage]) -> None:
        """Adjust the expected body size to what a call brought."""
        if raws:
            remembered = self._expected_bytes * _FORGETTING if self._sizes_known else 0
            self._expected_bytes = max(*(len(raw.body) for raw in raws), remembered, 256)
            self._sizes_known = True

    def arrive(self, raw: RawMessage, *, received_at: float, visible_at: float) -> Held | None:
        """Note a delivery. A new message is held and returned; of a held one only handle and times are made new.

        A new one is not given until ``buffer`` is called for it. An answer that was long on its way may bring an older
        delivery than the one that is held: its handle would be a stale one, and is not taken.
        """
        held = self._held.get(raw.id)
        if held is not None:
            if received_at < held.received_at:
                return None
            held.receipt_handle, held.received_at, held.visible_at = raw.receipt_handle, received_at, visible_at
            held.lost, held.attempts = False, 0
            return None
        held = Held(raw.id, raw.receipt_handle, len(raw.body), received_at, visible_at)
        held.group, held.sequence, held.sent_ms = raw.fifo_group, raw.sequence, raw.sent_ms
        self._held[raw.id] = held
        self.held_bytes += held.body_bytes
        return held

    def buffer(self, message: Message) -> None:
        """Line a new message up to be given."""
        self._buffer.append(message)
        self.buffered_bytes += len(message.body)

    def give(self, *, max_messages: int, max_bytes: int) -> list[Message]:
        """The next messages, at least one if there is one, within both limits otherwise."""
        given: list[Message] = []
        size = 0
        while self._buffer and len(given) < max_messages:
            size += len(self._buffer[0].body)
            if given and size > max_bytes:
                break
            message = self._buffer.popleft()
            self.buffered_bytes -= len(message.body)
            self._held[message.id].stage = Stage.GIVEN
            given.append(message)
        return given

    def take_back(self, released: Iterable[Held]) -> list[Held]:
        """What waits to be given behind one of these in its FIFO group: it is not given any more."""
        first: dict[str, int] = {}
        for held in released:
            if held.group is not None:
                first[held.group] = min(held.sequence, first.get(held.group, held.sequence))
        return self._take_back_after(first) if first else []

    def forerunner(self, held: Held) -> Held | None:
        """A message before this one in its FIFO group that is on its way back to the queue."""
        if held.group is None or not self._releasing[held.group]:
            return None
        before = (one for one in self._held.values() if one.group == held.group and one.sequence < held.sequence)
        return next((one for one in before if one.stage is Stage.RELEASING), None)

    def unbuffer(self, held: Held) -> None:
        """It is not to be given any more, if it was not yet."""
        if held.stage is not Stage.BUFFERED:
            return
        message = next(message for message in self._buffer if message.id == held.message_id)
        self._buffer.remove(message)
        self.buffered_bytes -= len(message.body)

    def settle(self, held: Held, stage: Stage) -> None:
        """Its fate is decided: the body is no longer ours to account for."""
        held.stage, held.attempts = stage, 0
        if stage is Stage.RELEASING and held.group is not None:
            self._releasing[held.group] += 1
        self.held_bytes -= held.body_bytes
        held.body_bytes = 0

    def unsettled(self) -> list[Held]:
        """What is buffered or given and not decided."""
        return [held for held in self._held.values() if held.stage in UNSETTLED]

    @property
    def oldest_sent_ms(self) -> int | None:
        """When the oldest of these was sent; None if there is none. It looks at all that is held."""
        sent = (held.sent_ms for held in self._held.values() if held.stage in UNSETTLED and held.sent_ms is not None)
        return min(sent, default=None)

    def drop_buffer(self) -> None:
        """Nothing more will be given."""
        self._buffer.clear()
        self.buffered_bytes = 0

    def forget(self, held: Held) -> None:
        """Deleted or released, and answered."""
        self._held.pop(held.message_id, None)
        self.held_bytes -= held.body_bytes
        if held.stage is Stage.RELEASING and held.group is not None:
            self._releasing[held.group] -= 1
            if not self._releasing[held.group]:
                del self._releasing[held.group]

    def _room(self) -> int:
        """For how many messages there is room, as one call may bring them."""
        room = min(MAX_BATCH_ENTRIES, self._max_messages - len(self._held) - self._reserved_messages)
        free_bytes = self._max_bytes - self.held_bytes - self._reserved_bytes
        if self._sizes_known:
            free_bytes = min(free_bytes, _LARGEST_ANSWER_BYTES)
        count = min(room, int(free_bytes / self._expected_bytes))
        if count < 1 and not self._held and not self._reserved_messages:
            return min(room, 1)
        return count

    def _take_back_after(self, first: dict[str, int]) -> list[Held]:
        taken: list[Held] = []
        kept: deque[Message] = deque()
        for message in self._buffer:
            held = self._held[message.id]
            if held.group is not None and held.sequence > first.get(held.group, held.sequence):
                taken.append(held)
                self.buffered_bytes -= len(message.body)
            else:
                kept.append(message)
        self._buffer = kept
        return taken
