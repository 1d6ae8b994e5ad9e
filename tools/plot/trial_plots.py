"""Comparison of algorithms over several seeds: learning curves, time to solved, improvement.

A figure has a row of panels for each environment, and one panel below for all of them together.
"""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from poise.toolkit.registry import short_name
from poise.tools.plot.curves import Improvement, compare_algorithms, compute_learning_curve
from poise.tools.plot.figures import DPI, GREY, LineStyles, format_axes, get_line_style
from poise.tools.plot.results import Trial, group_by_env, group_by_label

FIGURE_WIDTH = 10.0
"""Inches."""


CAPTION_LINE_LENGTH = 160
"""Characters in a line of the caption, at FIGURE_WIDTH."""


LEGEND_LINE_LENGTH = 110
"""Characters in a line of the legend, at FIGURE_WIDTH."""


MAX_NAME_LENGTH = 20
"""Characters of a name beside a panel; the legend has the full name."""


MARKERS_PER_LINE = 12


LOG_SCALE_RATIO = 5.0
"""Use a logarithmic axis if one algorithm trains this many times as long as another."""


MAX_PAIRS = 20
"""Largest number of comparisons drawn; the least certain ones are kept."""


MIN_RUNS = 5
"""With fewer runs a bootstrap interval is too narrow to be trusted."""


def plot_trials(trials: Sequence[Trial], axis: str, measure: str = "return") -> Figure:
    """Plot each environment's learning curves and times to solved, then all comparisons.

    Args:
        trials: runs with at least one evaluation each.
        axis: `steps`, `episodes` or `seconds`.
        measure: `return`, `success` or `length`.
    """
    envs = group_by_env(trials)
    labels = [*group_by_label(trials)]
    line_styles = {label: get_line_style(index) for index, label in enumerate(labels)}
    criterion, improvements = compare_algorithms(trials, axis, measure)
    if len(improvements) > MAX_PAIRS:
        num_hidden = len(improvements) - MAX_PAIRS
        criterion += f" ({num_hidden} more pairs, at least as certain, are not drawn)"
        improvements = sorted(improvements, key=lambda pair: pair.probability)[:MAX_PAIRS]
    caption = _format_caption(trials, axis, measure, criterion if improvements else "")
    legend_labels = [_format_legend_label(label, trials) for label in labels]
    legend_columns = max(1, LEGEND_LINE_LENGTH // (max(map(len, legend_labels)) + 5))

    # Inches, from top to bottom: legend, environments, comparisons if there are any, caption.
    heights = [0.15 + 0.25 * math.ceil(len(labels) / legend_columns)]
    heights += [max(3.2, 0.9 + 0.4 * len(labels))] * len(envs)
    heights += [0.8 + 0.27 * len(improvements)] if improvements else []
    heights += [0.1 + 0.16 * len(caption)]
    figure = Figure(figsize=(FIGURE_WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    subfigures: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *rows, bottom = subfigures

    top.legend(
        [Line2D([], [], linewidth=2, **style._asdict()) for style in line_styles.values()],
        legend_labels,
        loc="center",
        ncols=legend_columns,
        handlelength=5,
        fontsize=9,
        frameon=False,
    )
    scale = _choose_scale(trials, axis)
    for row, (env, group) in zip(rows, envs.items(), strict=False):
        if _has_threshold(group, measure):
            curve_axes, time_axes = row.subplots(1, 2, width_ratios=(3, 2))
            draw_times(time_axes, group, axis, line_styles)
        else:
            curve_axes = row.subplots()
        draw_curves(curve_axes, group, axis, line_styles, scale, measure)
        curve_axes.set_title(short_name(env), fontweight="bold", loc="left")
    if improvements:
        draw_improvements(rows[-1].subplots(), improvements)
    bottom.text(0.01, 0.95, "\n".join(caption), va="top", fontsize=8.5, color=GREY)
    return figure


def draw_curves(
    axes: Axes,
    trials: Sequence[Trial],
    axis: str,
    line_styles: LineStyles,
    scale: str,
    measure: str,
) -> None:
    """Draw the learning curves of one environment, dotted beyond the end of the shortest run."""
    for label, group in group_by_label(trials).items():
        style = line_styles[label]
        curve = compute_learning_curve(group, axis, measure)
        complete = curve.x <= curve.complete_until
        # The dotted line starts at the last point of the solid line.
        incomplete = ~complete | np.append(~complete[1:], False)
        axes.plot(
            curve.x[complete],
            curve.center[complete],
            linewidth=1.8,
            markersize=4,
            markevery=max(1, len(curve.x) // MARKERS_PER_LINE),
            **style._asdict(),
        )
        axes.plot(
            curve.x[incomplete],
            curve.center[incomplete],
            linewidth=1.4,
            color=style.color,
            linestyle=":",
        )
        if len(group) > 1:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=style.color, alpha=0.18, linewidth=0
            )
    if measure == "return":
        _draw_thresholds(axes, trials)
    format_axes(axes, axis, scale)
    axes.set(ylabel=f"{measure} in evaluation")


def _draw_thresholds(axes: Axes, trials: Sequence[Trial]) -> None:
    """Draw each return that counts as solved as a dashed line."""
    thresholds = sorted({trial.solved_at for trial in trials if trial.solved_at is not None})
    for threshold in thresholds:
        axes.axhline(threshold, color=GREY, linestyle="--", linewidth=1, zorder=1)
    if thresholds:
        values = ", ".join(f"{threshold:g}" for threshold in thresholds)
        axes.set_title(f"dashed: solved at {values}", loc="right", fontsize=9, color=GREY)


def draw_times(axes: Axes, trials: Sequence[Trial], axis: str, line_styles: LineStyles) -> None:
    """Draw a bar to the median time to solved, and a mark for each run.

    The mark of an unsolved run is open and stands where the run ended.
    """
    groups = group_by_label(trials)
    row_texts = []
    for row, (label, group) in enumerate(groups.items()):
        color, marker, _ = line_styles[label]
        times = np.array([trial.get_time_to_solved(axis) for trial in group])
        ends = np.array([trial.get_end(axis) for trial in group])
        solved = np.isfinite(times)
        median = float(np.median(times))
        offsets = np.linspace(-0.2, 0.2, len(group)) if len(group) > 1 else np.zeros(1)
        heights = row + offsets
        text = f"{solved.sum()} of {len(group)} solved"
        if np.isfinite(median):
            axes.barh(row, median, height=0.66, color=color, alpha=0.35)
            digits = 1 if axis == "seconds" else 0
            text = f"{median:,.{digits}f}\n{text}"
        axes.scatter(times[solved], heights[solved], s=18, color=color, marker=marker, zorder=3)
        axes.scatter(
            ends[~solved],
            heights[~solved],
            s=26,
            facecolors="none",
            edgecolors=color,
            marker=">",
            zorder=3,
        )
        row_texts.append(text)
    _label_rows(axes, [_shorten(label) for label in groups], row_texts)
    format_axes(axes, axis, "linear", " until solved")
    axes.set_xlim(0, None)
    axes.grid(visible=False, axis="y")


def draw_improvements(axes: Axes, improvements: Sequence[Improvement]) -> None:
    """Draw each probability of improvement with its interval, the largest on top."""
    improvements = sorted(improvements, key=lambda pair: -pair.probability)
    for row, pair in enumerate(improvements):
        axes.plot(
            [pair.low, pair.high],
            [row, row],
            color="0.6",
            linewidth=5,
            solid_capstyle="butt",
            clip_on=False,
        )
        axes.plot(pair.probability, row, "o", color="black", markersize=5, clip_on=False, zorder=3)
    axes.axvline(0.5, color=GREY, linestyle="--", linewidth=1)
    _label_rows(
        axes,
        [f"{_shorten(pair.better)} better than {_shorten(pair.worse)}" for pair in improvements],
        [f"{pair.probability:.0%}  ({pair.low:.0%} to {pair.high:.0%})" for pair in improvements],
    )
    axes.set(xlim=(0, 1), xlabel="probability of improvement (dashed: no difference)")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)


def _label_rows(axes: Axes, names: Sequence[str], values: Sequence[str]) -> None:
    """Write a name on the left and a value on the right of each row; row 0 is on top."""
    right_axis = axes.secondary_yaxis("right")
    for side, texts in ((axes, names), (right_axis, values)):
        side.set_yticks(range(len(texts)), list(texts))
        side.tick_params(axis="y", length=0, pad=8, labelsize=9)
    right_axis.spines["right"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _shorten(name: str) -> str:
    """Cut the middle out of a name of more than MAX_NAME_LENGTH characters."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    end_length = MAX_NAME_LENGTH // 2 - 1
    return f"{name[:end_length]}...{name[1 - end_length :]}"


def _choose_scale(trials: Sequence[Trial], axis: str) -> str:
    """Return `log` if the algorithms' training times differ by more than LOG_SCALE_RATIO."""
    for group in group_by_env(trials).values():
        ends = [
            max(trial.get_end(axis) for trial in same_label)
            for same_label in group_by_label(group).values()
        ]
        if max(ends) > LOG_SCALE_RATIO * min(ends) > 0:
            return "log"
    return "linear"


def _has_threshold(trials: Sequence[Trial], measure: str) -> bool:
    """Return whether the measure is the return and some return counts as solved.

    A results.csv from another program may have `solved` without `solved_at`.
    """
    return measure == "return" and any(
        trial.solved_at is not None or trial.get_column("solved").any() for trial in trials
    )


def _format_legend_label(label: str, trials: Sequence[Trial]) -> str:
    """Format a label with its number of runs in an environment, such as `sac (4 to 5 runs)`."""
    groups = [group_by_label(group).get(label, []) for group in group_by_env(trials).values()]
    counts = [len(group) for group in groups if group]
    fewest = min(counts)
    most = max(counts)
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    return f"{label} ({count} run{'s' if most > 1 else ''})"


def _format_caption(trials: Sequence[Trial], axis: str, measure: str, criterion: str) -> list[str]:
    """Explain the lines, bands, bars and marks; return the lines of the caption."""
    groups = [
        group
        for env_trials in group_by_env(trials).values()
        for group in group_by_label(env_trials).values()
    ]
    sentences = ["Line: interquartile mean of the runs; band: its 95 % bootstrap interval."]
    if any(len({trial.get_end(axis) for trial in group}) > 1 for group in groups):
        num_stopped = _count_stopped_when_solved(trials)
        reason = (
            f" ({num_stopped} of {len(trials)} runs ended because they were solved)"
            if num_stopped
            else ""
        )
        sentences.append(
            "Dotted: beyond the end of the shortest run; a run that has ended keeps its last value"
            f"{reason}."
        )
    if _has_threshold(trials, measure):
        sentences.append(
            "Bar: median; filled marks: solved runs; open marks: ends of unsolved runs."
        )
    if criterion:
        sentences.append(f"Better: {criterion}; grey bar: 95 % stratified bootstrap interval.")
    if any(len(group) < MIN_RUNS for group in groups):
        sentences.append(
            f"Intervals of fewer than {MIN_RUNS} runs are too narrow: train more seeds."
        )
    return textwrap.wrap(" ".join(sentences), CAPTION_LINE_LENGTH)


def _count_stopped_when_solved(trials: Sequence[Trial]) -> int:
    """Count solved runs in the environments where no run was trained beyond its threshold."""
    return sum(
        bool(trial.get_column("solved")[-1])
        for group in group_by_env(trials).values()
        if not any(trial.has_continued_after_solved for trial in group)
        for trial in group
    )
