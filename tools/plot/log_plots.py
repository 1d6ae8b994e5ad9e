"""What runs logged, as pictures: evaluations with intervals, what each reward term paid, and losses."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import RETURN_STD, REWARD_PREFIX
from poise.toolkit.loggers import MetricHistory, MetricSeries, read_metrics
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.charts import (
    GREY,
    PALETTE,
    add_legend_and_caption,
    format_axes,
    get_line_style,
    make_panel_grid,
)
from poise.tools.plot.curves import Curve, align_to_common_grid, compute_curve

TERM_PALETTE = (*PALETTE[:-1], "#F0E442", "#882255", "#999999")
"""Colours of reward terms."""


LOSS_PREFIX = "losses/"


LOG_SCALE_RATIO = 100.0
"""Where the largest value is so many times the smallest, a logarithmic axis shows both."""


BAND_CAPTION = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."


INTERVAL_CAPTION = "Band: 95 % interval of the mean return of an evaluation's episodes."


NO_INTERVAL_CAPTION = (
    "No interval: an older Poise did not tell how far an evaluation's returns spread."
)


Z_95 = 1.96
"""Standard errors to either side of a mean that hold the true one 95 times in 100."""


class RunGroup(NamedTuple):
    """Runs that are drawn together: seeds of one thing, or a single run."""

    env: str
    name: str
    logs: Sequence[MetricHistory]
    threshold: float | None
    evaluation_episodes: int
    """Of each evaluation."""

    @classmethod
    def read(cls, name: str, runs: Sequence[Run]) -> Self:
        """What some runs logged."""
        config = runs[0].config
        logs = [read_metrics(run) for run in runs]
        training = config["training"]
        return cls(
            short_name(config["env"]),
            name,
            logs,
            training.get("solved_at"),
            training.get("evaluate_episodes", 1),
        )

    @property
    def label(self) -> str:
        """Its name, and how many runs it is."""
        return self.name if len(self.logs) == 1 else f"{self.name} ({len(self.logs)} runs)"

    def get_series(self, metric: str) -> list[MetricSeries]:
        """A metric of all its runs that tell of it."""
        return [log[metric] for log in self.logs if metric in log]

    def compute_curve(self, metric: str, axis: str) -> Curve | None:
        """A metric of all its runs together; None where none tells of it."""
        told = self.get_series(metric)
        return (
            compute_curve(
                [series.get_axis(axis) for series in told], [series.values for series in told]
            )
            if told
            else None
        )


def plot_losses(groups: Sequence[RunGroup], axis: str) -> Figure:
    """A panel for each loss."""
    names = list(
        dict.fromkeys(
            name
            for group in groups
            for log in group.logs
            for name in log
            if name.startswith(LOSS_PREFIX)
        )
    )
    if not names:
        raise UserError(
            "these runs tell of no losses: they ended before the first were logged, after log_every steps"
        )
    figure, panels = make_panel_grid(len(names))
    for axes, name in zip(panels, names, strict=True):
        found = [group.compute_curve(name, axis) for group in groups]
        drawn = np.concatenate([curve.center for curve in found if curve is not None])
        _draw_curves(axes, groups, found)
        axes.set_title(name.removeprefix(LOSS_PREFIX).replace("_", " "), fontsize=10)
        format_axes(axes, axis, "linear")
        if (
            name.endswith("loss")
            and drawn.min() > 0.0
            and drawn.max() > LOG_SCALE_RATIO * drawn.min()
        ):
            axes.set_yscale("log")
    _add_caption(
        figure, panels, groups, "Means over the steps since the point before.", BAND_CAPTION
    )
    return figure


def plot_reward_terms(groups: Sequence[RunGroup], axis: str) -> Figure:
    """What each term of the reward paid an episode in evaluation, stacked; a panel for each group."""
    missing = [
        group.name
        for group in groups
        if not any(name.startswith(REWARD_PREFIX) for log in group.logs for name in log)
    ]
    if missing:
        raise UserError(
            f"{missing[0]} does not tell what the terms of its reward paid: an older Poise trained it, or its environment has none"
        )
    terms = list(
        dict.fromkeys(
            name
            for group in groups
            for log in group.logs
            for name in log
            if name.startswith(REWARD_PREFIX)
        )
    )
    figure, panels = make_panel_grid(len(groups), sharex=True, sharey=True)
    for axes, group in zip(panels, groups, strict=True):
        grid, means = _average_reward_terms(group, terms, axis)
        for sign, side in ((1.0, np.maximum(means, 0.0)), (-1.0, np.minimum(means, 0.0))):
            names = [name.removeprefix(REWARD_PREFIX) for name in terms] if sign > 0 else []
            axes.stackplot(grid, side, labels=names, colors=TERM_PALETTE, alpha=0.85, linewidth=0)
        axes.plot(grid, means.sum(axis=0), color="black", linewidth=1.5, label="return")
        axes.set_title(group.label, fontsize=10)
        axes.set_ylabel("paid in an episode")
        format_axes(axes, axis, "linear")
    told = "What each term of the reward, times its weight, added to the return of an episode in evaluation"
    _add_caption(figure, panels, groups, f"{told}.", f"{told}, in the mean of the runs.")
    return figure


def plot_evaluation(groups: Sequence[RunGroup], axis: str) -> Figure:
    """Return, length and success in evaluation, with intervals."""
    figure, panels = make_panel_grid(3, max_columns=3)
    for axes, name in zip(panels, ("return", "length", "success"), strict=True):
        found = [group.compute_curve(f"eval/{name}", axis) for group in groups]
        if all(curve is None for curve in found):
            raise UserError("no run has been evaluated yet")
        if name == "return":
            found = [
                _add_interval(group, curve) for group, curve in zip(groups, found, strict=True)
            ]
            for goal in {group.threshold for group in groups if group.threshold is not None}:
                axes.axhline(goal, color=GREY, linestyle="--", linewidth=1, zorder=1)
        _draw_curves(axes, groups, found, has_markers=True)
        axes.set_ylabel(f"{name} in evaluation")
        format_axes(axes, axis, "linear")
    _add_caption(
        figure,
        panels,
        groups,
        INTERVAL_CAPTION
        if any(group.get_series(RETURN_STD) for group in groups)
        else NO_INTERVAL_CAPTION,
        BAND_CAPTION,
    )
    return figure


PLOT_FUNCTIONS: Mapping[str, Callable[[Sequence[RunGroup], str], Figure]] = {
    "rewards": plot_reward_terms,
    "losses": plot_losses,
    "evaluation": plot_evaluation,
}


def _average_reward_terms(group: RunGroup, terms: Sequence[str], axis: str) -> tuple[Array, Array]:
    """A grid (points,), and what each term paid there in the mean of a group's runs (terms, points)."""
    known = [name for name in terms if group.get_series(name)]
    logs = [log for log in group.logs if log.keys() >= {*known}]
    # Of a run that was killed, the last evaluation may be there in part.
    whole = [min(len(log[name].values) for name in known) for log in logs]
    places = [
        log[known[0]].get_axis(axis)[:number] for log, number in zip(logs, whole, strict=True)
    ]
    seen = [
        np.stack([log[name].values[:number] for name in known], axis=1)
        for log, number in zip(logs, whole, strict=True)
    ]
    grid, paid = align_to_common_grid(places, seen)
    means = dict(zip(known, paid.mean(axis=-1).T, strict=True))
    return grid, np.stack([means.get(name, np.zeros(len(grid))) for name in terms])


def _add_interval(group: RunGroup, curve: Curve | None) -> Curve | None:
    """The curve of a single run with the interval of its mean over an evaluation's episodes, where it told their spread."""
    spread = group.get_series(RETURN_STD)
    if (
        curve is None
        or len(group.logs) > 1
        or not spread
        or len(spread[0].values) != len(curve.center)
    ):
        return curve
    error = Z_95 * spread[0].values / math.sqrt(max(1, group.evaluation_episodes - 1))
    return curve._replace(low=curve.center - error, high=curve.center + error)


def _draw_curves(
    axes: Axes,
    groups: Sequence[RunGroup],
    curves: Sequence[Curve | None],
    has_markers: bool = False,
) -> None:
    for index, (group, curve) in enumerate(zip(groups, curves, strict=True)):
        if curve is not None:
            drawn = (
                get_line_style(index) if has_markers else get_line_style(index)._replace(marker="")
            )
            axes.plot(
                curve.x,
                curve.center,
                linewidth=1.5,
                markersize=3,
                label=group.label,
                **drawn._asdict(),
            )
            axes.fill_between(
                curve.x, curve.low, curve.high, color=drawn.color, alpha=0.2, linewidth=0
            )


def _add_caption(
    figure: Figure,
    panels: Sequence[Axes],
    groups: Sequence[RunGroup],
    single_run_caption: str,
    group_caption: str,
) -> None:
    """Say what is drawn, of single runs or of several together."""
    told = single_run_caption if all(len(group.logs) == 1 for group in groups) else group_caption
    add_legend_and_caption(figure, panels, f"{groups[0].env}. {told}")
