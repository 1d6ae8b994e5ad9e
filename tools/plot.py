"""Plot what was measured: one run's curves, or what several seeds, a benchmark or a table of results say together."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from toolkit.errors import UserError
from toolkit.registry import short_name
from toolkit.run import Run
from tools.charts import COLOURS, chart
from tools.logged import columns
from tools.panels import LABELS
from tools.pictures import check_picture, save_picture
from tools.plot_logs import KINDS, Group
from tools.results import AXES, FILE, Trial, read_results, read_run

WINDOW = 20
"""Episodes that are averaged for the line of the training returns."""


def plot(words: Sequence[str], runs_dir: Path, axis: str, path: Path, kind: str = "returns") -> Path:
    """Draw runs, or one CSV file, benchmark or folder of runs, into an image file (.png, .svg or .pdf).

    What is drawn of them is a `kind`: the returns in training and evaluation, or one of KINDS.
    """
    check_picture(path)
    tables = [word for word in words if _is_table(Path(word))]
    if tables and len(words) > 1:
        raise UserError(f"{tables[0]} holds many runs: plot it by itself")
    if tables and kind == "returns":
        return save_picture(chart(_evaluated(_read(Path(tables[0])), tables[0]), axis), path)
    runs = _runs(Path(tables[0])) if tables else [Run.open(runs_dir, word) for word in words]
    if not runs:
        raise UserError(f"{tables[0]} tells of returns alone: name the runs, or leave out --kind")
    return save_picture(_figure(list({run.path.resolve(): run for run in runs}.values()), axis, kind), path)


def _is_table(path: Path) -> bool:
    """Whether this holds many runs: a CSV file, a benchmark, or any folder of runs."""
    return path.suffix == ".csv" or (path / FILE).is_file() or (not (path / "config.json").exists() and bool(_runs(path)))


def _runs(path: Path) -> list[Run]:
    return [Run(found.parent) for found in sorted(path.glob("*/config.json"))]


def _read(path: Path) -> list[Trial]:
    if path.suffix == ".csv":
        return read_results(path)
    return read_results(path / FILE) if (path / FILE).is_file() else _trials(_runs(path))


def _evaluated(trials: Sequence[Trial], where: str) -> list[Trial]:
    found = [trial for trial in trials if len(trial.evaluations)]
    if not found:
        raise UserError(f"{where}: no run has been evaluated yet")
    return found


def _trials(runs: Sequence[Run]) -> list[Trial]:
    """What runs measured, under the names of `_names`."""
    return [replace(read_run(run), algorithm=name) for run, name in zip(runs, _names(runs), strict=True)]


def _names(runs: Sequence[Run]) -> list[str]:
    """Runs by their algorithm; runs of one algorithm that differ in more than the seed go by a run's name instead."""
    kinds: dict[tuple[str, str], dict[str, str]] = {}
    found = []
    for run in runs:
        config = run.config
        training = {key: value for key, value in config["training"].items() if key not in ("seed", "steps", "keep_going")}
        kind = json.dumps([config["world_settings"], config["settings"], training], sort_keys=True)
        alike = kinds.setdefault((config["world"], config["algorithm"]), {})
        alike.setdefault(kind, run.path.name)
        found.append((config["algorithm"], kind, alike))
    return [algorithm if len(alike) == 1 else alike[kind] for algorithm, kind, alike in found]


def _figure(runs: Sequence[Run], axis: str, kind: str) -> Figure:
    """Seeds of one thing together; otherwise every run for itself."""
    worlds = {run.config["world"] for run in runs}
    if len(worlds) > 1:
        raise UserError(f"runs of different worlds cannot share a curve: {', '.join(sorted(worlds))}")
    names = _names(runs)
    together = len(set(names)) < len(names)
    if kind != "returns":
        groups: dict[str, list[Run]] = {}
        for run, name in zip(runs, names, strict=True):
            groups.setdefault(name if together else run.path.name, []).append(run)
        return KINDS[kind]([Group.read(name, group) for name, group in groups.items()], axis)
    trials = _trials(runs)
    if together:
        return chart(_evaluated(trials, "these runs"), axis)
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for index, (run, trial) in enumerate(zip(runs, trials, strict=True)):
        colour, name = COLOURS[index % len(COLOURS)], run.path.name
        column = {"steps": "step", "episodes": "episode", "seconds": "seconds"}[axis]
        x, returns = columns(run.path / "episodes.csv", column, "return")
        axes.plot(x, returns, ".", markersize=2, alpha=0.25, color=colour)
        if len(returns) >= WINDOW:
            mean = np.convolve(returns, np.ones(WINDOW) / WINDOW, mode="valid")
            axes.plot(x[WINDOW - 1 :], mean, color=colour, alpha=0.6, label=f"{name}: mean of {WINDOW} episodes")
        x, returns = trial.column(AXES[axis]), trial.column("return")
        axes.plot(x, returns, "o-", markersize=4, color=colour, label=f"{name}: evaluation, without chance")
    goal = trials[0].solved_at
    if goal is not None:
        axes.axhline(goal, color="0.4", linestyle="--", linewidth=1, label=f"solved at {goal:g}")
    axes.set(xlabel=LABELS[axis], ylabel="return of an episode", title=short_name(worlds.pop()))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


if __name__ == "__main__":
    from cli import plot as command

    command()
