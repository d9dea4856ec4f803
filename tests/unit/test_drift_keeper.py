"""When what drifted is written down, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sofetch.drift import MOST_FIELDS, WRITE_SECONDS, DriftKeeper
from sofetch.errors import SinkUnavailable
from sofetch.events import Event, Events, FieldDrifted
from sofetch.record import Drift, DriftKind
from sofetch.testing import FakeClock

TIER = Drift(DriftKind.UNKNOWN_FIELD, "tier")


class Kept:
    """Stands for the table."""

    def __init__(self) -> None:
        self.written: list[dict[Drift, int]] = []
        self.fails: Exception | None = None

    def __call__(self, found: Mapping[Drift, int]) -> Sequence[Drift]:
        if self.fails is not None:
            raise self.fails
        new = [drift for drift in found if not any(drift in before for before in self.written)]
        self.written.append(dict(found))
        return new


class Rig:
    def __init__(self) -> None:
        self.told: list[Event] = []
        self.kept = Kept()
        self.clock = FakeClock()
        self.events = Events(self.told.append)
        self.keeper = DriftKeeper(self.kept, clock=self.clock, events=self.events)
        self.events.listen(self.keeper)

    def drift(self, field: str, count: int = 1) -> None:
        self.events.emit(FieldDrifted(kind="unknown_field", field=field, count=count))

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.told if not isinstance(event, FieldDrifted)]


def test_a_new_field_is_written_at_once_and_what_follows_once_a_minute() -> None:
    rig = Rig()
    rig.keeper.write()
    rig.drift("tier", 2)
    rig.keeper.write()
    rig.drift("tier", 3)
    rig.drift("tier", 4)
    rig.keeper.write()
    assert rig.kept.written == [{TIER: 2}]
    rig.clock.advance(WRITE_SECONDS)
    rig.keeper.write()
    rig.keeper.write()
    assert rig.kept.written == [{TIER: 2}, {TIER: 7}]
    rig.drift("tier")
    rig.keeper.write(at_once=True)
    assert rig.kept.written[2:] == [{TIER: 1}]


def test_only_what_the_table_has_never_seen_is_told_as_new() -> None:
    rig = Rig()
    rig.kept.written.append({TIER: 1})  # by another worker
    rig.drift("tier")
    rig.drift("level")
    rig.keeper.write()
    assert [(event.kind, event.field) for event in rig.told if type(event).__name__ == "NewDrift"] == [  # type: ignore[attr-defined]
        ("unknown_field", "level")
    ]


def test_counts_outlast_a_failure_are_told_of_and_are_not_tried_again_at_each_turn() -> None:
    rig = Rig()
    rig.kept.fails = SinkUnavailable("away")
    rig.drift("tier", 2)
    rig.keeper.write()
    rig.keeper.write()
    assert rig.names() == ["DriftNotKept"]
    rig.kept.fails = None
    rig.drift("tier")
    rig.clock.advance(WRITE_SECONDS)
    rig.keeper.write()
    assert rig.kept.written == [{TIER: 3}]


def test_a_fault_of_the_program_is_told_without_its_text_and_stops_nothing() -> None:
    rig = Rig()
    rig.kept.fails = RuntimeError("Anna Kowalska 1984")
    rig.drift("tier")
    rig.keeper.write()
    assert rig.names() == ["Unexpected"]
    assert "Anna" not in str(rig.told)


def test_the_fields_that_a_producer_invents_are_told_apart_up_to_a_limit() -> None:
    rig = Rig()
    for at in range(MOST_FIELDS + 50):
        rig.drift(f"f{at}")
        rig.keeper.write()
    rig.drift("f0")
    rig.keeper.write(at_once=True)
    written = {drift: count for found in rig.kept.written for drift, count in found.items()}
    assert len(written) == MOST_FIELDS + 1
    assert rig.kept.written[-1] == {Drift(DriftKind.UNKNOWN_FIELD, "*"): 49, Drift(DriftKind.UNKNOWN_FIELD, "f0"): 1}


def test_fields_that_a_producer_invents_hide_no_type_that_changes_later() -> None:
    rig = Rig()
    for at in range(MOST_FIELDS + 1):
        rig.drift(f"f{at}")
    rig.keeper.write()
    rig.events.emit(FieldDrifted(kind="type_change", field="amount", count=1))
    rig.keeper.write()
    assert rig.kept.written[-1] == {Drift(DriftKind.TYPE_CHANGE, "amount"): 1}


def test_metrics_count_by_kind_and_never_by_field() -> None:
    rig = Rig()
    rig.drift("tier", 2)
    rig.drift("level")
    counted = {key: value for key, value in rig.events.counters().items() if "drift" in key[0]}
    assert counted == {("sofetch_drifted_total", "unknown_field"): 3}
