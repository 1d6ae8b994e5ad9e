"""Plot what was measured: one run's curves, or what several seeds, a benchmark or a table of results say together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from poise.toolkit.errors import UserError
from poise.toolkit.loggers import read_columns
from poise.toolkit.registry import short_name
from poise.toolkit.run import Run
from poise.tools.plot.charts import AXIS_LABELS, get_line_style, plot_trials
from poise.tools.plot.figures import check_figure_path, save_figure
from poise.tools.plot.log_plots import PLOT_FUNCTIONS, RunGroup
from poise.tools.plot.results import AXIS_COLUMNS, RESULTS_FILE, Trial, read_results, read_trial

MOVING_AVERAGE_WINDOW = 20
"""Episodes that are averaged for the line of the training returns."""


TRAINING_MEASURES = ("return", "length")
"""Measures that every episode of a training tells; success is judged in evaluations alone."""


def plot(
    names: Sequence[str],
    runs_dir: Path,
    axis: str,
    path: Path,
    kind: str = "returns",
    measure: str = "return",
) -> Path:
    """Draw runs, or one CSV file, benchmark or folder of runs, into an image file (.png, .svg or .pdf).

    What is drawn of them is a `kind`: the returns in training and evaluation, or one of KINDS. Instead of the return it may be
    another measure of BETTER.
    """
    check_figure_path(path)
    if kind != "returns" and measure != "return":
        raise UserError(f"--kind {kind} says itself what it draws: leave out --measure")
    tables = [word for word in names if _is_collection(Path(word))]
    if tables and len(names) > 1:
        raise UserError(f"{tables[0]} holds many runs: plot it by itself")
    if tables and kind == "returns":
        return save_figure(
            plot_trials(_select_evaluated(_read_trials(Path(tables[0])), tables[0]), axis, measure),
            path,
        )
    runs = _find_runs(Path(tables[0])) if tables else [Run.open(runs_dir, word) for word in names]
    if not runs:
        raise UserError(f"{tables[0]} tells of returns alone: name the runs, or leave out --kind")
    return save_figure(
        _plot_runs(list({run.path.resolve(): run for run in runs}.values()), axis, kind, measure),
        path,
    )


def _is_collection(path: Path) -> bool:
    """Whether this holds many runs: a CSV file, a benchmark, or any folder of runs."""
    return (
        path.suffix == ".csv"
        or (path / RESULTS_FILE).is_file()
        or (not (path / "config.json").exists() and bool(_find_runs(path)))
    )


def _find_runs(path: Path) -> list[Run]:
    return [Run(found.parent) for found in sorted(path.glob("*/config.json"))]


def _read_trials(path: Path) -> list[Trial]:
    if path.suffix == ".csv":
        return read_results(path)
    return (
        read_results(path / RESULTS_FILE)
        if (path / RESULTS_FILE).is_file()
        else _read_labelled_trials(_find_runs(path))
    )


def _select_evaluated(trials: Sequence[Trial], source: str) -> list[Trial]:
    found = [trial for trial in trials if len(trial.evaluations)]
    if not found:
        raise UserError(f"{source}: no run has been evaluated yet")
    return found


def _read_labelled_trials(runs: Sequence[Run]) -> list[Trial]:
    """What runs measured, under the names of `_label_runs`."""
    return [
        replace(read_trial(run), algorithm=name)
        for run, name in zip(runs, _label_runs(runs), strict=True)
    ]


def _label_runs(runs: Sequence[Run]) -> list[str]:
    """Runs by their algorithm; runs of one algorithm that differ in more than the seed go by a run's name instead."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config["env"], run.config["algorithm"]), []).append(run)
    names: dict[Path, str] = {}
    for (_, algorithm), group in groups.items():
        kinds = [_make_config_key(run.config) for run in group]
        for run, kind in zip(group, kinds, strict=True):
            names[run.path] = (
                algorithm if len({*kinds}) == 1 else group[kinds.index(kind)].path.name
            )
    return [names[run.path] for run in runs]


def _make_config_key(config: Mapping[str, Any]) -> str:
    """What two runs of one environment and algorithm have in common that may be drawn together."""
    training = {
        key: value
        for key, value in config["training"].items()
        if key not in ("seed", "steps", "stop_when_solved")
    }
    return json.dumps([config["env_settings"], config["settings"], training], sort_keys=True)


def _plot_runs(runs: Sequence[Run], axis: str, kind: str, measure: str) -> Figure:
    """Seeds of one thing together; otherwise every run for itself."""
    envs = {run.config["env"] for run in runs}
    if len(envs) > 1:
        raise UserError(
            f"runs of different environments cannot share a curve: {', '.join(sorted(envs))}"
        )
    names = _label_runs(runs)
    together = len(set(names)) < len(names)
    if kind != "returns":
        groups: dict[str, list[Run]] = {}
        for run, name in zip(runs, names, strict=True):
            groups.setdefault(name if together else run.path.name, []).append(run)
        return PLOT_FUNCTIONS[kind](
            [RunGroup.read(name, group) for name, group in groups.items()], axis
        )
    trials = _read_labelled_trials(runs)
    if together:
        return plot_trials(_select_evaluated(trials, "these runs"), axis, measure)
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for index, (run, trial) in enumerate(zip(runs, trials, strict=True)):
        drawn = get_line_style(index)
        name = run.path.name
        if measure in TRAINING_MEASURES:
            column = {"steps": "step", "episodes": "episode", "seconds": "seconds"}[axis]
            x, values = read_columns(run.path / "episodes.csv", column, measure)
            axes.plot(x, values, ".", markersize=2, alpha=0.25, color=drawn.color)
            if len(values) >= MOVING_AVERAGE_WINDOW:
                mean = np.convolve(
                    values, np.ones(MOVING_AVERAGE_WINDOW) / MOVING_AVERAGE_WINDOW, mode="valid"
                )
                axes.plot(
                    x[MOVING_AVERAGE_WINDOW - 1 :],
                    mean,
                    color=drawn.color,
                    alpha=0.6,
                    label=f"{name}: mean of {MOVING_AVERAGE_WINDOW} episodes",
                )
        x = trial.get_column(AXIS_COLUMNS[axis])
        values = trial.get_column(measure)
        axes.plot(
            x, values, markersize=4, label=f"{name}: evaluation, without chance", **drawn._asdict()
        )
    goal = trials[0].solved_at
    if goal is not None and measure == "return":
        axes.axhline(goal, color="0.4", linestyle="--", linewidth=1, label=f"solved at {goal:g}")
    axes.set(
        xlabel=AXIS_LABELS[axis], ylabel=f"{measure} of an episode", title=short_name(envs.pop())
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure
