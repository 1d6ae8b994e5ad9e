"""Plot what was measured: one run's curves, or what several seeds, a benchmark or a table of results say together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from poise.toolkit.errors import UserError
from poise.toolkit.loggers import columns
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.tools.plot.charts import LABELS, chart, look
from poise.tools.plot.figures import check_picture, save_picture
from poise.tools.plot.log_plots import KINDS, Group
from poise.tools.plot.results import AXES, FILE, Trial, read_results, read_run

WINDOW = 20
"""Episodes that are averaged for the line of the training returns."""


IN_TRAINING = ("return", "length")
"""Measures that every episode of a training tells; success is judged in evaluations alone."""


def plot(words: Sequence[str], runs_dir: Path, axis: str, path: Path, kind: str = "returns", measure: str = "return") -> Path:
    """Draw runs, or one CSV file, benchmark or folder of runs, into an image file (.png, .svg or .pdf).

    What is drawn of them is a `kind`: the returns in training and evaluation, or one of KINDS. Instead of the return it may be
    another measure of BETTER.
    """
    check_picture(path)
    if kind != "returns" and measure != "return":
        raise UserError(f"--kind {kind} says itself what it draws: leave out --measure")
    tables = [word for word in words if _is_table(Path(word))]
    if tables and len(words) > 1:
        raise UserError(f"{tables[0]} holds many runs: plot it by itself")
    if tables and kind == "returns":
        return save_picture(chart(_evaluated(_read(Path(tables[0])), tables[0]), axis, measure), path)
    runs = _runs(Path(tables[0])) if tables else [Run.open(runs_dir, word) for word in words]
    if not runs:
        raise UserError(f"{tables[0]} tells of returns alone: name the runs, or leave out --kind")
    return save_picture(_figure(list({run.path.resolve(): run for run in runs}.values()), axis, kind, measure), path)


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
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config["world"], run.config["algorithm"]), []).append(run)
    names: dict[Path, str] = {}
    for (_, algorithm), group in groups.items():
        kinds = [_kind(run.config) for run in group]
        for run, kind in zip(group, kinds, strict=True):
            names[run.path] = algorithm if len({*kinds}) == 1 else group[kinds.index(kind)].path.name
    return [names[run.path] for run in runs]


def _kind(config: Mapping[str, Any]) -> str:
    """What two runs of one world and algorithm have in common that may be drawn together."""
    training = {key: value for key, value in config["training"].items() if key not in ("seed", "steps", "keep_going")}
    return json.dumps([config["world_settings"], config["settings"], training], sort_keys=True)


def _figure(runs: Sequence[Run], axis: str, kind: str, measure: str) -> Figure:
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
        return chart(_evaluated(trials, "these runs"), axis, measure)
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for index, (run, trial) in enumerate(zip(runs, trials, strict=True)):
        drawn, name = look(index), run.path.name
        if measure in IN_TRAINING:
            column = {"steps": "step", "episodes": "episode", "seconds": "seconds"}[axis]
            x, values = columns(run.path / "episodes.csv", column, measure)
            axes.plot(x, values, ".", markersize=2, alpha=0.25, color=drawn.color)
            if len(values) >= WINDOW:
                mean = np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid")
                axes.plot(x[WINDOW - 1 :], mean, color=drawn.color, alpha=0.6, label=f"{name}: mean of {WINDOW} episodes")
        x, values = trial.column(AXES[axis]), trial.column(measure)
        axes.plot(x, values, markersize=4, label=f"{name}: evaluation, without chance", **drawn._asdict())
    goal = trials[0].solved_at
    if goal is not None and measure == "return":
        axes.axhline(goal, color="0.4", linestyle="--", linewidth=1, label=f"solved at {goal:g}")
    axes.set(xlabel=LABELS[axis], ylabel=f"{measure} of an episode", title=short_name(worlds.pop()))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure
