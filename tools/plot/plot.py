"""`poise plot`: choose a plot for runs, a benchmark, a folder of runs or a results.csv."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from poise.toolkit.errors import UserError
from poise.toolkit.files import find_free_path
from poise.toolkit.run import Run, replace_latest
from poise.tools.plot.figures import check_figure_path, save_figure
from poise.tools.plot.log_plots import PLOT_FUNCTIONS, RunGroup, plot_run
from poise.tools.plot.results import (
    EVALUATION_ADVICE,
    RESULTS_FILE,
    Trial,
    read_results,
    read_trial,
    require_measure,
)
from poise.tools.plot.trial_plots import plot_trials


def plot(
    names: Sequence[str],
    runs_dir: Path,
    axis: str,
    path: Path | None = None,
    kind: str = "returns",
    measure: str = "return",
) -> Path:
    """Plot runs, or one results.csv, benchmark or folder of runs, into an image file.

    Args:
        names: names or paths of runs; or one path of a results.csv, benchmark or folder of runs.
        runs_dir: folder of the named runs.
        axis: horizontal axis: `steps`, `episodes` or `seconds`.
        path: image file to write (.png, .svg or .pdf); None: a free name, see `name_figure`.
        kind: `returns` in training and evaluation, or a key of PLOT_FUNCTIONS.
        measure: `return`, or `success` or `length` in its place; with kind `returns` only.

    Raises:
        UserError: an unknown run, nothing to plot, or arguments that exclude each other.
    """
    names = [replace_latest(runs_dir, name) for name in names]
    path = path or find_free_path(Path.cwd() / name_figure(names, axis, kind, measure))
    check_figure_path(path)
    if kind != "returns" and measure != "return":
        raise UserError(f"--measure applies to --kind returns only: leave it out with {kind}")
    collections = [name for name in names if _is_collection(Path(name))]
    if not collections:
        runs = [Run.open(runs_dir, name) for name in names]
        return save_figure(_plot_runs(_drop_duplicates(runs), axis, kind, measure), path)
    collection = collections[0]
    if len(names) > 1:
        raise UserError(f"{collection} holds many runs: plot it by itself")
    if kind == "returns":
        trials = _select_evaluated(_read_trials(Path(collection)), collection)
        require_measure(trials, measure)
        return save_figure(plot_trials(trials, axis, measure), path)
    runs = _find_runs(Path(collection))
    if not runs:
        raise UserError(f"{collection} holds evaluations only: name the runs, or leave out --kind")
    return save_figure(_plot_runs(_drop_duplicates(runs), axis, kind, measure), path)


def name_figure(names: Sequence[str], axis: str, kind: str, measure: str) -> str:
    """Return a file name that says what a figure shows: `standing-ppo-0-and-2-more-losses.png`."""
    shown = Path(os.path.realpath(names[0]))
    parts = [shown.stem if shown.suffix == ".csv" else shown.name]
    if len(names) > 1:
        parts.append(f"and-{len(names) - 1}-more")
    parts.append(kind if measure == "return" else measure)
    if axis != "steps":
        parts.append(f"by-{axis}")
    return f"{'-'.join(parts)}.png"


def _is_collection(path: Path) -> bool:
    """Return whether `path` holds many runs: a CSV file, a benchmark, or any folder of runs."""
    if path.suffix == ".csv" or (path / RESULTS_FILE).is_file():
        return True
    return not (path / "config.json").exists() and bool(_find_runs(path))


def _find_runs(path: Path) -> list[Run]:
    return [Run(config_path.parent) for config_path in sorted(path.glob("*/config.json"))]


def _drop_duplicates(runs: Sequence[Run]) -> list[Run]:
    return list({run.path.resolve(): run for run in runs}.values())


def _read_trials(path: Path) -> list[Trial]:
    """Read the trials of a collection."""
    if path.suffix == ".csv":
        return read_results(path)
    if (path / RESULTS_FILE).is_file():
        return read_results(path / RESULTS_FILE)
    return _read_labelled_trials(_find_runs(path))


def _select_evaluated(trials: Sequence[Trial], source: str) -> list[Trial]:
    evaluated = [trial for trial in trials if len(trial.evaluations)]
    if not evaluated:
        raise UserError(f"{source}: no run has been evaluated yet; {EVALUATION_ADVICE}")
    return evaluated


def _read_labelled_trials(runs: Sequence[Run]) -> list[Trial]:
    """Read the evaluations of runs; the label of `_label_runs` replaces the algorithm."""
    return [
        replace(read_trial(run), algorithm=label)
        for run, label in zip(runs, _label_runs(runs), strict=True)
    ]


def _label_runs(runs: Sequence[Run]) -> list[str]:
    """Label runs so that runs with the same configuration but for the seed share a label.

    The label is the algorithm. If the configurations of an algorithm differ, it is the name of
    the first run with the same configuration.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.config["env"], run.config["algorithm"]), []).append(run)
    labels: dict[Path, str] = {}
    for (_, algorithm), group in groups.items():
        keys = [_make_config_key(run.config) for run in group]
        for run, key in zip(group, keys, strict=True):
            first = group[keys.index(key)]
            labels[run.path] = algorithm if len(set(keys)) == 1 else first.path.name
    return [labels[run.path] for run in runs]


def _make_config_key(config: Mapping[str, Any]) -> str:
    """Return what runs of one environment and algorithm must share to be aggregated.

    Runs may differ in the seed and in the length of training.
    """
    training = {
        key: value
        for key, value in config["training"].items()
        if key not in ("seed", "steps", "stop_when_solved")
    }
    return json.dumps([config["env_settings"], config["settings"], training], sort_keys=True)


def _plot_runs(runs: Sequence[Run], axis: str, kind: str, measure: str) -> Figure:
    """Plot runs of one environment; runs that share their configuration form one curve."""
    envs = {run.config["env"] for run in runs}
    if len(envs) > 1:
        raise UserError(
            f"runs of different environments cannot share a curve: {', '.join(sorted(envs))}"
        )
    labels = _label_runs(runs)
    if kind != "returns":
        has_one_run_each = len(set(labels)) == len(labels)
        groups: dict[str, list[Run]] = {}
        for run, label in zip(runs, labels, strict=True):
            groups.setdefault(run.path.name if has_one_run_each else label, []).append(run)
        run_groups = [RunGroup.read(name, group) for name, group in groups.items()]
        return PLOT_FUNCTIONS[kind](run_groups, axis)
    trials = _read_labelled_trials(runs)
    require_measure(trials, measure)
    if len(runs) == 1:
        return plot_run(runs[0], trials[0], axis, measure)
    return plot_trials(_select_evaluated(trials, "these runs"), axis, measure)
