"""Plots of what runs logged: returns, evaluations with intervals, reward terms, and losses."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import RETURN_STD, REWARD_PREFIX
from poise.toolkit.loggers import MetricHistory, MetricSeries, read_columns, read_metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.curves import Curve, align_to_common_grid, compute_curve
from poise.tools.plot.figures import (
    AXIS_LABELS,
    GREY,
    PALETTE,
    add_legend_and_caption,
    format_axes,
    get_line_style,
    make_panel_grid,
)
from poise.tools.plot.results import AXIS_COLUMNS, EVALUATION_ADVICE, Trial

TERM_PALETTE = (*PALETTE[:-1], "#F0E442", "#882255", "#999999")
"""Colors of reward terms."""


LOSS_PREFIX = "losses/"


LOG_SCALE_RATIO = 100.0
"""Use a logarithmic axis if the largest value exceeds this many times the smallest one."""


MOVING_AVERAGE_WINDOW = 20
"""Episodes averaged in the line of the training returns."""


TRAINING_MEASURES = ("return", "length")
"""Measures logged for each training episode; success is measured in evaluations only."""


EPISODE_COLUMNS = {"steps": "step", "episodes": "episode", "seconds": "seconds"}
"""Horizontal axes of a plot, each with its column of episodes.csv."""


BAND_CAPTION = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."


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


def plot_returns(
    runs: Sequence[Run], trials: Sequence[Trial], axis: str, measure: str = "return"
) -> Figure:
    """Plot training episodes and evaluations of each run of one environment in one panel.

    Args:
        runs: runs of one environment.
        trials: evaluations of each run.
        axis: `steps`, `episodes` or `seconds`.
        measure: `return`, `success` or `length`.
    """
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for index, (run, trial) in enumerate(zip(runs, trials, strict=True)):
        style = get_line_style(index)
        if measure in TRAINING_MEASURES:
            _draw_training_episodes(axes, run, axis, measure, style.color)
        axes.plot(
            trial.get_column(AXIS_COLUMNS[axis]),
            trial.get_column(measure),
            markersize=4,
            label=f"{run.path.name}: evaluation, without exploration",
            **style._asdict(),
        )
    threshold = trials[0].solved_at
    if threshold is not None and measure == "return":
        axes.axhline(
            threshold, color="0.4", linestyle="--", linewidth=1, label=f"solved at {threshold:g}"
        )
    axes.set(
        xlabel=AXIS_LABELS[axis],
        ylabel=f"{measure} of an episode",
        title=short_name(trials[0].env),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _draw_training_episodes(axes: Axes, run: Run, axis: str, measure: str, color: str) -> None:
    """Draw a dot for each training episode, and the moving average as a line."""
    x, values = read_columns(run.path / "episodes.csv", EPISODE_COLUMNS[axis], measure)
    axes.plot(x, values, ".", markersize=2, alpha=0.25, color=color)
    if len(values) < MOVING_AVERAGE_WINDOW:
        return
    kernel = np.ones(MOVING_AVERAGE_WINDOW) / MOVING_AVERAGE_WINDOW
    axes.plot(
        x[MOVING_AVERAGE_WINDOW - 1 :],
        np.convolve(values, kernel, mode="valid"),
        color=color,
        alpha=0.6,
        label=f"{run.path.name}: mean of {MOVING_AVERAGE_WINDOW} episodes",
    )


def plot_losses(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Plot each loss in a panel."""
    names = _find_metrics(groups, LOSS_PREFIX)
    if not names:
        raise UserError(
            "these runs logged no losses: they ended before step log_every; "
            "train with a smaller one, --set log_every=100"
        )
    figure, panels = make_panel_grid(len(names))
    for axes, name in zip(panels, names, strict=True):
        curves = [group.compute_curve(name, axis) for group in groups]
        _draw_curves(axes, groups, curves)
        axes.set_title(name.removeprefix(LOSS_PREFIX).replace("_", " "), fontsize=10)
        format_axes(axes, axis, "linear")
        values = np.concatenate([curve.center for curve in curves if curve is not None])
        smallest = values.min()
        if name.endswith("loss") and smallest > 0.0 and values.max() > LOG_SCALE_RATIO * smallest:
            axes.set_yscale("log")
    single_run_caption = "Means over the steps since the previous point."
    _add_caption(figure, panels, groups, single_run_caption, BAND_CAPTION)
    return figure


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
    term_names = [metric.removeprefix(REWARD_PREFIX) for metric in metrics]
    figure, panels = make_panel_grid(len(groups), sharex=True, sharey=True)
    for axes, group in zip(panels, groups, strict=True):
        grid, means = _average_reward_terms(group, metrics, axis)
        gains = np.maximum(means, 0.0)
        costs = np.minimum(means, 0.0)
        for contributions, labels in ((gains, term_names), (costs, [])):
            axes.stackplot(
                grid,
                contributions,
                labels=labels,
                colors=TERM_PALETTE,
                alpha=0.85,
                linewidth=0,
            )
        axes.plot(grid, means.sum(axis=0), color="black", linewidth=1.5, label="return")
        axes.set_title(group.label, fontsize=10)
        axes.set_ylabel("reward per episode")
        format_axes(axes, axis, "linear")
    caption = "Contribution of each weighted reward term to the return of an evaluation episode"
    _add_caption(figure, panels, groups, f"{caption}.", f"{caption}, mean over the runs.")
    return figure


def plot_evaluation(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Plot return, length and success of the evaluations, with intervals."""
    all_curves = {
        name: [group.compute_curve(f"eval/{name}", axis) for group in groups]
        for name in ("return", "length", "success")
    }
    # An environment may define no success.
    shown = {
        name: curves
        for name, curves in all_curves.items()
        if any(curve is not None for curve in curves)
    }
    if not shown:
        raise UserError(f"no run has been evaluated yet; {EVALUATION_ADVICE}")
    figure, panels = make_panel_grid(len(shown), max_columns=3)
    for axes, (name, evaluated_curves) in zip(panels, shown.items(), strict=True):
        curves = evaluated_curves
        if name == "return":
            curves = [
                _add_interval(group, curve) for group, curve in zip(groups, curves, strict=True)
            ]
            for threshold in {group.threshold for group in groups}:
                if threshold is not None:
                    axes.axhline(threshold, color=GREY, linestyle="--", linewidth=1, zorder=1)
        _draw_curves(axes, groups, curves, has_markers=True)
        axes.set_ylabel(f"{name} in evaluation")
        format_axes(axes, axis, "linear")
    _add_caption(figure, panels, groups, INTERVAL_CAPTION, BAND_CAPTION)
    return figure


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
    has_markers: bool = False,
) -> None:
    """Draw the line and the band of each group that has a curve."""
    for index, (group, curve) in enumerate(zip(groups, curves, strict=True)):
        if curve is None:
            continue
        style = get_line_style(index)
        if not has_markers:
            style = style._replace(marker="")
        axes.plot(
            curve.x,
            curve.center,
            linewidth=1.5,
            markersize=3,
            label=group.label,
            **style._asdict(),
        )
        axes.fill_between(curve.x, curve.low, curve.high, color=style.color, alpha=0.2, linewidth=0)


def _add_caption(
    figure: Figure,
    panels: Sequence[Axes],
    groups: Sequence[RunGroup],
    single_run_caption: str,
    group_caption: str,
) -> None:
    """Add the legend and the caption for single runs or for groups of several runs."""
    is_single = all(len(group.logs) == 1 for group in groups)
    caption = single_run_caption if is_single else group_caption
    add_legend_and_caption(figure, panels, f"{groups[0].env}. {caption}")
