"""The plan of partitions: every instant from now to the horizon has one, and none that is kept is dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.load.partitions.plan import (
    Make,
    Partition,
    Plan,
    Rule,
    Unit,
    bounds,
    covered_until,
    has_next,
    next_start,
    period_start,
    plan_partitions,
)

NOW = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def rule(unit: Unit = "day", *, ahead: int = 2, retention_days: int = 0) -> Rule:
    return Rule(unit=unit, ahead=ahead, retention_days=retention_days)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def part(name: str, start: str, end: str) -> Partition:
    return Partition(schema="public", name=name, start=at(start), end=at(end))


def as_partition(make: Make) -> Partition:
    return Partition(schema="public", name=make.name, start=make.start, end=make.end)


def names(plan: Plan) -> list[str]:
    return [make.name for make in plan.make]


def test_days_are_made_from_today_to_the_last_one_ahead() -> None:
    plan = plan_partitions(rule(), "logins", now=NOW, existing=[])
    assert names(plan) == ["logins_p20261126", "logins_p20261127", "logins_p20261128"]
    assert (plan.make[0].start, plan.make[0].end) == (at("2026-11-26"), at("2026-11-27"))


def test_months_have_their_own_lengths_and_go_over_the_turn_of_the_year() -> None:
    plan = plan_partitions(rule("month", ahead=3), "logins", now=NOW, existing=[])
    assert names(plan) == ["logins_p202611", "logins_p202612", "logins_p202701", "logins_p202702"]
    assert plan.make[-1].end == at("2027-03-01")
    assert next_start("month", at("2028-02-01")) == at("2028-03-01")


def test_a_day_is_the_day_in_utc_wherever_the_clock_is() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=13)))
    assert east.day == 27
    assert period_start("day", east) == at("2026-11-26")
    assert plan_partitions(rule(), "t", now=east, existing=[]) == plan_partitions(rule(), "t", now=NOW, existing=[])


def test_a_gap_beside_partitions_of_another_grid_is_filled_and_nothing_overlaps() -> None:
    week = part("logins_week", "2026-11-25", "2026-11-27")
    odd = Partition(schema="public", name="odd", start=NOW + timedelta(hours=20), end=NOW + timedelta(hours=30))
    plan = plan_partitions(rule(), "logins", now=NOW, existing=[odd, week])
    assert [(make.name, make.start, make.end) for make in plan.make] == [
        ("logins_p20261127t000000", at("2026-11-27"), odd.start),
        ("logins_p20261128t053000", odd.end, at("2026-11-29")),
    ]


def test_only_partitions_wholly_past_keeping_are_dropped() -> None:
    old, edge, kept = (part(f"d{n}", f"2026-11-{n}", f"2026-11-{n + 1}") for n in (14, 15, 16))
    plan = plan_partitions(rule(retention_days=10), "t", now=at("2026-11-26"), existing=[old, edge, kept])
    assert plan.drop == [old, edge]
    assert plan.expire_before == at("2026-11-16")


def test_nothing_is_dropped_without_a_retention() -> None:
    plan = plan_partitions(rule(), "t", now=NOW, existing=[part("ancient", "1999-01-01", "1999-01-02")])
    assert (plan.drop, plan.expire_before) == ([], None)


def test_a_month_is_dropped_once_its_last_day_is_past_keeping() -> None:
    october = part("o", "2026-10-01", "2026-11-01")
    by_month = rule("month", retention_days=26)
    assert plan_partitions(by_month, "t", now=at("2026-11-26"), existing=[october]).drop == []
    assert plan_partitions(by_month, "t", now=at("2026-11-27"), existing=[october]).drop == [october]


def test_what_was_dropped_within_the_month_of_now_is_not_made_again() -> None:
    by_month = rule("month", ahead=1, retention_days=10)
    rest = part("rest", "2026-11-05", "2027-01-01")
    assert plan_partitions(by_month, "t", now=NOW, existing=[rest]).make == []


def test_rows_that_wait_get_a_partition_if_they_are_kept_and_not_from_another_century() -> None:
    waiting = [at("2026-11-20"), at("2026-11-01"), at("1970-01-01"), at("2999-01-01")]
    plan = plan_partitions(rule(ahead=1, retention_days=10), "t", now=NOW, existing=[], waiting=waiting)
    assert names(plan) == ["t_p20261120", "t_p20261126", "t_p20261127"]
    kept = plan_partitions(rule(ahead=1), "t", now=NOW, existing=[], waiting=waiting)
    assert names(kept) == ["t_p20261101", "t_p20261120", "t_p20261126", "t_p20261127"]


def test_a_name_that_another_relation_has_is_told_and_not_made() -> None:
    plan = plan_partitions(rule(ahead=1), "t", now=NOW, existing=[], taken={"t_p20261127"})
    assert (names(plan), plan.blocked) == (["t_p20261126"], ["t_p20261127"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FOR VALUES FROM ('2026-11-26') TO ('2026-11-27')", (at("2026-11-26"), at("2026-11-27"))),
        (
            "FOR VALUES FROM ('2026-11-26 00:00:00+00') TO ('2026-11-27 05:30:00+05:30')",
            (at("2026-11-26"), at("2026-11-27")),
        ),
        ("FOR VALUES FROM (MINVALUE) TO ('2026-11-27')", (datetime.min.replace(tzinfo=UTC), at("2026-11-27"))),
        ("FOR VALUES FROM ('-infinity') TO ('infinity')", EVER),
        ("FOR VALUES FROM ('0044-03-15 BC') TO ('2026-11-27')", (None, None)),
        ("FOR VALUES FROM ('a', 1) TO ('b', 2)", (None, None)),
        ("FOR VALUES IN ('a')", (None, None)),
    ],
)  # fmt: skip
def test_bounds_are_read_as_postgres_writes_them(text: str, expected: object) -> None:
    assert bounds(text) == expected


INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
RULES = st.builds(
    Rule,
    unit=st.sampled_from(["day", "month"]),
    ahead=st.integers(1, 40),
    retention_days=st.integers(0, 100),
)


@st.composite
def grids(draw: st.DrawFn, now: datetime) -> list[Partition]:
    """Partitions of any widths round now, that do not overlap."""
    steps = draw(st.lists(st.tuples(st.booleans(), st.integers(1, 60 * 24 * 40)), max_size=8))
    start = now - timedelta(minutes=draw(st.integers(0, 60 * 24 * 120)))
    made = []
    for number, (there, minutes) in enumerate(steps):
        end = start + timedelta(minutes=minutes)
        if there:
            made.append(Partition(schema="public", name=f"x{number}", start=start, end=end))
        start = end
    return made


@given(st.data(), INSTANTS, RULES)
def test_each_instant_up_to_the_horizon_has_one_partition_and_the_plan_is_done_once(
    data: st.DataObject, now: datetime, asked: Rule
) -> None:
    existing = data.draw(grids(now))
    offsets = data.draw(st.lists(st.integers(-60 * 24 * 500, 60 * 24 * 500), max_size=5))
    waiting = [now + timedelta(minutes=offset) for offset in offsets]
    plan = plan_partitions(asked, "t", now=now, existing=existing, waiting=waiting)
    after = [one for one in existing if one not in plan.drop] + [as_partition(make) for make in plan.make]

    instants = [now + (asked.horizon(now) - now) * (data.draw(st.integers(0, 999)) / 1000) for _ in range(5)]
    kept_from = asked.cutoff(now) or asked.look_back(now)
    instants += [at for at in waiting if max(kept_from, asked.look_back(now)) <= at < asked.horizon(now)]
    for instant in instants:
        assert sum(one.start <= instant < one.end for one in after if one.start and one.end) == 1
    assert len({make.name for make in plan.make}) == len(plan.make)

    assert all(one.end and one.end <= kept_from for one in plan.drop)
    assert bool(plan.drop) <= bool(asked.retention_days)
    assert plan.expire_before is None or plan.expire_before <= kept_from

    again = plan_partitions(asked, "t", now=now, existing=after, waiting=waiting)
    assert (again.make, again.drop, again.blocked) == ([], [], [])


def test_partitions_reach_up_to_the_first_instant_that_none_is_for() -> None:
    today, next_day = part("a", "2026-11-26", "2026-11-27"), part("b", "2026-11-27", "2026-11-28")
    later = part("d", "2026-11-29", "2026-11-30")
    assert covered_until(NOW, []) == covered_until(NOW, [next_day, later]) == NOW
    assert covered_until(NOW, [part("old", "2026-11-20", "2026-11-21")]) == NOW
    assert covered_until(NOW, [later, next_day, today]) == at("2026-11-28")
    assert covered_until(NOW, [Partition(schema="public", name="all", start=EVER[0], end=EVER[1])]) == EVER[1]
    assert covered_until(NOW, [Partition(schema="public", name="odd", start=None, end=None)]) == NOW


def test_the_next_period_is_there_only_as_a_whole() -> None:
    assert has_next("day", NOW, [part("b", "2026-11-27", "2026-11-28")])
    assert not has_next("day", NOW, [part("a", "2026-11-26", "2026-11-27"), part("d", "2026-11-28", "2026-11-29")])
    assert has_next("month", NOW, [part("one", "2026-12-01", "2026-12-20"), part("two", "2026-12-20", "2027-01-01")])
    assert not has_next("month", NOW, [part("one", "2026-12-01", "2026-12-20")])
