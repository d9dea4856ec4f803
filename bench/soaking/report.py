"""What a soak has to say: JSON for machines, Markdown for readers, and a picture. Owns their looks."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plot import Line, Panel, chart
from soaking.samples import Sample, Usage
from soaking.verdict import Check, Counted
from soaking.workers import Kill

_MOST_SAMPLES = 600


@dataclass(frozen=True, slots=True)
class Settings:
    """What a soak was asked for."""

    minutes: float
    rate: float
    body_bytes: int
    kill_every_seconds: float
    warm_up_seconds: float
    duplicates: float
    lost_deletes: float
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """All that there is to tell."""

    machine: Mapping[str, str]
    settings: Settings
    samples: Sequence[Sample]
    kills: Sequence[Kill]
    counted: Counted
    drained_seconds: float
    checks: Sequence[Check]

    @property
    def good(self) -> bool:
        """Whether every check held."""
        return all(check.good for check in self.checks)


def as_json(result: Result) -> str:
    """Everything; of a long soak's samples, every so many-th."""
    step = max(1, math.ceil(len(result.samples) / _MOST_SAMPLES))
    document = {
        "good": result.good,
        "machine": dict(result.machine),
        "settings": asdict(result.settings),
        "counted": asdict(result.counted),
        "drained_seconds": round(result.drained_seconds, 1),
        "checks": [asdict(check) for check in result.checks],
        "kills": [asdict(kill) for kill in result.kills],
        "samples": [_sample(sample) for sample in result.samples[::step]],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def as_markdown(result: Result, *, picture: str) -> str:
    """The report."""
    settings, kills = result.settings, Counter(kill.signal for kill in result.kills)
    killed = " and ".join(f"{count} times by {name}" for name, count in sorted(kills.items())) or "never"
    steady = [sample.steady for sample in result.samples]
    cpu = steady[-1].cpu_seconds if steady else math.nan
    lines = [
        "# Soak",
        "",
        f"{settings.minutes:g} minutes of {settings.rate:,g} logins a second, {settings.body_bytes} bytes each, "
        f"through two workers. One of them was ended {killed}, and started again. The queue gave "
        f"{settings.duplicates:.1%} of the messages twice and forgot {settings.lost_deletes:.1%} "
        f"of the deletes. Seed {settings.seed}.",
        "",
        f"**{'Good' if result.good else 'Not good'}.** {result.counted.sent:,} logins were sent; "
        f"{result.drained_seconds:.1f} s after the last one the queue was empty. "
        f"The steady worker used {cpu:,.0f} s of CPU time.",
        "",
        f"![Memory, files, threads, connections and queue over time]({picture})",
        "",
        "| check | found | bound | |",
        "| --- | --- | --- | --- |",
        *(f"| {it.name} | {it.found} | {it.bound} | {'good' if it.good else '**no**'} |" for it in result.checks),
        "",
        f"Growth is the robust slope (Theil and Sen) of one sample a second after the first "
        f"{settings.warm_up_seconds:g} s, times the length; of the worker that lived all the time.",
        "",
        "Machine: " + ", ".join(f"{key} {value}" for key, value in result.machine.items()) + ".",
        "",
        f'Again: `make soak ARGS="--minutes {settings.minutes:g} --rate {settings.rate:g} --seed {settings.seed}"`',
    ]
    return "\n".join(lines) + "\n"


def as_picture(result: Result) -> str:
    """The numbers over time, as SVG."""

    def line(name: str, value: Callable[[Sample], float]) -> Line:
        return Line(name, [(sample.at_seconds, value(sample)) for sample in result.samples])

    def pair(title: str, value: Callable[[Usage], float]) -> Panel:
        steady, killed = (lambda it: value(it.steady)), (lambda it: value(it.killed))
        return Panel(title, [line("steady worker", steady), line("killed worker", killed)])

    panels = [
        pair("memory (RSS, MiB)", lambda it: it.rss_mib),
        pair("file descriptors", lambda it: it.descriptors),
        pair("threads", lambda it: it.threads),
        Panel("connections to Postgres", [line("", lambda it: it.connections)]),
        Panel("messages in the queue, visible or in flight", [line("", lambda it: it.queue_depth)]),
    ]
    marks = [kill.at_seconds for kill in result.kills]
    return chart("Soak", panels, x_label="seconds", marks=marks, marks_name="a worker is killed")


def write(result: Result, folder: Path) -> list[Path]:
    """Write all three; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        folder / "soak.json": as_json(result),
        folder / "soak.md": as_markdown(result, picture="soak.svg"),
        folder / "soak.svg": as_picture(result),
    }
    for path, text in files.items():
        path.write_text(text)
    return list(files)


def _sample(sample: Sample) -> dict[str, Any]:
    flat: dict[str, Any] = {"at_seconds": sample.at_seconds}
    for name, usage in (("steady", sample.steady), ("killed", sample.killed)):
        known = {key: value if math.isfinite(value) else None for key, value in usage._asdict().items()}
        flat[name] = known
    return flat | {"connections": sample.connections, "queue_depth": sample.queue_depth, "sent": sample.sent}
