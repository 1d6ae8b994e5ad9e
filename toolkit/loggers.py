"""Log the metrics of a training to files, and read them back. A logger never changes a run."""

import csv
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.files import atomic_write, open_table
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array

Metrics = Mapping[str, float]


MetricLogger = Callable[[int, float, Metrics], None]
"""Receives the step, the seconds of training so far, and metrics by name."""


RETURN = "charts/episodic_return"
LENGTH = "charts/episodic_length"
EPISODE = "charts/episode"
SPEED = "charts/SPS"  # steps per second


class TrainingLog:
    """Send metrics to all loggers of a training, with its step and its clock.

    Args:
        loggers: receive every metric, in this order.
        seconds: training time before this process, of a run that is resumed.
    """

    def __init__(self, loggers: Sequence[MetricLogger], seconds: float = 0.0) -> None:
        self.loggers = loggers
        self._start_time = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Training time so far (s), all sittings together."""
        return time.perf_counter() - self._start_time

    def write(self, step: int, metrics: Metrics) -> None:
        """Log metrics by name at `step`."""
        seconds = self.seconds
        for logger in self.loggers:
            logger(step, seconds, metrics)


@contextmanager
def open_file_loggers(folder: Path, step: int = 0) -> Iterator[list[MetricLogger]]:
    """Log into a run folder, as CSV and as TensorBoard events, from `step` on."""
    with (
        closing(CsvLogger(folder, step)) as csv_logger,
        closing(TensorBoardLogger(folder, step)) as tensorboard_logger,
    ):
        yield [csv_logger, tensorboard_logger]


class CsvLogger:
    """Write episodes.csv and metrics.csv.

    Columns: step, episode, return, length, seconds; and step, seconds, name, value.
    Rows beyond `step` are dropped when the files are opened: a resumed run writes them again.

    Raises:
        WorkError: a file that is there holds rows that do not begin with a step.
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
    """Write TensorBoard events into `folder`, without torch.

    `tensorboard --logdir runs` shows them while they are written.
    """

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
            # Makes TensorBoard discard what an interrupted run wrote after this step.
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
    """Rewrite a CSV file, whole or not at all, with its rows up to `step`."""
    kept: list[list[str]] = []
    if path.exists():
        with open_table(path) as old:
            try:
                kept = [row for row in list(csv.reader(old))[1:] if row and int(row[0]) <= step]
            except (ValueError, csv.Error):
                raise WorkError(
                    f"{path} is damaged: each row should begin with a step; move it away to resume"
                ) from None
    with atomic_write(path) as aside, aside.open("w", newline="") as new:
        csv.writer(new, lineterminator="\n").writerows([header, *kept])


class MetricSeries(NamedTuple):
    """One metric over a run; each array has shape (n,), one entry for each logged value."""

    step: Array
    seconds: Array
    episodes: Array
    """Episodes that had ended by then."""
    values: Array

    def get_axis(self, axis: str) -> Array:
        """Return the x values (n,) for `axis`: `steps`, `episodes` or `seconds`."""
        return {"steps": self.step, "episodes": self.episodes, "seconds": self.seconds}[axis]


MetricHistory = Mapping[str, MetricSeries]
"""Metrics of a run by name, in the order of their first appearance."""


EMPTY_SERIES = MetricSeries(*[np.empty(0)] * 4)


def read_metrics(run: Run) -> MetricHistory:
    """Read all metrics of a run.

    Raises:
        WorkError: a CSV file of the run is missing or damaged.
    """
    (episode_ends,) = read_columns(run.path / "episodes.csv", "step")
    path = run.path / "metrics.csv"
    rows: dict[str, list[list[float]]] = {}
    for name, *numbers in _read_rows(path, "name", "step", "seconds", "value"):
        rows.setdefault(name, []).append(_parse_numbers(path, numbers))
    history = {}
    for name, entries in rows.items():
        step, seconds, values = np.array(entries).T
        episodes = np.searchsorted(episode_ends, step, side="right").astype(float)
        history[name] = MetricSeries(step, seconds, episodes, values)
    return history


def read_columns(path: Path, *names: str) -> Array:
    """Read columns of a run's CSV file: an array of shape (names, rows)."""
    rows = [_parse_numbers(path, row) for row in _read_rows(path, *names)]
    return np.array(rows).reshape(-1, len(names)).T


def _read_rows(path: Path, *names: str) -> list[list[str]]:
    try:
        with open_table(path) as file:
            reader = csv.DictReader(file)
            rows = [[row[name] for name in names] for row in reader]
            if not {*names} <= {*(reader.fieldnames or ())}:
                raise _make_damaged_error(path)
    except (UserError, OSError, KeyError, UnicodeDecodeError, csv.Error):
        raise _make_damaged_error(path) from None
    # A run that was killed may have written its last row in part.
    return rows[:-1] if rows and None in rows[-1] else rows


def _parse_numbers(path: Path, texts: list[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except (ValueError, TypeError):
        raise _make_damaged_error(path) from None


def _make_damaged_error(path: Path) -> WorkError:
    return WorkError(f"{path} cannot be read: the run is damaged")
