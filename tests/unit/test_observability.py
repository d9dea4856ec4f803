"""Dashboard, alerts and page name metrics that exist, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sofetch.breaker import DEPENDENCIES
from sofetch.observe.metrics import METRICS
from sofetch.settings import HttpSettings

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy/grafana/sofetch.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
SCRAPING = ROOT / "deploy/prometheus/prometheus.yml"
PAGE = ROOT / "docs/observability.md"
RUNBOOK = ROOT / "docs/runbook.md"
ANCHORS = {
    "oldest-message",
    "worker-failures",
    "quarantine-rate",
    "database-away",
    "queue-away",
    "archive-away",
    "nothing-committed",
    "worker-restarts",
    "worker-memory",
    "partitions",
}

LABELS = {metric.name: {metric.label} - {None} for metric in METRICS}
for _metric in METRICS:
    if _metric.kind == "histogram":
        del LABELS[_metric.name]  # Prometheus has its three parts
        LABELS |= {f"{_metric.name}_bucket": {"le"}, f"{_metric.name}_sum": set(), f"{_metric.name}_count": set()}
LABELS["up"] = set()
OF_THE_SCRAPE = {"job", "instance"}
OF_SEVERAL = {"pipeline"}
"""What each metric has besides where a process runs several pipelines."""

_WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
_TOKENS = re.compile(
    r"""(?P<number>\b\d[\w.]*)|(?P<matchers>\{[^}]*\})|(?P<range>\[[^\]]*\])|(?P<text>"[^"]*")|(?P<word>[a-zA-Z_:$][\w:$]*)(?P<call>\s*\()?"""
)
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def names(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Metrics of a PromQL expression, each with the labels that its matchers name."""
    name = None
    for token in _TOKENS.finditer(_GROUPING.sub("", expression)):
        if token["word"] and not token["call"] and token["word"] not in _WORDS:
            if name is not None:
                yield name, set()
            name = token["word"]
        elif token["matchers"] and name is not None:
            yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', token["matchers"])))
            name = None
    if name is not None:
        yield name, set()


def grouped(expression: str) -> set[str]:
    """Labels that an expression groups by."""
    return {label.strip() for found in _GROUPING.findall(expression) for label in found.split(",")}


def dashboard() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return told


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]


def expressions() -> list[tuple[str, str]]:
    panels = [(one["title"], target["expr"]) for one in dashboard()["panels"] for target in one["targets"]]
    variables = [
        (one["name"], re.sub(r"label_values\((.*), \w+\)", r"\1", one["query"]))
        for one in dashboard()["templating"]["list"]
        if one["type"] == "query"
    ]
    return [*panels, *variables, *((rule["alert"], rule["expr"]) for rule in alerts())]


def test_names_are_found_in_an_expression() -> None:
    told = (
        'sum by (le, job) (rate(a_bucket{job="$x",le!="1"}[5m])) / scalar(b > 0) and on (job) time() - c{d=~"e"} > 3e2'
    )
    assert list(names(told)) == [("a_bucket", {"job", "le"}), ("b", set()), ("c", {"d"})]
    assert grouped(told) == {"le", "job"}


@pytest.mark.parametrize(("place", "expression"), expressions())
def test_no_panel_and_no_alert_names_what_does_not_exist(place: str, expression: str) -> None:
    found = list(names(expression))
    assert found, place
    for name, labels in found:
        assert name in LABELS, f"{place}: {name}"
        assert labels <= LABELS[name] | OF_THE_SCRAPE, f"{place}: {name} has no label {labels}"
    known = set().union(*(LABELS[name] for name, _ in found)) | OF_THE_SCRAPE | OF_SEVERAL
    assert grouped(expression) <= known, place


def test_each_metric_is_shown_or_alerted_on() -> None:
    used = {name for _, expression in expressions() for name, _ in names(expression)}
    histograms = {one.name: f"{one.name}_bucket" for one in METRICS if one.kind == "histogram"}
    histograms["sofetch_batch_messages"] = "sofetch_batch_messages_sum"
    unseen = {one.name for one in METRICS if histograms.get(one.name, one.name) not in used}
    # Its rate is that of the messages; when a process began is in the alert; both are for queries of your own.
    assert unseen <= {"sofetch_body_bytes_total", "sofetch_batches_total", "process_cpu_seconds_total"}


def test_each_metric_is_documented_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("<!-- generated: metrics -->")[2].partition("<!-- end")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [metric.name for metric in METRICS]


def test_each_alert_is_documented_and_names_its_place_in_the_runbook() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for rule in alerts():
        assert f"`{rule['alert']}`" in page
        file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (file, anchor in ANCHORS) == ("docs/runbook.md", True)
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {rule["annotations"]["runbook_url"].partition("#")[2] for rule in alerts()} == ANCHORS


def test_an_alert_judges_each_pipeline_by_itself() -> None:
    """In a sum of several a busy one hides that nothing of a quiet one fits."""
    sums = [(rule["alert"], rule["expr"]) for rule in alerts() if re.search(r"\b(sum|avg|max|min)\b", rule["expr"])]
    assert sums
    assert [name for name, expression in sums if "pipeline" not in grouped(expression)] == []


def test_an_alert_fires_whatever_the_scrape_is_called() -> None:
    """Prometheus in a cluster finds pods by their annotations, in a job with a name of its own."""
    for rule in alerts():
        alternatives = rule["expr"].split(" or ")
        assert any("job=" not in one for one in alternatives), rule["alert"]


def test_what_aws_is_asked_to_watch_of_a_worker_prometheus_watches_too() -> None:
    """What is said there of the queue and of AWS's own services no worker knows."""
    fargate = (ROOT / "deploy/cloudformation/fargate.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"docs/runbook\.md#([\w-]+)", fargate))
    assert asked - ANCHORS == {"dead-letters", "in-flight", "missing-tasks", "database-storage"}


def test_each_dependency_has_an_alert_of_its_own() -> None:
    watched = re.findall(r'sofetch_breaker_open\{dependency="(\w+)"\}', "".join(rule["expr"] for rule in alerts()))
    assert sorted(watched) == sorted(DEPENDENCIES)


@pytest.mark.skipif(not RUNBOOK.exists(), reason="there is no runbook yet")
def test_the_runbook_has_each_place() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchors >= ANCHORS


def test_panels_do_not_overlap_and_each_has_its_own_number() -> None:
    panels = dashboard()["panels"]
    assert len({one["id"] for one in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for one in panels:
        at = one["gridPos"]
        covered = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not covered & cells, one["title"]
        assert at["x"] + at["w"] <= 24, one["title"]
        cells |= covered


def test_the_scraping_reads_the_rules_and_the_port_that_the_page_shows() -> None:
    told = yaml.safe_load(SCRAPING.read_text(encoding="utf-8"))
    assert told["rule_files"] == [ALERTS.name]
    (job,) = told["scrape_configs"]
    assert job["job_name"] == "sofetch"
    assert f'listen = "{job["static_configs"][0]["targets"][0]}"' in PAGE.read_text(encoding="utf-8")


def test_the_page_tells_the_bound_of_liveness_that_is_the_default() -> None:
    assert f"stuck_after_seconds` ({HttpSettings().stuck_after_seconds})" in PAGE.read_text(encoding="utf-8")
