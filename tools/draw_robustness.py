"""Robustness as a picture: the pushes survived all round, and the return in changed worlds."""

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from toolkit.registry import short_name
from toolkit.signals import Array
from tools.changes import FACTORS, Changes
from tools.charts import COLOURS
from tools.panels import GREY
from tools.pushes import PUSHED_AT, RUNGS, SURVIVED_AT, Pushes
from tools.robustness import Robustness

RIM = 2.5
"""The plot of pushes ends at so many times the median; what is beyond it is told at its rim."""
COMPASS = {True: ("right", "up", "left", "down"), False: ("ahead", "left", "back", "right")}
DARK = 0.55
"""Cells whose score is less than this are so dark that they are written upon in white."""


def draw(told: Robustness) -> Figure:
    """All that was measured of one run."""
    parts = [part for part in (told.pushes, told.changes) if part is not None]
    widths = [5.0 if isinstance(part, Pushes) else 6.5 for part in parts]
    figure = Figure(figsize=(sum(widths), 5.6), layout="constrained")
    grid = figure.add_gridspec(1, len(parts), width_ratios=widths)
    for place, part in enumerate(parts):
        if isinstance(part, Pushes):
            _draw_pushes(figure.add_subplot(grid[place], projection="polar"), part)
        else:
            _draw_changes(figure.add_subplot(grid[place]), part)
    figure.suptitle(f"{told.run}, {told.checkpoint}, {short_name(told.world)}: robustness {told.figure:.2f}", fontweight="bold")
    how = f"Robustness: {told.definition}. "
    if told.pushes is not None:
        how += f"Pushed {PUSHED_AT:g} s after the start; survived: not fallen {SURVIVED_AT - PUSHED_AT:g} s later."
        how += f" Line: median of {told.episodes} starts; band: least to most."
    figure.supxlabel(textwrap.fill(how, round(14 * sum(widths))), fontsize=8.5, color=GREY)
    return figure


def _draw_pushes(axes: Any, pushes: Pushes) -> None:
    """The largest push survived in every direction: the median of the starts, and from the least to the most."""
    low, middle, high = (_closed(statistic(pushes.impulses, axis=1)) for statistic in (np.min, np.median, np.max))
    angles = _closed(pushes.angles)
    angles[-1] += 2.0 * math.pi
    rim = min(1.1 * float(high.max()), RIM * float(np.median(middle))) or 1.0
    axes.fill_between(angles, np.minimum(low, rim), np.minimum(high, rim), color=COLOURS[0], alpha=0.2, linewidth=0)
    axes.plot(angles, np.minimum(middle, rim), "o-", color=COLOURS[0], markersize=4, linewidth=1.6, clip_on=False)
    for angle, value, rung in zip(pushes.angles, middle, np.median(pushes.rungs, axis=1), strict=False):
        if value > rim:
            more = " or more" if rung == RUNGS else ""
            axes.annotate(f"{value:.3g}{more}", (angle, rim), (angle, 0.8 * rim), ha="center", va="center", fontsize=8)
    axes.set_ylim(0.0, rim)
    axes.set_theta_zero_location("E" if pushes.in_plane else "N")
    axes.set_thetagrids(range(0, 360, 45), [word for name in COMPASS[pushes.in_plane] for word in (name, "")])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(axis="y", labelsize=8, colors=GREY)
    axes.set_rlabel_position(112.0)
    seen = "" if pushes.in_plane else ", from above"
    axes.set_title(f"largest push survived (N s){seen}", fontsize=10, pad=14)


def _draw_changes(axes: Axes, changes: Changes) -> None:
    """The return and the success in every changed world; the darker, the more is lost."""
    image = axes.imshow(changes.scores, vmin=0.0, vmax=1.0, cmap="viridis", aspect="auto")
    for row, column in np.ndindex(changes.scores.shape):
        told = f"{changes.returns[row, column]:.4g}\n{changes.successes[row, column]:.0%}"
        colour = "white" if changes.scores[row, column] < DARK else "black"
        axes.text(column, row, told, ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(FACTORS)), [f"x {factor:g}" for factor in FACTORS])
    axes.set_yticks(range(len(changes.names)), list(changes.names))
    axes.set_title("return and success in changed worlds", fontsize=10)
    above = f"return kept above a random policy's ({changes.random:.3g})"
    axes.figure.colorbar(image, ax=axes, label=f"{above}, times success")


def _closed(values: Array) -> Array:
    """The values, and the first once more: a line that closes."""
    return np.append(values, values[0])
