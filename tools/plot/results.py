"""Results of evaluations: read them from run folders, write and read them as one CSV file.

A results.csv has one row for each evaluation of each run.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write, open_table
from poise.toolkit.loggers import EMPTY_SERIES, read_metrics
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

RESULTS_FILE = "results.csv"


EVALUATION_COLUMNS = ("step", "seconds", "episodes", "return", "length", "success", "solved")
"""Numbers of an evaluation: training so far (step, seconds, episodes), then means over episodes.

`return`: sum of rewards; `length`: steps; `success`: fraction, NaN where it is not defined (empty
in a file); `solved`: 0 or 1.
"""


REQUIRED_COLUMNS = ("env", "algorithm", "seed", *EVALUATION_COLUMNS)
"""Columns that a results.csv must have.

`solved_at`, the return that counts as solved, and `variant` follow them and are optional.
"""


EVALUATION_ADVICE = "a run is evaluated at every evaluate_every steps and when it ends"
"""What to say where a run has no evaluation yet."""


MEASURES = {"return": "higher return", "success": "more success", "length": "longer episodes"}
"""Measures of a policy, each with the property of the better one."""


AXIS_COLUMNS = {"steps": "step", "episodes": "episodes", "seconds": "seconds"}
"""Horizontal axes of a plot, each with its column of an evaluation."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One run; `evaluations` is (evaluations, EVALUATION_COLUMNS), in the order of steps."""

    env: str
    algorithm: str
    seed: int
    evaluations: Array
    solved_at: float | None = None
    variant: str = ""

    @property
    def label(self) -> str:
        """Name in tables and plots, which all seeds share."""
        return format_label(self.algorithm, self.variant)

    def get_column(self, name: str) -> Array:
        """Return one of EVALUATION_COLUMNS (evaluations,)."""
        values: Array = self.evaluations[:, EVALUATION_COLUMNS.index(name)]
        return values

    def get_end(self, axis: str) -> float:
        """Return the steps, episodes or seconds until the last evaluation."""
        return float(self.get_column(AXIS_COLUMNS[axis])[-1])

    @property
    def final_return(self) -> float:
        """Mean return of the last evaluation."""
        return float(self.get_column("return")[-1])

    @property
    def best_index(self) -> int:
        """Index of the first evaluation with the highest return: its policy is the best one."""
        return int(np.argmax(self.get_column("return")))

    @property
    def has_continued_after_solved(self) -> bool:
        """Whether training continued after the first solved evaluation."""
        return bool(self.get_column("solved")[:-1].any())

    def get_time_to_solved(self, axis: str) -> float:
        """Return the steps, episodes or seconds until the first solved evaluation, or inf."""
        solved = np.flatnonzero(self.get_column("solved"))
        return float(self.get_column(AXIS_COLUMNS[axis])[solved[0]]) if len(solved) else math.inf


def format_label(algorithm: str, variant: str) -> str:
    """Join an algorithm and a variant of a suite, which may be empty: `ppo pixels`."""
    return f"{algorithm} {variant}".rstrip()


def read_trial(run: Run, variant: str = "") -> Trial:
    """Read the evaluations of a run; its suite gives the variant, which the run does not store."""
    config = run.config
    metrics = read_metrics(run)
    evaluation_return, length, success = (
        metrics.get(f"eval/{name}", EMPTY_SERIES) for name in ("return", "length", "success")
    )
    solved_at = config["training"]["solved_at"]
    returns = evaluation_return.values
    successes = success.values if "eval/success" in metrics else np.full(len(returns), math.nan)
    solved = np.zeros(len(returns)) if solved_at is None else (returns >= solved_at).astype(float)
    columns = (
        evaluation_return.step,
        evaluation_return.seconds,
        evaluation_return.episodes,
        returns,
        length.values,
        successes,
        solved,
    )
    # The last evaluation of a run that was killed may be incomplete.
    num_complete = min(len(column) for column in columns)
    evaluations = np.stack([column[:num_complete] for column in columns], axis=1)
    return Trial(
        env=config["env"],
        algorithm=config["algorithm"],
        seed=config["training"]["seed"],
        evaluations=evaluations,
        solved_at=solved_at,
        variant=variant,
    )


def write_results(path: Path, trials: Sequence[Trial]) -> None:
    """Write one row for each evaluation of each trial, atomically."""
    has_variants = any(trial.variant for trial in trials)
    header = [*REQUIRED_COLUMNS, "solved_at"]
    if has_variants:
        header.append("variant")
    with (
        atomic_write(path) as partial_path,
        partial_path.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for trial in trials:
            solved_at = "" if trial.solved_at is None else f"{trial.solved_at:g}"
            for evaluation in trial.evaluations.tolist():
                step, seconds, episodes, mean_return, length, success, solved = evaluation
                row = [trial.env, trial.algorithm, trial.seed]
                row += [int(step), f"{seconds:.3f}", int(episodes), mean_return, length]
                row += ["" if math.isnan(success) else success, int(solved)]
                row.append(solved_at)
                if has_variants:
                    row.append(trial.variant)
                writer.writerow(row)


def read_results(path: Path) -> list[Trial]:
    """Read the trials of a results.csv.

    Raises:
        UserError: the file cannot be read, lacks columns or rows, or has a row that is not valid.
    """
    evaluations: dict[tuple[str, str, int, str], dict[float, list[float]]] = {}
    thresholds: dict[tuple[str, str, int, str], float | None] = {}
    try:
        with open_table(path) as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in REQUIRED_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path} has no column {', '.join(missing)}: "
                    f"it should have {', '.join(REQUIRED_COLUMNS)}"
                )
            for row in reader:
                location = f"{path}, line {reader.line_num}"
                evaluation = [_parse_number(row, name, location) for name in EVALUATION_COLUMNS]
                seed = int(_parse_number(row, "seed", location))
                key = (row["env"], row["algorithm"], seed, row.get("variant") or "")
                step = evaluation[0]
                by_step = evaluations.setdefault(key, {})
                if step in by_step:
                    raise UserError(f"{location}: this run has a row for step {step:g} already")
                by_step[step] = evaluation
                thresholds[key] = (
                    _parse_number(row, "solved_at", location) if row.get("solved_at") else None
                )
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise UserError(f"{path} is not a CSV file") from None
    if not evaluations:
        raise UserError(f"{path} has no rows: no run has been evaluated yet; {EVALUATION_ADVICE}")
    trials = []
    for key, by_step in evaluations.items():
        env, algorithm, seed, variant = key
        rows = np.array([by_step[step] for step in sorted(by_step)])
        trials.append(Trial(env, algorithm, seed, rows, thresholds[key], variant))
    return trials


def _parse_number(row: dict[str, str], name: str, location: str) -> float:
    """Parse a finite number; accept True and False, which other programs write for 1 and 0.

    An empty success is NaN: the environment does not define it.
    """
    text = row[name]
    if name == "success" and text == "":
        return math.nan
    try:
        value = float({"True": "1", "False": "0"}.get(text, text))
    except (ValueError, TypeError):
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{location}: {name} should be a number, not {text!r}")
    return value


def require_measure(trials: Sequence[Trial], measure: str) -> None:
    """Raise a UserError where a trial has no such measure: an environment may have no success."""
    for trial in trials:
        if np.isnan(trial.get_column(measure)).any():
            raise UserError(
                f"{trial.env} has no {measure}: it reports none, and has no return that counts as "
                "one; use --measure return, or train with --set solved_at=RETURN"
            )


def group_by_label(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Group trials by algorithm and variant, in the order of first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.label, []).append(trial)
    return groups


def group_by_env(trials: Sequence[Trial]) -> dict[str, list[Trial]]:
    """Group trials by environment, in the order of first appearance."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(trial.env, []).append(trial)
    return groups
