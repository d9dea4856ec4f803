"""Several pipelines: one file divided into them, and what must hold of them together.

Owns the shape ``[pipelines.NAME.SECTION]`` with the sections above it as defaults, what belongs to the process and not
to a pipeline, and the variables that would mean all of them alike. Reads no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sofetch.config.positions import Path, Positions
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.schema import COLUMN, sections
from sofetch.findings import Finding
from sofetch.settings import Settings

PIPELINES: Final = "pipelines"

OF_PROCESS: Final = ("http", "log")
"""Sections that one process can have only once."""

OF_ONE: Final = ("SOFETCH_PIPELINE_NAME", "SOFETCH_SINK_TABLE", "SOFETCH_SOURCE_QUEUE")
"""Variables that would give every pipeline the same queue, table or name."""


@dataclass(frozen=True, slots=True)
class One:
    """One pipeline's own document, with the place of each of its keys."""

    document: dict[str, Any]
    positions: Positions


def divide(document: Mapping[str, Any], positions: Positions, *, file: str) -> tuple[list[One], list[Finding]]:
    """The pipelines of a file, each with the shared sections under its own, and what is wrong with the division."""
    report = Report(file, positions=positions, variables={})
    given = document[PIPELINES]
    if not isinstance(given, dict) or not given:
        hint = "write [pipelines.NAME.source], [pipelines.NAME.sink] and [[pipelines.NAME.column]]"
        report.error("not_a_section", (PIPELINES,), "`pipelines` holds a section for each pipeline", hint=hint)
        return [], report.findings()
    shared = {name: value for name, value in document.items() if name != PIPELINES}
    if "pipeline" in shared:
        hint = "drop it: NAME in [pipelines.NAME.source] is the name"
        report.error("keys_exclude", ("pipeline",), "[pipeline] names one pipeline, and there are several", hint=hint)
    sound = [name for name, own in given.items() if _check_own(name, own, report)]
    return [_one(name, given[name], shared, positions) for name in sound], report.findings()


def _check_own(name: str, own: object, report: Report) -> bool:
    path = (PIPELINES, name)
    if not isinstance(own, dict):
        hint = f"write [{PIPELINES}.{name}.source] and so on" if name.isidentifier() else ""
        report.error("not_a_section", path, f"pipeline {shown(name)} is a section", hint=hint)
        return False
    for section in own:
        if section in OF_PROCESS:
            hint = f"write [{section}] at the top of the file"
            report.error("of_process", (*path, section), f"[{section}] is one for all pipelines", hint=hint)
        elif section == "pipeline":
            hint = f"drop it: it is called {shown(name)}"
            report.error("keys_exclude", (*path, section), "the pipeline has its name already", hint=hint)
        elif section not in sections():
            hint = did_you_mean(section, sections(), otherwise=f"the sections are {', '.join(sections())}")
            what = f"there is no section {shown(section)} of a pipeline"
            report.error("unknown_key", (*path, section), what, hint=hint)
    return True


def _one(name: str, own: Mapping[str, Any], shared: Mapping[str, Any], positions: Positions) -> One:
    """Key by key the pipeline's own value wins; its columns replace all shared ones."""
    own = {section: value for section, value in own.items() if section in sections() and section not in OF_PROCESS}
    own.pop("pipeline", None)
    merged: dict[str, Any] = {"pipeline": {"name": name}}
    for section in dict.fromkeys((*shared, *own)):
        above, below = shared.get(section), own.get(section)
        both = isinstance(above, dict) and isinstance(below, dict)
        merged[section] = _copied({**above, **below} if both else above if below is None else below)  # type: ignore[dict-item]
    return One(merged, _positions(name, own, positions))


def _copied(value: Any) -> Any:
    """Variables are put into a pipeline's document, and must not reach another's."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _positions(name: str, own: Mapping[str, Any], positions: Positions) -> Positions:
    prefix: Path = (PIPELINES, name)
    lines = {
        path: line
        for path, line in positions.lines().items()
        if path[0] != PIPELINES and not (path[0] == COLUMN and COLUMN in own)
    }
    lines |= {path[2:]: line for path, line in positions.lines().items() if path[:2] == prefix and len(path) > 2}
    return Positions(lines, start=positions.line(prefix))


def without_ambiguous(environ: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """The environment that holds for each pipeline alike, and the variables that cannot."""
    found = [name for name in OF_ONE if environ.get(name)]
    return {name: text for name, text in environ.items() if name not in found}, [
        Finding(
            severity="error",
            code="ambiguous_variable",
            where=name,
            what="would say the same of each of several pipelines",
            hint="unset it and write the setting into the file",
        )
        for name in found
    ]


def merged_findings(each: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Every finding once; a variable is unknown only where no pipeline knows it."""
    everywhere = set.intersection(*[{_key(finding) for finding in found} for found in each]) if each else set()
    kept: dict[tuple[str, ...], Finding] = {}
    for finding in (finding for found in each for finding in found):
        if finding.code != "unknown_variable" or _key(finding) in everywhere:
            kept.setdefault(_key(finding), finding)
    return list(kept.values())


def _key(finding: Finding) -> tuple[str, ...]:
    return finding.code, finding.where, "" if finding.code == "unknown_variable" else finding.what


def judge_together(several: Iterable[tuple[str, Settings]]) -> Iterator[Finding]:
    """What is wrong with pipelines that are sound by themselves; each comes with where it is from."""
    names: dict[str, str] = {}
    queues: dict[tuple[str, str | None, str | None], str] = {}
    process: dict[str, tuple[object, str]] = {}
    for where, settings in several:
        name = settings.pipeline_name
        if names.setdefault(name, where) != where:
            what = f"two pipelines are called {shown(name)}"
            hint = 'give one of them another: [pipeline] name = "…"'
            yield Finding(severity="error", code="same_name", where=where, what=what, hint=hint)
        queue = (settings.source.queue, settings.source.region, settings.source.endpoint)
        if queues.setdefault(queue, name) != name:
            what = f"pipelines {shown(queues[queue])} and {shown(name)} receive from one queue: each gets a part of it"
            hint = "give each pipeline a queue of its own"
            yield Finding(severity="error", code="same_queue", where=where, what=what, hint=hint)
        for section in OF_PROCESS:
            value = getattr(settings, section)
            if value == type(value)():
                continue
            if process.setdefault(section, (value, where))[0] != value:
                what = f"[{section}] is one for the process, and {process[section][1]} says otherwise"
                hint = f"write [{section}] in one file only"
                yield Finding(severity="error", code="of_process", where=where, what=what, hint=hint)
