"""``sofetch top``: running workers, watched from outside by what their ``/metrics`` say.

Owns asking them, each second, and how long it is waited for an answer. How the panel looks is ``cli.panel``'s.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import click
import msgspec

from sofetch.cli.frame import OVERRIDE_ENV, Frame, command
from sofetch.errors import ConfigError, SourceUnavailable
from sofetch.observe.watching.history import History
from sofetch.observe.watching.reading import Reading, read, together

if TYPE_CHECKING:
    from sofetch.cli.panel import Panel

_TIMEOUT_SECONDS = 2.0
_MOST_BYTES = 4_194_304


@command(
    "top",
    example="sofetch top                                      # the worker of ./sofetch.toml\n"
    "sofetch top http://10.0.3.7:8080 http://10.0.3.8:8080\n"
    "sofetch top --once --json",
    environment=(OVERRIDE_ENV,),
)
@click.argument("addresses", nargs=-1, metavar="[ADDRESS]...")
@click.option("--once", is_flag=True, help="Look twice, a second apart, print and end.")
@click.option(
    "--interval", type=click.FloatRange(min=0.2, max=60), default=1.0, metavar="SECONDS", help="How often. Default: 1."
)
def top(frame: Frame, *, addresses: tuple[str, ...], once: bool, interval: float) -> None:
    """Watch running workers: rates, what they hold, what is away.

    ADDRESS is where a worker answers, its [http] listen: host:port, or a URL. Without one it is the address of the
    configuration. Several are shown as one. The workers are asked for /metrics; nothing else is touched.

    In a terminal the panel stays until Ctrl-C. Elsewhere, and with --once, it looks twice, prints and ends; with 3 if
    no worker answered.
    """
    watched = Watched([metrics_url(one) for one in addresses] or [_configured(frame)])
    if once or frame.json or not sys.stdout.isatty():
        _show_once(frame, watched, interval=interval)
    else:
        _show_live(watched, interval=interval)


class Watched:
    """Workers at their addresses, asked all at once."""

    def __init__(self, urls: list[str]) -> None:
        self.urls = urls
        self.history = History()
        self.silent: dict[str, str] = {}

    def look(self) -> Reading | None:
        """Ask all; None if nobody answers. Those that do not are in ``silent``, with why."""
        with ThreadPoolExecutor(len(self.urls)) as pool:
            answers = dict(zip(self.urls, pool.map(_ask, self.urls), strict=True))
        self.silent = {url: answer for url, answer in answers.items() if isinstance(answer, str)}
        found: Mapping[str, Reading] = {url: one for url, one in answers.items() if isinstance(one, Reading)}
        if not found:
            return None
        reading = together(found, at=time.monotonic())
        self.history.add(reading)
        return reading


def metrics_url(address: str) -> str:
    """Where to ask: ``host:port``, ``http://host:port`` and the whole URL are the same. Raises ConfigError."""
    if "@" in address:
        hint = "name it as host:port: a worker's page asks for no password"
        raise ConfigError("an address of a worker holds credentials, or what looks like them", hint=hint)
    parts = _parsed(address if "//" in address else f"http://{address}")
    if parts is None:
        raise ConfigError(f"{address!r} is no address of a worker", hint="name it as host:port, as in [http] listen")
    return parts._replace(path="/metrics" if parts.path in {"", "/"} else parts.path, query="", fragment="").geturl()


def _parsed(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _configured(frame: Frame) -> str:
    pipelines = frame.pipelines().pipelines  # several in one process answer at one address
    listen = next((one.http.listen for one in pipelines if one.http.listen is not None), None)
    if listen is None:
        raise ConfigError(
            "the configuration does not say where its worker answers",
            hint='set [http] listen = "127.0.0.1:8080" for the worker, or name an address: sofetch top HOST:PORT',
        )
    host, _, port = listen.rpartition(":")
    return metrics_url(f"{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{port}")  # noqa: S104 - not bound to


def _ask(url: str) -> Reading | str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s) by metrics_url
            text = answer.read(_MOST_BYTES).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return f"answers {error.code}"
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
    return read(text, at=time.monotonic()) if "sofetch_build_info" in text else "is no worker of sofetch"


def _show_once(frame: Frame, watched: Watched, *, interval: float) -> None:
    watched.look()
    time.sleep(interval)
    reading = watched.look()
    if reading is None:
        raise _nobody(watched)
    if frame.json:
        frame.data(_as_json(watched, reading))
        return
    from rich.console import Console

    Console().print(drawing(watched, footer=""))


def _show_live(watched: Watched, *, interval: float) -> None:
    from rich.live import Live

    watched.look()
    with Live(get_renderable=lambda: drawing(watched), auto_refresh=False, screen=True) as live:
        try:
            while True:
                live.refresh()
                time.sleep(interval)
                watched.look()
        except KeyboardInterrupt:
            return


def drawing(watched: Watched, *, footer: str = "Ctrl-C leaves; the workers go on") -> Panel:
    """What is shown of them now."""
    from sofetch.cli.panel import Panel, View

    history, latest = watched.history, watched.history.latest
    away = [f"the {name}" for name in sorted(latest.away)] if latest is not None else []
    return Panel(
        View(
            title=_title(watched.urls),
            state="no answer" if len(watched.silent) == len(watched.urls) else "running",
            history=history,
            away=[*away, *(f"{urlsplit(url).netloc}: {why}" for url, why in watched.silent.items())],
            footer=footer,
        )
    )


def _title(urls: list[str]) -> str:
    names = [urlsplit(url).netloc for url in urls]
    return names[0] if len(names) == 1 else f"{len(names)} workers: {', '.join(names)}"


def _as_json(watched: Watched, latest: Reading) -> dict[str, object]:
    rates = {
        f"{name}_per_second": round(watched.history.rate(name), 3)
        for name in ("received", "loaded", "duplicates", "quarantined", "released")
    }
    told = msgspec.to_builtins(latest)
    del told["at"]
    silent = [{"address": url, "trouble": why} for url, why in watched.silent.items()]
    return {**told, "away": sorted(latest.away), **rates, "silent": silent}


def _nobody(watched: Watched) -> SourceUnavailable:
    [(url, why), *_] = watched.silent.items()
    return SourceUnavailable(
        f"no worker answers at {urlsplit(url).netloc}: {why}",
        hint="is it running, with [http] listen set, and reachable from here?",
    )
