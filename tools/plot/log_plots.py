"""What runs logged, as pictures: evaluations with intervals, what each reward term paid, and losses."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from poise.toolkit.errors import UserError
from poise.toolkit.evaluation import PAID, SPREAD
from poise.toolkit.loggers import Log, Series, read_log
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.plot.charts import COLOURS, GREY, explain, grid_of_panels, look, tidy
from poise.tools.plot.curves import Curve, band, on_one_grid

TERMS = (*COLOURS[:-1], "#F0E442", "#882255", "#999999")
"""Colours of reward terms."""


LOSSES = "losses/"


STEEP = 100.0
"""Where the largest value is so many times the smallest, a logarithmic axis shows both."""


BAND = "Line: interquartile mean of the runs; band: its 95 % bootstrap interval."


INTERVAL = "Band: 95 % interval of the mean return of an evaluation's episodes."


NO_INTERVAL = "No interval: an older Poise did not tell how far an evaluation's returns spread."


SURE = 1.96
"""Standard errors to either side of a mean that hold the true one 95 times in 100."""


class Group(NamedTuple):
    """Runs that are drawn together: seeds of one thing, or a single run."""

    world: str
    name: str
    logs: Sequence[Log]
    goal: float | None
    episodes: int
    """Of each evaluation."""

    @classmethod
    def read(cls, name: str, runs: Sequence[Run]) -> Self:
        """What some runs logged."""
        config, logs = runs[0].config, [read_log(run) for run in runs]
        training = config["training"]
        return cls(short_name(config["world"]), name, logs, training.get("solved_at"), training.get("evaluate_episodes", 1))

    @property
    def label(self) -> str:
        """Its name, and how many runs it is."""
        return self.name if len(self.logs) == 1 else f"{self.name} ({len(self.logs)} runs)"

    def told(self, metric: str) -> list[Series]:
        """A metric of all its runs that tell of it."""
        return [log[metric] for log in self.logs if metric in log]

    def curve(self, metric: str, axis: str) -> Curve | None:
        """A metric of all its runs together; None where none tells of it."""
        told = self.told(metric)
        return band([series.along(axis) for series in told], [series.values for series in told]) if told else None


def losses(groups: Sequence[Group], axis: str) -> Figure:
    """A panel for each loss."""
    names = list(dict.fromkeys(name for group in groups for log in group.logs for name in log if name.startswith(LOSSES)))
    if not names:
        raise UserError("these runs tell of no losses: they ended before the first were logged, after log_every steps")
    figure, panels = grid_of_panels(len(names))
    for axes, name in zip(panels, names, strict=True):
        found = [group.curve(name, axis) for group in groups]
        drawn = np.concatenate([curve.middle for curve in found if curve is not None])
        _draw(axes, groups, found)
        axes.set_title(name.removeprefix(LOSSES).replace("_", " "), fontsize=10)
        tidy(axes, axis, "linear")
        if name.endswith("loss") and drawn.min() > 0.0 and drawn.max() > STEEP * drawn.min():
            axes.set_yscale("log")
    _explain(figure, panels, groups, "Means over the steps since the point before.", BAND)
    return figure


def rewards(groups: Sequence[Group], axis: str) -> Figure:
    """What each term of the reward paid an episode in evaluation, stacked; a panel for each group."""
    missing = [group.name for group in groups if not any(name.startswith(PAID) for log in group.logs for name in log)]
    if missing:
        raise UserError(
            f"{missing[0]} does not tell what the terms of its reward paid: an older Poise trained it, or its world has none"
        )
    terms = list(dict.fromkeys(name for group in groups for log in group.logs for name in log if name.startswith(PAID)))
    figure, panels = grid_of_panels(len(groups), sharex=True, sharey=True)
    for axes, group in zip(panels, groups, strict=True):
        grid, means = _paid(group, terms, axis)
        for sign, side in ((1.0, np.maximum(means, 0.0)), (-1.0, np.minimum(means, 0.0))):
            names = [name.removeprefix(PAID) for name in terms] if sign > 0 else []
            axes.stackplot(grid, side, labels=names, colors=TERMS, alpha=0.85, linewidth=0)
        axes.plot(grid, means.sum(axis=0), color="black", linewidth=1.5, label="return")
        axes.set_title(group.label, fontsize=10)
        axes.set_ylabel("paid in an episode")
        tidy(axes, axis, "linear")
    told = "What each term of the reward, times its weight, added to the return of an episode in evaluation"
    _explain(figure, panels, groups, f"{told}.", f"{told}, in the mean of the runs.")
    return figure


def evaluation(groups: Sequence[Group], axis: str) -> Figure:
    """Return, length and success in evaluation, with intervals."""
    figure, panels = grid_of_panels(3, abreast=3)
    for axes, name in zip(panels, ("return", "length", "success"), strict=True):
        found = [group.curve(f"eval/{name}", axis) for group in groups]
        if all(curve is None for curve in found):
            raise UserError("no run has been evaluated yet")
        if name == "return":
            found = [_with_spread(group, curve) for group, curve in zip(groups, found, strict=True)]
            for goal in {group.goal for group in groups if group.goal is not None}:
                axes.axhline(goal, color=GREY, linestyle="--", linewidth=1, zorder=1)
        _draw(axes, groups, found, marked=True)
        axes.set_ylabel(f"{name} in evaluation")
        tidy(axes, axis, "linear")
    _explain(figure, panels, groups, INTERVAL if any(group.told(SPREAD) for group in groups) else NO_INTERVAL, BAND)
    return figure


KINDS: Mapping[str, Callable[[Sequence[Group], str], Figure]] = {"rewards": rewards, "losses": losses, "evaluation": evaluation}


def _paid(group: Group, terms: Sequence[str], axis: str) -> tuple[Array, Array]:
    """A grid (points,), and what each term paid there in the mean of a group's runs (terms, points)."""
    known = [name for name in terms if group.told(name)]
    logs = [log for log in group.logs if log.keys() >= {*known}]
    # Of a run that was killed, the last evaluation may be there in part.
    whole = [min(len(log[name].values) for name in known) for log in logs]
    places = [log[known[0]].along(axis)[:number] for log, number in zip(logs, whole, strict=True)]
    seen = [np.stack([log[name].values[:number] for name in known], axis=1) for log, number in zip(logs, whole, strict=True)]
    grid, paid = on_one_grid(places, seen)
    means = dict(zip(known, paid.mean(axis=-1).T, strict=True))
    return grid, np.stack([means.get(name, np.zeros(len(grid))) for name in terms])


def _with_spread(group: Group, curve: Curve | None) -> Curve | None:
    """The curve of a single run with the interval of its mean over an evaluation's episodes, where it told their spread."""
    spread = group.told(SPREAD)
    if curve is None or len(group.logs) > 1 or not spread or len(spread[0].values) != len(curve.middle):
        return curve
    error = SURE * spread[0].values / math.sqrt(max(1, group.episodes - 1))
    return curve._replace(low=curve.middle - error, high=curve.middle + error)


def _draw(axes: Axes, groups: Sequence[Group], found: Sequence[Curve | None], marked: bool = False) -> None:
    for index, (group, curve) in enumerate(zip(groups, found, strict=True)):
        if curve is not None:
            drawn = look(index) if marked else look(index)._replace(marker="")
            axes.plot(curve.x, curve.middle, linewidth=1.5, markersize=3, label=group.label, **drawn._asdict())
            axes.fill_between(curve.x, curve.low, curve.high, color=drawn.color, alpha=0.2, linewidth=0)


def _explain(figure: Figure, panels: Sequence[Axes], groups: Sequence[Group], alone: str, together: str) -> None:
    """Say what is drawn, of single runs or of several together."""
    told = alone if all(len(group.logs) == 1 for group in groups) else together
    explain(figure, panels, f"{groups[0].world}. {told}")
