"""Unwrapping: from messages as they came to the documents in them, where the configuration says that there is more.

Owns the order of the layers round what must be fetched from S3, which buckets may be read, and how much is opened at
once: each result is small enough for one transaction, whatever its messages come to. Must not know S3's interface: it
has an ``ObjectStore``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Final, assert_never

from sofetch.decode.unfit import Unfit
from sofetch.decode.unwrap import (
    FETCHED,
    Line,
    TooLong,
    compile_layers,
    inflated,
    inside,
    is_gzip,
    named_objects,
    pointed_object,
    split_layers,
    split_lines,
)
from sofetch.errors import SofetchError, place_of
from sofetch.mask.identity import line_key
from sofetch.ports import ObjectStore, ObjectStream
from sofetch.record import FIRST_KEY_ATTRIBUTE, Breakage, Message, ObjectRef, Opened, Reason, Rejection
from sofetch.settings import Settings, UnwrapSettings

SYSTEMATIC: Final = 10
"""From this many messages on, a program that breaks on every one of a batch is broken, and no message is to blame."""

_PART: Final = re.compile(r".+#[1-9][0-9]*\.[1-9][0-9]*", re.DOTALL)


def compile_unwrapper(settings: Settings, *, open_store: Callable[[UnwrapSettings], ObjectStore]) -> Unwrapper | None:
    """What opens this configuration's messages, None where there is nothing to open. Close it when done.

    ``open_store`` is called only if a layer is to be fetched.
    """
    layers = settings.unwrap.layers
    if not layers:
        return None
    return Unwrapper(settings, None if FETCHED.isdisjoint(layers) else open_store(settings.unwrap))


def open_some(
    messages: Sequence[Message],
    settings: Settings,
    *,
    open_store: Callable[[UnwrapSettings], ObjectStore],
    most: int,
) -> tuple[list[Message], list[Rejection]]:
    """For whoever only looks: what is in the messages, at most about so many documents, and what does not open."""
    unwrapper = compile_unwrapper(settings, open_store=open_store)
    if unwrapper is None:
        return list(messages), []
    opened: list[Message] = []
    rejections: list[Rejection] = []
    with closing(unwrapper), closing(unwrapper(messages)) as results:
        for result in results:
            opened += result.messages
            rejections += result.rejections
            if len(opened) >= most:
                break
    return opened[:most], rejections


def part_id(message_id: str, *, position: int, line: int) -> str:
    """The id of one line of the ``position``-th object that a message names."""
    return f"{message_id}#{position}.{line}"


class Unwrapper:
    """Opens batches of messages. Changes nothing in itself; one thread uses it.

    Guarantees: every message given comes out as one message, one rejection, or as the whole of parts, which is named
    in ``ended`` once its last part is out; each of them in exactly one result. A message that is rejected before it is
    opened is as it came.
    """

    def __init__(self, settings: Settings, store: ObjectStore | None) -> None:
        unwrap = settings.unwrap
        outer, self._fetched, inner = split_layers(unwrap.layers)
        self._outer = compile_layers(outer, unwrap)
        self._inner = compile_layers(inner, unwrap)
        self._store = store
        self._buckets = frozenset(unwrap.s3_buckets)
        self._max_bytes = unwrap.max_unwrapped_bytes
        self._max_object_bytes = unwrap.s3_max_object_bytes
        self._fetchers = unwrap.s3_fetchers
        self._batch = settings.batch

    def __call__(self, messages: Sequence[Message]) -> Generator[Opened, None, None]:
        """What is in the messages, in their order. Raises SourceUnavailable or SourceRefused on account of S3 only."""
        filling = _Filling(max_messages=self._batch.max_messages, max_bytes=self._batch.max_batch_bytes)
        outside = self._outside(messages, filling)
        match self._fetched:
            case None:
                opened = iter(outside)
            case "s3_pointer":
                opened = self._bodies(outside, filling)
            case _:
                opened = self._lines(outside, filling)
        for message in opened:
            if filling.takes(message):
                yield filling.take()
        yield filling.take()

    def is_whole(self, message: Message) -> bool:
        """Whether the message names objects of many records; a line that came out of one does not."""
        return self._fetched == "s3_objects" and not self._is_line(message)

    def close(self) -> None:
        """Give back the connections to S3. Idempotent."""
        if self._store is not None:
            self._store.close()

    def _is_line(self, message: Message) -> bool:
        return self._fetched == "s3_objects" and _PART.fullmatch(message.id) is not None

    def _outside(self, messages: Sequence[Message], filling: _Filling) -> list[Message]:
        """The messages without the layers round what is fetched. What the program itself breaks on is rejected. A line
        that came out of an object before, and is replayed, has none round it.
        """
        opened: list[Message] = []
        broken: list[Exception] = []
        for message in messages:
            try:
                opened.append(message if self._is_line(message) else self._outer(message))
            except Unfit as unfit:
                filling.reject(message, unfit.reason)
            except (SofetchError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this message's own; raised if it is all's
                broken.append(error)
                filling.reject(message, Reason.UNEXPECTED_ERROR)
                filling.broke.append(Breakage(type(error).__name__, place_of(error.__traceback__)))
        if len(broken) == len(messages) >= SYSTEMATIC:
            raise broken[-1]
        return opened

    def _bodies(self, messages: Sequence[Message], filling: _Filling) -> Iterator[Message]:
        """The messages with the bodies that they point to, no more than there are fetchers held at once."""
        pointing: list[tuple[Message, ObjectRef]] = []
        for message in messages:
            try:
                pointing.append((message, self._allowed(pointed_object(message.body, max_bytes=self._max_bytes))))
            except Unfit as unfit:
                filling.reject(message, unfit.reason)
        for start in range(0, len(pointing), self._fetchers):
            some = pointing[start : start + self._fetchers]
            bodies = self._objects.fetch([ref for _, ref in some], max_bytes=self._max_bytes)
            for (message, _), body in zip(some, bodies, strict=True):
                try:
                    yield self._inner(self._with(message, body))
                except Unfit as unfit:
                    filling.reject(message, unfit.reason)

    def _with(self, message: Message, body: bytes | Reason) -> Message:
        if isinstance(body, Reason):
            raise Unfit(body)
        return inside(message, body, max_bytes=self._max_bytes)

    def _lines(self, messages: Sequence[Message], filling: _Filling) -> Iterator[Message]:
        """The lines of the objects that the messages name. What of an object cannot be read rejects its message, and
        what can be read is loaded all the same.
        """
        for message in messages:
            if not self.is_whole(message):
                yield message
                continue
            faults: list[Reason] = []
            try:
                refs = named_objects(message.body, max_bytes=self._max_bytes)
            except Unfit as unfit:
                filling.reject(message, unfit.reason)
                continue
            for position, ref in enumerate(refs, start=1):
                for part in self._parts(message, ref, position, faults):
                    filling.part_of[part.id] = message.id
                    yield part
            if faults:
                filling.reject(message, faults[0])
            filling.ended.append(message.id)

    def _parts(self, message: Message, ref: ObjectRef, position: int, faults: list[Reason]) -> Iterator[Message]:
        try:
            stream = self._objects.open(self._allowed(ref), max_bytes=self._max_object_bytes)
            if isinstance(stream, Reason):
                raise Unfit(stream)
            with closing(stream):
                for line in split_lines(_content(stream), max_bytes=self._max_bytes):
                    match line:
                        case Line():
                            yield _part(message, ref, position, line, stream)
                        case TooLong():
                            faults.append(Reason.UNWRAPPED_TOO_LARGE)
                        case _:
                            assert_never(line)
        except Unfit as unfit:
            faults.append(unfit.reason)

    def _allowed(self, ref: ObjectRef) -> ObjectRef:
        if ref.bucket not in self._buckets:
            raise Unfit(Reason.BUCKET_NOT_ALLOWED)
        return ref

    @property
    def _objects(self) -> ObjectStore:
        if self._store is None:
            raise SofetchError("objects are to be fetched, and there is no store", code="internal")
        return self._store


class _Filling:
    """What is opened so far and not given out. ``part_of``, ``ended`` and ``broke`` are as in ``Opened``."""

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._clear()

    def takes(self, message: Message) -> bool:
        """Take one more; True if it is enough for one transaction."""
        self._messages.append(message)
        self._bytes += len(message.body)
        return len(self._messages) >= self._max_messages or self._bytes >= self._max_bytes

    def reject(self, message: Message, reason: Reason) -> None:
        """Take one that could not be opened."""
        self._rejections.append(Rejection(message, reason))

    def take(self) -> Opened:
        """Everything taken so far, which is no longer here."""
        opened = Opened(
            messages=self._messages,
            rejections=self._rejections,
            part_of=self.part_of,
            ended=self.ended,
            broke=self.broke,
        )
        self._clear()
        return opened

    def _clear(self) -> None:
        self._messages: list[Message] = []
        self._rejections: list[Rejection] = []
        self._bytes = 0
        self.part_of: dict[str, str] = {}
        self.ended: list[str] = []
        self.broke: list[Breakage] = []


def _part(message: Message, ref: ObjectRef, position: int, line: Line, stream: ObjectStream) -> Message:
    """One line as a message of its own. Its key is that of the object's content: a redelivery, or a second event of the
    same content, finds it in the ledger.
    """
    key = line_key(ref, stream.version, line.number, stored_ms=stream.modified_ms)
    return Message(
        id=part_id(message.id, position=position, line=line.number),
        body=line.body,
        queue=message.queue,
        sent_ms=message.sent_ms,
        received_ms=message.received_ms,
        receive_count=message.receive_count,
        group_id=message.group_id,
        sequence_number=message.sequence_number,
        attributes={FIRST_KEY_ATTRIBUTE: key.hex()},
    )


def _content(stream: ObjectStream) -> Iterator[bytes]:
    """The object's content, inflated if it is gzip, whatever its name says."""
    pieces = iter(stream)
    first = next(pieces, b"")
    whole = chain([first], pieces)
    return inflated(whole) if is_gzip(first) else whole
