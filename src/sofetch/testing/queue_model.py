"""What SQS does with messages, without threads, waiting or a wire: a pure model, quick enough for millions of steps.

Owns visibility, delays, receipt handles, receive counts, the order of FIFO groups, deduplication and the limits of one
queue. Every step costs O(log n) of the messages there are. It takes time from its clock and names from its caller, so
that the same steps give the same answers. It must not wait, lock, or look into a payload.

The rules are those of the SQS API reference and quota pages; what real servers do differently is a switch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import Random
from typing import Generic, TypeVar

from sofetch.ports import Clock
from sofetch.source.transport import MAX_VISIBILITY_SECONDS
from sofetch.testing.queue_rules import (
    INVALID_HANDLE,
    INVALID_VALUE,
    Counts,
    Deduplication,
    OldHandles,
    QueueRules,
    Sent,
)

P = TypeVar("P")

_FOREVER = float("inf")
_SERIAL_BITS = 48
_SERIAL = (1 << _SERIAL_BITS) - 1
# SQS's sequence numbers have 20 digits, so that they sort as text, and are not consecutive.
_FIRST_SEQUENCE = 18_849_496_460_467_696_128
_SEQUENCE_STEP = 256


@dataclass(slots=True, eq=False, repr=False)
class Entry(Generic[P]):
    """A message on the queue. The model goes on changing it: read what you need at once, and change nothing."""

    serial: int
    message_id: str
    payload: P
    sent_ms: int
    group_id: str | None = None
    sequence_number: str | None = None
    receive_count: int = 0
    first_received_ms: int = 0
    visible_at: float = 0.0
    received_at: float = 0.0
    ready: bool = False
    in_flight: bool = False
    copies: int = 0


@dataclass(slots=True, eq=False, repr=False)
class _Group:
    """A FIFO group: serials that are not in flight, lowest first, some of them perhaps deleted."""

    waiting: list[int]
    in_flight: int = 0
    offered: int = -1


class QueueModel(Generic[P]):
    """One queue. ``name`` goes into its receipt handles, so that another queue's are not taken for its own.

    ``bury`` is called with each message that was received too often. ``chance`` brings messages in an order that is
    only roughly that of their sending, as a standard queue does; without it the order is exact.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "queue",
        rules: QueueRules | None = None,
        bury: Callable[[Entry[P]], None] | None = None,
        chance: Random | None = None,
        disorder: int = 32,
    ) -> None:
        self.rules = rules or QueueRules()
        self._clock = clock
        self._prefix = f"{name}:"
        self._bury = bury
        self._chance = chance
        self._disorder = disorder
        self._serial = 0
        self._sent = Deduplication()
        self._clear()

    # Sending

    def send(
        self,
        payload: P,
        *,
        message_id: str,
        sent_ms: int | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: float | None = None,
    ) -> Sent:
        """Put a message on the queue, unless one of its deduplication id was sent within the last five minutes."""
        now = self._clock.monotonic()
        if deduplication_id is not None and (known := self._sent.known(deduplication_id, now=now)) is not None:
            return known
        if message_id in self._by_id:
            self._remove(self._by_id[message_id])
        serial = self._serial = self._serial + 1
        sequence = None if group_id is None else str(_FIRST_SEQUENCE + serial * _SEQUENCE_STEP)
        sent = self._clock.now_ms() if sent_ms is None else sent_ms
        entry = Entry(serial, message_id, payload, sent, group_id, sequence)
        self._entries[serial] = self._by_id[message_id] = entry
        self._place(entry, now, self.rules.delay_seconds if delay_seconds is None else delay_seconds)
        answer = Sent(message_id, sequence)
        if deduplication_id is not None:
            self._sent.remember(deduplication_id, answer, now=now)
        return answer

    def take_visible(self) -> list[Entry[P]]:
        """Take every visible message off the queue, in order: what a redrive does first."""
        self._wake(self._clock.monotonic())
        taken = [entry for entry in self._entries.values() if entry.ready]
        for entry in taken:
            self._remove(entry)
        return taken

    def purge(self) -> None:
        """Delete everything. What was deduplicated stays known."""
        self._clear()

    # Receiving

    def receive(self, max_messages: int, *, visibility_seconds: float) -> list[tuple[Entry[P], str]]:
        """Visible messages with the receipt handle of this delivery; fewer than asked for at the in-flight limit."""
        now = self._clock.monotonic()
        self._wake(now)
        out: list[tuple[Entry[P], str]] = []
        ready, entries, until = self._ready, self._entries, now + visibility_seconds
        wanted = min(max_messages, self.rules.max_in_flight - self._in_flight)
        while ready and len(out) < wanted:
            entry = entries.get(heappop(ready) & _SERIAL)
            if entry is None:
                continue
            if self._is_ordered(entry):
                self._take_group(entry, out, wanted, now, until)
            elif entry.ready:
                if not self._buried(entry):
                    out.append((entry, self._hand_out(entry, now, until)))
            elif entry.copies:
                entry.copies -= 1
                out.append((entry, self._hand_out(entry, now, until)))
        return out

    def anything_to_receive(self) -> bool:
        """Whether a receive would bring a message now."""
        self._wake(self._clock.monotonic())
        ready = self._ready
        while ready:
            entry = self._entries.get(ready[0] & _SERIAL)
            if entry is not None and (entry.ready or entry.copies):
                return self._in_flight < self.rules.max_in_flight
            heappop(ready)
        return False

    def is_full(self) -> bool:
        """Whether as many messages are in flight as may be: a short poll of a standard queue is answered OverLimit."""
        self._wake(self._clock.monotonic())
        return self._in_flight >= self.rules.max_in_flight

    def next_change_at(self) -> float:
        """When the next message may become visible by itself, on the clock's ``monotonic``; infinite if none will."""
        return self._timers[0][0] if self._timers else _FOREVER

    # Settling: None, or AWS's error code

    def delete(self, receipt_handle: str) -> str | None:
        """Delete a message, in flight or not."""
        serial, count = self._read(receipt_handle)
        if not serial:
            return INVALID_HANDLE
        old_handles = self.rules.old_handles
        entry = self._entries.get(serial)
        if entry is None:
            return INVALID_HANDLE if old_handles is OldHandles.REFUSED else None
        newest = count == entry.receive_count
        if self.rules.fifo:
            self._wake(self._clock.monotonic())
            if not (newest and entry.in_flight):
                return INVALID_HANDLE if old_handles is OldHandles.REFUSED else INVALID_VALUE
        if newest or old_handles is OldHandles.DELETES:
            self._remove(entry)
            return None
        return INVALID_HANDLE if old_handles is OldHandles.REFUSED else None

    def change_visibility(self, receipt_handle: str, seconds: float) -> str | None:
        """Make a message in flight visible ``seconds`` from now, at most 12 hours after it was received."""
        serial, count = self._read(receipt_handle)
        if not serial:
            return INVALID_HANDLE
        now = self._clock.monotonic()
        self._wake(now)
        entry = self._entries.get(serial)
        if entry is None or count != entry.receive_count:
            return INVALID_HANDLE if self.rules.old_handles is OldHandles.REFUSED else INVALID_VALUE
        if not entry.in_flight or now + seconds > entry.received_at + MAX_VISIBILITY_SECONDS:
            return INVALID_VALUE
        self._set_visible_at(entry, now + seconds)
        self._wake(now)
        return None

    # What SQS never offers: hands on the works, for tests

    def hold(self, receipt_handle: str) -> None:
        """Keep a message invisible until its visibility is changed, however long that takes."""
        serial, count = self._read(receipt_handle)
        entry = self._entries.get(serial)
        if entry is not None and entry.in_flight and count == entry.receive_count:
            entry.visible_at = _FOREVER

    def redeliver(self, message_id: str) -> None:
        """Make a message visible, in flight or delayed, as if its time had run out."""
        entry = self._by_id[message_id]
        if not entry.ready:
            self._appear(entry)

    def duplicate(self, message_id: str) -> None:
        """Bring one more copy of a message, even while it is in flight: a server had not heard that it was received.

        A FIFO queue has no such copies; there it is the same as ``redeliver``.
        """
        entry = self._by_id[message_id]
        if self._is_ordered(entry):
            self.redeliver(message_id)
        else:
            entry.copies += 1
            self._offer(entry)

    def entry(self, message_id: str) -> Entry[P]:
        """A message by its id. Raises KeyError once it is deleted."""
        return self._by_id[message_id]

    def entries(self) -> Iterator[Entry[P]]:
        """Every message there is, in the order of sending."""
        self._wake(self._clock.monotonic())
        return iter(self._entries.values())

    def counts(self) -> Counts:
        """How many messages are visible, in flight and delayed."""
        self._wake(self._clock.monotonic())
        return Counts(self._visible, self._in_flight, len(self._entries) - self._visible - self._in_flight)

    # The works

    def _clear(self) -> None:
        self._entries: dict[int, Entry[P]] = {}
        self._by_id: dict[str, Entry[P]] = {}
        self._groups: dict[str, _Group] = {}
        # Serials of what a receive may bring: some of them twice or deleted, so each is looked at when its turn comes.
        self._ready: list[int] = []
        # When what is not visible becomes so. A time that is no longer the message's own is passed over.
        self._timers: list[tuple[float, int]] = []
        self._visible = 0
        self._in_flight = 0

    def _is_ordered(self, entry: Entry[P]) -> bool:
        return entry.group_id is not None and self.rules.fifo is not False

    def _place(self, entry: Entry[P], now: float, delay_seconds: float) -> None:
        if self._is_ordered(entry):
            heappush(self._group(entry).waiting, entry.serial)
        if delay_seconds > 0:
            self._set_visible_at(entry, now + delay_seconds)
        else:
            self._show(entry)

    def _read(self, receipt_handle: str) -> tuple[int, int]:
        """The serial and the delivery that a handle stands for; serial 0 if it is none of this queue's."""
        if not receipt_handle.startswith(self._prefix):
            return 0, 0
        serial, _, count = receipt_handle[len(self._prefix) :].partition(".")
        if not (serial.isdecimal() and count.isdecimal()):
            return 0, 0
        return int(serial), int(count)

    def _hand_out(self, entry: Entry[P], now: float, until: float) -> str:
        if entry.ready:
            entry.ready = False
            self._visible -= 1
        if not entry.in_flight:
            entry.in_flight = True
            self._in_flight += 1
        entry.receive_count += 1
        if entry.receive_count == 1:
            entry.first_received_ms = self._clock.now_ms()
        entry.received_at = now
        self._set_visible_at(entry, until)
        return f"{self._prefix}{entry.serial}.{entry.receive_count}"

    def _take_group(
        self, head: Entry[P], out: list[tuple[Entry[P], str]], wanted: int, now: float, until: float
    ) -> None:
        group = self._group(head)
        if group.in_flight:
            return
        waiting = group.waiting
        while waiting and len(out) < wanted:
            entry = self._entries.get(waiting[0])
            if entry is None:
                heappop(waiting)
            elif not entry.ready:
                break  # a delay holds up those behind it, too
            elif not self._buried(entry):
                heappop(waiting)
                group.in_flight += 1
                out.append((entry, self._hand_out(entry, now, until)))
        group.offered = -1  # after the loop: burying a head offers the next one, which the loop may then take
        self._offer_group(head.group_id)

    def _buried(self, entry: Entry[P]) -> bool:
        most = self.rules.max_receive_count
        if most is None or entry.receive_count < most:
            return False
        self._remove(entry)
        if self._bury is not None:
            self._bury(entry)
        return True

    def _set_visible_at(self, entry: Entry[P], at: float) -> None:
        entry.visible_at = at
        heappush(self._timers, (at, entry.serial))
        # Extended and deleted messages leave their times behind: without this, all of a timeout's length of them.
        if len(self._timers) > 64 + 2 * (len(self._entries) - self._visible):
            self._timers = [(at, serial) for at, serial in self._timers if self._is_due_at(serial, at)]
            heapify(self._timers)

    def _is_due_at(self, serial: int, at: float) -> bool:
        entry = self._entries.get(serial)
        return entry is not None and not entry.ready and entry.visible_at == at

    def _wake(self, now: float) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now:
            at, serial = heappop(timers)
            entry = self._entries.get(serial)
            if entry is not None and not entry.ready and entry.visible_at == at:
                self._appear(entry)

    def _appear(self, entry: Entry[P]) -> None:
        """A message in flight or delayed becomes visible."""
        if entry.in_flight:
            entry.in_flight = False
            self._in_flight -= 1
            if self._is_ordered(entry):
                group = self._group(entry)
                group.in_flight -= 1
                heappush(group.waiting, entry.serial)
        self._show(entry)

    def _show(self, entry: Entry[P]) -> None:
        entry.ready = True
        self._visible += 1
        if self._is_ordered(entry):
            self._offer_group(entry.group_id)
        else:
            self._offer(entry)

    def _offer(self, entry: Entry[P]) -> None:
        rank = 0 if self._chance is None else entry.serial + self._chance.randrange(self._disorder)
        heappush(self._ready, rank << _SERIAL_BITS | entry.serial)

    def _offer_group(self, group_id: str | None) -> None:
        """Let a receive find a group, if nothing of it is in flight and its first message is visible."""
        group = self._groups.get(group_id or "")
        if group is None or group.in_flight:
            return
        waiting = group.waiting
        while waiting and waiting[0] not in self._entries:
            heappop(waiting)
        if not waiting:
            del self._groups[group_id or ""]
        elif waiting[0] != group.offered and self._entries[waiting[0]].ready:
            group.offered = waiting[0]
            self._offer(self._entries[waiting[0]])

    def _group(self, entry: Entry[P]) -> _Group:
        group_id = entry.group_id or ""
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = _Group([])
        return group

    def _remove(self, entry: Entry[P]) -> None:
        del self._entries[entry.serial]
        del self._by_id[entry.message_id]
        if entry.ready:
            self._visible -= 1
        if entry.in_flight:
            self._in_flight -= 1
        if self._is_ordered(entry):
            if entry.in_flight:
                self._group(entry).in_flight -= 1
            self._offer_group(entry.group_id)
