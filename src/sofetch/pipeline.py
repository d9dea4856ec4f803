"""The way of the data, for one batch: unwrap → decode → mask → load.

Owns the order of the steps and that every message comes out with exactly one outcome. It must not talk to the queue:
what the outcomes mean for it is ``sofetch.ack``'s to decide and the worker's to carry out. The same code runs in the
worker, and in any other shell that has messages and wants them stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from sofetch.ack import Folding
from sofetch.errors import SofetchError, place_of
from sofetch.faults import crash_point
from sofetch.ports import Sink, Vault
from sofetch.record import (
    Breakage,
    Decoded,
    Drift,
    LoadResult,
    Masked,
    Message,
    Opened,
    Outcome,
    Reason,
    Record,
    Refused,
    Rejection,
    Retry,
    SealedRejection,
    Vaulted,
)


class Masker(Protocol):
    """What the pipeline needs of ``sofetch.mask``."""

    def mask(self, records: Sequence[Record]) -> Masked:
        """Mask a batch; a record whose personal value cannot be masked becomes a rejection."""
        ...

    def seal(self, rejections: Sequence[Rejection]) -> list[SealedRejection]:
        """Encrypt the bodies of rejected messages for quarantine."""
        ...


SYSTEMATIC = 10
"""From this many messages on, a program that breaks on every one of a batch is broken, and no message is to blame."""


class Processed(Struct, frozen=True):
    """What became of a batch: one outcome for each message given, and, by column, values not of their kind.

    ``broke`` tells of messages that were quarantined because the program itself broke on them, ``drifted`` how many
    were not as the configuration expects, those among them that were loaded before.
    """

    outcomes: list[Outcome]
    not_of_kind: Mapping[str, int]
    broke: Sequence[Breakage] = ()
    drifted: Mapping[Drift, int] = {}  # msgspec gives each its own


class Unwrap(Protocol):
    """What the pipeline needs of ``sofetch.unwrapping``."""

    def __call__(self, messages: Sequence[Message]) -> Generator[Opened, None, None]:
        """Open a batch, as many messages at a time as one transaction may hold."""
        ...

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        ...


class Steps(Struct, frozen=True):
    """The steps, put together by the composition root (``sofetch.app``). ``vault`` is None where none is kept, and
    ``unwrap`` where a body is the document itself.
    """

    decode: Callable[[Sequence[Message]], Decoded]
    masker: Masker
    sink: Sink
    vault: Vault | None = None
    unwrap: Unwrap | None = None


def process(messages: Sequence[Message], steps: Steps) -> Processed:
    """Take a batch the whole way into table and quarantine.

    Returns after the commit, with one outcome for each message. Raises what ``Sink.load``, ``Vault.store`` and the
    unwrapping raise, and then any part of the batch may or may not be committed: processing it again is safe, the
    ledger answers Duplicate for what is.
    """
    if steps.unwrap is None:
        return _process([], messages, steps)
    folding = Folding()
    not_of_kind: Counter[str] = Counter()
    drifted: Counter[Drift] = Counter()
    broke: list[Breakage] = []
    with closing(steps.unwrap(messages)) as results:
        for opened in results:
            done = _process(opened.rejections, opened.messages, steps)
            folding.add(done.outcomes, part_of=opened.part_of, ended=opened.ended)
            not_of_kind.update(done.not_of_kind)
            drifted.update(done.drifted)
            broke += [*opened.broke, *done.broke]
    return Processed(_complete(messages, folding.outcomes()), not_of_kind, broke, drifted)


def _process(unopened: list[Rejection], messages: Sequence[Message], steps: Steps) -> Processed:
    """Take messages that are their own documents the whole way, and those that could not be opened to quarantine."""
    transformed = _in_turn(messages, transform(messages, decode=steps.decode, masker=steps.masker))
    masked = transformed.masked
    crash_point("after_mask")
    _keep_values(masked.vaulted, steps.vault)
    results = steps.sink.load(masked.records, steps.masker.seal(unopened + transformed.rejections))
    outcomes = _quarantine_refused(messages, results, steps)
    crash_point("after_commit")
    return Processed(_complete(messages, outcomes), masked.not_of_kind, transformed.broke, transformed.drifted)


class Transformed(Struct, frozen=True):
    """A batch after decode and mask, before anything is stored. ``decoded`` are the records that were given to mask."""

    decoded: list[Record]
    masked: Masked
    rejections: list[Rejection]
    broke: list[Breakage]
    drifted: Mapping[Drift, int]


def transform(
    messages: Sequence[Message],
    *,
    decode: Callable[[Sequence[Message]], Decoded],
    masker: Masker,
    systematic: int | None = SYSTEMATIC,
) -> Transformed:
    """Decode and mask. A message on which the program itself breaks is a rejection and its neighbours go on.

    Raises what the program breaks with if no message is to blame: none breaks it alone, or all of at least
    ``systematic`` do. None where each is to be rejected for itself however many they are.
    """
    try:
        return _decode_and_mask(messages, decode, masker)
    except Exception:  # what is no message's own fault is raised again, here or by _breakage
        alone = [_breakage(message, decode, masker) for message in messages]
        broke = [breakage for breakage in alone if breakage is not None]
        if not broke or (systematic is not None and len(broke) == len(messages) >= systematic):
            raise
    pairs = list(zip(messages, alone, strict=True))  # by place: in quarantine, two may have one message id
    whole = _decode_and_mask([message for message, breakage in pairs if breakage is None], decode, masker)
    culprits = [Rejection(message, Reason.UNEXPECTED_ERROR) for message, breakage in pairs if breakage is not None]
    return replace(whole, rejections=whole.rejections + culprits, broke=broke)


def _in_turn(messages: Sequence[Message], transformed: Transformed) -> Transformed:
    """Without what comes after a message of its FIFO group that no step accounted for: it would overtake that one."""
    masked, rejections = transformed.masked, transformed.rejections
    if len(masked.records) + len(rejections) >= len(messages):
        return transformed
    known = {record.message_id for record in masked.records} | {rejection.message.id for rejection in rejections}
    held_up: set[str | None] = set()
    late: set[str] = set()
    for message in messages:
        if message.id not in known:
            held_up |= {message.fifo_group} - {None}
        elif message.fifo_group in held_up:
            late.add(message.id)
    records = [record for record in masked.records if record.message_id not in late]
    rejections = [rejection for rejection in rejections if rejection.message.id not in late]
    return replace(transformed, masked=replace(masked, records=records), rejections=rejections)


def _decode_and_mask(
    messages: Sequence[Message], decode: Callable[[Sequence[Message]], Decoded], masker: Masker
) -> Transformed:
    decoded = decode(messages)
    masked = masker.mask(decoded.records)
    return Transformed(decoded.records, masked, decoded.rejections + masked.rejections, [], decoded.drifted)


def _breakage(message: Message, decode: Callable[[Sequence[Message]], Decoded], masker: Masker) -> Breakage | None:
    """How the program breaks on this message alone, if it does. The exception's text could hold a value."""
    try:
        _decode_and_mask([message], decode, masker)
    except (SofetchError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this message's own, and told by type and place
        return Breakage(type(error).__name__, place_of(error.__traceback__))
    return None


def _keep_values(vaulted: Vaulted | None, vault: Vault | None) -> None:
    """Committed before the rows: a crash between the two leaves a value without a row, which harms nothing and which
    the retry finds. The other way round a row could stay that nobody can ever recover or erase.
    """
    if vaulted is None:
        return
    if vault is None:
        raise SofetchError("values were sealed for a vault, and there is no vault", code="internal")
    if vaulted.entries:
        vault.store(vaulted)
    crash_point("after_vault")


def _quarantine_refused(messages: Sequence[Message], results: list[LoadResult], steps: Steps) -> list[Outcome]:
    """Rows that the database refused are sealed and stored in quarantine by a second, short transaction."""
    outcomes: list[Outcome] = [result for result in results if not isinstance(result, Refused)]
    refused = {result.message_id: result for result in results if isinstance(result, Refused)}
    if refused:
        rejections = [
            Rejection(message, refused[message.id].reason, refused[message.id].field)
            for message in messages
            if message.id in refused
        ]
        sealed = steps.masker.seal(rejections)
        outcomes += [_stored(result) for result in steps.sink.load([], sealed)]
    return outcomes


def _stored(result: LoadResult) -> Outcome:
    # A sink refuses rows only; were it to refuse a quarantine entry, the message goes back to the queue.
    return Retry(result.message_id) if isinstance(result, Refused) else result


def _complete(messages: Sequence[Message], outcomes: list[Outcome]) -> list[Outcome]:
    """A message that no step accounted for is never deleted: it goes back to the queue."""
    known = {outcome.message_id for outcome in outcomes}
    return outcomes + [Retry(message.id) for message in messages if message.id not in known]
