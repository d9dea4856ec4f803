"""The console in a real Chromium, on real servers: what it shows moves, what is asked for is done, nothing gets in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from browsing import PHONE, SCREEN, Console, browser, chromium, enter, everywhere, loaded_until, running_console, until
from layout import clipped
from loading import query
from sofetch.cli import flowing
from sofetch.cli.staged import Stage
from sofetch.config import load_config
from sofetch.decode import compile_decoder
from sofetch.keys import load_keyring
from sofetch.load.postgres import PostgresSink
from sofetch.mask import compile_masker
from sofetch.pipeline import Steps, process
from sofetch.record import Message
from sofetch.stopping import Stop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

PROGRAM = chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: install chromium, or name it in SOFETCH_CHROMIUM"),
]
HOSTILE = '"><img src=x onerror="document.title=1"><script>no</script>'  # short enough to be told whole
IN_THE_CLEAR = "<img src=x onerror=a()>"
"""Whole markup that has room in the column for a locale, and on a page too."""

MENDED = {"user_id": "mended", "app_version": "1", "device_type": "web", "ip": "192.0.2.1", "device_id": "d"}


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    environ = dict(os.environ)
    with running_console(messages=60, processes=2, trickle=False) as running:
        refuse_what_fits_by_now(running.stage)
        yield running
    assert dict(os.environ) == environ


def refuse_what_fits_by_now(stage: Stage) -> None:
    """One login into quarantine, by a configuration that has no room for its device."""
    strict = {"SOFETCH_COLUMN_DEVICE_TYPE_MAX_LENGTH": "2", "SOFETCH_COLUMN_MASKED_DEVICE_ID_VAULT": "false"}
    settings = load_config(environ={**stage.environ, **strict})
    masker = compile_masker(settings, load_keyring(settings.keys, environ=stage.environ))
    sink = PostgresSink(settings, dsn=stage.servers.dsn)
    sink.prepare(masker.fingerprints())
    message = Message(id="fits-by-now", body=json.dumps(MENDED).encode(), queue="q", sent_ms=1, received_ms=1)
    process([message], Steps(compile_decoder(settings), masker, sink))
    sink.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    assert PROGRAM is not None
    with browser(PROGRAM) as started:
        yield started


@pytest.fixture(scope="module")
def page(console: Console, chrome: Browser) -> Iterator[Page]:
    """One that is in; what goes wrong in its scripts, or is kept out by the policy, fails the module."""
    context = chrome.new_context(viewport=SCREEN, color_scheme="light")  # type: ignore[arg-type]  # it is a viewport
    context.set_default_timeout(60_000)
    shown = context.new_page()
    wrong: list[str] = []
    shown.on("pageerror", lambda error: wrong.append(str(error)))
    shown.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    enter(shown, console.opened.url)
    yield shown
    context.close()
    assert wrong == []


def test_a_wrong_token_is_refused(console: Console, chrome: Browser) -> None:
    context = chrome.new_context()
    shown = context.new_page()
    shown.goto(console.opened.url)
    shown.fill("#token", "a wrong token, surely")
    shown.click("text=Enter >> nth=-1")
    assert shown.inner_text("[role=alert]") == "That is not the token."
    shown.goto(f"{console.opened.url}/quarantine")
    assert shown.url.endswith("/enter")
    context.close()


def test_the_charts_move_while_messages_flow(console: Console, page: Page) -> None:
    page.goto(console.opened.url)
    # With this seed two minutes pass before a message that does not fit: later tests count those.
    with flowing.trickle(console.stage, Stop(), seed=208):
        until(page, "Number(document.querySelector('[data-tile=loaded]').textContent) > 0")
        first = page.evaluate("document.documentElement.dataset.live")
        until(page, f"Number(document.documentElement.dataset.live) > {first}")
    assert page.locator(".plot canvas").count() == 7
    drawn = page.evaluate("document.querySelector('#chart-flow canvas').toDataURL().length")
    assert drawn > 2_000  # an empty canvas of this size is shorter


def test_each_worker_of_a_supervisor_is_shown(console: Console, page: Page) -> None:
    page.goto(console.opened.url)
    for one in ("worker 1", "worker 2"):
        page.wait_for_selector(f"#workers tr:has(td:text('{one}')):has(.badge:text-is('running'))")
    assert page.inner_text("#state") == "2 workers, all well"
    assert page.locator("#workers .badge").all_inner_texts() == ["running", "answers", "answers"] * 2


def test_a_day_is_shown_on_request(console: Console, page: Page) -> None:
    page.goto(console.opened.url)
    with page.expect_response(lambda answer: "window=86400" in answer.url) as answer:
        page.click("text=24 h")
    assert answer.value.json()["stretch"]["step"] == 144


def test_the_demo_s_data_shows(console: Console, page: Page) -> None:
    page.goto(f"{console.opened.url}/duplicates?column=masked_device_id")
    tokens = page.locator(".repeats tbody th code")
    loaded_until(page, lambda: tokens.count() > 3)
    assert all(text.startswith("h1.") for text in tokens.all_inner_texts())
    page.click("text=Where else? >> nth=0")
    assert "masked_device_id" in page.inner_text("[role=status]")
    page.goto(f"{console.opened.url}/privacy")
    assert "masked_ip" in page.inner_text("main")


def test_injected_markup_does_nothing(console: Console, page: Page) -> None:
    url, dsn = console.opened.url, console.stage.servers.dsn
    query(dsn, "UPDATE sofetch.quarantine SET field = %s, message_id = %s", HOSTILE, HOSTILE)
    query(dsn, "UPDATE user_logins SET locale = %s, masked_ip = %s", IN_THE_CLEAR, HOSTILE)
    request = (
        "INSERT INTO sofetch.quarantine_request"
        " (pipeline_id, action, keys, actor, purpose, ticket, done_at, outcome, done)"
        " SELECT id, 'purge', ARRAY[gen_random_uuid()], %s, %s, %s, now(), %s, 0 FROM sofetch.pipeline"
    )
    query(dsn, request, *[HOSTILE] * 4)
    file = Path(console.stage.environ["SOFETCH_CONFIG"])
    as_it_was = file.read_text()
    try:
        file.write_text(f"{as_it_was}\n['{HOSTILE}']\n")
        page.route("**/api/live*", answer_with_markup)
        page.goto(f"{url}/privacy")
        with page.expect_navigation():
            page.click("text=Make it anew")
        seen = {one: told(page) for one in everywhere(console, page)}
        page.goto(f"{url}/quarantine?reason={quote(HOSTILE)}")
        seen["one reason"] = told(page)
        page.goto(f"{url}/duplicates?column=masked_ip")
        assert "img" not in told(page)  # what is no token is not shown at all
    finally:
        file.write_text(as_it_was)
        page.unroute("**/api/live*")
    shows = ["overview", "quarantine", "configuration", "entry", "one reason"]
    assert [one for one in seen if HOSTILE in seen[one]] == shows  # as text
    assert [one for one in seen if IN_THE_CLEAR in seen[one]] == []  # nor what a column holds in the clear


def told(page: Page) -> str:
    """What the page shows, once it is seen that it is still the page."""
    assert page.title().endswith("sofetch console")
    assert page.locator("img, main script").count() == 0
    return page.inner_text("main")


def answer_with_markup(route: Route) -> None:
    """The numbers as they are, and markup wherever a worker could put some."""
    answer = route.fetch()
    known = answer.json()
    away = {"name": HOSTILE, "state": HOSTILE, "why": HOSTILE, "breakers": {"queue": HOSTILE, "database": HOSTILE}}
    known["workers"] = [worker | away for worker in known["workers"]]
    known["troubles"] = [{"code": HOSTILE, "what": HOSTILE, "count": 1, "last": 1, "worker": HOSTILE}]
    known["elsewhere"] = {HOSTILE: HOSTILE}
    route.fulfill(response=answer, json=known)


def test_a_replay_is_asked_for_by_keyboard_alone_and_done_by_the_worker(console: Console, page: Page) -> None:
    url, dsn = console.opened.url, console.stage.servers.dsn
    page.goto(f"{url}/quarantine?reason=too_long")
    ask_by_keyboard(page, "Replay those with too_long…")
    page.goto(f"{url}/quarantine?reason=missing_field")
    loaded_until(page, lambda: page.locator("text=Replay those with missing_field…").count() == 1)  # it was met by now
    ask_by_keyboard(page, "Replay those with missing_field…")
    open_still = page.locator("text=/waits for a worker|under way/")
    loaded_until(page, lambda: open_still.count() == 0)
    states = page.locator("table:has-text('Ticket') tbody tr:has-text('OPS-4') td:last-child").all_inner_texts()
    assert states == ["stayed: missing_field 1 0 out", "done 1 out"]  # the newest first
    assert query(dsn, "SELECT device_type FROM user_logins WHERE user_id = 'mended'") == [("web",)]
    assert query(dsn, "SELECT reason, attempts > 1 FROM sofetch.quarantine") == [("missing_field", True)]


def ask_by_keyboard(page: Page, button: str) -> None:
    """From a button of the quarantine's page to the request."""
    page.focus(f"text={button}")
    page.keyboard.press("Enter")
    page.wait_for_selector("#actor")
    page.focus("#actor")
    for text in ("ana", "the field was made optional", "OPS-4"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the box
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/quarantine?asked=*")


def test_the_way_to_every_page_is_by_tab_and_the_focus_is_seen(console: Console, page: Page) -> None:
    page.goto(console.opened.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    names = []
    for _ in range(7):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert names[1:6] == ["Overview", "Quarantine", "Duplicates", "Privacy", "Configuration"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(console: Console, page: Page, scheme: str) -> None:
    script = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its words
    for one in everywhere(console, page):
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        page.evaluate(script)  # by the debugger, which the page's policy does not bind
        found = page.evaluate("axe.run().then((all) => all.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))")
        assert [fault for fault in found if fault[0] in {"serious", "critical"}] == [], one


def test_a_phone_s_width_is_enough(console: Console, page: Page) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # it is one
    for one in everywhere(console, page):
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], one
        assert clipped(page) == [], one
    page.set_viewport_size(SCREEN)  # type: ignore[arg-type]
