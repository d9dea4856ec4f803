"""What a batch came to: counted by outcome, and told as events. The same in every shell.

Owns the counting, in which a message may stand for many records. Pure: it emits nothing itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from sofetch import events as told
from sofetch.events import Event
from sofetch.pipeline import Processed
from sofetch.record import FIRST_KEY_ATTRIBUTE, Drift, Duplicate, Expanded, Loaded, Message, Outcome, Rejected, Retry

MOST_FIELDS: Final = 200
"""So many drifted fields of one batch are told apart, the commonest; the rest of a kind is told as one, ``*``."""


class Account(Struct, frozen=True, kw_only=True):
    """Records by what became of them; ``reasons`` has the quarantined by reason and field, ``released`` messages."""

    loaded: int
    duplicates: int
    released: int
    reasons: Counter[tuple[str, str | None]]

    @property
    def quarantined(self) -> int:
        """All that were quarantined."""
        return self.reasons.total()


def account_of(outcomes: Sequence[Outcome]) -> Account:
    """The account of one batch."""
    kinds = Counter(type(outcome) for outcome in outcomes)
    reasons = Counter[tuple[str, str | None]](
        (one.reason.value, one.field) for one in outcomes if isinstance(one, Rejected)
    )
    expanded = [one for one in outcomes if isinstance(one, Expanded)] if kinds[Expanded] else []
    for one in expanded:
        reasons.update({(reason.value, field): count for (reason, field), count in one.quarantined.items()})
    return Account(
        loaded=kinds[Loaded] + sum(one.loaded for one in expanded),
        duplicates=kinds[Duplicate] + sum(one.duplicates for one in expanded),
        released=kinds[Retry],
        reasons=reasons,
    )


def events_of(
    messages: Sequence[Message], done: Processed, account: Account, *, seconds: float, now_ms: int
) -> Iterator[Event]:
    """What is worth telling of a batch that took so long and is durable now."""
    for (reason, field), count in account.reasons.items():
        yield told.MessagesQuarantined(reason=reason, field=field, count=count)
    for breakage in done.broke:
        yield told.Unexpected(error=breakage.error, place=breakage.place)
    for column, count in done.not_of_kind.items():
        yield told.ValuesNotOfKind(column=column, count=count)
    for drift, count in _few(done.drifted).items():
        yield told.FieldDrifted(kind=drift.kind.value, field=drift.field, count=count)
    yield told.BatchDone(
        messages=len(messages),
        loaded=account.loaded,
        duplicates=account.duplicates,
        quarantined=account.quarantined,
        retried=account.released,
        body_bytes=sum(len(message.body) for message in messages),
        milliseconds=round(seconds * 1000),
        oldest_age_ms=_oldest_age_ms(messages, now_ms=now_ms),
    )


def _oldest_age_ms(messages: Sequence[Message], *, now_ms: int) -> int | None:
    """How far behind the batch is. What was redriven tells nothing of that: it counts as sent when it first was."""
    sent = (m.sent_ms for m in messages if m.sent_ms is not None and FIRST_KEY_ATTRIBUTE not in m.attributes)
    return max((now_ms - at for at in sent), default=None)


def _few(drifted: Mapping[Drift, int]) -> Mapping[Drift, int]:
    if len(drifted) <= MOST_FIELDS:
        return drifted
    few: Counter[Drift] = Counter()
    for at, (drift, count) in enumerate(Counter(drifted).most_common()):
        few[drift if at < MOST_FIELDS else Drift(drift.kind, "*")] += count
    return few
