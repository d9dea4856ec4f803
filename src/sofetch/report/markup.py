"""HTML and SVG, escaped: the only place where text becomes markup.

Owns escaping. Whatever came from outside (names of tables and columns) passes ``text``; a ``Markup`` is what was made
here. No script, no style attribute, nothing from elsewhere: the page's policy allows none of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

Markup = NewType("Markup", str)

_LONGEST = 300


def text(value: object) -> Markup:
    """The value as text: escaped, of bounded length, without control characters and marks that turn its direction."""
    plain = str(value)
    if len(plain) > _LONGEST:
        plain = plain[:_LONGEST] + "…"
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in plain)
    return Markup(escape(shown, quote=True))


def tag(name: str, *inside: Markup, **attributes: str) -> Markup:
    """An element. Attributes are escaped; ``class_`` is ``class``, and an underscore stands for a hyphen."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    written = "".join(f' {key}="{text(value)}"' for key, value in named)
    return Markup(f"<{name}{written}>{''.join(inside)}</{name}>")


def joined(parts: Iterable[Markup]) -> Markup:
    """Parts one after the other, on lines of their own."""
    return Markup("\n".join(parts))


def facts(pairs: Iterable[tuple[str, Markup]], *, class_: str) -> Markup:
    """Terms and what they are."""
    return tag("dl", *(tag("div", tag("dt", text(term)), tag("dd", value)) for term, value in pairs), class_=class_)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[Markup]]) -> Markup:
    """A table with a caption, its first column heading the rows."""
    head = tag("thead", tag("tr", *(tag("th", text(name), scope="col") for name in header)))
    body = tag("tbody", *(_row(row) for row in rows))
    inside = tag("table", tag("caption", text(caption)), head, body)
    return tag("div", inside, class_="scroll", tabindex="0", role="region", aria_label=caption)


def bar(label: str, parts: Sequence[tuple[str, float]]) -> Markup:
    """A bar of coloured parts: (class, share of the whole). ``label`` says in words what it shows."""
    drawn, at = [tag("title", text(label)), _rect("none", 0, 1)], 0.0
    for class_, share in parts:
        if share > 0:
            drawn.append(_rect(class_, at, max(share, 0.004)))  # what there is must be seen
            at += share
    return tag("svg", *drawn, viewBox="0 0 100 10", preserveAspectRatio="none", role="img", aria_label=label)


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """What the colours of the bars mean."""
    swatch = {"viewBox": "0 0 10 10", "aria_hidden": "true"}
    items = (
        tag("li", tag("svg", tag("rect", width="10", height="10", class_=class_), **swatch), text(meaning))
        for class_, meaning in entries
    )
    return tag("ul", *items, class_="legend")


def _row(cells: Sequence[Markup]) -> Markup:
    first, *rest = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))


def _rect(class_: str, start: float, share: float) -> Markup:
    return tag("rect", x=f"{100 * start:.2f}", y="0", width=f"{100 * share:.2f}", height="10", class_=class_)
