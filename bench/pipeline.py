"""The whole benchmark: the pipeline in parts and end to end, its peers, latency, start, memory.

Usage: python bench/pipeline.py [--quick] [--write] [--json] [--only SECTION ...]

Takes about ten minutes at full size and says on standard error what it is doing. ``--write`` writes
bench/results/pipeline.json, .md and .svg, and the table of targets in bench/README.md. What fails is told in the result
with its reason, and the rest goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import masks
from arrival import measure_latency, measure_starting
from machine import describe_machine
from page import as_markdown, as_plot, as_terminal, write_targets
from parts import core_parts, sink_parts, source_part
from rig import Place, Postgres, place, postgres
from rivals import Peer, installed_peers, with_threads
from servers import FULL_SERVER, MINIMAL_SERVER, full_server, minimal_server
from sofetch.settings import SourceSettings
from whole import Missing, Program, Whole, measure_whole, one_run, sofetch

RESULTS = Path(__file__).parent / "results"
SECTIONS = ("parts", "source", "whole", "peers", "arrival", "memory")
FAR_MS = 10
_T = TypeVar("_T")


@dataclass(frozen=True)
class Sizes:
    """How much of everything. Messages of each run by transport; ``memory_seconds`` bounds the long run."""

    messages: dict[str, int]
    full_server_messages: int
    part_messages: int
    sink_batches: tuple[int, ...]
    mask_values: int
    runs: int
    peer_runs: int
    latencies_ms: tuple[int, ...]
    latency_messages: int
    memory_messages: int
    memory_seconds: float
    starts: int
    peer_share: float = 1.0


FULL = Sizes(
    messages={"fast": 100_000, "boto3": 20_000},
    full_server_messages=1_000,
    part_messages=60_000,
    sink_batches=(100, 1_000, 5_000, 20_000),
    mask_values=10_000,
    runs=3,
    peer_runs=2,
    latencies_ms=(2, FAR_MS, 40),
    latency_messages=200,
    memory_messages=1_000_000,
    memory_seconds=90.0,
    starts=5,
)
QUICK = Sizes(
    messages={"fast": 300, "boto3": 300},
    full_server_messages=200,
    part_messages=400,
    sink_batches=(100, 400),
    mask_values=50,
    runs=1,
    peer_runs=1,
    latencies_ms=(2,),
    latency_messages=5,
    memory_messages=500,
    memory_seconds=5.0,
    starts=1,
    peer_share=0.01,
)


@dataclass
class Bench:
    """One run of the benchmark: where it runs, how much of it, and what came out so far."""

    home: Place
    postgres: Postgres
    sizes: Sizes
    results: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in KINDS})
    failed: bool = False
    _began: float = field(default_factory=time.monotonic)

    def note(self, what: str) -> None:
        """A line of progress."""
        seconds = int(time.monotonic() - self._began)
        sys.stderr.write(f"[{seconds // 60:2}:{seconds % 60:02}] {what}\n")
        sys.stderr.flush()

    def measure(self, kind: str, what: str, work: Callable[[], _T], *, ours: bool = True) -> _T | None:
        """Do one measurement; if it fails, say so in the result and go on. ``ours`` fails the benchmark."""
        self.note(what)
        try:
            found = work()
        except Exception as error:  # noqa: BLE001  # one peer's trouble must not cost ten minutes of figures
            traceback.print_exc()
            self.results["missing"].append(Missing(what, f"failed: {type(error).__name__}"))
            self.failed |= ours
            return None
        self.results[kind] += found if isinstance(found, list) else [found]
        return found


KINDS = ("masks", "parts", "whole", "latency", "starting", "memory", "missing")


def transports() -> list[str]:
    """The ways to the queue that this version has, the quicker first."""
    return ["fast", "boto3"] if "transport" in SourceSettings.__struct_fields__ else ["boto3"]


def worker(transport: str, *, latency_ms: int = 0, processes: int = 1) -> Program:
    """The program with that transport, and with calls enough under way that those which take long do not hold it up."""
    chosen: dict[str, object] = {"SOURCE_TRANSPORT": transport} if len(transports()) > 1 else {}
    threads = THREADS[latency_ms]
    if threads:
        chosen |= {"SOURCE_RECEIVERS": threads, "SOURCE_DELETERS": threads}
    name = f"sofetch, {transport}" + (f", {processes} processes" if processes > 1 else "")
    return sofetch(name, processes=processes, **chosen)


THREADS = {0: 0, 2: 8, FAR_MS: 24, 40: 64}
"""Receivers, and deleters, by milliseconds a call; 0 leaves the program's own defaults."""


def measure_parts(bench: Bench) -> None:
    """Decode, masks, sink."""
    home, sizes = bench.home, bench.sizes
    bench.measure("parts", "decode and mask", lambda: core_parts(home, messages=sizes.part_messages, runs=5))
    for case in masks.CASES:
        work = partial(masks.measure, case, values=sizes.mask_values, runs=sizes.runs)
        bench.measure("masks", f"mask {case.mask} of {case.of}", work)
    for batch in sizes.sink_batches:
        count, runs = sizes.part_messages, sizes.runs + 2 if batch == 1_000 else sizes.runs
        work = partial(sink_parts, home, bench.postgres, messages=count, runs=runs, batches=[batch])
        bench.measure("parts", f"sink and plain COPY, batches of {batch:,}", work)


def measure_sources(bench: Bench) -> None:
    """The source alone."""
    for transport in transports():
        overrides = {f"SOFETCH_{name}": str(value) for name, value in worker(transport).overrides.items()}
        messages = bench.sizes.messages[transport]
        work = partial(
            source_part,
            bench.home,
            partial(minimal_server, messages),
            transport=transport,
            messages=messages,
            runs=bench.sizes.runs,
            overrides=overrides,
        )
        bench.measure("parts", f"source alone, {transport}", work)


def measure_wholes(bench: Bench) -> None:
    """From queue to table: near, far, and against a full server."""
    sizes = bench.sizes
    for transport in transports():
        _whole(bench, worker(transport), messages=sizes.messages[transport], runs=sizes.runs)
        for latency_ms in sizes.latencies_ms:
            program = worker(transport, latency_ms=latency_ms)
            messages = sizes.messages[transport] // (2 if transport == "boto3" else 1)
            _whole(bench, program, messages=messages, runs=max(1, sizes.runs - 1), latency_ms=latency_ms)
    for latency_ms in (0, FAR_MS):
        program = worker(transports()[0], latency_ms=latency_ms, processes=2)
        _whole(bench, program, messages=sizes.messages[transports()[0]], runs=1, latency_ms=latency_ms)
    work = partial(
        measure_whole,
        worker(transports()[0]),
        bench.home,
        bench.postgres,
        full_server,
        queue_name=FULL_SERVER,
        latency_ms=0,
        messages=sizes.full_server_messages,
        runs=1,
    )
    bench.measure("whole", f"whole: {transports()[0]}, a full server", work)


def _whole(
    bench: Bench, program: Program, *, messages: int, runs: int, latency_ms: int = 0, ours: bool = True
) -> Whole | None:
    work = partial(
        measure_whole,
        program,
        bench.home,
        bench.postgres,
        partial(minimal_server, latency_ms=latency_ms),
        queue_name=MINIMAL_SERVER,
        latency_ms=latency_ms,
        messages=messages,
        runs=runs,
        warm_up=ours,
    )
    return bench.measure("whole", f"whole: {program.name}, {latency_ms} ms a call, {messages:,}", work, ours=ours)


def measure_peers(bench: Bench) -> None:
    """The peers, and two of them far from the queue."""
    bench.note("peers: installing what is needed")
    with installed_peers() as (peers, missing):
        bench.results["missing"] += missing
        for peer in peers:
            _peer(bench, peer, peer.messages)
            if peer.far:
                _peer(bench, with_threads(peer, THREADS[FAR_MS]), peer.far, latency_ms=FAR_MS)


def _peer(bench: Bench, peer: Peer, messages: int, *, latency_ms: int = 0) -> None:
    count = max(20, int(messages * bench.sizes.peer_share))
    _whole(bench, peer.program, messages=count, runs=bench.sizes.peer_runs, latency_ms=latency_ms, ours=False)


def measure_arrivals(bench: Bench) -> None:
    """Latency in low traffic, and how soon the program is up."""
    sizes = bench.sizes
    settings = bench.home.settings()
    with postgres(track_commit_timestamp="on") as server:
        for transport in transports():
            program = worker(transport)
            with server.fresh_database(settings) as database, minimal_server(0) as queue:
                work = partial(
                    measure_latency,
                    program,
                    bench.home,
                    database,
                    queue,
                    messages=sizes.latency_messages,
                    per_second=10.0,
                )
                bench.measure("latency", f"latency at 10 messages a second, {transport}", work)
            with server.fresh_database(settings) as database:
                work = partial(measure_starting, program, bench.home, minimal_server, database, runs=sizes.starts)
                bench.measure("starting", f"starting, {transport}", work)


@dataclass(frozen=True)
class Memory:
    """Resident memory over one long run: the median of each quarter of it, and the most."""

    program: str
    messages: int
    seconds: float
    quarters_mb: tuple[float, ...]
    peak_mb: float
    samples: tuple[tuple[float, float], ...]


def measure_memory(bench: Bench) -> None:
    """One long run, as long as its bound allows at the rate that was measured before."""
    transport = transports()[0]
    rates = [it.per_second.median for it in bench.results["whole"] if it.program == f"sofetch, {transport}"]
    messages = min(bench.sizes.memory_messages, int(max(rates, default=1_000) * bench.sizes.memory_seconds))

    def work() -> Memory:
        program = worker(transport)
        measured = one_run(program, bench.home, bench.postgres, minimal_server, messages=messages)
        samples = measured.memory_mb[_FIRST_SAMPLE:] or measured.memory_mb
        return Memory(
            program=program.name,
            messages=messages,
            seconds=round(measured.wall_seconds, 1),
            quarters_mb=tuple(_quarters([megabytes for _, megabytes in samples])),
            peak_mb=measured.peak_mb,
            samples=samples[:: max(1, len(samples) // 100)],
        )

    bench.measure("memory", f"memory over {messages:,} messages, {transport}", work)


_FIRST_SAMPLE = 20
"""The first second is starting."""


def _quarters(values: Sequence[float]) -> Iterator[float]:
    for quarter in range(4):
        part = values[len(values) * quarter // 4 : len(values) * (quarter + 1) // 4] or values
        yield sorted(part)[len(part) // 2]


MEASURES = dict(
    zip(
        SECTIONS,
        (measure_parts, measure_sources, measure_wholes, measure_peers, measure_arrivals, measure_memory),
        strict=True,
    )
)


def as_document(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """Everything, as it is written down."""
    packages = ("boto3", "psycopg", "cryptography", "msgspec", "uvloop")
    found = {kind: [asdict(it) for it in bench.results[kind]] for kind in KINDS}
    load = f"{os.getloadavg()[0]:.2f}"
    machine = describe_machine(*packages) | {"postgres": bench.postgres.version, "load at the end": load}
    document: dict[str, Any] = json.loads(json.dumps({"machine": machine, "quick": quick, **found}))
    return document


@contextmanager
def opened(sizes: Sizes) -> Iterator[Bench]:
    """A benchmark with its servers."""
    with place() as home, postgres() as server:
        yield Bench(home, server, sizes)


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/pipeline.* and the README's table")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it works, no figures to believe")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION", help="not all")
    options = parser.parse_args()
    if options.write and (options.quick or len(options.only) < len(SECTIONS)):
        parser.error("only a whole run of full size is written: the committed result is one run on one machine")
    with opened(QUICK if options.quick else FULL) as bench:
        for section in options.only:
            MEASURES[section](bench)
        document = as_document(bench, quick=options.quick)
        bench.note("done" if not bench.failed else "done, not everything worked")
    text = json.dumps(document, indent=1) + "\n"
    if options.write:
        (RESULTS / "pipeline.json").write_text(text)
        (RESULTS / "pipeline.md").write_text(as_markdown(document))
        (RESULTS / "pipeline.svg").write_text(as_plot(document))
        write_targets(document)
    sys.stdout.write(text if options.json else "\n".join(as_terminal(document)) + "\n")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
