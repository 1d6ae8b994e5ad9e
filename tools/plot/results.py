"""Results: every evaluation of every run, from run folders into one tidy CSV file, and back."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write
from poise.toolkit.loggers import EMPTY_SERIES, read_metrics
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

RESULTS_FILE = "results.csv"


EVALUATION_COLUMNS = ("step", "seconds", "episodes", "return", "length", "success", "solved")
"""What an evaluation tells: how far the training was, what it cost, how good the policy is; all of them numbers."""


REQUIRED_COLUMNS = ("env", "algorithm", "seed", *EVALUATION_COLUMNS)
"""What a results.csv must have; `solved_at`, the return that counts as solved, and `variant` come last and may be missing."""


MEASURES = {"return": "higher return", "success": "more success", "length": "longer episodes"}
"""By what a policy may be judged, and what the better one has."""


AXIS_COLUMNS = {"steps": "step", "episodes": "episodes", "seconds": "seconds"}
"""What a training may be measured by, and the column that tells it."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One run as its evaluations saw it; `evaluations` (number of evaluations, MEASURED), in order of steps."""

    env: str
    algorithm: str
    seed: int
    evaluations: Array
    solved_at: float | None = None
    variant: str = ""

    @property
    def label(self) -> str:
        """What it is called in tables and pictures, together with its other seeds."""
        return format_label(self.algorithm, self.variant)

    def get_column(self, name: str) -> Array:
        """One of MEASURED, by evaluation."""
        values: Array = self.evaluations[:, EVALUATION_COLUMNS.index(name)]
        return values

    @property
    def final_return(self) -> float:
        """The return in its last evaluation."""
        return float(self.get_column("return")[-1])

    @property
    def has_continued_after_solved(self) -> bool:
        """Whether it was trained on after it was solved."""
        return bool(self.get_column("solved")[:-1].any())

    def get_time_to_solved(self, axis: str) -> float:
        """Steps, episodes or seconds until the first evaluation that reached the threshold; infinite where none did."""
        reached = np.flatnonzero(self.get_column("solved"))
        return float(self.get_column(AXIS_COLUMNS[axis])[reached[0]]) if len(reached) else math.inf


def format_label(algorithm: str, variant: str) -> str:
    """An algorithm with the variant of its suite, where it has one: `ppo pixels`."""
    return f"{algorithm} {variant}".rstrip()


def read_trial(run: Run, variant: str = "") -> Trial:
    """The trial that a run folder tells; only its suite knows in which variant it was trained."""
    config = run.config
    log = read_metrics(run)
    (step, seconds, episodes, score), *others = (
        log.get(f"eval/{name}", EMPTY_SERIES) for name in ("return", "length", "success")
    )
    goal = config["training"]["solved_at"]
    solved = np.zeros(len(step)) if goal is None else (score >= goal).astype(float)
    # Of a run that was killed, the last evaluation may be there in part.
    whole = min(len(score), *(len(series.values) for series in others))
    told = (step, seconds, episodes, score, *(series.values for series in others), solved)
    table = np.stack([column[:whole] for column in told], axis=1)
    return Trial(
        config["env"], config["algorithm"], config["training"]["seed"], table, goal, variant
    )


def write_results(path: Path, trials: Sequence[Trial]) -> None:
    """Write all trials, one row for each evaluation; the file is there whole or not at all."""
    varied = any(trial.variant for trial in trials)
    with atomic_write(path) as aside, aside.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*REQUIRED_COLUMNS, "solved_at", *["variant"] * varied))
        for trial in trials:
            goal = "" if trial.solved_at is None else f"{trial.solved_at:g}"
            for step, seconds, episodes, *score, solved in trial.evaluations.tolist():
                told = (int(step), f"{seconds:.3f}", int(episodes), *score, int(solved))
                writer.writerow(
                    (trial.env, trial.algorithm, trial.seed, *told, goal, *[trial.variant] * varied)
                )


def read_results(path: Path) -> list[Trial]:
    """The trials of a results.csv; whatever is wrong with it is a UserError that names the line."""
    found: dict[tuple[str, str, int, str], dict[float, list[float]]] = {}
    goals: dict[tuple[str, str, int, str], float | None] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in REQUIRED_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path} has no column {', '.join(missing)}: it should have {', '.join(REQUIRED_COLUMNS)}"
                )
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                measured = _parse_evaluation(row, where)
                key = (
                    row["env"],
                    row["algorithm"],
                    int(_parse_number(row, "seed", where)),
                    row.get("variant") or "",
                )
                evaluations = found.setdefault(key, {})
                if measured[0] in evaluations:
                    raise UserError(f"{where}: this run has told of step {measured[0]:g} before")
                evaluations[measured[0]] = measured
                goals[key] = (
                    _parse_number(row, "solved_at", where) if row.get("solved_at") else None
                )
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} is no CSV file") from None
    if not found:
        raise UserError(f"{path} has no rows: no run has been evaluated yet")
    return [
        Trial(*key[:3], np.array([rows[step] for step in sorted(rows)]), goals[key], key[3])
        for key, rows in found.items()
    ]


def _parse_evaluation(row: dict[str, str], location: str) -> list[float]:
    return [_parse_number(row, name, location) for name in EVALUATION_COLUMNS]


def _parse_number(row: dict[str, str], name: str, location: str) -> float:
    """A finite number; True and False, as other programs write them, are 1 and 0."""
    text = row[name]
    try:
        value = float({"True": "1", "False": "0"}.get(text, text))
    except (ValueError, TypeError):
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{location}: {name} should be a number, not {text!r}")
    return value


def group_by_label(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials by their algorithm and variant, in the order of their first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.label, []).append(trial)
    return groups


def group_by_env(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials by their environment, in the order of their first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.env, []).append(trial)
    return groups
