"""The way of the data, for one batch: decode → mask → load.

Owns the order of the steps and that every message comes out with exactly one outcome. It must not talk to the queue:
what the outcomes mean for it is ``sofetch.ack``'s to decide and the worker's to carry out. The same code runs in the
worker, and in any other shell that has messages and wants them stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from sofetch.errors import SofetchError
from sofetch.faults import crash_point
from sofetch.ports import Sink, Vault
from sofetch.record import (
    Decoded,
    LoadResult,
    Masked,
    Message,
    Outcome,
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


class Processed(Struct, frozen=True):
    """What became of a batch: one outcome for each message given, and, by column, values not of their kind."""

    outcomes: list[Outcome]
    not_of_kind: Mapping[str, int]


class Steps(Struct, frozen=True):
    """The three steps, put together by the composition root (``sofetch.app``). ``vault`` is None where none is kept."""

    decode: Callable[[Sequence[Message]], Decoded]
    masker: Masker
    sink: Sink
    vault: Vault | None = None


def process(messages: Sequence[Message], steps: Steps) -> Processed:
    """Take a batch the whole way into table and quarantine.

    Returns after the commit, with one outcome for each message. Raises what ``Sink.load`` and ``Vault.store`` raise,
    and then any part of the batch may or may not be committed: processing it again is safe, the ledger answers
    Duplicate for what is.
    """
    decoded = steps.decode(messages)
    masked = steps.masker.mask(decoded.records)
    rejections = decoded.rejections + masked.rejections
    crash_point("after_mask")
    _keep_values(masked.vaulted, steps.vault)
    results = steps.sink.load(masked.records, steps.masker.seal(rejections))
    outcomes = _quarantine_refused(messages, results, steps)
    crash_point("after_commit")
    return Processed(_complete(messages, outcomes), masked.not_of_kind)


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
