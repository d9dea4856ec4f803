"""Deciding what is deleted from the queue: the one irreversible act, so it is one pure function.

Owns the rule, for messages that stand for many records too; the source carries it out. Property tests hold it: nothing
is deleted that is not durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import assert_never

import msgspec

from sofetch.record import Duplicate, Expanded, Loaded, Outcome, Reason, Rejected, Retry


class Acknowledgement(msgspec.Struct, frozen=True):
    """By message id: what to delete, and what to make visible again after ``release_after_seconds``."""

    delete: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    release_after_seconds: int = 0


def decide(outcomes: Iterable[Outcome], *, release_after_seconds: int = 0) -> Acknowledgement:
    """Delete what is durable (table, quarantine, or an earlier delivery of either); release the rest."""
    delete: list[str] = []
    release: list[str] = []
    for outcome in outcomes:
        match outcome:
            case Loaded() | Duplicate() | Rejected() | Expanded():
                delete.append(outcome.message_id)
            case Retry():
                release.append(outcome.message_id)
            case _:
                assert_never(outcome)
    return Acknowledgement(tuple(delete), tuple(release), release_after_seconds)


class Folding:
    """What became of messages that stood for many records: durable only if every one of their parts is.

    Held is a handful of counts for each message, however many parts it has. Pure, like ``decide``.
    """

    def __init__(self) -> None:
        self._own: list[Outcome] = []
        self._wholes: dict[str, _Tally] = {}

    def add(self, outcomes: Iterable[Outcome], *, part_of: Mapping[str, str], ended: Iterable[str]) -> None:
        """Take outcomes of messages and parts; ``part_of`` names the whole of each part, ``ended`` those that have
        no more parts to come. An outcome of a whole's own comes no later than its end.
        """
        ended = frozenset(ended)
        for outcome in outcomes:
            whole = part_of.get(outcome.message_id)
            if whole is None and outcome.message_id not in ended:
                self._own.append(outcome)
            else:
                self._tally(whole or outcome.message_id).add(outcome)
        for whole in ended:
            self._tally(whole).ended = True

    def outcomes(self) -> list[Outcome]:
        """One for each message. A whole of which a part is to be retried, or may be missing, is to be retried."""
        return self._own + [tally.outcome(message_id) for message_id, tally in self._wholes.items()]

    def _tally(self, whole: str) -> _Tally:
        return self._wholes.setdefault(whole, _Tally())


class _Tally:
    """Counts of the parts of one message."""

    def __init__(self) -> None:
        self.ended = False
        self._loaded = 0
        self._duplicates = 0
        self._quarantined: Counter[tuple[Reason, str | None]] = Counter()
        self._lacking = False

    def add(self, outcome: Outcome) -> None:
        match outcome:
            case Loaded():
                self._loaded += 1
            case Duplicate():
                self._duplicates += 1
            case Rejected():
                self._quarantined[outcome.reason, outcome.field] += 1
            case Retry() | Expanded():
                self._lacking = True
            case _:
                assert_never(outcome)

    def outcome(self, message_id: str) -> Outcome:
        if self._lacking or not self.ended:
            return Retry(message_id)
        return Expanded(
            message_id=message_id,
            loaded=self._loaded,
            duplicates=self._duplicates,
            quarantined=dict(self._quarantined),
        )
