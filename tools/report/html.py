"""HTML elements of a report: tables, and charts that are readable with and without a script.

A chart is an SVG; `report.js` adds reading values by pointer and keyboard, and following a video.
"""

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


MAX_POINTS = 600
"""Largest number of points of a line; a longer line is averaged over as many parts."""


DRAWING_SIZE = 1000.0
"""Width and height of the SVG in its own units; the page stretches it to the available space."""


NUM_COLORS = 7
"""Number of line colors in report.css."""


VALUE_DIGITS = 5
"""Significant digits of a value that the page shows."""


POSITION_DIGITS = 9
"""Significant digits of a position on the x axis, such as a step."""


TICK_LOCATOR = MaxNLocator(5, steps=[1, 2, 5, 10])


def make_element(tag: str, *children: Child, **attributes: object) -> Element:
    """Create an element.

    Args:
        tag: name of the element.
        children: elements and text, in order.
        attributes: an underscore becomes a hyphen (`data_video`), a last one is dropped
            (`class_`); an attribute that is None is left out.
    """
    element = Element(
        tag,
        {
            name.rstrip("_").replace("_", "-"): str(value)
            for name, value in attributes.items()
            if value is not None
        },
    )
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + child
        else:
            element.text = (element.text or "") + child
    return element


def render_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Child]]) -> Element:
    """Render a table; the first cell of a row is its heading.

    A table that is too wide scrolls by itself, by keyboard too.
    """
    head = make_element("tr", *(make_element("th", column, scope="col") for column in columns))
    body = [
        make_element(
            "tr",
            make_element("th", row[0], scope="row"),
            *(make_element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    table = make_element(
        "table",
        make_element("caption", caption),
        make_element("thead", head),
        make_element("tbody", *body),
    )
    return make_element(
        "div", table, class_="scroll", tabindex=0, role="region", aria_label=caption
    )


def to_html(*elements: Element) -> str:
    """Serialize elements to HTML; all text and attributes are escaped."""
    return "\n".join(
        ElementTree.tostring(element, encoding="unicode", method="html") for element in elements
    )


class Line(NamedTuple):
    """A line of a chart; it has a gap where a value is not finite."""

    name: str
    x: Array
    """Positions (points,)."""
    y: Array
    """Values (points,)."""
    color_index: int = 0
    kind: str = "line"
    """`line`; `target`, drawn dotted; or `bar`, a row that is filled where y is 1."""


def render_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    unit: str = "",
    interpretation: str = "",
    threshold: float | None = None,
    video_id: str | None = None,
) -> Element:
    """Render a figure: title, lines on axes, a legend, and how to interpret it.

    Args:
        title: name of what is drawn.
        lines: lines of the chart, either all of kind `bar` or none.
        x_label: label of the horizontal axis.
        unit: unit of the values, beside the title.
        interpretation: text below the chart.
        threshold: level drawn as a dashed line.
        video_id: element id of the video whose time is x.
    """
    lines = [_downsample(line) for line in lines]
    x_axis, y_axis = _make_axes(lines, threshold)
    svg = _render_svg(title, lines, x_axis, y_axis, threshold)
    y_labels = _render_tick_labels(y_axis.ticks, 1.0 - y_axis.rescale(y_axis.ticks), "top")
    x_labels = _render_tick_labels(x_axis.ticks, x_axis.rescale(x_axis.ticks), "left")
    frame = make_element(
        "div",
        make_element("div", *y_labels, class_="rows", aria_hidden="true"),
        make_element("div", svg, class_="plot"),
        make_element("div", *x_labels, class_="columns", aria_hidden="true"),
        class_="frame",
    )
    children = [
        make_element("figcaption", make_element("strong", title), f" {unit}".rstrip()),
        frame,
        make_element("p", x_label, class_="axis"),
        make_element("ul", *(_render_legend_entry(line) for line in lines), class_="legend"),
    ]
    if interpretation:
        children.append(make_element("p", interpretation, class_="interpretation"))
    data = _make_chart_data(lines, x_axis)
    return make_element(
        "figure",
        *children,
        class_="chart",
        data_chart=json.dumps(data, separators=(",", ":")),
        data_video=video_id,
    )


class _Axis(NamedTuple):
    """Range and ticks of an axis."""

    low: float
    high: float
    ticks: list[float]

    def rescale(self, values: Sequence[float] | Array) -> Array:
        """Map [low, high] to [0, 1]."""
        return (np.asarray(values, float) - self.low) / (self.high - self.low)


def _make_axes(lines: Sequence[Line], threshold: float | None) -> tuple[_Axis, _Axis]:
    """Return the x and the y axis; rows of bars have a height of 1 and no ticks."""
    low, high = _compute_limits(np.concatenate([line.x for line in lines]))
    x_axis = _Axis(low, high, _compute_ticks(low, high))
    if lines[0].kind == "bar":
        return x_axis, _Axis(0.0, float(len(lines)), [])
    levels = [] if threshold is None else [threshold]
    y_values = np.concatenate([*(line.y for line in lines), levels])
    low, high = _compute_limits(y_values, has_margin=True)
    return x_axis, _Axis(low, high, _compute_ticks(low, high))


def _render_svg(
    title: str, lines: Sequence[Line], x_axis: _Axis, y_axis: _Axis, threshold: float | None
) -> Element:
    """Draw the grid, the threshold and the lines."""
    vertical = (f"M{x * DRAWING_SIZE:.1f} 0V{DRAWING_SIZE:g}" for x in x_axis.rescale(x_axis.ticks))
    horizontal = (_format_level(y) for y in y_axis.rescale(y_axis.ticks))
    paths = [make_element("path", d="".join((*vertical, *horizontal)), class_="grid")]
    if threshold is not None:
        level = _format_level(float(y_axis.rescale([threshold])[0]))
        paths.append(make_element("path", d=level, class_="threshold"))
    for row, line in enumerate(lines):
        y = line.y
        if line.kind == "bar":
            row_center = len(lines) - row - 0.5
            y = np.where(line.y > 0.5, row_center, math.nan)
        d = _format_svg_path(x_axis.rescale(line.x), y_axis.rescale(y))
        single_point = " single-point" if len(line.x) == 1 else ""
        paths.append(make_element("path", d=d, class_=f"{_format_style(line)}{single_point}"))
    return make_element(
        "svg",
        *paths,
        viewBox=f"0 0 {DRAWING_SIZE:g} {DRAWING_SIZE:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{title}: {'; '.join(_describe_line(line) for line in lines)}",
    )


def _describe_line(line: Line) -> str:
    """Return what a line shows in words: whether it rises or falls, and its ends."""
    finite = line.y[np.isfinite(line.y)]
    if line.kind == "bar":
        return f"{line.name} {np.mean(finite):.0%} of the time" if len(finite) else line.name
    if not len(finite):
        return f"{line.name} has no values"
    first, last = (f"{value:.3g}" for value in (finite[0], finite[-1]))
    if len(finite) == 1 or first == last:
        return f"{line.name} {'is' if len(finite) == 1 else 'starts and ends at'} {last}"
    verb = "rises" if finite[-1] > finite[0] else "falls"
    return f"{line.name} {verb} from {first} to {last}"


def _make_chart_data(lines: Sequence[Line], x_axis: _Axis) -> dict[str, object]:
    """Return the numbers that report.js reads; lines with the same positions share one `x`."""
    x_lists = [_to_json_numbers(line.x, POSITION_DIGITS) for line in lines]
    y_lists = [_to_json_numbers(line.y, VALUE_DIGITS) for line in lines]
    limits = {"low": x_axis.low, "high": x_axis.high}
    if all(np.array_equal(line.x, lines[0].x) for line in lines):
        return {**limits, "lines": [{"y": y} for y in y_lists], "x": x_lists[0]}
    pairs = zip(x_lists, y_lists, strict=True)
    return {**limits, "lines": [{"x": x, "y": y} for x, y in pairs]}


def _format_style(line: Line) -> str:
    """Return the CSS classes of a line: its kind and its color."""
    return f"{line.kind} c{line.color_index % NUM_COLORS}"


def _render_legend_entry(line: Line) -> Element:
    swatch = make_element("span", class_=f"swatch {_format_style(line)}")
    return make_element("li", swatch, make_element("span", line.name), " ", make_element("b"))


def _render_tick_labels(ticks: Sequence[float], positions: Array, side: str) -> list[Element]:
    """Render tick labels at positions in [0, 1] from `side`, `top` or `left`."""
    return [
        make_element("span", f"{tick:,.10g}", style=f"{side}:{100 * position:.2f}%")
        for tick, position in zip(ticks, positions, strict=True)
    ]


def _downsample(line: Line) -> Line:
    """Average a line over MAX_POINTS parts if it has more points."""
    if len(line.x) <= MAX_POINTS:
        return line
    x = np.array([part.mean() for part in np.array_split(line.x, MAX_POINTS)])
    y = np.array([part.mean() for part in np.array_split(line.y, MAX_POINTS)])
    return line._replace(x=x, y=y)


def _compute_limits(values: Array, has_margin: bool = False) -> tuple[float, float]:
    """Return the range of the finite values, widened by 5 % at both ends if asked for.

    The range of equal values is widened, so that low < high.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    margin = 0.05 * (high - low) if has_margin else 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(high) / 2.0 or 0.5
    return low - margin, high + margin


def _compute_ticks(low: float, high: float) -> list[float]:
    ticks = TICK_LOCATOR.tick_values(low, high)
    return [float(tick) + 0.0 for tick in ticks if low <= tick <= high]  # + 0.0 turns -0 into 0.


def _format_level(y: float) -> str:
    """Return the path of a horizontal line at height y in [0, 1], from the bottom."""
    return f"M0 {(1.0 - y) * DRAWING_SIZE:.1f}H{DRAWING_SIZE:g}"


def _format_svg_path(x: Array, y: Array) -> str:
    """Return the path through points of [0, 1], with gaps where y is not finite.

    A zero-length line after each move makes a single point visible as a dot.
    """
    commands = []
    is_pen_down = False
    svg_x = (DRAWING_SIZE * x).tolist()
    svg_y = (DRAWING_SIZE * (1.0 - y)).tolist()
    for point_x, point_y in zip(svg_x, svg_y, strict=True):
        if math.isfinite(point_y):
            point = f"{point_x:.1f} {point_y:.1f}"
            commands.append(f"L{point}" if is_pen_down else f"M{point}h0")
        is_pen_down = math.isfinite(point_y)
    return "".join(commands)


def _to_json_numbers(values: Array, digits: int) -> list[float | None]:
    """Round to significant digits; JSON has null for a number that is not finite."""
    return [
        float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()
    ]
