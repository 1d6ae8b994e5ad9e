"""Listeners: they hear (step, metrics) and keep them in files. They look; they do not touch."""

import csv
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.toolkit.errors import WorkError
from poise.toolkit.files import atomic_write
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

Metrics = Mapping[str, float]


MetricLogger = Callable[[int, float, Metrics], None]
"""Hears the step, the seconds of training so far, and metrics by name."""


RETURN = "charts/episodic_return"
LENGTH = "charts/episodic_length"
EPISODE = "charts/episode"


class CsvLogger:
    """episodes.csv (step, episode, return, length, seconds) and metrics.csv (step, seconds, name, value).

    Opened for a run that goes on from `step`, rows written after that step are dropped: they will come again.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        tables = {
            folder / "episodes.csv": ("step", "episode", "return", "length", "seconds"),
            folder / "metrics.csv": ("step", "seconds", "name", "value"),
        }
        for path, header in tables.items():
            _truncate_csv(path, header, step)
        self._files = [path.open("a", newline="") for path in tables]
        self._episodes, self._metrics = (
            csv.writer(file, lineterminator="\n") for file in self._files
        )

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write one row for an episode, or one row for each metric."""
        if EPISODE in metrics:
            row = (
                step,
                int(metrics[EPISODE]),
                metrics[RETURN],
                int(metrics[LENGTH]),
                f"{seconds:.3f}",
            )
            self._episodes.writerow(row)
        else:
            self._metrics.writerows(
                (step, f"{seconds:.3f}", name, value) for name, value in metrics.items()
            )
        for file in self._files:
            file.flush()

    def close(self) -> None:
        """Close both files."""
        for file in self._files:
            file.close()


class TensorBoardLogger:
    """TensorBoard events in `folder`, without torch: `tensorboard --logdir runs` shows them live."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event = Event
        self._summary = Summary
        self._writer = EventFileWriter(
            str(folder), filename_suffix=f".{socket.gethostname()}.{step}"
        )
        if step:
            # Tells TensorBoard to forget what an interrupted run wrote after this step.
            restart = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=step + 1, session_log=restart))

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write one scalar for each metric."""
        values = [
            self._summary.Value(tag=name, simple_value=value) for name, value in metrics.items()
        ]
        summary = self._summary(value=values)
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


def _truncate_csv(path: Path, header: Sequence[str], step: int) -> None:
    """Write a CSV file anew, whole or not at all, with the rows up to `step` that it already has."""
    kept: list[list[str]] = []
    if path.exists():
        with path.open(newline="") as old:
            try:
                kept = [row for row in list(csv.reader(old))[1:] if row and int(row[0]) <= step]
            except (ValueError, csv.Error):
                raise WorkError(
                    f"{path} is damaged: each row should begin with a step; move it away to go on"
                ) from None
    with atomic_write(path) as aside, aside.open("w", newline="") as new:
        csv.writer(new, lineterminator="\n").writerows([header, *kept])


class MetricSeries(NamedTuple):
    """A metric: the step, the seconds and the number of ended episodes at which it was told, and its values; each (n,)."""

    step: Array
    seconds: Array
    episodes: Array
    values: Array

    def get_axis(self, axis: str) -> Array:
        """Where its values stand: `steps`, `episodes` or `seconds`."""
        return {"steps": self.step, "episodes": self.episodes, "seconds": self.seconds}[axis]


MetricHistory = Mapping[str, MetricSeries]
"""The metrics of a run, by name, in the order of their first appearance."""


EMPTY_SERIES = MetricSeries(*[np.empty(0)] * 4)


def read_metrics(run: Run) -> MetricHistory:
    """All metrics of a run."""
    (ended,) = read_columns(run.path / "episodes.csv", "step")
    path = run.path / "metrics.csv"
    rows: dict[str, list[list[float]]] = {}
    for name, *numbers in _read_rows(path, "name", "step", "seconds", "value"):
        rows.setdefault(name, []).append(_parse_numbers(path, numbers))
    found = {}
    for name, told in rows.items():
        step, seconds, values = np.array(told).T
        found[name] = MetricSeries(
            step, seconds, np.searchsorted(ended, step, side="right").astype(float), values
        )
    return found


def read_columns(path: Path, *names: str) -> Array:
    """Columns of a run's CSV file as rows of numbers (names, rows)."""
    return (
        np.array([_parse_numbers(path, row) for row in _read_rows(path, *names)])
        .reshape(-1, len(names))
        .T
    )


def _read_rows(path: Path, *names: str) -> list[list[str]]:
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = [[row[name] for name in names] for row in reader]
            if not {*names} <= {*(reader.fieldnames or ())}:
                raise _make_damaged_error(path)
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise _make_damaged_error(path) from None
    # A run that was killed may have written its last row in part.
    return rows[:-1] if rows and None in rows[-1] else rows


def _parse_numbers(path: Path, texts: list[str]) -> list[float]:
    try:
        return [float(word) for word in texts]
    except (ValueError, TypeError):
        raise _make_damaged_error(path) from None


def _make_damaged_error(path: Path) -> WorkError:
    return WorkError(f"{path} cannot be read: the run is damaged")
