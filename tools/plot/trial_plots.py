"""Comparison of algorithms over several seeds: learning curves, every run, improvement.

A figure has a row for each environment: all algorithms together, and every run by algorithm. One
panel below compares the algorithms in pairs, over all environments.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import PercentFormatter

from poise.toolkit.media.palette import LIGHT
from poise.toolkit.registry import short_name
from poise.tools.plot.curves import (
    Improvement,
    compare_algorithms,
    compute_learning_curve,
    describe_band,
)
from poise.tools.plot.figures import (
    MAX_LINES,
    NOTE_SIZE,
    LineStyle,
    LineStyles,
    add_title_and_caption,
    draw_threshold,
    format_axes,
    get_line_style,
    label_line_end,
    make_figure,
    separate_labels,
    styled,
)
from poise.tools.plot.results import AXIS_COLUMNS, Trial, group_by_env, group_by_label

MAX_NAME_LENGTH = 24
"""Characters of a name in a panel."""


MARKERS_PER_LINE = 12


LOG_SCALE_RATIO = 4.0
"""Use a logarithmic axis if one algorithm trains this many times as long as another."""


MAX_PAIRS = 20
"""Largest number of comparisons drawn; the least certain ones are kept."""


MIN_RUNS = 5
"""With fewer runs a bootstrap interval is too narrow to be trusted."""


MULTIPLES_PER_ROW = 3
"""Panels in a row where there are more than MAX_LINES algorithms."""


UNITS = {"return": "reward per episode", "success": "fraction of episodes", "length": "steps"}
"""Units of the measures."""


@styled
def plot_trials(trials: Sequence[Trial], axis: str, measure: str = "return") -> Figure:
    """Plot each environment's learning curves and runs, then all comparisons.

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
    caption = _format_caption(trials, measure, criterion if improvements else "")
    title = "; ".join(
        f"{short_name(env)}: {describe_result(group, axis, measure)}" for env, group in envs.items()
    )

    # Inches, from top to bottom: environments, comparisons if there are any.
    heights = [_get_env_height(group) for group in envs.values()]
    heights += [0.9 + 0.3 * len(improvements)] if improvements else []
    title_height = 0.8 + 0.17 * (len(caption) // 138) + 0.25 * (len(title) // 84)
    figure = make_figure(title_height + sum(heights))
    add_title_and_caption(figure, title, caption)
    subfigures: Any = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)
    rows = [*subfigures.flat]
    scale = _choose_scale(trials, axis)
    names: list[Annotation] = []
    for row, (env, group) in zip(rows, envs.items(), strict=False):
        env_title = short_name(env) if len(envs) > 1 else ""
        names += draw_env(row, env_title, group, axis, line_styles, scale, measure)
    if improvements:
        draw_improvements(rows[-1].subplots(), improvements)
    separate_labels(figure, names)
    return figure


def draw_env(
    figure: Any,
    title: str,
    trials: Sequence[Trial],
    axis: str,
    line_styles: LineStyles,
    scale: str,
    measure: str,
) -> list[Annotation]:
    """Draw the curves of one environment together, and every run by algorithm.

    Return the names at the lines' ends. More than MAX_LINES algorithms are not drawn together.
    """
    groups = group_by_label(trials)
    prefix = f"{title}: " if title else ""
    if len(groups) > MAX_LINES:
        columns = MULTIPLES_PER_ROW
        num_rows = math.ceil(len(groups) / columns)
        panels = [*figure.subplots(num_rows, columns, sharex=True, sharey=True, squeeze=False).flat]
        for index, (label, axes) in enumerate(zip(groups, panels, strict=False)):
            draw_runs(axes, trials, label, axis, line_styles[label], scale, measure)
            note = "; ".join(_describe_runs(groups[label], axis, measure))
            axes.set_title(f"{prefix}{shorten_name(label)}\n", color=line_styles[label].text_color)
            axes.text(
                0.0, 1.02, note, transform=axes.transAxes, fontsize=NOTE_SIZE, color=LIGHT.muted
            )
            has_label = index + columns >= len(groups)
            format_axes(axes, axis, scale, has_label=has_label, is_narrow=True)
            axes.tick_params(labelbottom=has_label)
        for unused in panels[len(groups) :]:
            unused.remove()
        panels[0].set_ylabel(f"{measure} in evaluation\n({UNITS[measure]})")
        return []
    together, by_label = figure.subfigures(1, 2, width_ratios=(3, 2))
    curve_axes = together.subplots()
    names = draw_curves(curve_axes, trials, axis, line_styles, scale, measure)
    curve_axes.set_title(f"{prefix}together" if len(groups) > 1 else title or "all runs")
    panels = [*by_label.subplots(len(groups), 1, sharex=True, sharey=True, squeeze=False).flat]
    for label, axes in zip(groups, panels, strict=True):
        style = line_styles[label]
        draw_runs(axes, trials, label, axis, style, scale, measure)
        axes.text(
            1.04,
            0.98,
            shorten_name(label),
            transform=axes.transAxes,
            verticalalignment="top",
            fontweight="bold",
            color=style.text_color,
        )
        axes.text(
            1.04,
            0.78,
            "\n".join(_describe_runs(groups[label], axis, measure)),
            transform=axes.transAxes,
            verticalalignment="top",
            fontsize=NOTE_SIZE,
            color=LIGHT.muted,
            linespacing=1.5,
        )
        format_axes(axes, axis, scale, has_label=axes is panels[-1], is_narrow=True)
    panels[0].set_title("every run")
    return names


def draw_curves(
    axes: Axes,
    trials: Sequence[Trial],
    axis: str,
    line_styles: LineStyles,
    scale: str,
    measure: str,
) -> list[Annotation]:
    """Draw the learning curves of one environment, dotted beyond the end of the shortest run.

    Return the names at their ends.
    """
    names = []
    for label, group in group_by_label(trials).items():
        style = line_styles[label]
        curve = compute_learning_curve(group, axis, measure)
        complete = curve.x <= curve.complete_until
        # The dotted line starts at the last point of the solid line.
        incomplete = ~complete | np.append(~complete[1:], False)
        axes.plot(
            curve.x[complete],
            curve.center[complete],
            markevery=max(1, len(curve.x) // MARKERS_PER_LINE),
            **style.make_line_options(),
        )
        axes.plot(
            curve.x[incomplete],
            curve.center[incomplete],
            linewidth=1.6,
            color=style.color,
            linestyle=":",
        )
        if len(group) > 1:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=style.color, alpha=0.16, linewidth=0
            )
        end = (float(curve.x[-1]), float(curve.center[-1]))
        names.append(label_line_end(axes, *end, shorten_name(label), style))
    if measure == "return":
        for threshold in _find_thresholds(trials):
            draw_threshold(axes, threshold, f"solved at {threshold:g}")
    axes.margins(y=0.08)
    format_axes(axes, axis, scale)
    axes.set_ylabel(f"{measure} in evaluation ({UNITS[measure]})")
    return names


def draw_runs(
    axes: Axes,
    trials: Sequence[Trial],
    label: str,
    axis: str,
    style: LineStyle,
    scale: str,
    measure: str,
) -> None:
    """Draw every run of one algorithm, those of the others in grey behind them.

    A marker is where a run was solved, a cross where an unsolved run stopped.
    """
    for trial in trials:
        x = trial.get_column(AXIS_COLUMNS[axis])
        y = trial.get_column(measure)
        if trial.label != label:
            axes.plot(x, y, color=LIGHT.rule, linewidth=1.2, zorder=1)
            continue
        options = {"color": style.color, "linestyle": style.linestyle, "linewidth": 1.6}
        axes.plot(x, y, zorder=3, **options)
        solved = np.flatnonzero(trial.get_column("solved"))
        if measure == "return" and len(solved):
            first = solved[0]
            axes.plot(x[first], y[first], style.marker, color=style.color, markersize=7.5, zorder=4)
        elif _has_threshold(trials, measure):
            axes.plot(
                x[-1], y[-1], "x", color=LIGHT.failure, markersize=8, markeredgewidth=2, zorder=4
            )
        elif len(x) == 1:
            axes.plot(x, y, style.marker, color=style.color, markersize=6, zorder=4)
    if measure == "return":
        for threshold in _find_thresholds(trials):
            axes.axhline(threshold, color=LIGHT.ink, linestyle=(0, (5, 3)), linewidth=1)
    axes.margins(y=0.1)
    axes.set_xscale(scale)


def describe_result(trials: Sequence[Trial], axis: str, measure: str) -> str:
    """Return the result of one environment in numbers, for a title."""
    groups = group_by_label(trials)
    if len(groups) > MAX_LINES:
        finals = {label: _compute_final(runs, measure) for label, runs in groups.items()}
        best = max(finals, key=lambda label: finals[label])
        return f"of {len(groups)}, {best} ends highest, at {finals[best]:.3g}"
    if not _has_threshold(trials, measure):
        return ", ".join(
            f"{shorten_name(label)} ends at {_compute_final(runs, measure):.3g}"
            for label, runs in groups.items()
        )
    parts = []
    for label, runs in groups.items():
        num_solved = sum(bool(trial.get_column("solved").any()) for trial in runs)
        median = float(np.median([trial.get_time_to_solved(axis) for trial in runs]))
        name = shorten_name(label)
        if num_solved == len(runs):
            parts.append(f"{name} solved after {_format_time(median, axis)}")
        elif num_solved:
            parts.append(f"{name} solved in {num_solved} of {len(runs)} runs")
        else:
            parts.append(f"{name} not solved ({_compute_final(runs, measure):.3g})")
    return ", ".join(parts)


def _compute_final(trials: Sequence[Trial], measure: str) -> float:
    """Return the median of the runs' last values."""
    return float(np.median([trial.get_column(measure)[-1] for trial in trials]))


def _format_time(time: float, axis: str) -> str:
    """Format a time to solved with its unit, such as `4,000 steps`."""
    return f"{time:,.1f} s" if axis == "seconds" else f"{time:,.0f} {axis}"


def _describe_runs(trials: Sequence[Trial], axis: str, measure: str) -> tuple[str, str]:
    """Return how many runs of an algorithm were solved, and after what median time.

    Without a threshold, return the number of runs and their median last value.
    """
    count = f"{len(trials)} run{'s' if len(trials) > 1 else ''}"
    if not _has_threshold(trials, measure):
        return count, f"ends at {_compute_final(trials, measure):.3g}"
    num_solved = sum(bool(trial.get_column("solved").any()) for trial in trials)
    median = float(np.median([trial.get_time_to_solved(axis) for trial in trials]))
    time = _format_time(median, axis) if median < np.inf else "not solved"
    return f"{num_solved} of {len(trials)} solved", f"median: {time}"


def draw_improvements(axes: Axes, improvements: Sequence[Improvement]) -> None:
    """Draw each probability of improvement with its interval, the largest on top."""
    improvements = sorted(improvements, key=lambda pair: -pair.probability)
    for row, pair in enumerate(improvements):
        axes.plot(
            [pair.low, pair.high],
            [row, row],
            color=LIGHT.rule,
            linewidth=7,
            solid_capstyle="butt",
            clip_on=False,
        )
        axes.plot(pair.probability, row, "o", color=LIGHT.ink, markersize=6, clip_on=False)
    axes.axvline(0.5, color=LIGHT.ink, linestyle=(0, (5, 3)), linewidth=1)
    _label_rows(
        axes,
        [
            f"{shorten_name(pair.better)} better than {shorten_name(pair.worse)}"
            for pair in improvements
        ],
        [f"{pair.probability:.0%}  ({pair.low:.0%} to {pair.high:.0%})" for pair in improvements],
    )
    axes.set(xlim=(0, 1), xlabel="probability of improvement (dashed: no difference)")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(visible=False, axis="y")


def _label_rows(axes: Axes, names: Sequence[str], values: Sequence[str]) -> None:
    """Write a name on the left and a value on the right of each row; row 0 is on top."""
    right_axis = axes.secondary_yaxis("right")
    for side, texts in ((axes, names), (right_axis, values)):
        side.set_yticks(range(len(texts)), list(texts))
        side.tick_params(axis="y", length=0, pad=8, labelsize=NOTE_SIZE, labelcolor=LIGHT.ink)
    right_axis.spines["right"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def shorten_name(name: str) -> str:
    """Cut the middle out of a name of more than MAX_NAME_LENGTH characters."""
    if len(name) <= MAX_NAME_LENGTH:
        return name
    end_length = MAX_NAME_LENGTH // 2 - 1
    return f"{name[:end_length]}...{name[1 - end_length :]}"


def _get_env_height(trials: Sequence[Trial]) -> float:
    """Return the height of an environment's row (inches)."""
    num_labels = len(group_by_label(trials))
    if num_labels > MAX_LINES:
        return 2.4 * math.ceil(num_labels / MULTIPLES_PER_ROW) + 0.3
    return max(4.4, 1.5 * num_labels + 0.5)


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


def _find_thresholds(trials: Sequence[Trial]) -> list[float]:
    """Return the returns that count as solved, in order."""
    return sorted({trial.solved_at for trial in trials if trial.solved_at is not None})


def _has_threshold(trials: Sequence[Trial], measure: str) -> bool:
    """Return whether the measure is the return and some return counts as solved.

    A results.csv from another program may have `solved` without `solved_at`.
    """
    return measure == "return" and any(
        trial.solved_at is not None or trial.get_column("solved").any() for trial in trials
    )


def _format_caption(trials: Sequence[Trial], measure: str, criterion: str) -> str:
    """Explain lines, bands and marks."""
    envs = group_by_env(trials)
    groups = [
        group for env_trials in envs.values() for group in group_by_label(env_trials).values()
    ]
    sentences = [f"{measure.capitalize()} of an evaluation, without exploration."]
    are_together = any(len(group_by_label(group)) <= MAX_LINES for group in envs.values())
    if are_together:
        sentences.append(describe_band(len(group) for group in groups))
    else:
        sentences.append("Lines: every run of an algorithm; grey: the runs of the others.")
    columns = [[trial.get_end("steps") for trial in group] for group in groups]
    if any(len(set(ends)) > 1 for ends in columns):
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
        sentences.append("Marker: solved; red cross: stopped unsolved.")
    if criterion:
        sentences.append(f"Better: {criterion}; grey bar: 95 % stratified bootstrap interval.")
        if any(len(group) < MIN_RUNS for group in groups):
            sentences.append(
                f"Intervals of fewer than {MIN_RUNS} runs are too narrow: train more seeds."
            )
    return " ".join(sentence for sentence in sentences if sentence)


def _count_stopped_when_solved(trials: Sequence[Trial]) -> int:
    """Count solved runs in the environments where no run was trained beyond its threshold."""
    return sum(
        bool(trial.get_column("solved")[-1])
        for group in group_by_env(trials).values()
        if not any(trial.has_continued_after_solved for trial in group)
        for trial in group
    )
