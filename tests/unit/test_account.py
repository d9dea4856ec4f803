"""What is told of a batch."""

from __future__ import annotations

from sofetch.account import MOST_FIELDS, account_of, events_of
from sofetch.events import FieldDrifted
from sofetch.pipeline import Processed
from sofetch.record import Drift, DriftKind


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
