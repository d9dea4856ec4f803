"""The page that a privacy officer files: well-formed, self-contained, and deaf to hostile names."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting import TOKEN, groups, report
from sofetch.report import html_page
from sofetch.report.markup import text

VOID = {"meta"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)' x='",
    "a\x00b\x1b[31mc",
    "\u202egnp.exe",
    "&amp;&lt;",
    "--><svg/onload=alert(1)>",
    "https://example.org/beacon",
]


class Page(HTMLParser):
    """What a browser would see: elements, attributes, text; and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values_of(self, attribute: str) -> list[str]:
        return [value for _, name, value in self.attributes if name == attribute]


def page(name: str = "note", **more: Any) -> str:
    columns = [{"name": "masked_ip", "mask": "token", "kind": "ip", "from": "ip"}, {"name": "note", "from": "note"}]
    counted = {"masked_ip": groups(*[2] * 50), name: groups(60, 20, 10, 6, 3, 1)}
    values = {"masked_ip": [TOKEN] * 9, name: ["call jane@example.org"] * 9}
    combined = {"combined": [name], "together": groups(60, 39, 1)}
    everything: dict[str, Any] = combined | more
    return html_page(report(columns, counted, values, **everything))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_is_only_text(hostile: str) -> None:
    seen = Page(page(hostile, table=hostile, database=hostile, missing=[hostile]))
    plain = Page(page(missing=["b"]))
    assert seen.elements == plain.elements
    assert [(tag, name) for tag, name, _ in seen.attributes] == [(tag, name) for tag, name, _ in plain.attributes]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", "".join(seen.words))


def test_nothing_is_loaded_run_or_sent() -> None:
    html = page()
    seen = Page(html)
    assert not {"script", "link", "img", "iframe", "form", "object", "a"} & set(seen.elements)
    assert not {"src", "href", "style", "srcset", "action"} & {name for _, name, _ in seen.attributes}
    assert not any(name.startswith("on") for _, name, _ in seen.attributes)
    assert not re.search(r"https?:|//|url\(|@import", html.replace("<!doctype html>", ""))


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    html = page()
    found = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    [policy] = [value for value in Page(html).values_of("content") if "default-src" in value]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_page_can_be_heard() -> None:
    html = page()
    seen = Page(html)
    assert ("html", "lang", "en") in seen.attributes
    charts = [value for tag, name, value in seen.attributes if (tag, name) == ("svg", "role")]
    assert charts == ["img"] * 5
    assert seen.elements["caption"] == 1
    assert {value for tag, name, value in seen.attributes if (tag, name) == ("th", "scope")} == {"col", "row"}
    assert seen.elements["h1"] == 1


def test_the_page_says_what_it_is_about() -> None:
    words = " ".join(Page(page()).words)
    for said in ("Privacy report", "events", "app", "23 November 2026, 07:15 UTC", "pseudonymised, not anonymous",
                 "In plain words", "Method and limits", "note", "must be changed"):  # fmt: skip
        assert said in words
    assert re.search(r"\b[0-9a-f]{64}\b", words)


def test_no_value_that_was_looked_at_is_on_the_page() -> None:
    html = page()
    assert "jane" not in html
    assert TOKEN not in html


def test_dark_light_and_paper_have_their_own_look() -> None:
    html = page()
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_and_one_of_one_row_have_a_page(rows: int) -> None:
    counted = {"a": groups(*[1] * rows)}
    html = html_page(report([{"name": "a"}], counted, rows=rows, combined=["a"], together=groups(*[1] * rows)))
    assert Page(html).elements["section"] == 2


def test_columns_that_were_not_counted_have_a_page() -> None:
    assert "not counted" in html_page(report([{"name": "a"}], {"a": None}))


@given(st.text(max_size=400))
def test_any_text_is_escaped_and_bounded(value: str) -> None:
    escaped = text(value)
    assert not set(escaped) & set("<>\"'")
    assert len(escaped) <= 301 * len("&quot;")
    assert escaped.replace("&#x27;", "").isprintable()
