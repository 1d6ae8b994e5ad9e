"""Parts shared by all figures: line styles, panels, axes, legends, captions, and image files."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write

DPI = 120
"""Pixels per inch of an image file."""


GREY = "0.35"
"""Color of captions and threshold lines."""


PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colors of Okabe and Ito, distinguishable with any color vision; see MARKERS for grey prints."""


MARKERS = "os^DvPX"


LINESTYLES: Sequence[Any] = ("-", (0, (7, 2)), (0, (7, 2, 1, 2)))
"""Solid, dashed, dash-dotted: the next one is used each time the palette starts again."""


AXIS_LABELS = {
    "steps": "environment steps",
    "episodes": "episodes",
    "seconds": "training time (s)",
}
"""Labels of the horizontal axis."""


MAX_LEGEND_COLUMNS = 6


CAPTION_LETTERS_PER_INCH = 15
"""Characters of the caption's font that fit into an inch."""


class LineStyle(NamedTuple):
    """Color, marker and dash pattern of a line, as keyword arguments of `Axes.plot`."""

    color: str
    marker: str
    linestyle: Any


LineStyles = Mapping[str, LineStyle]
"""Line styles by the label of a group of trials."""


def get_line_style(index: int) -> LineStyle:
    """Return the style of line `index`; the first 49 differ in color or marker.

    Each time the palette starts again, the markers shift by one and the dash pattern changes.
    """
    repetition, color_index = divmod(index, len(PALETTE))
    return LineStyle(
        PALETTE[color_index],
        MARKERS[(color_index + repetition) % len(MARKERS)],
        LINESTYLES[repetition % len(LINESTYLES)],
    )


def make_panel_grid(
    num_panels: int, max_columns: int = 2, **subplot_options: Any
) -> tuple[Figure, list[Axes]]:
    """Create a figure with `num_panels` panels in rows of at most `max_columns`."""
    columns = min(max_columns, num_panels)
    rows = math.ceil(num_panels / columns)
    width, row_height = (7.5, 3.6) if columns == 1 else (10.0, 2.8)
    figure = Figure(figsize=(width, 0.8 + rows * row_height), layout="constrained")
    panels = [*figure.subplots(rows, columns, squeeze=False, **subplot_options).flat]
    for unused in panels[num_panels:]:
        unused.remove()
    return figure, panels[:num_panels]


def format_axes(axes: Axes, axis: str, scale: str, label_suffix: str = "") -> None:
    """Set label, scale and tick format of the horizontal axis; `axis` is a key of AXIS_LABELS."""
    scale_note = ", log scale" if scale == "log" else ""
    axes.set_xscale(scale)
    axes.set_xlabel(f"{AXIS_LABELS[axis]}{label_suffix}{scale_note}")
    axes.xaxis.set_major_locator(LogLocator() if scale == "log" else MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def add_legend_and_caption(figure: Figure, panels: Sequence[Axes], caption: str) -> None:
    """Add one legend for all panels above them, and the caption below."""
    handles_by_label = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        [*handles_by_label.values()],
        [*handles_by_label],
        loc="outside upper center",
        ncols=min(MAX_LEGEND_COLUMNS, len(handles_by_label)),
        fontsize=9,
        frameon=False,
    )
    line_length = round(CAPTION_LETTERS_PER_INCH * figure.get_figwidth())
    figure.supxlabel(textwrap.fill(caption, line_length), fontsize=8.5, color=GREY)


def check_figure_path(path: Path) -> None:
    """Raise UserError if the suffix of `path` is not an image format; call it before the work."""
    if path.suffix[1:] not in FigureCanvasBase.filetypes:
        raise UserError(f"a plot is a .png, .svg or .pdf file, not {path.name!r}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure atomically, in the format that the suffix of `path` names."""
    check_figure_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial_path:
        figure.savefig(partial_path, dpi=DPI, format=path.suffix[1:])
    return path
