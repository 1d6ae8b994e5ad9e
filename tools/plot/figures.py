"""Parts shared by all figures: style, lines, panels, axes, labels at lines, and image files."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write, make_folder
from poise.toolkit.media.palette import LIGHT, MARKERS, blend

DPI = 120
"""Pixels per inch of an image file."""


FIGURE_WIDTH = 11.0
"""Inches."""


TITLE_SIZE = 15
LABEL_SIZE = 11
NOTE_SIZE = 10
"""Font sizes (points); a figure is FIGURE_WIDTH wide on a slide or page."""


TITLE_CHARACTERS = 80
CAPTION_CHARACTERS = 138
"""Characters in a line of the title and of the caption, at FIGURE_WIDTH."""


STYLE: Any = {
    "axes.edgecolor": LIGHT.muted,
    "axes.facecolor": LIGHT.paper,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": LIGHT.ink,
    "axes.labelsize": LABEL_SIZE,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": LABEL_SIZE,
    "axes.titleweight": "bold",
    "figure.facecolor": LIGHT.paper,
    "font.family": "DejaVu Sans",
    "font.size": LABEL_SIZE,
    "grid.color": LIGHT.rule,
    "grid.linewidth": 0.8,
    "text.color": LIGHT.ink,
    "xtick.color": LIGHT.muted,
    "xtick.labelsize": NOTE_SIZE,
    "ytick.color": LIGHT.muted,
    "ytick.labelsize": NOTE_SIZE,
}
"""matplotlib's settings for a figure; `styled` applies them to a function that makes one."""


styled = rc_context(STYLE)


HEALTHY_COLOR = blend(LIGHT.success, LIGHT.paper, 0.14)
"""Color of the range of healthy values."""


AXIS_LABELS = {
    "steps": "environment steps",
    "episodes": "episodes",
    "seconds": "training time (s)",
}
"""Labels of the horizontal axis."""


PADDING = 0.1
"""Space around panels (inches)."""


MAX_LINES = 4
"""Lines in one panel; of more, each has a panel of its own."""


LABEL_OFFSET = 7
"""Distance of a label from the end of its line (points)."""


class LineStyle(NamedTuple):
    """Color of a line and of its name, marker, and dash pattern."""

    color: str
    text_color: str
    marker: str
    linestyle: Any

    def make_line_options(self, has_markers: bool = True) -> dict[str, Any]:
        """Return keyword arguments of `Axes.plot`."""
        options = {"color": self.color, "linestyle": self.linestyle, "linewidth": 2.0}
        if has_markers:
            edge = {"markeredgecolor": LIGHT.paper, "markeredgewidth": 0.7}
            options |= {"marker": self.marker, "markersize": 6.5, **edge}
        return options


LineStyles = Mapping[str, LineStyle]
"""Line styles by the label of a group of trials."""


def get_line_style(index: int) -> LineStyle:
    """Return the style of line `index`; MAX_LINES styles differ, then they repeat."""
    number = index % MAX_LINES
    linestyle = (0, (6, 2)) if number == MAX_LINES - 1 else "-"
    return LineStyle(LIGHT.series[number], LIGHT.series_text[number], MARKERS[number], linestyle)


def make_figure(height: float) -> Figure:
    """Create a figure of FIGURE_WIDTH and a height (inches)."""
    figure = Figure(figsize=(FIGURE_WIDTH, height), dpi=DPI)
    figure.set_layout_engine("constrained", h_pad=PADDING, w_pad=PADDING)
    return figure


def make_panel_grid(
    num_panels: int, max_columns: int = 2, row_height: float = 3.1, **subplot_options: Any
) -> tuple[Figure, list[Axes]]:
    """Create a figure with `num_panels` panels in rows of at most `max_columns`."""
    columns = min(max_columns, num_panels)
    rows = math.ceil(num_panels / columns)
    figure = make_figure(1.0 + rows * row_height)
    panels = [*figure.subplots(rows, columns, squeeze=False, **subplot_options).flat]
    for unused in panels[num_panels:]:
        unused.remove()
    return figure, panels[:num_panels]


def format_axes(
    axes: Axes, axis: str, scale: str, *, has_label: bool = True, is_narrow: bool = False
) -> None:
    """Set label, scale and tick format of the horizontal axis; `axis` is a key of AXIS_LABELS.

    A narrow panel, less than half as wide as the figure, has fewer ticks.
    """
    scale_note = ", log scale" if scale == "log" else ""
    axes.set_xscale(scale)
    if has_label:
        axes.set_xlabel(f"{AXIS_LABELS[axis]}{scale_note}")
    if scale == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if is_narrow else (1.0, 2.0, 5.0)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(2 if is_narrow else 5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def add_title_and_caption(figure: Any, title: str, caption: str) -> None:
    """Write title and caption, wrapped, above all panels of a figure at their left edge."""
    title_lines = textwrap.wrap(title, TITLE_CHARACTERS)
    caption_lines = textwrap.wrap(caption, CAPTION_CHARACTERS)
    figure.suptitle(
        "\n".join([*title_lines, *([""] * len(caption_lines))]),
        x=0.012,
        horizontalalignment="left",
        fontsize=TITLE_SIZE,
        fontweight="bold",
        color=LIGHT.ink,
    )
    height = figure.bbox.height / DPI
    title_height = 1.25 * TITLE_SIZE / 72 * len(title_lines)
    figure.text(
        0.012,
        0.98 - title_height / height,
        "\n".join(caption_lines),
        verticalalignment="top",
        fontsize=NOTE_SIZE,
        color=LIGHT.muted,
        linespacing=1.35,
    )


def label_line_end(axes: Axes, x: float, y: float, text: str, style: LineStyle) -> Annotation:
    """Write the name of a line at its end; `separate_labels` moves names apart."""
    return axes.annotate(
        text,
        (x, y),
        (LABEL_OFFSET, 0.0),
        textcoords="offset points",
        verticalalignment="center",
        fontweight="bold",
        color=style.text_color,
        annotation_clip=False,
        bbox={"facecolor": LIGHT.paper, "edgecolor": "none", "alpha": 0.6, "pad": 1.0},
        zorder=5,
    )


def separate_labels(figure: Figure, labels: Sequence[Annotation]) -> None:
    """Move the labels of each panel up or down, so that they do not overlap."""
    figure.draw_without_rendering()
    for axes in {label.axes for label in labels}:
        own = [label for label in labels if label.axes is axes]
        boxes = {label: label.get_window_extent() for label in own}
        placed: list[Any] = []
        for label in sorted(own, key=lambda own_label: boxes[own_label].y0):
            box = boxes[label]
            bottom = box.y0
            for other in placed:
                has_common_columns = other.x0 < box.x1 and box.x0 < other.x1
                if has_common_columns and bottom < other.y1 and other.y0 < bottom + box.height:
                    bottom = other.y1
            shift = bottom - box.y0
            placed.append(box.translated(0.0, shift))
            label.set_position((LABEL_OFFSET, 72.0 * shift / figure.dpi))


def draw_threshold(axes: Axes, value: float, text: str) -> None:
    """Draw a named level as a dashed line; its name stands above its left end."""
    axes.axhline(value, color=LIGHT.ink, linestyle=(0, (5, 3)), linewidth=1.1, zorder=1.5)
    axes.annotate(
        text,
        (0.0, value),
        (3.0, 4.0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=NOTE_SIZE,
        color=LIGHT.ink,
        annotation_clip=False,
    )


def check_figure_path(path: Path) -> None:
    """Raise UserError if the suffix of `path` is not an image format; call it before the work."""
    if path.suffix[1:] not in FigureCanvasBase.filetypes:
        raise UserError(f"a plot is a .png, .svg or .pdf file, not {path.name!r}")


@styled
def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure atomically, in the format that the suffix of `path` names."""
    check_figure_path(path)
    make_folder(path.parent)
    with atomic_write(path) as partial_path:
        figure.savefig(partial_path, dpi=DPI, format=path.suffix[1:])
    return path
