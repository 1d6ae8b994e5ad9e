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


def make_element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element with its children; `class_` is the attribute class, `data_film` is data-film, None leaves one out."""
    told = {
        name.rstrip("_").replace("_", "-"): str(value)
        for name, value in attributes.items()
        if value is not None
    }
    made = Element(tag, told)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def render_table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Child]], class_: str | None = None
) -> Element:
    """A table whose first column names its rows; where it is too wide it scrolls by itself, by keyboard too."""
    head = make_element("tr", *(make_element("th", column, scope="col") for column in columns))
    body = [
        make_element(
            "tr",
            make_element("th", row[0], scope="row"),
            *(make_element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    made = make_element(
        "table",
        make_element("caption", caption),
        make_element("thead", head),
        make_element("tbody", *body),
        class_=class_,
    )
    return make_element("div", made, class_="scroll", tabindex=0, role="region", aria_label=caption)


def to_html(*elements: Element) -> str:
    """Elements as HTML, everything in them escaped."""
    return "\n".join(
        ElementTree.tostring(made, encoding="unicode", method="html") for made in elements
    )


MAX_POINTS = 600
"""Points of a line, at most; of a longer one, means of so many parts."""


DRAWING_SIZE = 1000.0
"""Width and height of the drawing, which is stretched to whatever room there is."""


NUM_COLOURS = 7
"""Colours of lines in the page's style."""


SIGNIFICANT_DIGITS = 5
"""Of every number that is read; places on the x axis keep more."""


TICK_LOCATOR = MaxNLocator(5, steps=[1, 2, 5, 10])


class Line(NamedTuple):
    """A line through points; where a number is not finite it has a gap."""

    name: str
    x: Array
    y: Array
    color_index: int = 0
    kind: str = "line"
    """line; aim, which is dotted; or bar, a row of its own that is there where y is 1."""


def render_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    unit: str = "",
    interpretation: str = "",
    threshold: float | None = None,
    video_id: str | None = None,
) -> Element:
    """A figure: title and unit, lines on their axes, a legend in which the numbers appear, and what is healthy.

    `threshold` is a level that is marked; `video_id` the id of the film whose time is its x.
    """
    lines = [_downsample(line) for line in lines]
    bars = lines[0].kind == "bar"
    across = _compute_limits(np.concatenate([line.x for line in lines]))
    heights = [np.array([0.0, len(lines)])] if bars else [line.y for line in lines]
    up = _compute_limits(
        np.concatenate([*heights, [] if threshold is None else [threshold]]), has_margin=not bars
    )
    columns, rows = _compute_ticks(*across), [] if bars else _compute_ticks(*up)
    right, top = (_rescale(ticks, *ends) for ticks, ends in ((columns, across), (rows, up)))
    grid = "".join(f"M{x * DRAWING_SIZE:.1f} 0V{DRAWING_SIZE:g}" for x in right) + "".join(
        f"M0 {(1 - y) * DRAWING_SIZE:.1f}H{DRAWING_SIZE:g}" for y in top
    )
    drawn = [make_element("path", d=grid, class_="grid")]
    if threshold is not None:
        drawn.append(
            make_element(
                "path",
                d=f"M0 {float(1 - _rescale([threshold], *up)[0]) * DRAWING_SIZE:.1f}H{DRAWING_SIZE:g}",
                class_="goal",
            )
        )
    for row, line in enumerate(lines):
        y = np.where(line.y > 0.5, len(lines) - row - 0.5, math.nan) if bars else line.y
        path = _format_svg_path(_rescale(line.x, *across), _rescale(y, *up))
        alone = " alone" if len(line.x) == 1 else ""
        drawn.append(
            make_element(
                "path", d=path, class_=f"{line.kind} c{line.color_index % NUM_COLOURS}{alone}"
            )
        )
    label = f"{title}: {', '.join(line.name for line in lines)}"
    svg = make_element(
        "svg",
        *drawn,
        viewBox=f"0 0 {DRAWING_SIZE:g} {DRAWING_SIZE:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
    parts = [
        make_element("figcaption", make_element("strong", title), f" {unit}".rstrip()),
        make_element(
            "div",
            make_element(
                "div", *_render_tick_labels(rows, 1 - top, "top"), class_="rows", aria_hidden="true"
            ),
            make_element("div", svg, class_="plot"),
            make_element(
                "div",
                *_render_tick_labels(columns, right, "left"),
                class_="columns",
                aria_hidden="true",
            ),
            class_="frame",
        ),
        make_element("p", x_label, class_="axis"),
        make_element("ul", *(_render_legend_entry(line) for line in lines), class_="legend"),
    ]
    told = {
        "low": across[0],
        "high": across[1],
        "lines": [
            {"x": _to_json_numbers(line.x, 9), "y": _to_json_numbers(line.y)} for line in lines
        ],
    }
    if all(np.array_equal(line.x, lines[0].x) for line in lines):
        told = {
            **told,
            "x": _to_json_numbers(lines[0].x, 9),
            "lines": [{"y": _to_json_numbers(line.y)} for line in lines],
        }
    return make_element(
        "figure",
        *parts,
        *([make_element("p", interpretation, class_="healthy")] if interpretation else []),
        class_="chart",
        data_chart=json.dumps(told, separators=(",", ":")),
        data_film=video_id,
    )


def _render_legend_entry(line: Line) -> Element:
    swatch = make_element("span", class_=f"swatch {line.kind} c{line.color_index % NUM_COLOURS}")
    return make_element("li", swatch, make_element("span", line.name), " ", make_element("b"))


def _render_tick_labels(ticks: Sequence[float], positions: Array, side: str) -> list[Element]:
    return [
        make_element("span", f"{tick:,.10g}", style=f"{side}:{100 * place:.2f}%")
        for tick, place in zip(ticks, positions, strict=True)
    ]


def _downsample(line: Line) -> Line:
    """At most POINTS of its points."""
    if len(line.x) <= MAX_POINTS:
        return line
    x, y = (
        np.array([part.mean() for part in np.array_split(values, MAX_POINTS)])
        for values in (line.x, line.y)
    )
    return line._replace(x=x, y=y)


def _compute_limits(values: Array, has_margin: bool = False) -> tuple[float, float]:
    """The least and the most of what is finite, with a little room on both sides where asked for; never the same twice."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = 0.05 * (high - low) if has_margin else 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = abs(high) / 2.0 or 0.5
    return low - room, high + room


def _compute_ticks(low: float, high: float) -> list[float]:
    return [
        float(tick) + 0.0 for tick in TICK_LOCATOR.tick_values(low, high) if low <= tick <= high
    ]  # No tick is called -0.


def _rescale(values: Sequence[float] | Array, low: float, high: float) -> Array:
    """Where numbers are between two ends: 0 to 1."""
    return (np.asarray(values, float) - low) / (high - low)


def _format_svg_path(x: Array, y: Array) -> str:
    """Lines through points of [0, 1], broken where one is not finite; a point alone is a dot."""
    told = []
    up = False
    for across, above in zip(
        (DRAWING_SIZE * x).tolist(), (DRAWING_SIZE * (1.0 - y)).tolist(), strict=True
    ):
        if math.isfinite(above):
            told.append(f"{'L' if up else 'M'}{across:.1f} {above:.1f}{'' if up else 'h0'}")
        up = math.isfinite(above)
    return "".join(told)


def _to_json_numbers(values: Array, digits: int = SIGNIFICANT_DIGITS) -> list[float | None]:
    """Numbers as JSON knows them, with so many digits."""
    return [
        float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()
    ]
