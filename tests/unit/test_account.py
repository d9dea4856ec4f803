"""What is told of a batch."""

from __future__ import annotations

from sofetch.account import MOST_FIELDS, account_of, events_of
from sofetch.events import BatchDone, FieldDrifted
from sofetch.pipeline import Processed
from sofetch.record import Drift, DriftKind, Message


def told(drifted: dict[Drift, int]) -> dict[Drift, int]:
    done = Processed([], {}, drifted=drifted)
    events = events_of([], done, account_of([]), seconds=0, now_ms=0)
    return {Drift(DriftKind(one.kind), one.field): one.count for one in events if isinstance(one, FieldDrifted)}


def test_of_the_fields_that_drifted_the_commonest_are_told_and_the_rest_as_one() -> None:
    common = Drift(DriftKind.TYPE_CHANGE, "amount")
    invented = {Drift(DriftKind.UNKNOWN_FIELD, f"f{at}"): 1 for at in range(MOST_FIELDS + 49)}
    found = told(invented | {common: 7})
    assert len(found) == MOST_FIELDS + 1
    assert found[common] == 7
    assert found[Drift(DriftKind.UNKNOWN_FIELD, "*")] == 50
    assert sum(found.values()) == MOST_FIELDS + 49 + 7


def test_few_fields_are_all_told() -> None:
    drifted = {Drift(DriftKind.MISSING_FIELD, "a"): 2, Drift(DriftKind.UNKNOWN_FIELD, "a"): 1}
    assert told(drifted) == drifted


def test_a_batch_is_as_far_behind_as_its_oldest_message_that_was_not_sent_again() -> None:
    """Dead letters that are days old would page somebody while the queue is nearly empty."""

    def age(*messages: Message) -> int | None:
        events = events_of(messages, Processed([], {}), account_of([]), seconds=0, now_ms=10_000)
        [done] = [one for one in events if isinstance(one, BatchDone)]
        return done.oldest_age_ms

    def message(sent_ms: int | None, **attributes: str) -> Message:
        named = {name.replace("_", ".", 1): text for name, text in attributes.items()}
        return Message(id="m", body=b"{}", queue="q", sent_ms=sent_ms, received_ms=10_000, attributes=named)

    redriven = message(1, sofetch_first_key="0" * 32)
    assert age(redriven, message(9_000), message(None), message(8_000)) == 2_000
    assert age(redriven) is None
    assert age() is None
