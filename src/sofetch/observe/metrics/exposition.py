"""The samples as Prometheus reads them: its text format 0.0.4.

Owns the text, and which samples are the process' and no pipeline's. Must not know where a sample comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sofetch.observe.metrics.vocabulary import METRICS, Distribution, Metric, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(samples: Iterable[Sample]) -> bytes:
    """The samples as Prometheus reads them (text format 0.0.4), in the order of the vocabulary."""
    return _exposition({None: samples})


def exposition_of_several(samples: Mapping[str, Iterable[Sample]]) -> bytes:
    """The same of several pipelines: each sample has the label ``pipeline``, but for those of the process."""
    return _exposition(samples)


def _exposition(samples: Mapping[str, Iterable[Sample]] | Mapping[None, Iterable[Sample]]) -> bytes:
    by_name: dict[str, dict[tuple[str, str], list[str]]] = {}
    for pipeline, of_pipeline in samples.items():
        for name, label, value in of_pipeline:
            metric = _BY_NAME[name]
            whose = None if name.startswith(_OF_PROCESS) else pipeline
            lines = list(_lines(metric, label, value, pipeline=whose))
            by_name.setdefault(name, {}).setdefault((whose or "", label), lines)
    lines = []
    for metric in METRICS:
        if metric.name in by_name:
            lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [line for of_one in by_name[metric.name].values() for line in of_one]
    return ("\n".join(lines) + "\n").encode()


_BY_NAME = {metric.name: metric for metric in METRICS}
_OF_PROCESS = ("process_", "sofetch_process_", "sofetch_worker_", "sofetch_build_info")


def _lines(metric: Metric, label: str, value: float | Distribution, *, pipeline: str | None) -> Iterator[str]:
    whose = [("pipeline", pipeline)] if pipeline is not None else []
    own = [(metric.label, label)] if metric.label is not None else []
    if not isinstance(value, Distribution):
        yield f"{metric.name}{_labels([*whose, *own])} {_number(value)}"
        return
    for bound, count in zip((*map(_number, metric.bounds), "+Inf"), value.cumulative, strict=True):
        yield f"{metric.name}_bucket{_labels([*whose, ('le', bound)])} {count}"
    yield f"{metric.name}_sum{_labels(whose)} {_number(value.total)}"
    yield f"{metric.name}_count{_labels(whose)} {value.cumulative[-1]}"


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
