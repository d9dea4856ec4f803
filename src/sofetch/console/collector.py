"""What goes on, once a second: each worker's metrics, now and then its health, the queue's depth, the table's counts.

Owns the threads that ask and what is known of each worker. What the numbers mean is ``reckoning``'s. One that does not
answer keeps no other waiting, and what is not known is left out rather than shown as nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from sofetch.console.history import History
from sofetch.console.reckoning import SERIES, SLOW, reckon
from sofetch.console.scraped import Samples, read_samples
from sofetch.console.troubles import Troubles
from sofetch.errors import SofetchError

_ANSWER_SECONDS = 0.9
_HEALTH_EVERY = 3
_ELSEWHERE_SECONDS = 5.0
_SLOW_SECONDS = 60
_END_SECONDS = 3.0
_MOST_BYTES = 2_000_000
_AT_ONCE = 16


class WorkerSeen(Struct, frozen=True, kw_only=True):
    """What is known of the workers behind one address. ``health`` is its ``/health``, or None. ``another`` is the
    pipeline that they run where it is not the console's: nothing of theirs is counted then.
    """

    url: str
    answers: bool
    why: str = ""
    health: dict[str, Any] | None = None
    another: str = ""


class Elsewhere(Struct, frozen=True, kw_only=True):
    """What another dependency told: values of series, or why there are none."""

    values: Mapping[str, float] = {}
    why: str = ""


class Ask(Protocol):
    """Asks the queue or the database for values of series."""

    def __call__(self) -> Mapping[str, float]:
        """The values now. Raises SofetchError."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Collector:
    """Asks every second from ``start`` until ``stop``. What it knows may be read from any thread."""

    def __init__(
        self, urls: Sequence[str], *, pipeline: str, dollars_per_million: float, asks: Mapping[str, Ask]
    ) -> None:
        """``pipeline`` is the one that is meant where a worker runs several."""
        self.pipeline: Final = pipeline
        self.history: Final = History(SERIES)
        self.troubles: Final = Troubles()
        self._urls = tuple(urls)
        self._dollars_per_million = dollars_per_million
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sofetch-scrape")
        self._threads = [threading.Thread(target=self._run, name="sofetch-collect", daemon=True)]
        self._threads += [
            threading.Thread(target=self._run_elsewhere, args=(name, ask), name=f"sofetch-ask-{name}", daemon=True)
            for name, ask in asks.items()
        ]
        self._readings: deque[tuple[float, dict[str, Samples]]] = deque([(0.0, {})], maxlen=_SLOW_SECONDS)
        self.workers: dict[str, WorkerSeen] = {url: WorkerSeen(url=url, answers=False) for url in urls}
        self.elsewhere: dict[str, Elsewhere] = {name: Elsewhere() for name in asks}
        self.now: Mapping[str, float] = {}

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop asking. What is being asked is waited for, for a moment."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_END_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def tick(self, *, second: int, monotonic: float, with_health: bool) -> None:
        """Ask all workers once, and note what came of it."""
        asked = self._pool.map(_health, self._urls) if with_health else [self.workers[url].health for url in self._urls]
        health = dict(zip(self._urls, asked, strict=True))  # before the metrics: it says whose they are
        answered = dict(zip(self._urls, self._pool.map(self._metrics, self._urls), strict=True))
        self.workers = {url: self._seen(url, answered[url], health[url]) for url in self._urls}
        samples = {
            url: one for url, one in answered.items() if not isinstance(one, str) and not self.workers[url].another
        }
        _, before = self._readings[-1]
        values = self._reckoned(self._readings[-1], samples, monotonic)
        earliest = next((one for one in self._readings if samples.keys() <= one[1].keys()), self._readings[-1])
        slowly = self._reckoned(earliest, samples, monotonic)
        values |= {name: slowly[name] for name in SLOW if name in slowly}
        for one in self.elsewhere.values():
            values |= one.values
        for url, now in samples.items():
            if url in before:
                self.troubles.note(url, before[url], now, second=second)
        self._readings.append((monotonic, samples))
        self.now = values
        self.history.add(second, values)

    def _metrics(self, url: str) -> Samples | str:
        """A worker's samples, or why there are none."""
        got = _get(url, "/metrics")
        if isinstance(got, str):
            return got
        status, body = got
        return read_samples(body, pipeline=self.pipeline) if status == 200 else f"/metrics answers {status}"

    def _reckoned(
        self, earlier: tuple[float, Mapping[str, Samples]], samples: Mapping[str, Samples], monotonic: float
    ) -> dict[str, float]:
        at, before = earlier
        return reckon(before, samples, seconds=monotonic - at, dollars_per_million=self._dollars_per_million)

    def _seen(self, url: str, answer: Samples | str, health: dict[str, Any] | None) -> WorkerSeen:
        if isinstance(answer, str):
            return WorkerSeen(url=url, answers=False, why=answer)
        return WorkerSeen(url=url, answers=True, health=health, another=another_pipeline(health, self.pipeline))

    def _run(self) -> None:
        ticks = 0
        while not self._stopping.wait(1.0 - time.time() % 1.0):  # on the second, so that columns are whole
            try:
                self.tick(second=int(time.time()), monotonic=time.monotonic(), with_health=ticks % _HEALTH_EVERY == 0)
            except RuntimeError:  # the pool was shut down meanwhile
                return
            ticks += 1

    def _run_elsewhere(self, name: str, ask: Ask) -> None:
        while not self._stopping.is_set():
            try:
                self.elsewhere[name] = Elsewhere(values=ask())
            except SofetchError as error:
                self.elsewhere[name] = Elsewhere(why=error.what)
            self._stopping.wait(_ELSEWHERE_SECONDS)
        ask.close()


def another_pipeline(health: Mapping[str, Any] | None, pipeline: str) -> str:
    """The name of the one pipeline that they run, by their health, where it is another; "" where it is not, or is not
    known. Workers of several tell by label whose each number is.
    """
    health = health or {}
    processes = health.get("processes")
    each = [one.get("health") or {} for one in processes] if isinstance(processes, list) else [health]
    others = [name for one in each if isinstance(name := one.get("pipeline"), str) and name != pipeline]
    return others[0] if others else ""


def _health(url: str) -> dict[str, Any] | None:
    got = _get(url, "/health")
    if isinstance(got, str):
        return None
    try:
        return msgspec.json.decode(got[1], type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _get(url: str, path: str) -> tuple[int, bytes] | str:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        answer = connection.getresponse()
        return answer.status, answer.read(_MOST_BYTES)
    except TimeoutError:
        return "no answer within a second"
    except OSError as error:
        return (error.strerror or "cannot be reached").lower()
    except HTTPException:
        return "what answers is no worker"
    finally:
        connection.close()
