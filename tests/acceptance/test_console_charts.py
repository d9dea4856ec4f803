"""The console's charts in a real Chromium over a full day of seconds: what goes over the wire, and what is drawn of it.

The worker is a stand-in that counts a batch more each time it is asked, so messages flow, and the day is in the
collector's history from the start. Nothing is timed: what is bounded is the work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from browsing import PHONE, SCREEN, TOKEN, browser, chromium, enter, until
from layout import clipped
from loading import logins
from sofetch.clock import SystemClock
from sofetch.console.access import Rules
from sofetch.console.app import application
from sofetch.console.collector import Collector
from sofetch.console.data import Data
from sofetch.console.guard import Door
from sofetch.console.history import DAY_SECONDS, MOST_COLUMNS
from sofetch.console.reckoning import SERIES
from sofetch.console.serve import ConsoleServer
from sofetch.events import BatchDone, Events
from sofetch.observe.metrics import CONTENT_TYPE, Metrics, exposition
from sofetch.observe.serving import HttpServer, Page

if TYPE_CHECKING:
    from playwright.sync_api import Page as Shown
    from playwright.sync_api import Response, Route

PROGRAM = chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: install chromium, or name it in SOFETCH_CHROMIUM"),
]
BATCH = BatchDone(
    messages=40, loaded=30, duplicates=4, quarantined=5, retried=1, body_bytes=900, milliseconds=30, oldest_age_ms=2_500
)
WAITING = 1_250_000
CHARTS, LINES = 7, 14
"""On the page, and in all of its charts together; each line has a least and a most beside it."""

MOST_GRID = 1_000
"""Lines of the grids, which no history adds to."""

MOST_BYTES = 400_000
"""A day of all series, uncompressed: some 180,000."""

# Put in by the debugger before the page's own script, which the page's policy does not bind.
COUNTING = """
window.drawn = { lines: 0, longest: 0, charts: 0, columns: 0, dots: 0, texts: [] };
const added = new WeakMap(), line = Path2D.prototype.lineTo, pen = CanvasRenderingContext2D.prototype;
Path2D.prototype.lineTo = function (...at) {
  const points = (added.get(this) || 0) + 1;
  added.set(this, points);
  drawn.lines += 1;
  drawn.longest = Math.max(drawn.longest, points);
  return line.apply(this, at);
};
const round = Path2D.prototype.arc;
Path2D.prototype.arc = function (...at) { drawn.dots += 1; return round.apply(this, at); };
const clear = pen.clearRect, write = pen.fillText;
pen.clearRect = function (...at) { drawn.charts += 1; return clear.apply(this, at); };
pen.fillText = function (text, x, y, ...most) {
  const wide = this.measureText(text).width, ends = { center: wide / 2, right: 0, end: 0 }[this.textAlign] ?? wide;
  const at = this.getTransform().transformPoint({ x, y });
  if (at.x + ends > this.canvas.width + 0.5 || at.x + ends - wide < -0.5) drawn.texts.push(text);
  return write.call(this, text, x, y, ...most);
};
let charts;
Object.defineProperty(window, "uPlot", { get: () => charts, set(made) {
  charts = new Proxy(made, { construct(of, given) {
    const chart = new of(...given), take = chart.setData;
    chart.setData = (columns, anew) => { drawn.columns = columns[0].length; take(columns, anew); };
    return chart;
  } });
} });
"""


class Depth:
    """A queue in an incident."""

    def __call__(self) -> Mapping[str, float]:
        return {"queue_visible": WAITING, "queue_in_flight": 90}

    def close(self) -> None:
        pass


def worker(events: Events) -> HttpServer:
    """Answers as a worker does, with a batch more at each look."""
    metrics = Metrics(events.counters, clock=SystemClock(), use=lambda _pid: None, pid=1)
    events.listen(metrics)

    def told() -> Page:
        events.emit(BATCH)
        return Page(200, exposition(metrics.samples()), CONTENT_TYPE)

    return HttpServer("127.0.0.1:0", {"/metrics": told, "/health": lambda: Page(200, b'{"healthy":true}')})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A console whose history has a day of seconds, one of them a peak, and which goes on collecting."""
    answering = worker(Events())
    collector = Collector(
        [f"http://{answering.address}"], pipeline="user_logins", dollars_per_million=0.4, asks={"queue": Depth()}
    )
    begin = int(time.time()) - DAY_SECONDS
    values = dict.fromkeys(SERIES, 20.0)
    for second in range(begin, begin + DAY_SECONDS):
        collector.history.add(second, values | ({"loaded": 9_000.0} if second == begin + DAY_SECONDS // 2 else {}))
    data = Data(logins(), file=None, dsn="dbname=none", write_dsn=None)
    door = Door(Rules(token=TOKEN, names=frozenset({"127.0.0.1"})))
    app = application(data=data, collector=collector, door=door, demo=True)
    with ConsoleServer(app, host="127.0.0.1", port=0) as server:
        collector.start()
        yield f"http://{server.address}"
        collector.stop()
    answering.close()


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Shown]:
    assert PROGRAM is not None
    with browser(PROGRAM) as chrome:
        context = chrome.new_context(viewport=SCREEN)  # type: ignore[arg-type]  # it is a viewport
        context.add_init_script(COUNTING)
        shown = context.new_page()
        wrong: list[str] = []
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        enter(shown, url)
        yield shown
        context.close()
        assert wrong == []


def drawn(page: Shown) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.drawn")
    return found


def redrawn(page: Shown, *, times: int = 1) -> None:
    """Wait until all charts were drawn anew so often."""
    until(page, f"window.drawn.charts >= {drawn(page)['charts']} + {times * CHARTS}")


def chosen(page: Shown, seconds: int) -> Response:
    """The first answer after a stretch of time was chosen, once it is drawn."""
    with page.expect_response(lambda answer: f"window={seconds}&since=0" in answer.url) as answer:
        if page.is_checked(f"#w{seconds}"):
            page.reload()
        else:
            page.click(f"label[for=w{seconds}]")
    redrawn(page)
    return answer.value


def at_a_full_hour(route: Route) -> None:
    """An answer whose last column ends with an hour, and so at a label of the axis: it stands at the right edge."""
    got = route.fetch()
    told = got.json()
    stretch = told["stretch"]
    if stretch["times"]:
        late = (stretch["times"][-1] + stretch["step"]) % 3_600
        stretch["times"] = [at - late for at in stretch["times"]]
    route.fulfill(response=got, json=told)


def with_a_batch_now_and_then(route: Route) -> None:
    """An answer of a queue of which a worker makes a batch every third second only."""
    got = route.fetch()
    told = got.json()
    stretch = told["stretch"]
    for name in ("batch_seconds", "batch_seconds_p95", "batch_messages"):
        stretch["series"][name] = [
            [value if at % 3 == 0 else None for at, value in zip(stretch["times"], part, strict=True)]
            for part in stretch["series"][name]
        ]
    route.fulfill(response=got, json=told)


def test_a_day_of_seconds_is_a_few_hundred_columns_on_the_wire_and_in_each_line(page: Shown) -> None:
    answer = chosen(page, DAY_SECONDS)
    stretch = answer.json()["stretch"]
    assert stretch["step"] == 144
    assert MOST_COLUMNS - 1 <= len(stretch["times"]) <= MOST_COLUMNS + 1
    assert stretch["times"][-1] - stretch["times"][0] >= DAY_SECONDS - 2 * stretch["step"]
    for three in stretch["series"].values():
        assert {len(part) for part in three} == {len(stretch["times"])}
    assert max(value for value in stretch["series"]["loaded"][2] if value) == 9_000  # the one second is not lost
    assert len(answer.body()) < MOST_BYTES
    # All of the day is in the lines, and nothing of its seconds.
    page.evaluate("window.drawn.longest = 0")
    redrawn(page)
    assert MOST_COLUMNS * 0.9 <= drawn(page)["longest"] <= MOST_COLUMNS + 1


@pytest.mark.parametrize("seconds", [600, DAY_SECONDS])
def test_a_redraw_while_messages_flow_fetches_what_is_new_and_draws_no_more_than_the_columns(
    page: Shown, seconds: int
) -> None:
    chosen(page, seconds)
    loaded = "Number(document.querySelector('[data-tile=loaded]').textContent)"
    until(page, f"{loaded} > 0")
    before = drawn(page)
    with page.expect_response(lambda answer: "since=" in answer.url and "since=0" not in answer.url) as answer:
        redrawn(page, times=2)
    assert 1 <= len(answer.value.json()["stretch"]["times"]) <= 60  # and not the stretch again
    after = drawn(page)
    assert after["columns"] <= MOST_COLUMNS + 1  # for each that came one has left
    redraws = (after["charts"] - before["charts"]) / CHARTS
    assert 0 < (after["lines"] - before["lines"]) / redraws <= LINES * 3 * (MOST_COLUMNS + 1) + MOST_GRID


@pytest.mark.parametrize("seconds", [600, DAY_SECONDS])
def test_no_label_of_an_axis_is_cut_at_an_edge_of_its_chart(page: Shown, seconds: int) -> None:
    page.route("**/api/live*", at_a_full_hour)
    chosen(page, seconds)
    page.evaluate("window.drawn.texts = []")
    redrawn(page)
    page.unroute_all(behavior="wait")
    assert drawn(page)["texts"] == []


def test_a_column_between_two_of_which_nothing_is_known_is_drawn_as_a_dot(page: Shown) -> None:
    chosen(page, 600)
    page.evaluate("window.drawn.dots = 0")
    redrawn(page)
    assert drawn(page)["dots"] == 0  # all of it is lines
    page.route("**/api/live*", with_a_batch_now_and_then)
    chosen(page, 600)
    page.evaluate("window.drawn.dots = 0; window.drawn.charts = 0")
    redrawn(page)
    page.unroute_all(behavior="wait")
    redraws = drawn(page)["charts"] / CHARTS
    assert drawn(page)["dots"] / redraws >= 3 * 150  # three lines, of ten minutes a third


@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["screen", "phone"])
def test_no_text_of_the_overview_is_cut_or_leaves_its_box(page: Shown, size: dict[str, int]) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]  # it is one
    page.reload()
    page.wait_for_selector("#state.ok")
    until(page, "document.querySelector('[data-tile=waiting]').textContent === '1.25M'")
    assert clipped(page) == []
