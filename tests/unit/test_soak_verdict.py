"""What a soak calls flat, and what it calls lost: the bounds can be missed, and then it says so."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from plot import Line, Panel, chart, ticks
from soaking.samples import Sample, Usage
from soaking.verdict import Counted, count_checks, growth_checks, slope


def samples(usage: Callable[[int], Usage], *, queue: Callable[[int], int] = lambda _: 0) -> list[Sample]:
    return [Sample(float(at), usage(at), Usage(), 2, queue(at), at * 100) for at in range(200)]


def failed(taken: list[Sample]) -> list[str]:
    checks = growth_checks(taken, warm_up_seconds=20, rate=100)
    return [check.name.removeprefix("growth: ") for check in checks if not check.good]


def test_a_worker_that_stays_as_it_is_passes_whatever_it_did_while_it_warmed_up() -> None:
    assert failed(samples(lambda at: Usage(70.0 if at > 20 else 3.0 * at, 10, 7, at))) == []


@pytest.mark.parametrize(
    ("usage", "name"),
    [
        (lambda at: Usage(70 + at * 0.1, 10, 7), "memory of the steady worker (MiB)"),
        (lambda at: Usage(70, 10 + at // 20, 7), "its file descriptors"),
        (lambda at: Usage(70, 10, 7 + at // 20), "its threads"),
    ],
)
def test_what_grows_slowly_but_steadily_is_found(usage: Callable[[int], Usage], name: str) -> None:
    assert failed(samples(usage)) == [name]


def test_a_queue_that_grows_is_found() -> None:
    assert failed(samples(lambda _: Usage(70, 10, 7), queue=lambda at: 5 * at)) == ["messages in the queue"]


def test_single_peaks_and_gaps_count_for_nothing() -> None:
    assert failed(samples(lambda at: Usage(500.0 if at % 10 == 9 else math.nan if at % 10 == 5 else 70.0, 10, 7))) == []


def test_what_was_never_measured_is_not_good() -> None:
    assert "memory of the steady worker (MiB)" in failed(samples(lambda _: Usage()))
    assert failed([]) == ["samples after the warm-up"]


def test_a_slope_is_that_of_most_pairs() -> None:
    assert slope([(x, 2.0 * x + 1) for x in range(1_000)]) == pytest.approx(2)
    assert slope([(0, 1)]) == 0


def test_one_login_lost_or_doubled_or_left_is_found() -> None:
    assert all(check.good for check in count_checks(Counted(10, 10, 10, 0, 0, 0)))
    for counted in (
        Counted(10, 9, 9, 1, 0, 0),
        Counted(10, 11, 10, 0, 0, 0),
        Counted(10, 10, 10, 0, 1, 0),
        Counted(10, 10, 10, 0, 0, 1),
    ):
        assert not all(check.good for check in count_checks(counted))


@pytest.mark.parametrize("high", [0, 0.3, 1, 7, 10, 99, 1_000, 123_456])
def test_ticks_are_few_and_round_and_reach_the_highest_value(high: float) -> None:
    found = ticks(high)
    assert 2 <= len(found) <= 7
    assert found[0] == 0
    assert found[-1] >= high


def test_a_chart_is_whole_xml_with_a_gap_where_a_value_is_missing_and_no_name_in_the_raw() -> None:
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, 3.0)]
    text = chart("a < b", [Panel("p & q", [Line("<x>", points)]), Panel("empty", [])], x_label="s", marks=[1.0])
    root = ET.fromstring(text)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a < b", "p & q", "<x>", "empty"} <= set(texts)
    (line,) = [it for it in root.iter("{http://www.w3.org/2000/svg}path") if it.get("class") == "line"]
    assert line.attrib["d"].count("M") == 2
    assert "nan" not in text
