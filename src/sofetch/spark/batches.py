"""Items gathered into what one transaction takes, each with a name that every attempt of a task gives it again.

Owns the naming of what has no id, what is the same message within a batch, and what is too old for the ledger. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sofetch.mask.identity import Identity, ledger_key
from sofetch.mask.keyring import Keyring
from sofetch.record import Message, Rejection
from sofetch.settings import Settings
from sofetch.spark.plan import Plan
from sofetch.spark.reading import Item

_DAY_MS: Final = 86_400_000


class Batch(Struct, frozen=True, kw_only=True):
    """Messages and rejections for one transaction; no id is twice among them."""

    messages: list[Message]
    rejections: list[Rejection]


class Gatherer:
    """Gathers one task's items. ``counts`` has what was read, and what was passed over and why."""

    def __init__(self, settings: Settings, plan: Plan, *, keyring: Keyring, now_ms: int, forgotten_ms: int = 0) -> None:
        """See ``remember``."""
        by_content = replace(settings, sink=replace(settings.sink, dedupe="content"))
        self._content_key = Identity(by_content, keyring).of_message
        self._batch = settings.batch
        self._by_message = settings.sink.dedupe == "message"
        self._bare = plan.is_bare
        self._ledger_days = settings.sink.ledger_days
        self._force = plan.force
        self.counts: Counter[str] = Counter()
        self.remember(now_ms=now_ms, forgotten_ms=forgotten_ms)

    def remember(self, *, now_ms: int, forgotten_ms: int) -> None:
        """From now on this counts: the time, and that the ledger's keys of before ``forgotten_ms`` were removed."""
        kept_ms = (now_ms // _DAY_MS - self._ledger_days) * _DAY_MS
        self._oldest_ms = 0 if self._force else max(kept_ms, forgotten_ms)

    def batches(self, items: Iterable[Item]) -> Iterator[Batch]:
        """The batches, in the order of the items; one is held at a time."""
        batch, ids, keys, size = Batch(messages=[], rejections=[]), set[str](), set[bytes](), 0
        for item in map(self._named, items):
            message = item.message if isinstance(item, Rejection) else item
            key = ledger_key(message)
            self.counts["read"] += 1
            if self._forgotten(key):
                self.counts["too_old"] += 1
            elif key in keys and (self._by_message or self._bare):
                self.counts["duplicates"] += 1
            else:
                full = len(ids) >= self._batch.max_messages or size >= self._batch.max_batch_bytes
                if full or message.id in ids:
                    yield batch
                    batch, ids, keys, size = Batch(messages=[], rejections=[]), set(), set(), 0
                _put(item, batch)
                ids.add(message.id)
                keys.add(key)
                size += len(message.body)
        if ids:
            yield batch

    def known(self, batch: Batch) -> Batch:
        """The batch without what was forgotten after it was gathered."""
        return Batch(
            messages=[one for one in batch.messages if not self._forgotten(ledger_key(one))],
            rejections=[one for one in batch.rejections if not self._forgotten(ledger_key(one.message))],
        )

    def _named(self, item: Item) -> Item:
        """What has no id is named by a keyed hash of its content: without the key nobody can try values against it."""
        match item:
            case Rejection():
                return replace(item, message=self._with_id(item.message))
            case _:
                return item if item.id else self._with_id(item)

    def _with_id(self, message: Message) -> Message:
        return replace(message, id=f"content-{self._content_key(message).hex()}")

    def _forgotten(self, key: bytes) -> bool:
        """Whether a row of it may be there and the ledger not know. Without a sent time nothing is forgotten."""
        return self._by_message and 0 < int.from_bytes(key[:6], "big") < self._oldest_ms


def _put(item: Item, batch: Batch) -> None:
    if isinstance(item, Rejection):
        batch.rejections.append(item)
    else:
        batch.messages.append(item)
