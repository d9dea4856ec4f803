"""Line charts as SVG, for reports that are read on a page of any background. Owns scales, ticks and colours.

One chart is panels below each other with a common x axis. It needs no library, and no script in the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

# By Okabe and Ito: told apart by the colour-blind, and clear on light and on dark.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_WIDTH = 860
_LEFT, _RIGHT = 76, 24
_PANEL, _GAP = 110, 52
_TOP, _BOTTOM = 84, 48

# Colours are written out twice: not every renderer knows variables in style sheets.
_STYLE = """
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.panel { font-weight: 600 }
.paper { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 }
.axis { stroke: #1f2328; stroke-width: 1 }
.mark { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 3 }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .axis { stroke: #e6edf3 }
.mark { stroke: #6e7681 }
}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its name; a gap in it is a point whose y is not a number."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Panel:
    """A diagram: its y axis begins at 0."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(
    title: str, panels: Sequence[Panel], *, x_label: str, marks: Sequence[float] = (), marks_name: str = ""
) -> str:
    """An SVG document; ``marks`` are vertical lines through all panels."""
    height = _TOP + len(panels) * (_PANEL + _GAP) - _GAP + _BOTTOM
    x = _x_scale(panels)
    parts = [_text(_LEFT, 24, title, "title"), *_legend(panels, marks_name if marks else "")]
    top = float(_TOP)
    for number, panel in enumerate(panels):
        parts += _panel(panel, x, top, marks, is_last=number == len(panels) - 1)
        top += _PANEL + _GAP
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, height - 10, x_label, anchor="middle"))
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    paper = f'<rect class="paper" width="{_WIDTH}" height="{height}"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", paper, *parts, "</svg>"]) + "\n"


def ticks(high: float, *, most: int = 5) -> list[float]:
    """Round numbers from 0 to at least ``high``, a few of them."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(high / step - 1e-9) + 1)]


def number_text(value: float) -> str:
    """A tick's number, short."""
    return f"{value:,.6g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _x_scale(panels: Sequence[Panel]) -> _Scale:
    values = [x for panel in panels for line in panel.lines for x, _ in line.points]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return _Scale(low, high if high > low else low + 1, _LEFT, _WIDTH - _RIGHT)


def _panel(panel: Panel, x: _Scale, top: float, marks: Sequence[float], *, is_last: bool) -> list[str]:
    values = [y for line in panel.lines for _, y in line.points if math.isfinite(y)]
    y_ticks = ticks(max(values, default=0.0), most=4)
    y = _Scale(0, y_ticks[-1], top + _PANEL, top)
    parts = [_text(_LEFT, top - 8, panel.title, "panel")]
    for tick in y_ticks:
        parts.append(_segment(x.start, y(tick), x.end, y(tick), "grid" if tick else "axis"))
        parts.append(_text(x.start - 8, y(tick) + 4, number_text(tick), anchor="end"))
    for tick in ticks(x.high, most=10):
        if x.low <= tick <= x.high:
            parts.append(_segment(x(tick), y.start, x(tick), y.start + 4, "axis"))
            if is_last:
                parts.append(_text(x(tick), y.start + 18, number_text(tick), anchor="middle"))
    parts += [_segment(x(mark), y.start, x(mark), y.end, "mark") for mark in marks if x.low <= mark <= x.high]
    return parts + [_path(line.points, x, y, _COLOURS[at % len(_COLOURS)]) for at, line in enumerate(panel.lines)]


def _legend(panels: Sequence[Panel], marks_name: str) -> list[str]:
    """The names of the lines. A place in its panel gives a line its colour, so the longest list of names serves all."""
    names = max(([line.name for line in panel.lines] for panel in panels), key=len, default=[])
    parts: list[str] = []
    left = float(_LEFT)
    for at, name in enumerate(names):
        stroke = f'stroke="{_COLOURS[at % len(_COLOURS)]}" stroke-width="3"'
        parts += [f'<path d="M{left:g} 40h18" {stroke}/>', _text(left + 24, 44, name)]
        left += 48 + 7 * len(name)
    if marks_name:
        parts += [f'<path d="M{left + 9:g} 34v12" class="mark"/>', _text(left + 24, 44, marks_name)]
    return parts


def _path(points: Iterable[Point], x: _Scale, y: _Scale, colour: str) -> str:
    steps: list[str] = []
    pen_is_down = False
    for x_value, y_value in points:
        if math.isfinite(y_value):
            steps.append(f"{'L' if pen_is_down else 'M'}{x(x_value):.1f} {y(y_value):.1f}")
        pen_is_down = math.isfinite(y_value)
    return f'<path class="line" stroke="{colour}" d="{"".join(steps)}"/>'


def _segment(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{attribute}>{escape(text)}</text>'
