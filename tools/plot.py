"""Plot runs: how the return grew, in training and in evaluation, by steps."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from toolkit.errors import UserError, WorkError
from toolkit.registry import short_name
from toolkit.run import Run
from toolkit.signals import Array

WINDOW = 20
"""Episodes that are averaged for the line of the training returns."""


def plot_runs(runs: Sequence[Run], path: Path) -> Path:
    """Draw the learning curves of `runs` of one world into an image file (.png, .svg or .pdf)."""
    worlds = {run.config["world"] for run in runs}
    if len(worlds) > 1:
        raise UserError(f"runs of different worlds cannot share a curve: {', '.join(sorted(worlds))}")
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    if path.suffix[1:] not in canvas.get_supported_filetypes():
        raise UserError(f"a plot is a .png, .svg or .pdf, not {path.name!r}")
    axes = figure.add_subplot()
    for index, run in enumerate(runs):
        colour = f"C{index}"
        steps, returns = _columns(run.path / "episodes.csv", "step", "return")
        axes.plot(steps, returns, ".", markersize=2, alpha=0.25, color=colour)
        if len(returns) >= WINDOW:
            mean = np.convolve(returns, np.ones(WINDOW) / WINDOW, mode="valid")
            axes.plot(steps[WINDOW - 1 :], mean, color=colour, alpha=0.6, label=f"{run.path.name}: mean of {WINDOW} episodes")
        steps, returns = _columns(run.path / "metrics.csv", "step", "value", name="eval/return")
        axes.plot(steps, returns, "o-", markersize=4, color=colour, label=f"{run.path.name}: evaluation, without chance")
    goal = runs[0].config["training"]["solved_at"]
    if goal is not None:
        axes.axhline(goal, color="0.4", linestyle="--", linewidth=1, label=f"solved at {goal:g}")
    axes.set(xlabel="steps", ylabel="return of an episode", title=short_name(worlds.pop()))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def _columns(path: Path, x: str, y: str, name: str | None = None) -> tuple[Array, Array]:
    """Two columns of a CSV file as floats; of the rows of one metric, where `name` says so."""
    try:
        with path.open(newline="") as file:
            rows = [(float(row[x]), float(row[y])) for row in csv.DictReader(file) if name is None or row["name"] == name]
    except (OSError, KeyError, ValueError, TypeError):
        raise WorkError(f"{path} cannot be read: the run is damaged") from None
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
