"""Results: every evaluation of every run, from run folders into one tidy CSV file, and back."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from poise.toolkit.errors import UserError
from poise.toolkit.files import whole_file
from poise.toolkit.loggers import NOTHING, read_log
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

FILE = "results.csv"


MEASURED = ("step", "seconds", "episodes", "return", "length", "success", "solved")
"""What an evaluation tells: how far the training was, what it cost, how good the policy is; all of them numbers."""


COLUMNS = ("world", "algorithm", "seed", *MEASURED)
"""What a results.csv must have; `solved_at`, the return that counts as solved, and `variant` come last and may be missing."""


BETTER = {"return": "higher return", "success": "more success", "length": "longer episodes"}
"""By what a policy may be judged, and what the better one has."""


AXES = {"steps": "step", "episodes": "episodes", "seconds": "seconds"}
"""What a training may be measured by, and the column that tells it."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One run as its evaluations saw it; `evaluations` (number of evaluations, MEASURED), in order of steps."""

    world: str
    algorithm: str
    seed: int
    evaluations: Array
    solved_at: float | None = None
    variant: str = ""

    @property
    def name(self) -> str:
        """What it is called in tables and pictures, together with its other seeds."""
        return full_name(self.algorithm, self.variant)

    def column(self, name: str) -> Array:
        """One of MEASURED, by evaluation."""
        values: Array = self.evaluations[:, MEASURED.index(name)]
        return values

    @property
    def score(self) -> float:
        """The return in its last evaluation."""
        return float(self.column("return")[-1])

    @property
    def goes_on(self) -> bool:
        """Whether it was trained on after it was solved."""
        return bool(self.column("solved")[:-1].any())

    def until_solved(self, axis: str) -> float:
        """Steps, episodes or seconds until the first evaluation that reached the threshold; infinite where none did."""
        reached = np.flatnonzero(self.column("solved"))
        return float(self.column(AXES[axis])[reached[0]]) if len(reached) else math.inf


def full_name(algorithm: str, variant: str) -> str:
    """An algorithm with the variant of its suite, where it has one: `ppo pixels`."""
    return f"{algorithm} {variant}".rstrip()


def read_run(run: Run, variant: str = "") -> Trial:
    """The trial that a run folder tells; only its suite knows in which variant it was trained."""
    config, log = run.config, read_log(run)
    (step, seconds, episodes, score), *others = (log.get(f"eval/{name}", NOTHING) for name in ("return", "length", "success"))
    goal = config["training"]["solved_at"]
    solved = np.zeros(len(step)) if goal is None else (score >= goal).astype(float)
    # Of a run that was killed, the last evaluation may be there in part.
    whole = min(len(score), *(len(series.values) for series in others))
    told = (step, seconds, episodes, score, *(series.values for series in others), solved)
    table = np.stack([column[:whole] for column in told], axis=1)
    return Trial(config["world"], config["algorithm"], config["training"]["seed"], table, goal, variant)


def write_results(path: Path, trials: Sequence[Trial]) -> None:
    """Write all trials, one row for each evaluation; the file is there whole or not at all."""
    varied = any(trial.variant for trial in trials)
    with whole_file(path) as aside, aside.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "solved_at", *["variant"] * varied))
        for trial in trials:
            goal = "" if trial.solved_at is None else f"{trial.solved_at:g}"
            for step, seconds, episodes, *score, solved in trial.evaluations.tolist():
                told = (int(step), f"{seconds:.3f}", int(episodes), *score, int(solved))
                writer.writerow((trial.world, trial.algorithm, trial.seed, *told, goal, *[trial.variant] * varied))


def read_results(path: Path) -> list[Trial]:
    """The trials of a results.csv; whatever is wrong with it is a UserError that names the line."""
    found: dict[tuple[str, str, int, str], dict[float, list[float]]] = {}
    goals: dict[tuple[str, str, int, str], float | None] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path} has no column {', '.join(missing)}: it should have {', '.join(COLUMNS)}")
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                measured = _measured(row, where)
                key = (row["world"], row["algorithm"], int(_number(row, "seed", where)), row.get("variant") or "")
                evaluations = found.setdefault(key, {})
                if measured[0] in evaluations:
                    raise UserError(f"{where}: this run has told of step {measured[0]:g} before")
                evaluations[measured[0]] = measured
                goals[key] = _number(row, "solved_at", where) if row.get("solved_at") else None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} is no CSV file") from None
    if not found:
        raise UserError(f"{path} has no rows: no run has been evaluated yet")
    return [Trial(*key[:3], np.array([rows[step] for step in sorted(rows)]), goals[key], key[3]) for key, rows in found.items()]


def _measured(row: dict[str, str], where: str) -> list[float]:
    return [_number(row, name, where) for name in MEASURED]


def _number(row: dict[str, str], name: str, where: str) -> float:
    """A finite number; True and False, as other programs write them, are 1 and 0."""
    text = row[name]
    try:
        value = float({"True": "1", "False": "0"}.get(text, text))
    except (ValueError, TypeError):
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {name} should be a number, not {text!r}")
    return value


def by_name(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials by their algorithm and variant, in the order of their first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.name, []).append(trial)
    return groups


def by_world(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Trials by their world, in the order of their first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.world, []).append(trial)
    return groups
