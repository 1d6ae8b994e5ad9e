"""The panels of a chart: learning curves with intervals, time to the threshold, and which algorithm is better."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from tools.curves import Improvement, curve
from tools.results import AXES, Trial, by_name

LABELS = {"steps": "steps in the world", "episodes": "episodes", "seconds": "training time (s)"}
GREY = "0.35"
ROOM = 20
"""Letters of a name beside a panel."""


class Look(NamedTuple):
    """How a line is drawn."""

    color: str
    marker: str
    linestyle: Any


Looks = Mapping[str, Look]
"""By the names of trials."""


def draw_curves(axes: Axes, trials: Sequence[Trial], axis: str, looks: Looks, scale: str, measure: str) -> None:
    """The learning curves of one world; dotted where some runs have stopped."""
    for name, own in by_name(trials).items():
        look = looks[name]
        found = curve(own, axis, measure)
        whole = found.x <= found.whole_until
        rest = ~whole | np.append(~whole[1:], False)  # Begins where the whole line ends.
        every = max(1, len(found.x) // 12)
        axes.plot(found.x[whole], found.middle[whole], linewidth=1.8, markersize=4, markevery=every, **look._asdict())
        axes.plot(found.x[rest], found.middle[rest], linewidth=1.4, color=look.color, linestyle=":")
        if len(own) > 1:
            axes.fill_between(found.x, found.low, found.high, color=look.color, alpha=0.18, linewidth=0)
    goals = sorted({trial.solved_at for trial in trials if trial.solved_at is not None}) if measure == "return" else []
    for goal in goals:
        axes.axhline(goal, color=GREY, linestyle="--", linewidth=1, zorder=1)
    if goals:
        axes.set_title(f"dashed: solved at {', '.join(f'{goal:g}' for goal in goals)}", loc="right", fontsize=9, color=GREY)
    tidy(axes, axis, scale)
    axes.set(ylabel=f"{measure} in evaluation")


def draw_times(axes: Axes, trials: Sequence[Trial], axis: str, looks: Looks) -> None:
    """A bar to the median of what it took to be solved, a mark for each run; open where one ended unsolved."""
    groups, told = by_name(trials), []
    for place, (name, own) in enumerate(groups.items()):
        colour, marker, _ = looks[name]
        took = np.array([trial.until_solved(axis) for trial in own])
        lasted = np.array([trial.column(AXES[axis])[-1] for trial in own])
        solved, median = np.isfinite(took), float(np.median(took))
        heights = place + (np.linspace(-0.2, 0.2, len(own)) if len(own) > 1 else np.zeros(1))
        if np.isfinite(median):
            axes.barh(place, median, height=0.66, color=colour, alpha=0.35)
        axes.scatter(took[solved], heights[solved], s=18, color=colour, marker=marker, zorder=3)
        axes.scatter(lasted[~solved], heights[~solved], s=26, facecolors="none", edgecolors=colour, marker=">", zorder=3)
        number = f"{median:,.{int(axis == 'seconds')}f}\n" if np.isfinite(median) else ""
        told.append(f"{number}{solved.sum()} of {len(own)} solved")
    _rows(axes, [_brief(name) for name in groups], told)
    tidy(axes, axis, "linear", " until solved")
    axes.set_xlim(0, None)
    axes.grid(visible=False, axis="y")


def draw_pairs(axes: Axes, pairs: Sequence[Improvement]) -> None:
    """How probably a run of one algorithm is better than one of another, with its interval; the surest first."""
    pairs = sorted(pairs, key=lambda pair: -pair.probability)
    for place, pair in enumerate(pairs):
        axes.plot([pair.low, pair.high], [place, place], color="0.6", linewidth=5, solid_capstyle="butt", clip_on=False)
        axes.plot(pair.probability, place, "o", color="black", markersize=5, clip_on=False, zorder=3)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
    told = [f"{pair.probability:.0%}  ({pair.low:.0%} to {pair.high:.0%})" for pair in pairs]
    _rows(axes, [f"{_brief(pair.better)} better than {_brief(pair.worse)}" for pair in pairs], told)
    axes.set(xlim=(0, 1), xlabel="probability of improvement (dashed: no difference)")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def grid_of_panels(number: int, abreast: int = 2, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most so many abreast."""
    columns = min(abreast, number)
    rows = math.ceil(number / columns)
    figure = Figure(figsize=(7.5 if columns == 1 else 10.0, 0.8 + rows * (3.6 if columns == 1 else 2.8)), layout="constrained")
    panels = [*figure.subplots(rows, columns, squeeze=False, **shared).flat]
    for spare in panels[number:]:
        spare.remove()
    return figure, panels[:number]


def explain(figure: Figure, panels: Sequence[Axes], told: str) -> None:
    """Above all panels what their colours mean, below them what is drawn."""
    keys = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    handles, labels = [*keys.values()], [*keys]
    figure.legend(handles, labels, loc="outside upper center", ncols=min(6, len(keys)), fontsize=9, frameon=False)
    figure.supxlabel(textwrap.fill(told, round(15 * figure.get_figwidth())), fontsize=8.5, color=GREY)


def tidy(axes: Axes, axis: str, scale: str, told: str = "") -> None:
    """Label the horizontal axis, with numbers that people read."""
    axes.set_xscale(scale)
    axes.set_xlabel(f"{LABELS[axis]}{told}{', log scale' if scale == 'log' else ''}")
    axes.xaxis.set_major_locator(LogLocator() if scale == "log" else MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _rows(axes: Axes, names: Sequence[str], told: Sequence[str]) -> None:
    """Name each row on the left and tell its figures on the right; the first one stands on top."""
    right = axes.secondary_yaxis("right")
    for side, words in ((axes, names), (right, told)):
        side.set_yticks(range(len(words)), list(words))
        side.tick_params(axis="y", length=0, pad=8, labelsize=9)
    right.spines["right"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _brief(name: str) -> str:
    """A name that leaves room for the panel; the legend has it in full."""
    return name if len(name) <= ROOM else f"{name[: ROOM // 2 - 1]}...{name[2 - ROOM // 2 :]}"
