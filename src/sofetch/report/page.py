"""The privacy report as one HTML page: nothing from elsewhere, no script, fit to read, print and file.

Owns what stands on the page. Markup and escaping are ``markup``'s, the look is ``page.css``'s, numbers and verdicts are
the report's.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from sofetch.report.markup import Markup, bar, facts, joined, legend, table, tag, text
from sofetch.report.verdicts import Verdict, percent
from sofetch.report.words import headline, limits, moment, of_rows, summary

if TYPE_CHECKING:
    from sofetch.report.privacy import ColumnReport, PrivacyReport, Spread

_LEGEND = (
    ("b1", "alone with its value"),
    ("b5", "2 to 4 rows share the value"),
    ("b10", "5 to 9 rows share it"),
    ("b", "10 or more"),
)
_PILLS = {"ok": "fine", "warning": "worth a look", "error": "must be changed"}


def html_page(report: PrivacyReport) -> str:
    """The whole page."""
    style = (files("sofetch.report") / "page.css").read_text(encoding="utf-8")
    title = f"Privacy report: {report.table}"
    head = joined(
        (
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(style)}">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="referrer" content="no-referrer">'),
            tag("title", text(title)),
            Markup(f"<style>{style}</style>"),
        )
    )
    body = tag("body", tag("main", joined(_sections(report))))
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n{body}\n</html>\n'


def _policy(style: str) -> str:
    """Nothing may be loaded, run or sent; of styles only our own, known by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _sections(report: PrivacyReport) -> list[Markup]:
    return [
        tag("h1", text("Privacy report")),
        tag("p", text(f"Table {report.table} in database {report.database}, {moment(report)}"), class_="under"),
        _banner(report),
        tag("h2", text("In plain words")),
        *(tag("p", text(sentence)) for sentence in summary(report)),
        tag("h2", text("What was looked at")),
        _identity(report),
        tag("h2", text("Column by column")),
        legend(_LEGEND),
        tag("div", joined(_card(column) for column in report.columns), class_="cards"),
        tag("h2", text("The columns in the clear, taken together")),
        _together(report),
        tag("h2", text("All numbers")),
        _numbers(report),
        tag("h2", text("Method and limits")),
        tag("ul", *(tag("li", text(sentence)) for sentence in limits(report))),
        tag("footer", text(f"Made by sofetch {report.version}. This page holds no value of the table.")),
    ]


def _banner(report: PrivacyReport) -> Markup:
    verdict = headline(report)
    lines = [tag("p", tag("strong", text(verdict.what)))]
    if verdict.hint:
        lines.append(tag("p", tag("span", text(verdict.hint))))
    return tag("div", *lines, class_=f"banner {verdict.severity}", role="status")


def _identity(report: PrivacyReport) -> Markup:
    examined = f"{report.rows:,}"
    if report.sampled:
        examined += f" of about {report.estimated_rows:,} (a sample)"
    return facts(
        (
            ("Table", text(report.table)),
            ("Database", text(report.database)),
            ("Pipeline", text(report.pipeline)),
            ("Date", text(moment(report))),
            ("Rows counted", text(examined)),
            ("Values looked at", text(f"{report.values_seen:,}")),
            ("Columns", text(len(report.columns))),
            ("PostgreSQL", text(report.server_version // 10_000)),
            ("Configuration (SHA-256)", tag("code", text(report.fingerprint))),
        ),
        class_="facts",
    )


def _card(column: ColumnReport) -> Markup:
    verdict = column.verdict
    scheme = column.scheme or "in the clear"
    source = f"{column.declared}, from {column.source}" if column.source else f"{column.declared}, not configured"
    parts = [
        tag("header", tag("h3", text(column.name)), _pill(verdict), tag("span", text(scheme), class_="from")),
        tag("p", text(source), class_="from"),
        *_verdict(verdict),
    ]
    if column.spread is not None:
        parts += [_key_figures(column, column.spread), *_charts(column.name, column.spread)]
    return tag("section", *parts, class_="card", aria_label=f"Column {column.name}")


def _pill(verdict: Verdict) -> Markup:
    return tag("span", text(_PILLS[verdict.severity]), class_=f"pill {verdict.severity}")


def _verdict(verdict: Verdict) -> list[Markup]:
    said = [tag("p", text(_sentence(verdict.what)))]
    return [*said, tag("p", text(_sentence(verdict.hint)), class_="todo")] if verdict.hint else said


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _key_figures(column: ColumnReport, spread: Spread) -> Markup:
    return facts(
        (
            ("Distinct", text(f"{spread.groups:,}")),
            ("NULL", text(f"{column.nulls or 0:,}")),
            ("Once only", text(f"{spread.singles:,}")),
            ("Smallest", text("–" if spread.smallest is None else f"{spread.smallest:,}")),
        ),
        class_="numbers",
    )


def _charts(name: str, spread: Spread) -> list[Markup]:
    if not spread.present:
        return []
    small = f"Fewer than five with the same value: {of_rows(spread.share_below_5)}"
    common = f"The commonest value: {of_rows(spread.top_share)}"
    return [
        tag("figure", bar(f"{name}: {small}", _parts(spread)), tag("figcaption", text(small))),
        tag("figure", bar(f"{name}: {common}", [("b", spread.top_share)]), tag("figcaption", text(common))),
    ]


def _parts(spread: Spread) -> list[tuple[str, float]]:
    return [
        ("b1", spread.share_single),
        ("b5", spread.share_below_5 - spread.share_single),
        ("b10", spread.share_below_10 - spread.share_below_5),
        ("b", 1 - spread.share_below_10),
    ]


def _together(report: PrivacyReport) -> Markup:
    together = report.together
    parts = [tag("header", tag("h3", text(", ".join(together.columns) or "no columns")), _pill(together.verdict))]
    parts += _verdict(together.verdict)
    spread = together.spread
    if spread is not None and spread.present:
        small = f"Fewer than five with the same combination: {of_rows(spread.share_below_5)}"
        parts += [
            facts(
                (
                    ("Combinations", text(f"{spread.groups:,}")),
                    ("Once only", text(f"{spread.singles:,}")),
                    ("Smallest", text(f"{spread.smallest or 0:,}")),
                ),
                class_="numbers",
            ),
            tag("figure", bar(f"Together: {small}", _parts(spread)), tag("figcaption", text(small))),
        ]
    if together.left_out:
        left_out = f"Left out, since each points to a row or a person by itself: {', '.join(together.left_out)}."
        parts.append(tag("p", text(left_out), class_="from"))
    return tag("section", *parts, class_="card", aria_label="Columns together")


def _numbers(report: PrivacyReport) -> Markup:
    header = ("Column", "Scheme", "Rows with a value", "NULL", "Distinct", "Once only", "Smallest group (k)",
              "In groups below 5", "In groups below 10", "Commonest")  # fmt: skip
    return table("Shares are of the rows with a value", header, map(_numbers_of, report.columns))


def _numbers_of(column: ColumnReport) -> list[Markup]:
    first = [text(column.name), text(column.scheme or "in the clear")]
    spread = column.spread
    if spread is None:
        return [*first, text("not counted"), *[text("–")] * 7]
    counts = (spread.present, column.nulls or 0, spread.groups, spread.singles, spread.smallest)
    shares = (spread.share_below_5, spread.share_below_10, spread.top_share)
    shown = [text("–" if count is None else f"{count:,}") for count in counts]
    return [*first, *shown, *(text(percent(share) if spread.present else "–") for share in shares)]
