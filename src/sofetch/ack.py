"""Deciding what is deleted from the queue: the one irreversible act, so it is one pure function.

Owns the rule; the source carries it out. A property test holds it: nothing is deleted that is not durable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from sofetch.record import Duplicate, Loaded, Outcome, Rejected, Retry


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
            case Loaded() | Duplicate() | Rejected():
                delete.append(outcome.message_id)
            case Retry():
                release.append(outcome.message_id)
            case _:
                assert_never(outcome)
    return Acknowledgement(tuple(delete), tuple(release), release_after_seconds)
