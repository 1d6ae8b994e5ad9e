"""Log the metrics of a training to files, and read them back. A logger never changes a run."""

import csv
import io
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poise.toolkit.errors import UserError, WorkError, printable
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

EVENTS_FLUSH_INTERVAL = 30.0
"""Seconds after which TensorBoard can read an event, at the latest when the next one is written."""


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
def open_file_logger(
    folder: Path, step: int = 0, num_rows: Mapping[str, int] | None = None
) -> Iterator["FileLogger"]:
    """Log into a run folder from `step` on; `num_rows` is what `flush` returned at that step."""
    with (
        closing(CsvLogger(folder, step, num_rows)) as csv_logger,
        closing(TensorBoardLogger(folder, step)) as tensorboard_logger,
    ):
        yield FileLogger(csv_logger, tensorboard_logger)


class FileLogger:
    """Metric logger that writes the files of a run: CSV and TensorBoard events."""

    def __init__(self, csv_logger: "CsvLogger", tensorboard_logger: "TensorBoardLogger") -> None:
        self._csv = csv_logger
        self._tensorboard = tensorboard_logger

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write the metrics of a step."""
        self._csv(step, seconds, metrics)
        self._tensorboard(step, seconds, metrics)

    def flush(self) -> dict[str, int]:
        """Wait until all is on the disk; return the number of rows of each CSV file, by its name.

        A file that was removed meanwhile is written again.
        """
        self._tensorboard.flush()
        return self._csv.flush()


class CsvLogger:
    """Write episodes.csv and metrics.csv.

    Columns: step, episode, return, length, seconds; and step, seconds, name, value.
    When the files are opened at a `step`, with the number of rows at that step by file name, later
    rows are dropped, which a resumed run writes again, and rows that were written in part. Where
    rows are missing, a warning on standard error counts them.

    Raises:
        WorkError: a file of that name has other columns.
    """

    def __init__(
        self, folder: Path, step: int = 0, num_rows: Mapping[str, int] | None = None
    ) -> None:
        tables = {
            "episodes.csv": ("step", "episode", "return", "length", "seconds"),
            "metrics.csv": ("step", "seconds", "name", "value"),
        }
        self._num_rows = {}
        for name, header in tables.items():
            expected = None if num_rows is None else num_rows[name]
            found = _truncate_csv(folder / name, header, step, expected)
            self._num_rows[name] = found
            if expected is not None and found < expected:
                print(
                    f"warning: {printable(folder / name)} has {found:,} of the {expected:,} rows "
                    f"that were written up to step {step:,}; the training goes on without the others",
                    file=sys.stderr,
                )
        with ExitStack() as stack:
            self._episodes, self._metrics = (
                stack.enter_context(closing(_AppendedFile(folder / name))) for name in tables
            )
            stack.pop_all()

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
            self._write(self._episodes, [row])
        else:
            rows = [(step, f"{seconds:.3f}", name, value) for name, value in metrics.items()]
            self._write(self._metrics, rows)

    def flush(self) -> dict[str, int]:
        """Wait until all rows are on the disk; return the number of rows by file name.

        A file that was removed meanwhile is written again.
        """
        self._episodes.fsync()
        self._metrics.fsync()
        return dict(self._num_rows)

    def close(self) -> None:
        """Close both files."""
        with closing(self._episodes), closing(self._metrics):
            pass

    def _write(self, file: "_AppendedFile", rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        file.write(text.getvalue().encode())
        file.flush()
        self._num_rows[file.path.name] += len(rows)


class TensorBoardLogger:
    """Write TensorBoard events into `folder`, without torch.

    `tensorboard --logdir runs` shows them while they are written.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event = Event
        self._summary = Summary
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.{step}"
        # Not EventFileWriter: it writes in a thread, where a full disk ends in a traceback.
        self._file = _AppendedFile(folder / name)
        self._records = RecordWriter(self._file)
        self._last_flush_time = time.monotonic()
        self._add_event(file_version="brain.Event:2")
        if step:
            # Makes TensorBoard discard what an interrupted run wrote after this step.
            self._add_event(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write one scalar for each metric."""
        values = [
            self._summary.Value(tag=name, simple_value=value) for name, value in metrics.items()
        ]
        self._add_event(step=step, summary=self._summary(value=values))
        if time.monotonic() - self._last_flush_time > EVENTS_FLUSH_INTERVAL:
            self._file.flush()
            self._last_flush_time = time.monotonic()

    def flush(self) -> None:
        """Wait until all events are on the disk; write their file again where it was removed."""
        self._file.fsync()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def _add_event(self, **content: Any) -> None:
        event = self._event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())


class _AppendedFile:
    """A file that grows by whole records. An OSError names it, and drops what was not written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a+b", buffering=0)
        self._pending = bytearray()

    def write(self, data: bytes) -> None:
        """Append a record; `flush` hands it to the operating system."""
        self._pending += data

    def flush(self) -> None:
        """Make all records readable for other processes."""
        try:
            while self._pending:
                num_written = self._file.write(self._pending)
                del self._pending[:num_written]
        except OSError as error:
            self._pending.clear()
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def fsync(self) -> None:
        """Wait until all records are on the disk; a file that was removed is written again."""
        self.flush()
        if not self.path.exists():
            self._file.seek(0)
            removed = self._file.read()
            self._file.close()
            with atomic_write(self.path) as partial_path:
                partial_path.write_bytes(removed)
            self._file = self.path.open("a+b", buffering=0)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and close. Closing twice is no error."""
        with closing(self._file):
            self.flush()


def _truncate_csv(path: Path, header: Sequence[str], step: int, max_rows: int | None = None) -> int:
    """Rewrite a CSV file, whole or not at all, with its whole rows up to `step`; count them."""
    kept: list[list[str]] = []
    if path.exists():
        try:
            first, *rows = _read_whole_rows(path) or [list(header)]
        except (UnicodeDecodeError, csv.Error):
            first = []
        if first != list(header):
            raise WorkError(
                f"{path} is damaged: its columns should be {', '.join(header)}; "
                "move it away to resume"
            )
        kept = [
            row
            for row in rows
            if len(row) == len(header) and row[0].isdecimal() and int(row[0]) <= step
        ][:max_rows]
    with (
        atomic_write(path) as partial_path,
        partial_path.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([header, *kept])
    return len(kept)


def _read_whole_rows(path: Path) -> list[list[str]]:
    """Return all rows of a CSV file; of a run that was killed, the last line may be cut short."""
    with open_table(path) as file:
        text = file.read()
    end_of_last_line = text.rfind("\n") + 1
    return list(csv.reader(io.StringIO(text[:end_of_last_line], newline="")))


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
        header, *rows = _read_whole_rows(path)
        columns = [header.index(name) for name in names]
        return [[row[column] for column in columns] for row in rows if row]
    except (UserError, OSError, ValueError, IndexError, csv.Error):
        raise _make_damaged_error(path) from None


def _parse_numbers(path: Path, texts: list[str]) -> list[float]:
    try:
        return [float(text) for text in texts]
    except (ValueError, TypeError):
        raise _make_damaged_error(path) from None


def _make_damaged_error(path: Path) -> WorkError:
    return WorkError(f"{path} cannot be read: the run is damaged")
