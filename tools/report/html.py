"""A chart of a page: lines that are drawn without a script, and numbers beside them that a script lets one read."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from matplotlib.ticker import MaxNLocator
from poise.toolkit.spaces import Array

Element = ElementTree.Element


Child = Element | str


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element with its children; `class_` is the attribute class, `data_film` is data-film, None leaves one out."""
    told = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items() if value is not None}
    made = Element(tag, told)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Child]], class_: str | None = None) -> Element:
    """A table whose first column names its rows; where it is too wide it scrolls by itself, by keyboard too."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = [element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows]
    made = element("table", element("caption", caption), element("thead", head), element("tbody", *body), class_=class_)
    return element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def html(*elements: Element) -> str:
    """Elements as HTML, everything in them escaped."""
    return "\n".join(ElementTree.tostring(made, encoding="unicode", method="html") for made in elements)


POINTS = 600
"""Points of a line, at most; of a longer one, means of so many parts."""


SIDE = 1000.0
"""Width and height of the drawing, which is stretched to whatever room there is."""


COLOURS = 7
"""Colours of lines in the page's style."""


DIGITS = 5
"""Of every number that is read; places on the x axis keep more."""


TICKS = MaxNLocator(5, steps=[1, 2, 5, 10])


class Line(NamedTuple):
    """A line through points; where a number is not finite it has a gap."""

    name: str
    x: Array
    y: Array
    colour: int = 0
    kind: str = "line"
    """line; aim, which is dotted; or bar, a row of its own that is there where y is 1."""


def chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    unit: str = "",
    healthy: str = "",
    goal: float | None = None,
    film: str | None = None,
) -> Element:
    """A figure: title and unit, lines on their axes, a legend in which the numbers appear, and what is healthy.

    `goal` is a level that is marked; `film` the id of the film whose time is its x.
    """
    lines = [_thin(line) for line in lines]
    bars = lines[0].kind == "bar"
    across = _ends(np.concatenate([line.x for line in lines]))
    heights = [np.array([0.0, len(lines)])] if bars else [line.y for line in lines]
    up = _ends(np.concatenate([*heights, [] if goal is None else [goal]]), margin=not bars)
    columns, rows = _ticks(*across), [] if bars else _ticks(*up)
    right, top = (_place(ticks, *ends) for ticks, ends in ((columns, across), (rows, up)))
    grid = "".join(f"M{x * SIDE:.1f} 0V{SIDE:g}" for x in right) + "".join(f"M0 {(1 - y) * SIDE:.1f}H{SIDE:g}" for y in top)
    drawn = [element("path", d=grid, class_="grid")]
    if goal is not None:
        drawn.append(element("path", d=f"M0 {float(1 - _place([goal], *up)[0]) * SIDE:.1f}H{SIDE:g}", class_="goal"))
    for row, line in enumerate(lines):
        y = np.where(line.y > 0.5, len(lines) - row - 0.5, math.nan) if bars else line.y
        path = _path(_place(line.x, *across), _place(y, *up))
        alone = " alone" if len(line.x) == 1 else ""
        drawn.append(element("path", d=path, class_=f"{line.kind} c{line.colour % COLOURS}{alone}"))
    label = f"{title}: {', '.join(line.name for line in lines)}"
    svg = element("svg", *drawn, viewBox=f"0 0 {SIDE:g} {SIDE:g}", preserveAspectRatio="none", role="img", aria_label=label)
    parts = [
        element("figcaption", element("strong", title), f" {unit}".rstrip()),
        element(
            "div",
            element("div", *_labels(rows, 1 - top, "top"), class_="rows", aria_hidden="true"),
            element("div", svg, class_="plot"),
            element("div", *_labels(columns, right, "left"), class_="columns", aria_hidden="true"),
            class_="frame",
        ),
        element("p", x_label, class_="axis"),
        element("ul", *(_key(line) for line in lines), class_="legend"),
    ]
    told = {"low": across[0], "high": across[1], "lines": [{"x": _plain(line.x, 9), "y": _plain(line.y)} for line in lines]}
    if all(np.array_equal(line.x, lines[0].x) for line in lines):
        told = {**told, "x": _plain(lines[0].x, 9), "lines": [{"y": _plain(line.y)} for line in lines]}
    return element(
        "figure",
        *parts,
        *([element("p", healthy, class_="healthy")] if healthy else []),
        class_="chart",
        data_chart=json.dumps(told, separators=(",", ":")),
        data_film=film,
    )


def _key(line: Line) -> Element:
    swatch = element("span", class_=f"swatch {line.kind} c{line.colour % COLOURS}")
    return element("li", swatch, element("span", line.name), " ", element("b"))


def _labels(ticks: Sequence[float], places: Array, side: str) -> list[Element]:
    return [
        element("span", f"{tick:,.10g}", style=f"{side}:{100 * place:.2f}%") for tick, place in zip(ticks, places, strict=True)
    ]


def _thin(line: Line) -> Line:
    """At most POINTS of its points."""
    if len(line.x) <= POINTS:
        return line
    x, y = (np.array([part.mean() for part in np.array_split(values, POINTS)]) for values in (line.x, line.y))
    return line._replace(x=x, y=y)


def _ends(values: Array, margin: bool = False) -> tuple[float, float]:
    """The least and the most of what is finite, with a little room on both sides where asked for; never the same twice."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) if margin else 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = abs(high) / 2.0 or 0.5
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    return [float(tick) + 0.0 for tick in TICKS.tick_values(low, high) if low <= tick <= high]  # No tick is called -0.


def _place(values: Sequence[float] | Array, low: float, high: float) -> Array:
    """Where numbers are between two ends: 0 to 1."""
    return (np.asarray(values, float) - low) / (high - low)


def _path(x: Array, y: Array) -> str:
    """Lines through points of [0, 1], broken where one is not finite; a point alone is a dot."""
    told, up = [], False
    for across, above in zip((SIDE * x).tolist(), (SIDE * (1.0 - y)).tolist(), strict=True):
        if math.isfinite(above):
            told.append(f"{'L' if up else 'M'}{across:.1f} {above:.1f}{'' if up else 'h0'}")
        up = math.isfinite(above)
    return "".join(told)


def _plain(values: Array, digits: int = DIGITS) -> list[float | None]:
    """Numbers as JSON knows them, with so many digits."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()]
