"""Listeners: they hear (step, metrics) and keep them in files. They look; they do not touch."""

import csv
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

Metrics = Mapping[str, float]
Listener = Callable[[int, float, Metrics], None]
"""Hears the step, the seconds of training so far, and metrics by name."""

RETURN, LENGTH, EPISODE = "charts/episodic_return", "charts/episodic_length", "charts/episode"


class CsvFiles:
    """episodes.csv (step, episode, return, length, seconds) and metrics.csv (step, seconds, name, value).

    Opened for a run that goes on from `step`, rows written after that step are dropped: they will come again.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        self._files: list[TextIO] = []
        self._episodes = self._open(folder / "episodes.csv", ("step", "episode", "return", "length", "seconds"), step)
        self._metrics = self._open(folder / "metrics.csv", ("step", "seconds", "name", "value"), step)

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write one row for an episode, or one row for each metric."""
        if EPISODE in metrics:
            row = (step, int(metrics[EPISODE]), metrics[RETURN], int(metrics[LENGTH]), f"{seconds:.3f}")
            self._episodes.writerow(row)
        else:
            self._metrics.writerows((step, f"{seconds:.3f}", name, value) for name, value in metrics.items())
        for file in self._files:
            file.flush()

    def close(self) -> None:
        """Close both files."""
        for file in self._files:
            file.close()

    def _open(self, path: Path, header: Iterable[str], step: int) -> Any:
        kept = []
        if path.exists():
            with path.open(newline="") as old:
                kept = [row for row in list(csv.reader(old))[1:] if row and int(row[0]) <= step]
        aside = path.with_name(f".{path.name}.partial")
        with aside.open("w", newline="") as new:
            csv.writer(new, lineterminator="\n").writerows([header, *kept])
        aside.replace(path)
        file = path.open("a", newline="")
        self._files.append(file)
        return csv.writer(file, lineterminator="\n")


class TensorBoardFile:
    """TensorBoard events in `folder`, without torch: `tensorboard --logdir runs` shows them live."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder), filename_suffix=f".{socket.gethostname()}.{step}")
        if step:
            # Tells TensorBoard to forget what an interrupted run wrote after this step.
            restart = SessionLog(status=SessionLog.START)
            self._writer.add_event(Event(wall_time=time.time(), step=step + 1, session_log=restart))

    def __call__(self, step: int, seconds: float, metrics: Metrics) -> None:
        """Write one scalar for each metric."""
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        summary = self._summary(value=values)
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()
