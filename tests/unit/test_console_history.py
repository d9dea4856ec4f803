"""What the charts are made of: readings become rates, rates are kept for a day, and any stretch of it is small."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from sofetch.clock import SystemClock
from sofetch.console.history import DAY_SECONDS, MOST_COLUMNS, History
from sofetch.console.reckoning import quantile, reckon
from sofetch.console.scraped import buckets, read_samples, total
from sofetch.console.troubles import Troubles
from sofetch.observe.metrics import METRICS, Distribution, Metrics, Sample, exposition, exposition_of_several

BEGIN = 1_795_000_000


def samples(**values: float) -> dict[tuple[str, str], float]:
    return {(f"sofetch_{name}", ""): value for name, value in values.items()}


def _no_use(_pid: int) -> None:
    """Nothing is known of any process."""


def test_what_a_worker_writes_is_read_back() -> None:
    counters = {("sofetch_rows_loaded_total", ""): 7.0, ("sofetch_quarantined_total", 'odd "one"\\'): 2.0}
    metrics = Metrics(lambda: counters, clock=SystemClock(), use=_no_use, pid=1)
    found = read_samples(exposition(metrics.samples()), pipeline="a")
    assert found["sofetch_rows_loaded_total", ""] == 7
    assert total(found, "sofetch_quarantined_total") == 2
    assert buckets(found, "sofetch_batch_seconds")[-1] == (math.inf, 0)


def test_lines_that_cannot_be_read_are_left_out() -> None:
    text = b'# HELP x y\na 1\nb{l="v"} x\nc 1 2 3\n\xff 3\n'
    assert read_samples(text, pipeline="a") == {("a", ""): 1.0}


def test_of_several_pipelines_behind_one_address_only_the_console_s_own_is_read() -> None:
    told = exposition_of_several({"a": [*_loaded(3, oldest=9.0)], "b": [*_loaded(4, oldest=2.0)]})
    found = read_samples(told, pipeline="b")
    assert total(found, "sofetch_rows_loaded_total") == 4
    assert found["sofetch_quarantined_total", "not_json"] == 1
    assert found["sofetch_oldest_message_age_seconds", ""] == 2.0
    assert buckets(found, "sofetch_batch_seconds")[-1] == (math.inf, 4)
    assert found["sofetch_process_restarts_total", ""] == 1  # of the process, and so of each
    assert total(read_samples(told, pipeline="c"), "sofetch_rows_loaded_total") == 0


def _loaded(rows: int, *, oldest: float) -> Iterator[Sample]:
    yield "sofetch_rows_loaded_total", "", rows
    yield "sofetch_quarantined_total", "not_json", 1
    yield "sofetch_oldest_message_age_seconds", "", oldest
    yield "sofetch_batch_seconds", "", Distribution((rows,) * 14, 0.001 * rows)
    yield "sofetch_process_restarts_total", "", 1


def test_where_no_worker_knows_how_old_the_oldest_message_is_nothing_is_shown() -> None:
    known, idle = samples(oldest_message_age_seconds=7), samples(oldest_message_age_seconds=0)
    assert reckon({}, {"a": known, "b": idle, "c": {}}, seconds=1, dollars_per_million=1)["oldest_seconds"] == 7
    assert "oldest_seconds" not in reckon({}, {"c": {}}, seconds=1, dollars_per_million=1)


def test_rates_are_rises_a_second_over_all_workers() -> None:
    before = {"a": samples(rows_loaded_total=10), "b": samples(rows_loaded_total=100)}
    now = {"a": samples(rows_loaded_total=30), "b": samples(rows_loaded_total=160)}
    assert reckon(before, now, seconds=2, dollars_per_million=0.4)["loaded"] == 40


def test_a_worker_that_was_restarted_makes_no_negative_rate() -> None:
    found = reckon(
        {"a": samples(rows_loaded_total=1_000)}, {"a": samples(rows_loaded_total=6)}, seconds=1, dollars_per_million=1
    )
    assert found["loaded"] == 6


def test_a_worker_that_is_new_has_no_rate_yet() -> None:
    assert "loaded" not in reckon({}, {"a": samples(rows_loaded_total=5)}, seconds=1, dollars_per_million=1)
    assert reckon({}, {}, seconds=1, dollars_per_million=1) == {}


def test_cost_is_what_is_billed_at_this_rate() -> None:
    found = reckon(
        {"a": samples(billed_requests_total=0)},
        {"a": samples(billed_requests_total=1_000)},
        seconds=1,
        dollars_per_million=0.4,
    )
    assert found["dollars_an_hour"] == pytest.approx(1.44)


def test_a_quantile_lies_evenly_within_its_bucket() -> None:
    assert quantile(0.95, [(0.1, 0), (0.2, 100), (math.inf, 100)]) == pytest.approx(0.195)
    assert quantile(0.95, [(0.1, 10), (math.inf, 100)]) == 0.1  # past the last bound nobody knows
    assert quantile(0.95, []) == quantile(0.95, [(1.0, 0)]) == 0


def test_a_day_of_seconds_is_shown_in_a_few_hundred_columns_without_losing_a_peak() -> None:
    history = History(["x"])
    for second in range(DAY_SECONDS):
        history.add(BEGIN + second, {"x": 1_000.0 if second == 40_000 else 1.0})
    day = history.stretch(begin=BEGIN, end=BEGIN + DAY_SECONDS)
    assert day.step == 144
    assert len(day.times) <= MOST_COLUMNS + 1
    least, mean, most = day.series["x"]
    assert max(value for value in most if value) == 1_000
    assert set(least) == {1.0}
    peak = [value for value in mean if value and value > 1]
    assert peak == [pytest.approx((143 + 1_000) / 144, rel=0.01)]


def test_seconds_are_shown_as_they_are_and_gaps_stay_gaps() -> None:
    history = History(["x"])
    history.add(BEGIN, {"x": 1})
    history.add(BEGIN + 2, {})
    history.add(BEGIN + 3, {"x": 4})
    history.add(BEGIN + 3, {"x": 9})  # a clock that was set back tells nothing new
    found = history.stretch(begin=BEGIN - 60, end=BEGIN + 60)
    assert found.times == [BEGIN, BEGIN + 1, BEGIN + 2, BEGIN + 3]
    assert found.series["x"][1] == [1, None, None, 4]


def test_what_is_older_than_a_day_is_forgotten() -> None:
    history = History(["x"])
    history.add(BEGIN, {"x": 5})
    history.add(BEGIN + DAY_SECONDS, {"x": 6})
    found = history.stretch(begin=BEGIN, end=BEGIN + DAY_SECONDS + 1, step=1)
    assert [value for value in found.series["x"][1] if value is not None] == [6]


def test_troubles_of_one_code_within_a_minute_are_one_line_with_their_number() -> None:
    troubles, name = Troubles(), ("sofetch_outage_attempts_total", "database")
    for second in range(5):
        troubles.note("a", {name: second}, {name: second + 1.0}, second=BEGIN + second)
    troubles.note("a", {name: 9}, {name: 3.0}, second=BEGIN + 9)  # a restart is no trouble
    [one] = troubles.latest()
    assert (one.code, one.label, one.count) == ("outage", "database", 5)


def test_every_series_is_made_of_a_metric_that_there_is() -> None:
    from sofetch.console.reckoning import RATES, STANDINGS
    from sofetch.console.troubles import TROUBLES

    known = {metric.name for metric in METRICS}
    assert {*RATES.values(), *STANDINGS.values(), *TROUBLES} <= known
