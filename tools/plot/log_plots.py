"""Plots of what runs logged: returns, evaluations with intervals, reward terms, and losses."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator

from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import RETURN_STD, REWARD_PREFIX
from poise.toolkit.loggers import MetricHistory, MetricSeries, read_columns, read_metrics
from poise.toolkit.media.hud import MINUS
from poise.toolkit.media.palette import LIGHT, blend
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.curves import Curve, align_to_common_grid, compute_curve, describe_band
from poise.tools.plot.figures import (
    HEALTHY_COLOR,
    LABEL_SIZE,
    MAX_LINES,
    NOTE_SIZE,
    LineStyle,
    add_title_and_caption,
    draw_threshold,
    format_axes,
    get_line_style,
    label_line_end,
    make_figure,
    make_panel_grid,
    separate_labels,
    styled,
)
from poise.tools.plot.results import AXIS_COLUMNS, EVALUATION_ADVICE, Trial
from poise.tools.plot.trial_plots import UNITS, describe_result, shorten_name
from poise.tools.report.glossary import METRICS, GlossaryEntry, describe_metric

TERM_COLORS = tuple(
    blend(color, LIGHT.paper, opacity) for opacity in (0.9, 0.5, 0.25) for color in LIGHT.series
)
"""Colors of reward terms: three shades of each line color."""


LOSS_PREFIX = "losses/"


LOG_SCALE_RATIO = 100.0
"""Use a logarithmic axis if the largest value exceeds this many times the smallest one."""


MOVING_AVERAGE_WINDOW = 20
"""Episodes averaged in the line of the training returns."""


TRAINING_MEASURES = ("return", "length")
"""Measures logged for each training episode; success is measured in evaluations only."""


EPISODE_COLUMNS = {"steps": "step", "episodes": "episode", "seconds": "seconds"}
"""Horizontal axes of a plot, each with its column of episodes.csv."""


PANEL_HEIGHT = 2.9
"""Height of a metric's panel (inches)."""


MAX_LENGTH_RATIO = 4.0
"""Use a logarithmic axis if one group trains this many times as long as another."""


INTERVAL_CAPTION = "Band: 95 % interval of the mean return of an evaluation's episodes."


Z_95 = 1.96
"""Half width of a 95 % interval of a mean, in standard errors (normal distribution)."""


class RunGroup(NamedTuple):
    """Runs drawn as one curve: seeds of one configuration, or a single run."""

    env: str
    name: str
    logs: Sequence[MetricHistory]
    threshold: float | None
    """Return that counts as solved."""
    evaluation_episodes: int
    """Episodes of each evaluation."""

    @classmethod
    def read(cls, name: str, runs: Sequence[Run]) -> Self:
        """Read the metrics of runs that share their configuration but for the seed."""
        config = runs[0].config
        training = config["training"]
        return cls(
            env=short_name(config["env"]),
            name=name,
            logs=[read_metrics(run) for run in runs],
            threshold=training["solved_at"],
            evaluation_episodes=training["evaluate_episodes"],
        )

    @property
    def label(self) -> str:
        """Name in the legend, with the number of runs if there are several."""
        return self.name if len(self.logs) == 1 else f"{self.name} ({len(self.logs)} runs)"

    def get_series(self, metric: str) -> list[MetricSeries]:
        """Return a metric of each run that logged it."""
        return [log[metric] for log in self.logs if metric in log]

    def compute_curve(self, metric: str, axis: str) -> Curve | None:
        """Aggregate a metric over the runs; return None if none of them logged it."""
        series_of_runs = self.get_series(metric)
        if not series_of_runs:
            return None
        return compute_curve(
            [series.get_axis(axis) for series in series_of_runs],
            [series.values for series in series_of_runs],
        )


@styled
def plot_run(run: Run, trial: Trial, axis: str, measure: str = "return") -> Figure:
    """Plot evaluations of one run, before its training episodes in grey.

    Args:
        run: run to draw.
        trial: evaluations of that run; may have none.
        axis: a key of EPISODE_COLUMNS.
        measure: a key of MEASURES.
    """
    figure = make_figure(5.6)
    style = get_line_style(0)
    names = []
    has_evaluations = len(trial.evaluations) > 0
    name = run.path.name
    title = f"{short_name(trial.env)}: {name} has not been evaluated yet"
    if has_evaluations:
        result = describe_result([replace(trial, algorithm=name)], axis, measure)
        title = f"{short_name(trial.env)}: {result}"
    caption = f"{measure.capitalize()} of an episode. Line: evaluations, without exploration."
    if measure in TRAINING_MEASURES:
        caption += " Grey dots: training episodes; grey line: their moving average over"
        caption += f" {MOVING_AVERAGE_WINDOW} episodes."
    add_title_and_caption(figure, title, caption)
    axes = figure.subplots()
    if measure in TRAINING_MEASURES:
        _draw_training_episodes(axes, run, axis, measure)
    if has_evaluations:
        x = trial.get_column(AXIS_COLUMNS[axis])
        values = trial.get_column(measure)
        axes.plot(x, values, zorder=3, label="evaluation", **style.make_line_options())
        end_text = f"evaluation\n{values[-1]:.3g}"
        names.append(label_line_end(axes, float(x[-1]), float(values[-1]), end_text, style))
    if trial.solved_at is not None and measure == "return":
        draw_threshold(axes, trial.solved_at, f"solved at {trial.solved_at:g}")
    format_axes(axes, axis, "linear")
    axes.set_ylabel(f"{measure} of an episode ({UNITS[measure]})")
    separate_labels(figure, names)
    return figure


def _draw_training_episodes(axes: Axes, run: Run, axis: str, measure: str) -> None:
    """Draw a grey dot for each training episode, and the moving average as a line."""
    x, values = read_columns(run.path / "episodes.csv", EPISODE_COLUMNS[axis], measure)
    axes.plot(x, values, ".", markersize=5, color=LIGHT.muted, alpha=0.4, zorder=1)
    if len(values) < MOVING_AVERAGE_WINDOW:
        return
    kernel = np.ones(MOVING_AVERAGE_WINDOW) / MOVING_AVERAGE_WINDOW
    axes.plot(
        x[MOVING_AVERAGE_WINDOW - 1 :],
        np.convolve(values, kernel, mode="valid"),
        color=LIGHT.muted,
        linewidth=1.3,
        zorder=2,
    )


@styled
def plot_losses(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Plot each loss in a panel, or in a row of panels for more than MAX_LINES groups."""
    names = _find_metrics(groups, LOSS_PREFIX)
    if not names:
        raise UserError(
            "these runs logged no losses: they ended before step log_every; "
            "train with a smaller one, --set log_every=100"
        )
    known = [name for name in METRICS if name in names]
    names = [*known, *(name for name in names if name not in known)]
    title = f"{groups[0].env}, {_list_names(groups)}: inside the learner"
    caption = "Mean over the steps since the previous point. Green band: healthy values."
    return _plot_metrics(groups, names, axis, title, caption)


@styled
def plot_evaluation(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Plot return, length and success of the evaluations, with bands."""
    names = [f"eval/{name}" for name in ("return", "length", "success")]
    # An environment may define no success.
    names = [name for name in names if any(group.get_series(name) for group in groups)]
    if not names:
        raise UserError(f"no run has been evaluated yet; {EVALUATION_ADVICE}")
    title = f"{groups[0].env}, {_list_names(groups)}: evaluations"
    caption = "Mean over the episodes of an evaluation, without exploration."
    if all(len(group.logs) == 1 for group in groups):
        caption += f" {INTERVAL_CAPTION}"
    return _plot_metrics(groups, names, axis, title, caption, has_markers=True)


def _plot_metrics(
    groups: Sequence[RunGroup],
    names: Sequence[str],
    axis: str,
    title: str,
    caption: str,
    has_markers: bool = False,
) -> Figure:
    """Plot a panel for each metric, under its plain title."""
    # Each panel highlights some of the groups; the others are grey.
    highlights = [[*range(len(groups))]]
    if len(groups) > MAX_LINES:
        highlights = [[index] for index in range(len(groups))]
    columns = min(3, len(names) * len(highlights))
    num_panels = len(names) * len(highlights)
    figure, panels = make_panel_grid(num_panels, columns, PANEL_HEIGHT)
    band = describe_band(len(group.logs) for group in groups)
    add_title_and_caption(figure, title, f"{caption} {band}".strip())
    labels = []
    cells = [(name, shown) for name in names for shown in highlights]
    for index, (axes, (name, shown)) in enumerate(zip(panels, cells, strict=True)):
        curves = [_compute_band(group, name, axis) for group in groups]
        entry = describe_metric(name)
        if len(highlights) > 1:
            # The name of the group takes the place of the words.
            entry = entry._replace(healthy="")
        labels += _draw_curves(axes, groups, curves, shown, has_markers)
        last = _describe_last(groups, curves, shown)
        _write_panel_title(axes, entry, last, get_line_style(shown[0]))
        is_bottom = index + columns >= num_panels
        format_axes(axes, axis, _choose_scale(curves), has_label=is_bottom, is_narrow=True)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.margins(y=0.12)
        if entry.healthy_range is not None:
            axes.axhspan(*entry.healthy_range, color=HEALTHY_COLOR, zorder=0, linewidth=0)
        if name == "eval/return":
            for threshold in {group.threshold for group in groups}:
                if threshold is not None:
                    draw_threshold(axes, threshold, f"solved at {threshold:g}")
        if name.endswith("loss") and _spans_orders_of_magnitude(curves):
            axes.set_yscale("log")
    separate_labels(figure, labels)
    return figure


def _compute_band(group: RunGroup, name: str, axis: str) -> Curve | None:
    """Return a metric's curve; the return of a single run has the interval of its evaluations."""
    curve = group.compute_curve(name, axis)
    return _add_interval(group, curve) if name == "eval/return" else curve


def _choose_scale(curves: Sequence[Curve | None]) -> str:
    """Return `log` if the lengths of training differ much."""
    ends = [float(curve.x[-1]) for curve in curves if curve is not None]
    return "log" if ends and max(ends) > MAX_LENGTH_RATIO * min(ends) > 0.0 else "linear"


def _spans_orders_of_magnitude(curves: Sequence[Curve | None]) -> bool:
    """Return whether the values are positive and differ by more than LOG_SCALE_RATIO."""
    centers = [curve.center for curve in curves if curve is not None]
    smallest = min((center.min() for center in centers), default=0.0)
    largest = max((center.max() for center in centers), default=0.0)
    return bool(smallest > 0.0 and largest > LOG_SCALE_RATIO * smallest)


def _list_names(groups: Sequence[RunGroup]) -> str:
    """Return the names of the groups, or their number if there are many."""
    if len(groups) > MAX_LINES:
        return f"{len(groups)} runs or algorithms"
    return ", ".join(group.label for group in groups)


def _describe_last(
    groups: Sequence[RunGroup], curves: Sequence[Curve | None], shown: Sequence[int]
) -> str:
    """Return the last value of the only curve shown, or nothing for several."""
    if len(shown) > 1:
        return ""
    curve = curves[shown[0]]
    prefix = f"{shorten_name(groups[shown[0]].name)}: " if len(groups) > 1 else "last "
    if curve is None:
        return f"{prefix}not logged"
    value = f"{curve.center[-1]:.3g}".replace("-", MINUS)
    return f"{prefix}{value}"


def _write_panel_title(axes: Axes, entry: GlossaryEntry, last: str, style: LineStyle) -> None:
    """Write plain title, technical name and unit, healthy values, and the last value of a panel."""
    # The title keeps the room above the panel; the texts themselves do not change its width.
    axes.set_title("\n\n\n", fontsize=LABEL_SIZE)
    name_and_unit = ", ".join(text for text in (entry.title, entry.unit) if text)
    for text, height, options in (
        (entry.plain_title or entry.title, 36, {"fontweight": "bold"}),
        (name_and_unit if entry.plain_title else entry.unit, 21, {"color": LIGHT.muted}),
        (f"healthy: {entry.healthy}" if entry.healthy else "", 6, {"color": LIGHT.success}),
    ):
        size = LABEL_SIZE if height == 36 else NOTE_SIZE - 1
        _write_above(axes, text, 0.0, height, fontsize=size, **options)
    options = {"fontweight": "bold", "color": style.text_color, "horizontalalignment": "right"}
    if last:
        _write_above(axes, last, 1.0, 6, fontsize=NOTE_SIZE - 1, **options)


def _write_above(axes: Axes, text: str, x: float, height: float, **options: Any) -> None:
    """Write a text `height` points above a panel, at a fraction x of its width."""
    axes.annotate(
        text,
        (x, 1.0),
        (0.0, height),
        xycoords="axes fraction",
        textcoords="offset points",
        annotation_clip=False,
        in_layout=False,
        **options,
    )


@styled
def plot_reward_terms(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Plot the contributions of the reward terms to the return of an evaluation, stacked.

    Each group has a panel. Positive contributions are stacked above zero, costs below.
    """
    for group in groups:
        if not _find_metrics([group], REWARD_PREFIX):
            raise UserError(
                f"{group.name} logged no reward terms: its environment has none, "
                f"or it has not been evaluated yet; {EVALUATION_ADVICE}"
            )
    metrics = _find_metrics(groups, REWARD_PREFIX)
    term_names = [metric.removeprefix(REWARD_PREFIX).replace("_", " ") for metric in metrics]
    figure, panels = make_panel_grid(len(groups), row_height=4.0, sharex=True, sharey=True)
    caption = "Contribution of each weighted reward term to the return of an evaluation episode"
    if any(len(group.logs) > 1 for group in groups):
        caption += ", mean over the runs"
    caption += ". Black line: the return."
    title = f"{groups[0].env}, {_list_names(groups)}: what the return is made of"
    add_title_and_caption(figure, title, caption)
    labels = []
    for index, (axes, group) in enumerate(zip(panels, groups, strict=True)):
        grid, means = _average_reward_terms(group, metrics, axis)
        gains = np.maximum(means, 0.0)
        costs = np.minimum(means, 0.0)
        for contributions in (gains, costs):
            axes.stackplot(grid, contributions, colors=TERM_COLORS, linewidth=0)
        axes.plot(grid, means.sum(axis=0), color=LIGHT.ink, linewidth=1.8)
        axes.set_title(group.label)
        axes.set_ylabel("reward per episode")
        is_bottom = index + 2 >= len(groups)
        format_axes(axes, axis, "linear", has_label=is_bottom, is_narrow=True)
        axes.tick_params(labelbottom=is_bottom)
        labels += _label_terms(axes, float(grid[-1]), gains[:, -1], costs[:, -1], term_names)
    separate_labels(figure, labels)
    return figure


def _label_terms(
    axes: Axes, x: float, gains: Array, costs: Array, names: Sequence[str]
) -> list[Annotation]:
    """Write the name of each term at the end of its area, in a pale shade of its color."""
    tops = np.where(costs < 0.0, np.cumsum(costs), np.cumsum(gains))
    labels = []
    for index, (name, gain, cost) in enumerate(zip(names, gains, costs, strict=True)):
        middle = float(tops[index] - (gain + cost) / 2.0)
        color = TERM_COLORS[index % len(TERM_COLORS)]
        value = f"{gain + cost:.3g}".replace("-", MINUS)
        style = get_line_style(0)._replace(text_color=LIGHT.ink)
        label = label_line_end(axes, x, middle, f"{name} {value}", style)
        label.set_fontsize(NOTE_SIZE)
        label.set_bbox({"facecolor": color, "edgecolor": "none", "alpha": 0.35, "pad": 1.5})
        labels.append(label)
    return labels


PLOT_FUNCTIONS: Mapping[str, Callable[[Sequence[RunGroup], str], Figure]] = {
    "rewards": plot_reward_terms,
    "losses": plot_losses,
    "evaluation": plot_evaluation,
}
"""Plots of groups of runs, by the value of `--kind`."""


def _find_metrics(groups: Iterable[RunGroup], prefix: str) -> list[str]:
    """Return the names of all metrics with `prefix`, in the order of first appearance."""
    names = (name for group in groups for log in group.logs for name in log)
    return list(dict.fromkeys(name for name in names if name.startswith(prefix)))


def _average_reward_terms(
    group: RunGroup, metrics: Sequence[str], axis: str
) -> tuple[Array, Array]:
    """Average reward contributions over runs: a grid (points,) and means (terms, points).

    A term that the group has not logged is zero.
    """
    logged = [name for name in metrics if group.get_series(name)]
    positions = []
    contributions = []
    for log in group.logs:
        if not log.keys() >= {*logged}:
            continue
        # The last evaluation of a run that was killed may be incomplete.
        num_complete = min(len(log[name].values) for name in logged)
        positions.append(log[logged[0]].get_axis(axis)[:num_complete])
        contributions.append(np.stack([log[name].values[:num_complete] for name in logged], axis=1))
    grid, aligned = align_to_common_grid(positions, contributions)  # (points, terms, runs)
    means = dict(zip(logged, aligned.mean(axis=-1).T, strict=True))
    return grid, np.stack([means.get(name, np.zeros(len(grid))) for name in metrics])


def _add_interval(group: RunGroup, curve: Curve | None) -> Curve | None:
    """Add the 95 % interval of the mean over an evaluation's episodes to a single run's curve.

    The curve of several runs has the interval over runs already. A run that was killed may lack
    the standard deviation of its last evaluation: its curve is returned without an interval.
    """
    if curve is None or len(group.logs) > 1:
        return curve
    stds = group.get_series(RETURN_STD)
    if not stds or len(stds[0].values) != len(curve.center):
        return curve
    # RETURN_STD divides by n: std / sqrt(n - 1) is the standard error of the mean.
    standard_error = stds[0].values / math.sqrt(max(1, group.evaluation_episodes - 1))
    half_width = Z_95 * standard_error
    return curve._replace(low=curve.center - half_width, high=curve.center + half_width)


def _draw_curves(
    axes: Axes,
    groups: Sequence[RunGroup],
    curves: Sequence[Curve | None],
    shown: Sequence[int],
    has_markers: bool,
) -> list[Annotation]:
    """Draw line and band of the groups `shown`, those of the others in grey.

    Return the names at the lines' ends; a single line has none.
    """
    names = []
    for index, (group, curve) in enumerate(zip(groups, curves, strict=True)):
        if curve is None:
            continue
        if index not in shown:
            axes.plot(curve.x, curve.center, color=LIGHT.rule, linewidth=1.2, zorder=1)
            continue
        style = get_line_style(index)
        is_point = len(curve.x) == 1
        axes.plot(curve.x, curve.center, **style.make_line_options(has_markers or is_point))
        axes.fill_between(
            curve.x, curve.low, curve.high, color=style.color, alpha=0.16, linewidth=0
        )
        end = (float(curve.x[-1]), float(curve.center[-1]))
        axes.plot(*end, style.marker, color=style.color, markersize=6.5)
        if len(shown) > 1:
            names.append(label_line_end(axes, *end, shorten_name(group.name), style))
    return names
