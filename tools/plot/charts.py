"""A chart of many runs: a row of panels for each environment, one for all of them together, and what they show in words."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
    StrMethodFormatter,
)

from poise.toolkit.registry import short_name
from poise.tools.plot.curves import Improvement, compare_algorithms, compute_learning_curve
from poise.tools.plot.figures import DPI
from poise.tools.plot.results import AXIS_COLUMNS, Trial, group_by_env, group_by_label

AXIS_LABELS = {
    "steps": "steps in the environment",
    "episodes": "episodes",
    "seconds": "training time (s)",
}


GREY = "0.35"


MAX_NAME_LENGTH = 20
"""Letters of a name beside a panel."""


class LineStyle(NamedTuple):
    """How a line is drawn."""

    color: str
    marker: str
    linestyle: Any


LineStyles = Mapping[str, LineStyle]
"""By the names of trials."""


def draw_curves(
    axes: Axes,
    trials: Sequence[Trial],
    axis: str,
    line_styles: LineStyles,
    scale: str,
    measure: str,
) -> None:
    """The learning curves of one environment; dotted where some runs have stopped."""
    for name, own in group_by_label(trials).items():
        look = line_styles[name]
        found = compute_learning_curve(own, axis, measure)
        whole = found.x <= found.complete_until
        rest = ~whole | np.append(~whole[1:], False)  # Begins where the whole line ends.
        every = max(1, len(found.x) // 12)
        axes.plot(
            found.x[whole],
            found.center[whole],
            linewidth=1.8,
            markersize=4,
            markevery=every,
            **look._asdict(),
        )
        axes.plot(found.x[rest], found.center[rest], linewidth=1.4, color=look.color, linestyle=":")
        if len(own) > 1:
            axes.fill_between(
                found.x, found.low, found.high, color=look.color, alpha=0.18, linewidth=0
            )
    goals = (
        sorted({trial.solved_at for trial in trials if trial.solved_at is not None})
        if measure == "return"
        else []
    )
    for goal in goals:
        axes.axhline(goal, color=GREY, linestyle="--", linewidth=1, zorder=1)
    if goals:
        axes.set_title(
            f"dashed: solved at {', '.join(f'{goal:g}' for goal in goals)}",
            loc="right",
            fontsize=9,
            color=GREY,
        )
    format_axes(axes, axis, scale)
    axes.set(ylabel=f"{measure} in evaluation")


def draw_times(axes: Axes, trials: Sequence[Trial], axis: str, line_styles: LineStyles) -> None:
    """A bar to the median of what it took to be solved, a mark for each run; open where one ended unsolved."""
    groups = group_by_label(trials)
    told = []
    for place, (name, own) in enumerate(groups.items()):
        colour, marker, _ = line_styles[name]
        took = np.array([trial.get_time_to_solved(axis) for trial in own])
        lasted = np.array([trial.get_column(AXIS_COLUMNS[axis])[-1] for trial in own])
        solved = np.isfinite(took)
        median = float(np.median(took))
        heights = place + (np.linspace(-0.2, 0.2, len(own)) if len(own) > 1 else np.zeros(1))
        if np.isfinite(median):
            axes.barh(place, median, height=0.66, color=colour, alpha=0.35)
        axes.scatter(took[solved], heights[solved], s=18, color=colour, marker=marker, zorder=3)
        axes.scatter(
            lasted[~solved],
            heights[~solved],
            s=26,
            facecolors="none",
            edgecolors=colour,
            marker=">",
            zorder=3,
        )
        number = f"{median:,.{int(axis == 'seconds')}f}\n" if np.isfinite(median) else ""
        told.append(f"{number}{solved.sum()} of {len(own)} solved")
    _label_rows(axes, [_shorten(name) for name in groups], told)
    format_axes(axes, axis, "linear", " until solved")
    axes.set_xlim(0, None)
    axes.grid(visible=False, axis="y")


def draw_improvements(axes: Axes, improvements: Sequence[Improvement]) -> None:
    """How probably a run of one algorithm is better than one of another, with its interval; the surest first."""
    improvements = sorted(improvements, key=lambda pair: -pair.probability)
    for place, pair in enumerate(improvements):
        axes.plot(
            [pair.low, pair.high],
            [place, place],
            color="0.6",
            linewidth=5,
            solid_capstyle="butt",
            clip_on=False,
        )
        axes.plot(
            pair.probability, place, "o", color="black", markersize=5, clip_on=False, zorder=3
        )
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
    told = [f"{pair.probability:.0%}  ({pair.low:.0%} to {pair.high:.0%})" for pair in improvements]
    _label_rows(
        axes,
        [f"{_shorten(pair.better)} better than {_shorten(pair.worse)}" for pair in improvements],
        told,
    )
    axes.set(xlim=(0, 1), xlabel="probability of improvement (dashed: no difference)")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def make_panel_grid(
    num_panels: int, max_columns: int = 2, **subplot_options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, at most so many abreast."""
    columns = min(max_columns, num_panels)
    rows = math.ceil(num_panels / columns)
    figure = Figure(
        figsize=(7.5 if columns == 1 else 10.0, 0.8 + rows * (3.6 if columns == 1 else 2.8)),
        layout="constrained",
    )
    panels = [*figure.subplots(rows, columns, squeeze=False, **subplot_options).flat]
    for spare in panels[num_panels:]:
        spare.remove()
    return figure, panels[:num_panels]


def add_legend_and_caption(figure: Figure, panels: Sequence[Axes], caption: str) -> None:
    """Above all panels what their colours mean, below them what is drawn."""
    keys = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    handles = [*keys.values()]
    labels = [*keys]
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(6, len(keys)),
        fontsize=9,
        frameon=False,
    )
    figure.supxlabel(
        textwrap.fill(caption, round(15 * figure.get_figwidth())), fontsize=8.5, color=GREY
    )


def format_axes(axes: Axes, axis: str, scale: str, label_suffix: str = "") -> None:
    """Label the horizontal axis, with numbers that people read."""
    axes.set_xscale(scale)
    axes.set_xlabel(f"{AXIS_LABELS[axis]}{label_suffix}{', log scale' if scale == 'log' else ''}")
    axes.xaxis.set_major_locator(LogLocator() if scale == "log" else MaxNLocator(5))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _label_rows(axes: Axes, names: Sequence[str], values: Sequence[str]) -> None:
    """Name each row on the left and tell its figures on the right; the first one stands on top."""
    right = axes.secondary_yaxis("right")
    for side, words in ((axes, names), (right, values)):
        side.set_yticks(range(len(words)), list(words))
        side.tick_params(axis="y", length=0, pad=8, labelsize=9)
    right.spines["right"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _shorten(name: str) -> str:
    """A name that leaves room for the panel; the legend has it in full."""
    return (
        name
        if len(name) <= MAX_NAME_LENGTH
        else f"{name[: MAX_NAME_LENGTH // 2 - 1]}...{name[2 - MAX_NAME_LENGTH // 2 :]}"
    )


PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which colour-blind people can tell apart; the markers tell them apart in grey."""


MARKERS = "os^DvPX"


LINESTYLES: Sequence[Any] = ("-", (0, (7, 2)), (0, (7, 2, 1, 2)))
"""Of lines: where the colours begin anew, the next one, and the markers one further."""


FIGURE_WIDTH = 10.0
"""Inches."""


LOG_SCALE_RATIO = 5.0
"""Where one algorithm trains so many times as long as another, a logarithmic axis shows both."""


LEGEND_LINE_LENGTH = 110
"""In a line of the legend."""


MAX_PAIRS = 20
"""Comparisons, at most: the least sure ones."""


MIN_RUNS = 5
"""With fewer runs a bootstrap interval is too narrow to be trusted."""


def get_line_style(index: int) -> LineStyle:
    """The look of the line of that number: no other of the first 49 has both its colour and its marker."""
    again, place = divmod(index, len(PALETTE))
    return LineStyle(
        PALETTE[place], MARKERS[(place + again) % len(MARKERS)], LINESTYLES[again % len(LINESTYLES)]
    )


def plot_trials(trials: Sequence[Trial], axis: str, measure: str = "return") -> Figure:
    """A row for each environment: its curves beside the time to its threshold; below, which algorithm is better."""
    envs = group_by_env(trials)
    algorithms = group_by_label(trials)
    looks = {name: get_line_style(index) for index, name in enumerate(algorithms)}
    meaning, pairs = compare_algorithms(trials, axis, measure)
    if len(pairs) > MAX_PAIRS:
        meaning += f" ({len(pairs) - MAX_PAIRS} more pairs, as sure or surer, are not drawn)"
        pairs = sorted(pairs, key=lambda pair: pair.probability)[:MAX_PAIRS]
    told = _format_caption(trials, axis, measure, meaning if pairs else "")
    keys = [_format_legend_label(name, trials) for name in algorithms]
    abreast = max(1, LEGEND_LINE_LENGTH // (max(len(key) for key in keys) + 5))
    heights = [
        0.15 + 0.25 * math.ceil(len(keys) / abreast),
        *[max(3.2, 0.9 + 0.4 * len(algorithms))] * len(envs),
    ]
    heights += [*[0.8 + 0.27 * len(pairs)] * bool(pairs), 0.1 + 0.16 * len(told)]
    figure = Figure(figsize=(FIGURE_WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *rows, bottom = parts
    handles = [Line2D([], [], linewidth=2, **drawn._asdict()) for drawn in looks.values()]
    top.legend(
        handles, keys, loc="center", ncols=abreast, handlelength=5, fontsize=9, frameon=False
    )
    ends = [
        [
            max(trial.get_column(AXIS_COLUMNS[axis])[-1] for trial in own)
            for own in group_by_label(group).values()
        ]
        for group in envs.values()
    ]
    scale = (
        "log" if any(max(lasts) > LOG_SCALE_RATIO * min(lasts) > 0 for lasts in ends) else "linear"
    )
    for row, (env, group) in zip(rows, envs.items(), strict=False):
        if _has_threshold(group, measure):
            curves, times = row.subplots(1, 2, width_ratios=(3, 2))
            draw_times(times, group, axis, looks)
        else:
            curves = row.subplots()
        draw_curves(curves, group, axis, looks, scale, measure)
        curves.set_title(short_name(env), fontweight="bold", loc="left")
    if pairs:
        draw_improvements(rows[-1].subplots(), pairs)
    bottom.text(0.01, 0.95, "\n".join(told), va="top", fontsize=8.5, color=GREY)
    return figure


def _has_threshold(trials: Sequence[Trial], measure: str) -> bool:
    """Whether returns are drawn and there is a threshold of them; results that somebody else wrote may not say which."""
    return measure == "return" and any(
        trial.solved_at is not None or trial.get_column("solved").any() for trial in trials
    )


def _format_legend_label(name: str, trials: Sequence[Trial]) -> str:
    """A name, and how many runs it had in each environment."""
    numbers = [
        len(own)
        for group in group_by_env(trials).values()
        for own in [group_by_label(group).get(name)]
        if own
    ]
    fewest = min(numbers)
    most = max(numbers)
    return f"{name} ({fewest if fewest == most else f'{fewest} to {most}'} run{'s' * (most > 1)})"


def _format_caption(trials: Sequence[Trial], axis: str, measure: str, meaning: str) -> list[str]:
    """What the lines, bands, bars and marks are, in lines that fit below them."""
    told = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."
    cut = False
    stopped = 0
    for group in group_by_env(trials).values():
        cut |= any(
            len({trial.get_column(AXIS_COLUMNS[axis])[-1] for trial in own}) > 1
            for own in group_by_label(group).values()
        )
        if not any(trial.has_continued_after_solved for trial in group):
            stopped += sum(bool(trial.get_column("solved")[-1]) for trial in group)
    if cut:
        told += " Dotted: beyond the end of the shortest run, where a run that has ended keeps its last value"
        told += (
            f" ({stopped} of {len(trials)} runs ended because they were solved)."
            if stopped
            else "."
        )
    if _has_threshold(trials, measure):
        told += " Bar: median; filled marks: runs that were solved; open marks: where a run ended unsolved."
    if meaning:
        told += f" Better: {meaning}; grey bar: 95 % stratified bootstrap interval."
    if any(
        len(own) < MIN_RUNS
        for group in group_by_env(trials).values()
        for own in group_by_label(group).values()
    ):
        told += f" Intervals of fewer than {MIN_RUNS} runs are too narrow: train more seeds."
    return textwrap.wrap(told, 160)
