"""Watching workers: what is read of their metrics, the rates between readings, and the panel that shows both."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sofetch.cli.live import LivePanel
from sofetch.cli.panel import Depth, Panel, View, sparkline
from sofetch.cli.top import metrics_url
from sofetch.errors import ConfigError
from sofetch.events import (
    BatchDone,
    BreakerChanged,
    Events,
    MessagesQuarantined,
    Outage,
    ProcessStarted,
    Recovered,
    WorkerStarted,
)
from sofetch.observe.metrics import Metrics, exposition
from sofetch.observe.watching.history import History
from sofetch.observe.watching.reading import Reading, read, samples, together
from sofetch.testing import FakeClock

STARTED = WorkerStarted(pipeline="logins", queue="login-queue", table="user_logins", version="1")


def batch(loaded: int, quarantined: int = 0) -> BatchDone:
    return BatchDone(
        messages=loaded + quarantined,
        loaded=loaded,
        duplicates=0,
        quarantined=quarantined,
        retried=0,
        body_bytes=1,
        milliseconds=40,
        oldest_age_ms=1_500,
    )


def told(*events: object) -> str:
    """The exposition after these events."""
    told = Events()
    metrics = Metrics(told.counters, clock=FakeClock(), use=lambda _pid: None, pid=1)
    told.listen(metrics)
    for event in events:
        told.emit(event)  # type: ignore[arg-type]
    return exposition(metrics.samples()).decode()


def screen(panel: Panel, *, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(panel)
    return captured.get()


def test_a_reading_is_what_the_worker_counts() -> None:
    away = BreakerChanged(dependency="queue", state="open", attempts=1)
    reading = read(told(batch(40, 2), batch(60), away), at=7.0)
    assert (reading.at, reading.received, reading.loaded, reading.batches) == (7.0, 102, 100, 2)
    assert reading.batch_seconds == pytest.approx(0.08)
    assert reading.oldest_seconds is None  # what waits while the queue is away, nobody knows
    assert reading.away == {"queue"}
    assert read(told(batch(40)), at=7.0).oldest_seconds == 1.5


def test_every_metric_that_is_read_is_one_that_there_is() -> None:
    from sofetch.observe.metrics import METRICS
    from sofetch.observe.watching.reading import _SUMMED

    names = {one.name for one in METRICS}
    names |= {f"{one.name}{part}" for one in METRICS if one.kind == "histogram" for part in ("_sum", "_count")}
    assert names >= _SUMMED.keys() | {"sofetch_oldest_message_age_seconds", "sofetch_breaker_open"}


def test_labels_are_unescaped_and_lines_that_are_no_samples_are_passed_over() -> None:
    text = '# HELP x y\nx{a="1\\"2\\n3\\\\4",b="}"} 5\nnonsense\nx nan?\ny 1e3 1700000000\n'
    assert [(one.name, dict(one.labels), one.value) for one in samples(text)] == [
        ("x", {"a": '1"2\n3\\4', "b": "}"}, 5.0),
        ("y", {}, 1_000.0),
    ]


@given(st.text())
def test_no_answer_breaks_the_reader(text: str) -> None:
    assert read(text, at=1.0).at == 1.0


def test_several_workers_are_added_up_and_the_oldest_message_is_the_oldest_of_all() -> None:
    one = Reading(at=1, loaded=5, oldest_seconds=3, away=frozenset({"queue"}))
    both = together({"a": one, "b": Reading(at=1, loaded=7, oldest_seconds=1)}, at=2)
    assert both == Reading(at=2, loaded=12, oldest_seconds=3, away=frozenset({"queue"}))
    assert together({"a": Reading(at=1), "b": one}, at=2).oldest_seconds == 3
    assert together({"a": Reading(at=1)}, at=2).oldest_seconds is None


def history(*counts: float) -> History:
    """A reading a second."""
    made = History()
    for at, loaded in enumerate(counts):
        made.add(Reading(at=at, loaded=loaded, received=loaded))
    return made


def test_a_rate_is_that_of_the_last_seconds_and_a_line_has_every_step() -> None:
    made = history(0, 100, 100, 300, 300, 300, 300, 400)
    assert made.rate("loaded") == (400 - 100) / 5
    assert made.rates("loaded", most=3) == [0, 0, 100]
    assert history(5).rate("loaded") == 0


def test_a_worker_that_began_anew_counts_from_nothing() -> None:
    assert history(500, 520, 10).rates("loaded", most=9) == [20, 10]


def test_a_sparkline_ends_at_the_right_and_shows_nothing_where_nothing_was() -> None:
    assert sparkline([0, 1, 4, 8], width=6) == "   ▂▅█"
    assert sparkline([], width=3) == sparkline([0, 0], width=3) == "   "


@given(st.lists(st.floats(min_value=0, max_value=1e12)), st.integers(min_value=1, max_value=90))
def test_a_sparkline_is_as_wide_as_it_was_asked_for(values: list[float], width: int) -> None:
    assert len(sparkline(values, width=width)) == width


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_panel_fits_any_width_and_keeps_its_numbers(width: int) -> None:
    view = View(
        title="a-queue-with-a-very-long-name-indeed → a_schema.a_table_with_a_long_name",
        state="running",
        up_seconds=75.0,
        history=history(0, 12_345, 23_456),
        depth=Depth(1_200, 300, 4),
        away=["database: " + "x" * 300],
        last=["y" * 300],
        footer="Ctrl-C drains and stops",
    )
    lines = screen(Panel(view), width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert "running  1 min 15 s" in lines[0]
    assert any("loaded" in line and "23,456" in line for line in lines)
    assert ("█" in "".join(lines)) is (width >= 60)


def test_what_comes_from_elsewhere_cannot_move_the_cursor() -> None:
    shown = screen(Panel(View(title="q\x1b[2J", state="running", history=history(1, 2), last=["\x1b[1A[red]b"])))
    assert "\x1b" not in shown
    assert "[red]b" in shown


def live(clock: FakeClock, *, several: bool = False) -> tuple[LivePanel, Events]:
    events = Events()
    panel = LivePanel(events, clock=clock, console=Console(file=io.StringIO(), width=100), several=several)
    if not several:
        events.listen(panel)
    return panel, events


def test_the_live_panel_shows_rates_depth_and_an_outage_until_it_is_over() -> None:
    clock = FakeClock()
    panel, events = live(clock)
    panel.ask_depth(lambda: Depth(4_200, 10, 0))
    events.emit(STARTED)
    screen(panel.panel())
    for _ in range(4):
        clock.advance(1.0)
        events.emit(batch(250))
        panel.panel()
    shown = screen(panel.panel())
    assert "login-queue → user_logins" in shown
    assert re.search(r"loaded +1,000 +250/s +[▁-█]", shown)
    assert "about 4,200 waiting, 10 in flight" in shown
    assert "250 messages, 40 ms each; oldest 1.5 s" in shown
    events.emit(MessagesQuarantined(reason="not_json", field=None, count=3))
    outage = Outage(dependency="database", code="sink_unavailable", what="no route", attempt=3, retry_in_seconds=1.0)
    events.emit(outage)
    shown = screen(panel.panel())
    assert "paused by an outage" in shown
    assert "database: no route (sink_unavailable), attempt 3" in shown
    assert "3 to quarantine: not_json" in shown
    events.emit(Recovered(dependency="database", attempts=3, outage_seconds=9.0))
    shown = screen(panel.panel())
    assert "attempt 3" not in shown
    assert "the database came back after 9.0 s" in shown


def test_the_live_panel_of_several_workers_counts_them() -> None:
    clock = FakeClock()
    panel, events = live(clock, several=True)
    for number in (1, 2):
        panel.hear(number, ProcessStarted(process=number, pid=number))
        panel.hear(number, STARTED)
        events.emit(batch(10))
    clock.advance(1.0)
    assert re.search(r"workers +2", screen(panel.panel()))


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/metrics?x=1"])
def test_a_worker_is_named_by_its_address_or_its_url(address: str) -> None:
    assert metrics_url(address) == "http://127.0.0.1:8080/metrics"


@pytest.mark.parametrize("address", ["", "ftp://host", "host:port", "http://[", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="no address of a worker"):
        metrics_url(address)


@pytest.mark.parametrize("address", ["http://u:kanarie@h:1", "u:kanarie@h:1/metrics", "kanarie@h"])
def test_a_password_in_an_address_is_neither_looked_up_nor_told(address: str) -> None:
    with pytest.raises(ConfigError, match="credentials") as refused:
        metrics_url(address)
    assert "kanarie" not in str(refused.value)
