"""A console on real servers, and a real Chromium to look at it with: for the tests, and for the pictures in the docs.

``python -m browsing FOLDER`` writes the pictures.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from sofetch.cli import flowing, staged
from sofetch.console.opening import Opened, Wanted, opened
from sofetch.stopping import Stop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TOKEN = "a-token-of-the-tests"
SCREEN = {"width": 1280, "height": 860}
PHONE = {"width": 375, "height": 812}
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = ("", "quarantine", "duplicates", "privacy", "configuration")
PICTURES = ("overview", "quarantine", "duplicates", "privacy")
_WATCHED_SECONDS = 75
_MOST_BYTES = 150_000
_LOOK_MS = 200
_MOST_LOOKS = 300


class Console(Struct, frozen=True, kw_only=True):
    """A console that listens, and the demo's world behind it."""

    stage: staged.Stage
    opened: Opened


def chromium() -> str | None:
    """The program: SOFETCH_CHROMIUM, or what the system has."""
    return os.environ.get("SOFETCH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def running_console(
    *, messages: int = 40, processes: int = 1, trickle: bool = True, demo: bool = False
) -> Iterator[Console]:
    """Postgres, a queue, workers that carry out requests, messages that keep coming, and the console."""
    with ExitStack() as stack:
        stage = stack.enter_context(staged.stage(messages=messages))
        staged.fill(stage, seed=7)
        port = flowing.free_port()
        stack.enter_context(flowing.worker(stage, port=port, processes=processes))
        if trickle:
            stack.enter_context(flowing.trickle(stage, Stop(), seed=7))
        own = {"SOFETCH_CONSOLE_TOKEN": TOKEN, "SOFETCH_CONSOLE_WRITE_DSN": stage.servers.dsn}
        wanted = Wanted(listen="127.0.0.1:0", workers=[f"http://127.0.0.1:{port}"], demo=demo)
        file = stage.environ["SOFETCH_CONFIG"]
        environ = {**stage.environ, **own}
        console = stack.enter_context(opened(stage.settings, wanted, file=file, environ=environ))
        yield Console(stage=stage, opened=console)


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


def enter(page: Page, url: str) -> None:
    """Come in by the form."""
    page.goto(f"{url}/enter")
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#tiles")


def everywhere(console: Console, page: Page) -> Iterator[str]:
    """Every page that there is, one after the other, from the entrance on."""
    url = console.opened.url
    page.goto("about:blank")  # an overview would go on asking
    page.context.clear_cookies()
    page.goto(f"{url}/enter")
    yield "entrance"
    enter(page, url)
    for one in PAGES:
        page.goto(f"{url}/{one}")
        if not one:
            page.wait_for_selector("#state.ok")
        yield one or "overview"
    page.goto(f"{url}/quarantine")
    page.click("th a[href^='/quarantine/'] >> nth=0")
    page.wait_for_selector("text=Ledger key")
    yield "entry"
    page.click("text=Purge…")
    page.wait_for_selector("#actor")
    yield "confirmation"


def until(page: Page, condition: str) -> None:
    """Wait for an expression to hold. Asked again and again: the page's policy forbids it to evaluate a text itself."""
    for _ in range(_MOST_LOOKS):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(_LOOK_MS)
    raise AssertionError(f"it never held: {condition}")


def loaded_until(page: Page, holds: Callable[[], bool]) -> None:
    """Load the page anew until what it shows is so."""
    for _ in range(_MOST_LOOKS):
        if holds():
            return
        page.wait_for_timeout(_LOOK_MS)
        page.reload()
    raise AssertionError(f"it never showed: {page.inner_text('main')}")


def take_pictures(folder: Path) -> None:
    """Overview (light, dark, phone) and the other pages."""
    program = chromium()
    if program is None:
        sys.exit("screenshots: no Chromium: install the package chromium, or name one in SOFETCH_CHROMIUM")
    folder.mkdir(parents=True, exist_ok=True)
    with running_console(messages=60, demo=True) as console, browser(program) as chrome:
        for name, size, scheme, pages in (
            ("", SCREEN, "light", PICTURES),
            ("-dark", SCREEN, "dark", PICTURES[:1]),
            ("-phone", PHONE, "light", PICTURES[:1]),
        ):
            context = chrome.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]  # as they are
            page = context.new_page()
            enter(page, console.opened.url)
            for one in pages:
                page.goto(f"{console.opened.url}/{'' if one == 'overview' else one}")
                if one == "overview":
                    page.wait_for_timeout((_WATCHED_SECONDS if not name else 3) * 1_000)  # a chart needs some past
                picture = folder / f"console-{one}{name}.png"
                page.screenshot(path=picture)
                if picture.stat().st_size > _MOST_BYTES:
                    sys.exit(f"screenshots: {picture} is larger than {_MOST_BYTES:,} bytes")
            context.close()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
