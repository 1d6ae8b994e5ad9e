"""What a run logged: every metric of its metrics.csv, and how far the training was each time."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.errors import WorkError
from toolkit.run import Run
from toolkit.signals import Array


class Series(NamedTuple):
    """A metric: the step, the seconds and the number of ended episodes at which it was told, and its values; each (n,)."""

    step: Array
    seconds: Array
    episodes: Array
    values: Array

    def along(self, axis: str) -> Array:
        """Where its values stand: `steps`, `episodes` or `seconds`."""
        return {"steps": self.step, "episodes": self.episodes, "seconds": self.seconds}[axis]


Log = Mapping[str, Series]
"""The metrics of a run, by name, in the order of their first appearance."""
NOTHING = Series(*[np.empty(0)] * 4)


def read_log(run: Run) -> Log:
    """All metrics of a run."""
    (ended,), path = columns(run.path / "episodes.csv", "step"), run.path / "metrics.csv"
    rows: dict[str, list[list[float]]] = {}
    for name, *numbers in _rows(path, "name", "step", "seconds", "value"):
        rows.setdefault(name, []).append(_numbers(path, numbers))
    found = {}
    for name, told in rows.items():
        step, seconds, values = np.array(told).T
        found[name] = Series(step, seconds, np.searchsorted(ended, step, side="right").astype(float), values)
    return found


def columns(path: Path, *names: str) -> Array:
    """Columns of a run's CSV file as rows of numbers (names, rows)."""
    return np.array([_numbers(path, row) for row in _rows(path, *names)]).reshape(-1, len(names)).T


def _rows(path: Path, *names: str) -> list[list[str]]:
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = [[row[name] for name in names] for row in reader]
            if not {*names} <= {*(reader.fieldnames or ())}:
                raise _damaged(path)
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise _damaged(path) from None
    # A run that was killed may have written its last row in part.
    return rows[:-1] if rows and None in rows[-1] else rows


def _numbers(path: Path, words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except (ValueError, TypeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> WorkError:
    return WorkError(f"{path} cannot be read: the run is damaged")
